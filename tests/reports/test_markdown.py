from dataclasses import replace

import pytest

from jurist.reports import Results, markdown
from jurist.reports.sections import sections
from jurist.reports.table import COLUMNS, summary_cells


def unescaped(text: str) -> str:
    return text.replace("\\", "")


def test_the_table_is_the_one_on_the_terminal(demo: Results):
    lines = unescaped(markdown(demo)).splitlines()
    start = lines.index("| " + " | ".join(column.heading for column in COLUMNS) + " |")
    assert lines[start + 1].count("---:") == len(COLUMNS) - 2
    shown = lines[start + 2 : start + 2 + len(summary_cells(demo))]
    assert shown == ["| " + " | ".join(cells) + " |" for cells in summary_cells(demo)]


def test_every_section_is_there(demo: Results):
    text = markdown(demo)
    for title in (
        "# quickstart",
        "## Agreement",
        "## Paired comparisons",
        "## Stopping early",
        "## Accuracy and cost",
        "## Categories: in-distribution",
        "## Categories: shifted",
        "## Judges",
        "## Order and length",
        "## Flips by category: shifted",
        "## Data",
        "## Environment",
        "## Worst disagreements",
    ):
        assert f"{title}\n" in text
    assert demo.notes[0] in text
    assert "macro: mean of categories" in text


def test_a_section_without_rows_is_left_out(demo: Results):
    text = markdown(replace(demo, comparisons=(), disagreements=()))
    assert "Paired comparisons" not in text
    assert "Worst disagreements" not in text


@pytest.mark.fault(26, "HTML")
def test_a_name_can_neither_open_a_cell_nor_markup(demo: Results):
    hostile = "a|b<script>`c`**d** [e](javascript:f)\n# g"
    text = markdown(replace(demo, rows=(replace(demo.rows[0], method=hostile),)))
    lines = [line for line in text.splitlines() if line.startswith("| a")]
    assert lines[0].replace("\\|", "").count("|") == len(COLUMNS) + 1
    for line in [*lines, *(line for line in text.splitlines() if line.startswith("### a"))]:
        assert "<script>" not in line.replace("\\<", "")
        assert "](javascript" not in line
    assert "\n# g" not in text


@pytest.mark.fault(26, "HTML")
def test_model_text_cannot_end_its_fence(demo: Results):
    hostile = "```\n<script>alert(1)</script>\n`````text\n\x1b[2J\u202e"
    case = replace(demo.disagreements[0], trace=hostile)
    text = markdown(replace(demo, disagreements=(case,)))
    before, _, after = text.partition("One reading that disagreed:\n\n")
    fence = after.split("text\n", 1)[0]
    assert fence == "``````"
    inside = after.removeprefix(fence + "text\n").split("\n" + fence)[0]
    assert inside == hostile.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    assert "<script>" not in before


def test_early_stopping_has_a_line_for_every_setting(demo: Results):
    text = unescaped(markdown(demo))
    row = next(row for row in demo.rows if row.stopping)
    lines = [
        line for line in text.splitlines() if line.startswith(f"| {row.method} | {row.split} | 0")
    ]
    assert len(lines) == len(row.stopping)
    for line, point in zip(lines, row.stopping, strict=True):
        assert f"| {point.stop_at:g} | {100 * point.same.value:.1f} [" in line
        assert f"| {100 * point.share.value:.1f} [" in line


def test_judges_that_cost_more_and_are_no_better_are_off_the_frontier(demo: Results):
    rows = [row for row in demo.rows if row.split == "shifted"]
    accuracies = sorted({row.agreement.accuracy.value for row in rows})
    best = max(rows, key=lambda row: row.agreement.accuracy.value)
    # All cost as much, so that only the most accurate is worth it; then one is cheaper.
    worst = min(rows, key=lambda row: row.agreement.accuracy.value)
    assert len(accuracies) > 1

    def ahead(results: Results) -> dict[str, str]:
        (section,) = [one for one in sections(results) if one.title == "Accuracy and cost"]
        named = [dict(zip(section.headings, cells, strict=True)) for cells in section.cells]
        return {one["method"]: one["on the frontier"] for one in named if one["split"] == "shifted"}

    alike = replace(demo, rows=tuple(replace(row, judging_seconds=6.0) for row in demo.rows))
    assert ahead(alike) == {row.method: "yes" if row == best else "no" for row in rows}
    cheaper = tuple(
        replace(row, judging_seconds=3.0) if row.method == worst.method else row
        for row in alike.rows
    )
    found = ahead(replace(demo, rows=cheaper))
    assert [name for name, said in found.items() if said == "yes"] == sorted(
        [worst.method, best.method], key=[row.method for row in rows].index
    )
    single = replace(demo, rows=tuple(row for row in demo.rows if row.method == best.method))
    assert "Accuracy and cost" not in [section.title for section in sections(single)]
