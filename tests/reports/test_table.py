import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from jurist.reports import Results, summary_table
from jurist.reports.table import COLUMNS, summary_cells


def printed(results: Results, width: int) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=True, color_system="truecolor"
    )
    console.print(summary_table(results))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_there_is_a_row_for_every_judge_and_shortcut_on_every_split(demo: Results):
    cells = summary_cells(demo)
    assert len(cells) == 7 * 2 + 2 * 2
    assert all(len(row) == len(COLUMNS) for row in cells)
    assert [row[0] for row in cells[-4:]] == ["longer wins"] * 2 + ["bag of words"] * 2


def test_cells_say_what_the_agreement_says(demo: Results):
    agreement = demo.rows[0].agreement
    row = summary_cells(demo)[0]
    assert row[2].split() == [
        f"{100 * agreement.accuracy.value:.1f}",
        f"[{100 * agreement.accuracy.low:.1f},",
        f"{100 * agreement.accuracy.high:.1f}]",
    ]
    assert agreement.flips is not None
    assert agreement.first_slot is not None
    assert row[3:9] == [
        f"{100 * agreement.flips.value:.1f}",
        f"{100 * agreement.first_slot.value:.1f}",
        "0.0",
        f"{100 * agreement.ties.value:.1f}",
        "60",
        "2",
    ]


def test_votes_that_were_stopped_early_say_of_how_many(demo: Results):
    row = demo.rows[2]
    num_pairs = row.agreement.num_pairs
    some = replace(row.agreement, num_judgements=6 * num_pairs + 6, num_unasked=10 * num_pairs - 6)
    assert summary_cells(replace(demo, rows=(replace(row, agreement=some),)))[0][8] == "6.1 of 16"
    assert summary_cells(demo)[2][8] == "16"


def test_seeds_stand_with_the_names_only_where_there_are_several(demo: Results):
    again = [replace(row, seed=1) for row in demo.rows]
    both = replace(demo, rows=(*demo.rows, *again))
    assert summary_cells(demo)[0][0] == "zero-shot, no reasoning"
    assert summary_cells(both)[0][0] == "zero-shot, no reasoning, seed 0"
    assert summary_cells(both)[-5][0] == "STaR-DPO, seed 1"


@pytest.mark.parametrize("width", [80, 100, 140])
def test_every_cell_is_printed_whole_at_any_width(demo: Results, width: int):
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in printed(demo, width).splitlines()]
    assert max(map(len, lines)) <= width
    for row in summary_cells(demo):
        for cells in [row[2:]] if width == 140 else [row[2:7], row[7:]]:
            assert any(
                line.split()[-len(" ".join(cells).split()) :] == " ".join(cells).split()
                for line in lines
            )


def test_a_wide_console_gets_one_table_and_a_narrow_one_two(demo: Results):
    assert printed(demo, 140).count("method") == 1
    assert printed(demo, 80).count("method") == 2


def test_a_name_can_neither_style_nor_move_the_terminal(demo: Results):
    hostile = "[red]x[/] \x1b[2J\u202e"
    row = replace(demo.rows[0], method=hostile)
    out = printed(replace(demo, rows=(row,)), 200)
    assert r"[red]x[/] \x1b[2J\u202e" in out
    assert "\x1b[2J" not in out
    assert "\u202e" not in out
