import random
from collections.abc import Sequence

import pytest

from jurist.evaluation import Calibration, Judged, calibration, judged
from jurist.types import Failure, Judgement, Preference, Verdict, user


def rows(given_to_label: Sequence[float | None], tie: bool = False) -> list[Judged]:
    """A row for each probability that the judge gives the labelled response; None fails."""
    preferences = [
        Preference(id=str(i), prompt=user("?"), chosen="x", rejected="y", group=str(i), tie=tie)
        for i in range(len(given_to_label))
    ]
    readings = []
    for probability, preference in zip(given_to_label, preferences, strict=True):
        if probability is None:
            readings.append([Judgement(text="", outcome=Failure.ERROR)])
            continue
        first = probability if preference.shown(0).label is Verdict.FIRST else 1.0 - probability
        outcome = Verdict.FIRST if first > 0.5 else Verdict.SECOND
        readings.append([Judgement(text="", outcome=outcome, probability=first)])
    return judged(preferences, readings, seed=0)


def found(given_to_label: Sequence[float | None]) -> Calibration:
    figures = calibration(rows(given_to_label))
    assert figures is not None
    return figures


def test_figures_worked_by_hand():
    # Sure 0.88, 0.88, 0.88 and 0.62; the third of the sure ones is wrong.
    figures = found([0.88, 0.88, 0.12, 0.62])
    assert figures.brier == pytest.approx((2 * 0.12**2 + 0.88**2 + 0.38**2) / 4)
    assert [(b.num_pairs, b.accuracy) for b in figures.bins] == [(1, 1.0), (3, 2 / 3)]
    assert [b.confidence for b in figures.bins] == pytest.approx([0.62, 0.88])
    assert [b.low for b in figures.bins] == pytest.approx([0.6, 0.85])
    assert [b.high for b in figures.bins] == pytest.approx([0.65, 0.9])
    assert figures.ece == pytest.approx((0.38 + 3 * (0.88 - 2 / 3)) / 4)


def test_a_judge_that_always_says_one_half_is_calibrated_and_useless():
    figures = found([0.5] * 6)
    assert figures.ece == 0.0
    assert figures.brier == 0.25


def test_certainty_falls_into_the_last_bin():
    (last,) = found([1.0 - 1e-7, 1e-7]).bins
    assert last.high == 1.0
    assert last.accuracy == 0.5


def test_a_judge_that_means_what_it_says_has_a_small_error():
    dice = random.Random(0)
    sure = [dice.uniform(0.5, 1.0) for _ in range(8_000)]
    honest = found([p if dice.random() < p else 1.0 - p for p in sure])
    boastful = found([p if dice.random() < 0.5 + (p - 0.5) / 2 else 1.0 - p for p in sure])
    assert honest.ece < 0.02
    assert boastful.ece == pytest.approx(0.125, abs=0.02)


def test_pairs_without_a_probability_are_counted_not_guessed():
    figures = found([0.88, None, None])
    assert (figures.num_pairs, figures.num_missing) == (1, 2)


def test_no_probability_at_all_gives_no_figures():
    assert calibration(rows([None, None])) is None
    assert calibration([]) is None


def test_rows_labelled_a_tie_are_left_out():
    assert calibration(rows([0.9, 0.8], tie=True)) is None
