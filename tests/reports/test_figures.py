import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib as mpl
import pytest

from jurist.reports import Results, TrainingCurve, TrainingPoint
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


def curve(method: str, name: str, *losses: float) -> TrainingCurve:
    points = (TrainingPoint(step=i, loss=loss, grad_norm=1.0) for i, loss in enumerate(losses, 1))
    return TrainingCurve(method=method, name=name, points=tuple(points))


def test_training_has_a_figure_where_a_judge_was_trained(demo: Results):
    curves = (curve("STaR-DPO", "round-1", 0.7, 0.5), curve("STaR-DPO", "round-2", 0.25))
    drawn = pictures(replace(demo, training=(*curves, curve("GenRM", "training", 3.0, 1.5))))
    assert drawn[-1].name == "training"
    assert "STaR-DPO, round-1: 0.7 at step 1, 0.5 at step 2" in drawn[-1].alt
    assert "STaR-DPO, round-2: 0.25 at step 1, 0.25 at step 1" in drawn[-1].alt
    assert "GenRM, training: 3 at step 1, 1.5 at step 2" in drawn[-1].alt


def test_accuracy_against_tokens_is_drawn_without_early_stopping_too(demo: Results):
    rows = tuple(replace(row, stopping=()) for row in demo.rows)
    (tokens,) = (p for p in pictures(replace(demo, rows=rows)) if p.name == "tokens")
    row = next(row for row in rows if row.method == "STaR-DPO")
    point = row.curve[-1]
    shown = f"{100 * point.accuracy.value:.1f} % for {round(point.tokens):,} tokens"
    assert shown in tokens.alt
    silent = tuple(row for row in rows if not row.agreement.num_tokens)
    assert "tokens" not in names(replace(demo, rows=silent))


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
