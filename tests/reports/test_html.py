import base64
import hashlib
import importlib.util
import inspect
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jurist.evaluation import Estimate
from jurist.reports import (
    ComparisonRow,
    Explored,
    Results,
    explored,
    html,
    save_report,
)
from jurist.reports.table import summary_cells

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover='alert(1)' "
    "javascript:alert(1) </pre></details><!-- \u202edraw\x1b[31m {{ 7 * 7 }} {% raw %} &lt;b&gt;"
)


class Page(HTMLParser):
    """Every tag with its attributes, and all the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def packed(judges) -> Explored:
    return explored(judges, megabytes=64.0)


@pytest.fixture(scope="module")
def page(demo: Results, packed: Explored) -> str:
    return html(demo, packed)


def elements(page: str, tag: str) -> list[str]:
    """What stands in each element of one kind that holds text and no markup."""
    return re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", page, re.DOTALL)


def sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def hostile_everywhere(demo: Results) -> Results:
    """Every string of the results that a user, a file or a model had a hand in is hostile."""
    case = replace(
        demo.disagreements[0],
        **dict.fromkeys(
            ("method", "split", "id", "category", "prompt", "chosen", "rejected", "trace"), HOSTILE
        ),
    )
    row = demo.rows[0]
    parts = tuple(
        replace(part, category=HOSTILE + part.category) for part in row.agreement.categories
    )
    return replace(
        demo,
        run=HOSTILE,
        version=HOSTILE,
        environment={HOSTILE: HOSTILE},
        datasets=tuple(replace(facts, name=HOSTILE, split=HOSTILE) for facts in demo.datasets),
        rows=(
            replace(
                row,
                method=HOSTILE,
                split=HOSTILE,
                agreement=replace(row.agreement, categories=parts),
            ),
        ),
        shortcuts=(replace(demo.shortcuts[0], split=HOSTILE),),
        comparisons=(
            replace(demo.comparisons[0], method=HOSTILE, baseline=HOSTILE, split=HOSTILE),
        ),
        disagreements=(case,),
        notes=(HOSTILE,),
    )


def test_the_policy_allows_the_one_style_and_the_one_script_by_their_hashes(page: str):
    (policy,) = (
        attributes["content"]
        for tag, attributes in Page(page).tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (style,) = elements(page, "style")
    script = elements(page, "script")[-1]
    assert policy == (
        f"default-src 'none'; style-src {sha256(style)}; script-src {sha256(script)}; "
        f"img-src data:; base-uri 'none'; form-action 'none'"
    )
    # Before anything that it is to hold for.
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_the_one_script_is_ours_and_the_others_are_data_that_cannot_end(page: str):
    scripts = [attributes for tag, attributes in Page(page).tags if tag == "script"]
    assert [one.get("type") for one in scripts][-1] is None
    assert {one.get("type") for one in scripts[:-1]} == {"application/octet-stream"}
    assert not any("src" in one for one in scripts)
    *data, code = elements(page, "script")
    assert len(data) >= 2
    assert all(re.fullmatch(r"[A-Za-z0-9+/]+=*", one) for one in data)
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http"):
        assert way not in code
    assert "</script" not in code.lower() and "<!--" not in code


def test_the_page_loads_nothing_from_elsewhere_and_has_no_code_in_attributes(page: str):
    for tag, attributes in Page(page).tags:
        assert tag not in {"iframe", "object", "embed", "link", "base", "form", "svg"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            if name in {"src", "href", "action", "srcset", "data"}:
                assert value is not None
                assert value.startswith(("#", "data:image/svg+xml;base64,"))
    assert "url(" not in page
    assert "@import" not in page
    assert "http://" not in page and "https://" not in page


@pytest.mark.parametrize("name", ["report.html", "paper.html"])
def test_no_page_styles_by_attribute_which_its_policy_would_forbid(name: str):
    source = Path(inspect.getfile(html)).parent / "templates" / name
    text = source.read_text("utf-8")
    assert 'content="{{ policy }}"' in text
    assert not re.search(r"""\bstyle\s*=|\bon\w+\s*=""", text)


@pytest.mark.usefixtures("undrawn")
def test_pairs_that_found_no_room_are_counted_on_the_page(demo: Results, packed: Explored, judges):
    bounded = explored(judges, megabytes=0.03)
    assert 0 < bounded.num_pairs < bounded.num_judged == 40
    text = " ".join(Page(html(demo, bounded)).text.split())
    assert f"{40 - bounded.num_pairs} of 40 pairs are not in the explorer" in text
    assert "judgements folder" in text and "--explorer-megabytes" in text
    assert "not in the explorer" not in html(demo, packed)


def test_without_javascript_the_page_says_what_it_lacks_and_has_the_rest(page: str, demo: Results):
    parsed = Page(page)
    assert "needs JavaScript" in " ".join(elements(page, "noscript"))
    hidden = {attributes.get("id") for _, attributes in parsed.tags if "hidden" in attributes}
    assert hidden == {"theme", "explorer-problem", "explorer-app"}
    assert "Worst disagreements" in parsed.text and "STaR-DPO" in parsed.text


@pytest.mark.fault(26, "HTML")
def test_hostile_text_is_only_text(demo: Results, page: str):
    hostile = html(hostile_everywhere(demo))
    parsed = Page(hostile)
    allowed = {tag for tag, _ in Page(page).tags}
    assert {tag for tag, _ in parsed.tags} <= allowed
    for _, attributes in parsed.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert not (attributes.get("href") or "#").startswith("javascript")
    shown = HOSTILE.replace("\u202e", r"\u202e").replace("\x1b", r"\x1b")
    assert parsed.text.count(shown) >= 15
    assert len(elements(hostile, "script")) == len([t for t, _ in parsed.tags if t == "script"])
    assert "\u202e" not in hostile
    assert "\x1b" not in hostile


def test_every_cell_of_the_summary_is_on_the_page(demo: Results, page: str):
    text = Page(page).text
    for row in summary_cells(demo):
        for cell in row:
            assert cell in text


def test_intervals_are_drawn_where_they_lie(demo: Results, page: str):
    accuracy = demo.rows[0].agreement.accuracy
    low, value, high = (f"{100 * v:.1f}%" for v in (accuracy.low, accuracy.value, accuracy.high))
    rules = dict(re.findall(r"^#(track-\d+) {(.*)}$", elements(page, "style")[0], re.M))
    tracks = [rules[a["id"] or ""] for _, a in Page(page).tags if a.get("class") == "track"]
    assert len(tracks) == len(demo.rows) + len(demo.shortcuts)
    assert tracks[0].strip() == f"--low: {low}; --value: {value}; --high: {high};"
    values = [re.findall(r"--value: ([\d.]+)%", track)[0] for track in tracks]
    assert values == [cells[2].split()[0] for cells in summary_cells(demo)]


def test_figures_are_whole_pictures_with_words_for_them(page: str):
    images = [attributes for tag, attributes in Page(page).tags if tag == "img"]
    assert len(images) == 6
    for image in images:
        svg = base64.b64decode((image["src"] or "").partition(",")[2]).decode()
        assert svg.rstrip().endswith("</svg>")
        assert len(image["alt"] or "") > 100


def test_a_difference_that_excludes_zero_is_marked_and_no_other(demo: Results):
    def row(low: float, high: float) -> ComparisonRow:
        difference = Estimate(value=(low + high) / 2, low=low, high=high)
        first = demo.comparisons[0]
        return replace(first, paired=replace(first.paired, difference=difference))

    rows = (row(0.001, 0.1), row(-0.001, 0.1), row(-0.1, -0.001), row(-0.1, 0.001))
    cells = [
        a.get("class") for t, a in Page(html(replace(demo, comparisons=rows))).tags if t == "td"
    ]
    assert [mark for mark in cells if mark in ("win", "loss")] == ["win", "loss"]


def test_without_matplotlib_the_page_says_so_and_keeps_the_tables(
    demo: Results, monkeypatch: pytest.MonkeyPatch
):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else there(name)
    )
    parsed = Page(html(demo))
    assert "pip install 'jurist[report]'" in parsed.text
    assert not [tag for tag, _ in parsed.tags if tag == "img"]
    assert "STaR-DPO" in parsed.text


def test_a_run_of_one_judge_and_nothing_else_has_a_page(demo: Results):
    bare = replace(
        demo, rows=demo.rows[:1], shortcuts=(), comparisons=(), disagreements=(), notes=()
    )
    parsed = Page(html(bare))
    assert "How far 1 judge agrees" in parsed.text
    assert "Worst disagreements" not in parsed.text
    assert "Paired comparisons" not in parsed.text


def test_the_same_results_give_the_same_bytes(
    tmp_path: Path, demo: Results, packed: Explored, judges
):
    save_report(tmp_path / "a", demo, packed)
    save_report(tmp_path / "b", demo, explored(judges, megabytes=64.0))
    for name in ("report.md", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_ids_and_links_of_the_page_meet(page: str):
    tags = Page(page).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {(a["href"] or "")[1:] for t, a in tags if t == "a"} <= set(ids)
