"""Keys of the environment, canaries all of them, are looked for in everything that commands leave.

The chat server sends back what it was sent, in its refusals and in its replies, as proxies do that
are being debugged.
"""

import base64
import gzip
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

CANARIES = {
    "OPENAI_API_KEY": "Canary/Openai+0123456789=",
    "JURIST_API_KEY": "CanaryJurist0123456789",
    "HF_TOKEN": "hf_CanaryHubToken0123456789",
    "WANDB_API_KEY": "CanaryWandb0123456789",
    "SOME_OTHER_SERVICE_API_KEY": "CanaryOther0123456789",
}


def forms(key: str) -> Iterator[bytes]:
    """How a key may stand in a file."""
    yield key.encode()
    yield quote(key, safe="").encode()
    yield json.dumps(key).strip('"').replace("/", "\\/").encode()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"x" * before + key.encode() + b"x")[4:-4]


def leaks(content: bytes) -> list[str]:
    """The names of the canaries that are in a text or in a file, gzipped or not."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    return [name for name, key in CANARIES.items() if any(form in content for form in forms(key))]


def leaking_files(folder: Path) -> list[tuple[str, list[str]]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert files
    found = [(str(path.relative_to(folder)), leaks(path.read_bytes())) for path in files]
    named = [(str(path.relative_to(folder)), leaks(str(path).encode())) for path in files]
    return [(name, keys) for name, keys in found + named if keys]


def assert_silent(done: subprocess.CompletedProcess[str], *codes: int) -> None:
    assert done.returncode in codes, (done.returncode, done.stderr[-2000:])
    assert leaks((done.stdout + done.stderr).encode()) == []


def test_the_search_finds_a_key_in_every_form(tmp_path):
    key = CANARIES["OPENAI_API_KEY"]
    for number, form in enumerate([*forms(key), gzip.compress(key.encode())]):
        assert leaks(b"before " + form + b" after" if number < 9 else form) == ["OPENAI_API_KEY"]
    encoded = base64.b64encode(f"Authorization: Bearer {key}\r\n".encode())
    assert leaks(encoded) == ["OPENAI_API_KEY"]


class Echoing(http.server.BaseHTTPRequestHandler):
    """Refuses the first requests, and answers the others, with what it was sent in every form."""

    protocol_version = "HTTP/1.1"
    statuses: tuple[int, ...] = ()
    num = 0

    def do_POST(self):
        kind = type(self)
        self.rfile.read(int(self.headers["content-length"]))
        sent = self.headers["Authorization"]
        key = sent.partition(" ")[2]
        said = " ".join([sent, key, quote(key, safe=""), base64.b64encode(sent.encode()).decode()])
        status = kind.statuses[kind.num] if kind.num < len(kind.statuses) else 200
        kind.num += 1
        if status == 200:
            message = {"role": "assistant", "content": f"You are {said}.\n[[A]]", said: said}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 5, "completion_tokens": 3}
            answer = {"model": said, "choices": [choice], "usage": usage}
        else:
            answer = {"error": {"message": f"not with {said}", "code": said}}
        content = json.dumps(answer).replace("/", "\\/").encode()
        self.send_response(status, "Said")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", f"http://127.0.0.1/?key={quote(key, safe='')}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object):
        pass


@pytest.fixture
def echoing() -> Iterator[Callable[..., str]]:
    """Starts a server that begins with the statuses given; gives its address."""
    servers = []

    def start(*statuses: int) -> str:
        kind = type("Echoes", (Echoing,), {"statuses": statuses, "num": 0})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def keyed(jurist) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line, with a canary in the place of every key."""
    return lambda *arguments, **more: jurist(*arguments, **{**CANARIES, **more})


def by_server(url: str) -> list[str]:
    return ["--model", "m", "--base-url", url, "--votes", "1"]


@pytest.mark.fault(26, "secrets")
def test_no_key_is_in_anything_that_judging_leaves(keyed, echoing, world, tmp_path):
    url = echoing(500, 429, 200, 503)
    out = tmp_path / "runs"
    test = world / "test.jsonl"
    assert_silent(keyed("judge", *by_server(url), "--pairs", test, "--output", out / "judge"), 0)
    evaluate = ["evaluate", *by_server(url), "--test", test, "--output", out / "evaluate"]
    assert_silent(keyed(*evaluate), 0)
    assert_silent(keyed("label", *by_server(url), "--pairs", test, "--output", out / "label"), 0)
    # The replies were kept, with all else that the server said.
    kept = b"".join(
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    )
    assert b"You are Bearer [key]" in kept
    assert leaking_files(out) == []


@pytest.mark.fault(26, "secrets")
@pytest.mark.parametrize("status", [401, 307])
def test_no_key_is_in_what_is_said_of_a_refusal(keyed, echoing, world, tmp_path, status):
    url = echoing(*[status] * 40)
    judge = ["judge", *by_server(url), "--pairs", world / "test.jsonl"]
    done = keyed(*judge, "--output", tmp_path / "run", "--max-concurrency", "1")
    assert_silent(done, 0, 4)
    assert "[key]" in done.stderr
    assert leaking_files(tmp_path / "run") == []


@pytest.mark.fault(26, "secrets")
def test_no_key_is_in_what_other_commands_say(keyed, trained):
    assert_silent(keyed("--help"), 0)
    assert_silent(keyed("doctor"), 0, 1)
    assert_silent(keyed("push", trained, "--repo", "owner/name", "--dry-run"), 0)
    # Nothing listens there: the hub's library says what it could not send.
    refused = keyed(
        *("push", trained, "--repo", "owner/name"),
        HF_ENDPOINT="http://127.0.0.1:9",
        HF_HUB_OFFLINE="0",
    )
    assert_silent(refused, 4)


@pytest.mark.fault(26, "secrets")
def test_a_key_in_an_address_is_refused_before_it_is_kept(keyed, world, tmp_path):
    key = CANARIES["SOME_OTHER_SERVICE_API_KEY"]
    for url in (f"http://me:{key}@127.0.0.1/v1", f"http://127.0.0.1/v1?key={key}"):
        judge = ["judge", *by_server(url), "--pairs", world / "test.jsonl"]
        done = keyed(*judge, "--output", tmp_path / "run")
        assert_silent(done, 2)
        assert "an environment variable" in " ".join(done.stderr.split())
        assert not (tmp_path / "run").exists()


CRASH = """
import logging, os, sys
from jurist import cli

def fail():
    logging.getLogger("elsewhere").warning("sent %s", dict(os.environ))
    raise RuntimeError(f"{os.environ['HF_TOKEN']} and \\x1b[2J {os.environ['OPENAI_API_KEY']}")

cli._run = lambda arguments: fail()
cli.main()
"""


@pytest.mark.fault(26, "secrets")
def test_no_key_is_in_a_log_or_a_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CRASH],
        capture_output=True,
        text=True,
        env={**os.environ, **CANARIES},
        timeout=120,
    )
    assert_silent(done, 1)
    assert "Traceback" in done.stderr
    assert r"RuntimeError: [key] and \x1b[2J [key]" in done.stderr
    assert "'HF_TOKEN': '[key]'" in "".join(done.stderr.split("\n"))


def asked(url: str, key: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read() + str(reply.headers).encode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read() + str(error.headers).encode()


@pytest.mark.fault(26, "secrets")
def test_no_key_is_in_what_a_server_says(echoing, tmp_path):
    """Nor the key of the server behind it, which refuses in the middle."""
    url, log = echoing(200, 200, 401), tmp_path / "log"
    command = [sys.executable, "-m", "jurist", "serve", "--port", "0", *by_server(url)]
    command += ["--store", str(tmp_path / "store.sqlite")]
    with log.open("w") as file:
        server = subprocess.Popen(
            command, stdout=file, stderr=file, env={**os.environ, **CANARIES, "COLUMNS": "200"}
        )
    try:
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text("utf-8"))):
            assert server.poll() is None, log.read_text("utf-8")
            time.sleep(0.05)
        there, right = found[0], CANARIES["JURIST_API_KEY"]
        pair = {"prompt": "a", "first": "b", "second": "c"}
        good = json.dumps({"comparisons": [pair]}).encode()
        other = json.dumps({"comparisons": [{**pair, "prompt": "d"}]}).encode()
        wrong = CANARIES["SOME_OTHER_SERVICE_API_KEY"]
        answers = [
            asked(f"{there}/v1/judge", right, good),
            asked(f"{there}/v1/judge", right, other),
            asked(f"{there}/v1/judge", wrong, good),
            asked(f"{there}/v1/judge", right, right.encode()),
            asked(f"{there}/v1/{right}", right, b"{}"),
        ]
        codes = [status for status, _ in answers]
        assert codes[0] == 200 and codes[1] >= 500 and codes[2:] == [401, 400, 404], answers
        assert [leaks(said) for _, said in answers] == [[]] * 5
    finally:
        server.terminate()
        server.wait(60)
    assert leaking_files(tmp_path) == []
