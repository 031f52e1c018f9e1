import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib as mpl
import pytest

from jurist.reports import Results
from jurist.reports.figures import pictures


def names(results: Results) -> list[str]:
    return [picture.name for picture in pictures(results)]


def test_every_figure_is_drawn_as_svg_of_a_sensible_size(demo: Results):
    drawn = pictures(demo)
    assert [picture.name for picture in drawn] == [
        "accuracy",
        "votes",
        "tokens",
        "places",
        "reliability",
        "cost",
    ]
    for picture in drawn:
        root = ElementTree.fromstring(picture.svg)
        width, height = (
            float((root.get(name) or "").removesuffix("pt")) for name in ("width", "height")
        )
        assert width == 720.0
        assert 150.0 < height < 700.0


def test_figures_hold_no_date_no_link_and_no_script(demo: Results):
    for picture in pictures(demo):
        text = picture.svg.decode()
        assert "<dc:date>" not in text
        assert "<script" not in text
        assert not re.search(r'href="(?!#)', text)


def test_the_same_results_give_the_same_figures(demo: Results):
    assert pictures(demo) == pictures(demo)


def test_the_settings_of_the_caller_are_neither_used_nor_changed(demo: Results):
    before = pictures(demo)
    with mpl.rc_context({"font.size": 30.0, "axes.facecolor": "black"}):
        assert pictures(demo) == before
        assert mpl.rcParams["font.size"] == 30.0


def test_alt_text_says_the_numbers(demo: Results):
    accuracy = pictures(demo)[0]
    best = demo.rows[-1]
    assert f"STaR-DPO on shifted {100 * best.agreement.accuracy.value:.1f} %" in accuracy.alt


@pytest.mark.parametrize("name", ["$\\frac{$", "_hidden", "a" * 300, "line\nbreak", "<b>&amp;"])
def test_any_name_can_be_drawn(demo: Results, name: str):
    rows = tuple(replace(row, method=name, split=name) for row in demo.rows[:2])
    drawn = pictures(replace(demo, rows=rows, shortcuts=()))
    for picture in drawn:
        ElementTree.fromstring(picture.svg)
    assert all(len(picture.alt) < 1_000 for picture in drawn)


def test_one_judge_with_one_reading_has_no_curve_no_flips_and_no_probability(demo: Results):
    row = demo.rows[0]
    agreement = replace(row.agreement, flips=None, first_slot=None)
    bare = replace(row, curve=row.curve[:1], stopping=(), calibration=None, agreement=agreement)
    assert names(replace(demo, rows=(bare,))) == ["accuracy", "cost"]


def test_no_judge_has_no_figure(demo: Results):
    assert names(replace(demo, rows=())) == []


def test_many_judges_on_many_splits_can_be_drawn(demo: Results):
    rows = tuple(
        replace(row, method=f"{row.method} {i}", split=f"split {i % 4}")
        for i in range(4)
        for row in demo.rows
    )
    assert len(pictures(replace(demo, rows=rows))) == 6
