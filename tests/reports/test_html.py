import base64
import importlib.util
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jurist.evaluation import Estimate
from jurist.reports import ComparisonRow, Results, html, save_report
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
def page(demo: Results) -> str:
    return html(demo)


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


def test_the_page_forbids_scripts_and_fetches(page: str):
    tags = Page(page).tags
    assert (
        "meta",
        {
            "http-equiv": "Content-Security-Policy",
            "content": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
        },
    ) in tags


def test_the_page_runs_nothing_and_loads_nothing_from_elsewhere(page: str):
    for tag, attributes in Page(page).tags:
        assert tag not in {"script", "iframe", "object", "embed", "link", "base", "form", "svg"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "action", "srcset", "data"}:
                assert value is not None
                assert value.startswith(("#", "data:image/svg+xml;base64,"))
    assert "url(" not in page
    assert "@import" not in page


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
    tracks = [a["style"] for t, a in Page(page).tags if a.get("class") == "track"]
    assert len(tracks) == len(demo.rows) + len(demo.shortcuts)
    assert tracks[0] == f"--low: {low}; --value: {value}; --high: {high}"
    values = [re.findall(r"--value: ([\d.]+)%", track or "")[0] for track in tracks]
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


def test_the_same_results_give_the_same_bytes(tmp_path: Path, demo: Results):
    save_report(tmp_path / "a", demo)
    save_report(tmp_path / "b", demo)
    for name in ("report.md", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_ids_and_links_of_the_page_meet(page: str):
    tags = Page(page).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {(a["href"] or "")[1:] for t, a in tags if t == "a"} <= set(ids)
