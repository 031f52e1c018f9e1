"""Rows and replies of somebody who means harm are shown as what they are, and do nothing."""

import html.parser
import http.server
import json
import re
import threading
from pathlib import Path

import markdown_it
import pytest

IDS = (
    "../../outside",
    "/tmp/outside",
    "..\\..\\outside",
    "a\0b",
    "x" * 300,
    "CON",
    "nul.txt",
    "C:outside",
    "~/outside",
    ".",
    "$(touch outside)",
    '=HYPERLINK("http://127.0.0.1","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
)
BAD = (
    "=1+1 <script>window.ran = 1</script><img src=x onerror='window.ran = 1'></script></pre>"
    "<svg onload=window.ran=1> [x](javascript:window.ran=1) \u202e \x1b[2J\x1b]0;owned\x07 \x9b31m "
    "{{ 7 * 7 }} {0.__class__} %s ${x} `touch outside` \r"
)
KINDS = {".json", ".jsonl", ".gz", ".html", ".md", ".sqlite", ".lock", ".parquet", ""}
"""What a run writes. No program takes a cell of these for a formula."""


def rows(ids: tuple[str, ...], text: str) -> list[dict[str, object]]:
    return [
        {
            "id": name,
            "prompt": f"Question {i}? {text}",
            "chosen": f"Good {i}. {text}",
            "rejected": f"Bad {i}. {text}",
            "category": f"sums {text}",
            "group": f"{name} {text}",
            "language": "en",
            "meta": {name: text},
        }
        for i, name in enumerate(ids)
    ]


@pytest.fixture
def served():
    """A chat server whose replies are as bad as the rows."""

    class Replies(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            message = {"role": "assistant", "content": f"{BAD}\n[[A]]"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 5, "completion_tokens": 3}
            answer = {"model": BAD, "choices": [choice], "usage": usage}
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Replies)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class Elements(html.parser.HTMLParser):
    """What a page has that could do something."""

    def __init__(self, page: str):
        super().__init__()
        self.active: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]):
        if tag in ("img", "svg", "iframe", "object", "embed", "form", "base", "script"):
            self.active.append(f"{tag} {attrs}")
        for name, value in attrs:
            if name.startswith("on") or "javascript:" in (value or "").lower():
                self.active.append(f"{tag} {name}={value}")


def hides_nothing(text: str) -> bool:
    return not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@pytest.mark.fault(26, "path in an id", "formula cell", "HTML", "terminal")
@pytest.mark.parametrize("command", ["evaluate", "label"])
def test_hostile_rows_leave_the_files_of_harmless_ones(
    jurist, served, write_rows, tmp_path, command
):
    """The same names in the same places, whatever the rows are called and whatever they say."""
    harmless = [f"row-{i}" for i in range(len(IDS))]
    trees = []
    for folder, ids, text in (("plain", tuple(harmless), "text"), ("bad", IDS, BAD)):
        place = tmp_path / folder
        place.mkdir()
        path = write_rows(*rows(ids, text), name=f"{folder}/pairs.jsonl")
        judge = ["--model", text, "--base-url", served, "--votes", "1", "--format", "pairwise"]
        data = ["--test", path] if command == "evaluate" else ["--pairs", path]
        more = ["--method", text] if command == "evaluate" else ["--layouts", *LAYOUTS]
        done = jurist(command, *judge, *data, *more, "--output", place / "run")
        assert done.returncode == 0, done.stderr[-3000:]
        assert hides_nothing(done.stdout) and hides_nothing(done.stderr), done.stderr[-3000:]
        trees.append(tree(place))
        for name in tree(place / "run"):
            assert Path(name).suffix in KINDS, name
        for page in (place / "run").glob("*.md"):
            found = page.read_text("utf-8")
            assert hides_nothing(found)
            assert Elements(markdown_it.MarkdownIt("commonmark").render(found)).active == []
        for page in (place / "run").glob("*.html"):
            found = page.read_text("utf-8")
            assert hides_nothing(found)
            # The one script of the page, its data, and its figures.
            for one in Elements(found).active:
                assert re.match(r"script \[(\('type', 'application/|\])|img .*data:image/svg", one)
            assert ("<img src=x" not in found and found.count("window.ran") == 0) or text == BAD
    assert trees[0] == trees[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "plain"]
    assert not Path("/tmp/outside").exists()


LAYOUTS = ("jurist", "trl", "openrlhf", "llama-factory", "ultrafeedback-binarized", "datasets")


@pytest.mark.fault(26, "path in an id")
def test_rows_that_are_set_aside_make_no_path_of_their_ids(jurist, served, write_rows, tmp_path):
    bad = [{**row, "rejected": row["chosen"]} for row in rows(IDS, BAD)]
    path = write_rows(*bad, *rows(("good",), BAD))
    judge = ["evaluate", "--model", "m", "--base-url", served, "--votes", "1", "--test", path]
    done = jurist(*judge, "--output", tmp_path / "run")
    assert done.returncode == 3
    assert f"{len(IDS)} bad rows" in done.stderr and hides_nothing(done.stderr)
    done = jurist(*judge, "--output", tmp_path / "run", "--skip-bad")
    assert done.returncode == 0, done.stderr[-3000:]
    assert hides_nothing(done.stdout + done.stderr)
    assert [path.name for path in (tmp_path / "run" / "rejects").iterdir()] == ["pairs.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.jsonl", "run"]


@pytest.mark.fault(26, "terminal")
def test_a_refused_row_does_nothing_to_the_terminal(jurist, tmp_path, write_rows):
    path = write_rows({f"\x1b[2J{BAD}": BAD, "id": BAD})
    done = jurist(
        "evaluate", "--model", BAD.replace("\0", ""), "--test", path, "--output", tmp_path
    )
    assert done.returncode in (2, 3)
    assert hides_nothing(done.stdout + done.stderr), done.stderr
    assert r"\x1b[2J" in done.stderr
    missing = tmp_path / "\x1b[2Jnone.jsonl"
    done = jurist("evaluate", "--model", "m", "--test", missing, "--output", tmp_path / "run")
    assert done.returncode == 3
    assert hides_nothing(done.stderr) and r"\x1b[2Jnone.jsonl: expected a file" in done.stderr
