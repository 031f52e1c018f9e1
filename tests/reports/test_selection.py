"""Best of n in a report: the table, the figure, and text that cannot act."""

from dataclasses import replace

import pytest

from jurist.evaluation import selection_points
from jurist.reports import (
    Results,
    RuleKind,
    SelectionRow,
    html,
    load_results,
    markdown,
    save_results,
)
from jurist.reports.figures import pictures
from jurist.reports.sections import sections
from jurist.reports.table import selection_lines

GROUPS = [str(i) for i in range(20)]


def row(method: str, rule: str, kind: RuleKind, values: list[float], sizes: list[int]):
    chosen = [[float(i < 20 * value) for i in range(20)] for value in values]
    randomly = [[0.25] * 20 for _ in sizes]
    oracle = [[1.0] * 20 for _ in sizes]
    spent = [[float(n)] * 20 for n in sizes]
    points = selection_points(
        sizes,
        chosen,
        randomly=randomly,
        oracle=oracle,
        comparisons=spent,
        tokens=spent,
        groups=GROUPS,
        seed=0,
    )
    return SelectionRow(
        method=method,
        rule=rule,
        kind=kind,
        split="pools",
        num_pools=20,
        num_groups=20,
        points=tuple(points),
    )


@pytest.fixture(scope="module")
def chosen(demo: Results) -> Results:
    sizes = [1, 2, 16]
    return replace(
        demo,
        selection=(
            row("judge <b>", "all pairs", RuleKind.JUDGE, [0.25, 0.5, 0.75], sizes),
            row("judge <b>", "knockout", RuleKind.JUDGE, [0.7], [16]),
            row("longest", "", RuleKind.SHORTCUT, [0.25, 0.3, 0.35], sizes),
            row("oracle", "", RuleKind.BOUND, [0.25, 0.9, 1.0], sizes),
        ),
    )


def test_the_table_has_a_row_for_every_rule_and_n(chosen: Results):
    (section,) = [one for one in sections(chosen) if one.title == "Best of n: pools"]
    assert "20 prompts in 20 groups" in section.text
    assert [cells[:3] for cells in section.cells] == [
        ("judge <b>", "all pairs", "1"),
        ("judge <b>", "all pairs", "2"),
        ("judge <b>", "all pairs", "16"),
        ("judge <b>", "knockout", "16"),
        *(("longest", "-", n) for n in ("1", "2", "16")),
        *(("oracle", "-", n) for n in ("1", "2", "16")),
    ]
    best = dict(zip(section.headings, section.cells[2], strict=True))
    assert best["right, % [95 %]"].startswith("75.0 [")
    assert best["over random, points [95 %]"].startswith("+50.0 [")
    # From 25 to 100 there are 75 points to go, and 50 are gone.
    assert best["recovered, %"] == "66.7"
    assert (best["comparisons"], best["tokens"]) == ("16.0", "16")
    assert section.cells[-1][-2:] == ("-", "-")


def test_the_figure_comes_first_and_says_its_numbers(chosen: Results, demo: Results):
    first = pictures(chosen)[0]
    assert first.name == "selection"
    assert "knockout on pools: 16: 70.0 %" in first.alt
    assert pictures(chosen)[0] == first
    assert "selection" not in {picture.name for picture in pictures(demo)}


def test_names_on_the_page_and_in_markdown_do_nothing(chosen: Results):
    assert "judge <b>" not in html(chosen)
    assert 'href="#best-of-n-pools"' in html(chosen)
    assert r"judge \<b\>" in markdown(chosen)


def test_the_terminal_has_a_line_for_every_rule_of_the_judge(chosen: Results):
    lines = selection_lines(chosen)
    assert len(lines) == 2
    assert lines[0].startswith("pools: best of 16 by judge <b>, all pairs: 75.0 [")


def test_it_is_read_back_as_it_was_written(chosen: Results, tmp_path):
    save_results(tmp_path / "results.json", chosen)
    assert load_results(tmp_path / "results.json") == chosen
