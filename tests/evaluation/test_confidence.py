import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.evaluation import (
    Judged,
    abstention_curve,
    calibration,
    cross_fitted,
    fit_temperature,
    judged,
)
from jurist.types import Failure, Judgement, Preference, Verdict, user


def rows_of(*given: float | None, tie: int = -1) -> list[Judged]:
    """Pairs of which the labelled response is given these probabilities; None is a failure."""
    pairs = [
        Preference(
            id=str(number),
            prompt=user("?"),
            chosen="good",
            rejected="bad",
            group=str(number),
            tie=number == tie,
        )
        for number in range(len(given))
    ]
    readings = []
    for pair, probability in zip(pairs, given, strict=True):
        label = pair.shown(0).label
        if probability is None:
            readings.append([Judgement(text="", outcome=Failure.REFUSED)])
            continue
        first = probability if label is Verdict.FIRST else 1 - probability
        outcome = Verdict.TIE if first == 0.5 else Verdict.FIRST if first > 0.5 else Verdict.SECOND
        readings.append([Judgement(text="", outcome=outcome, probability=first)])
    return judged(pairs, readings, seed=0)


def curve(rows, *coverages):
    return [point.accuracy for point in abstention_curve(rows, coverages=coverages)]


def test_the_surest_pairs_are_answered_first():
    rows = rows_of(0.95, 0.9, 0.2, 0.6)
    assert curve(rows, 1.0, 0.75, 0.5, 0.25) == pytest.approx([3 / 4, 2 / 3, 1.0, 1.0])


def test_pairs_of_equal_confidence_at_the_edge_count_by_their_mean():
    # Two are kept of one sure pair and two equal ones, of which one is right.
    rows = rows_of(0.9, 0.7, 0.3, 0.55)
    assert curve(rows, 0.5) == pytest.approx([(1 + 0.5) / 2])
    assert curve(rows[::-1], 0.5) == curve(rows, 0.5)


def test_failures_are_the_least_sure_and_wrong_ties_are_left_out_and_even_is_half():
    assert curve(rows_of(0.9, None), 1.0, 0.5) == [0.5, 1.0]
    assert curve(rows_of(0.9, 0.1, tie=1), 1.0) == [1.0]
    assert curve(rows_of(0.5), 1.0) == [0.5]


def test_a_coverage_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"coverage is in \(0, 1\], got 0"):
        abstention_curve(rows_of(0.9), coverages=[0.0])
    with pytest.raises(ValueError, match="no row is labelled"):
        abstention_curve(rows_of(0.9, tie=0))


def test_a_temperature_matches_the_share_that_is_right():
    # sigmoid(2 / T) = 3 / 4
    assert fit_temperature([2.0, 2.0, 2.0, -2.0]) == pytest.approx(2 / math.log(3))
    assert fit_temperature([1.0, 1.0, 1.0, -1.0]) == pytest.approx(1 / math.log(3))


@given(
    log_odds=st.lists(st.floats(-8, 8).filter(lambda x: abs(x) > 0.01), min_size=2, max_size=30),
    scale=st.floats(0.5, 2.0),
)
def test_surer_by_a_factor_is_hotter_by_that_factor(log_odds, scale):
    temperature = fit_temperature(log_odds)
    if 0.05 < temperature < 20:
        scaled = fit_temperature([scale * value for value in log_odds])
        assert scaled == pytest.approx(scale * temperature, rel=1e-6)


@given(log_odds=st.lists(st.floats(-8, 8), min_size=1, max_size=30))
def test_no_other_temperature_is_likelier(log_odds):
    def likelihood(temperature):
        return sum(-math.log1p(math.exp(-value / temperature)) for value in log_odds)

    best = fit_temperature(log_odds)
    for other in (0.5, 0.9, 1.1, 2.0):
        assert likelihood(best) >= likelihood(other * best) - 1e-9 or not 0.03 < other * best < 30


def test_of_nothing_no_temperature_is_fitted():
    with pytest.raises(ValueError, match="no pairs"):
        fit_temperature([])
    assert cross_fitted(rows_of(0.9)) is None
    assert cross_fitted(rows_of(None, None)) is None


def test_a_judge_that_is_too_sure_is_made_honest_by_the_other_half():
    dice = random.Random(0)
    given = [0.99 if dice.random() < 0.7 else 0.01 for _ in range(2_000)]
    rows = rows_of(*given)
    before = calibration(rows)
    assert before is not None and before.ece > 0.25
    found = cross_fitted(rows)
    assert found is not None
    after, temperature = found
    # log(0.99 / 0.01) / log(0.7 / 0.3)
    assert temperature == pytest.approx(5.42, rel=0.1)
    assert after.ece < 0.04
    assert after.brier < before.brier
    assert (after.num_pairs, after.num_missing) == (2_000, 0)
