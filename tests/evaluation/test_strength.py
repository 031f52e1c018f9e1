"""Correlations with intervals, and strengths beside margins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jurist.evaluation import (
    correlations,
    group_bootstrap,
    group_bootstrap_of,
    judged,
    strength_agreement,
)
from jurist.types import Judgement, Preference, Verdict, user


def test_any_statistic_has_the_interval_that_the_mean_has_by_itself():
    values = np.array([0.0, 1.0, 1.0, 0.5, 1.0, 0.0, 1.0])
    groups = list("aabbccd")
    ours = group_bootstrap_of(
        lambda counts: counts @ values / counts.sum(axis=1), groups, bounds=(0.0, 1.0)
    )
    theirs = group_bootstrap(values, groups)
    assert (ours.value, ours.low, ours.high) == pytest.approx(
        (theirs.value, theirs.low, theirs.high)
    )


def test_a_statistic_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        group_bootstrap_of(lambda counts: counts[:, 0], [], bounds=(0.0, 1.0))


def test_correlations_worked_by_hand():
    # Ranks of y: 1, 3, 2, 4; one pair of six is out of order.
    found = correlations([1, 2, 3, 4], [10, 30, 20, 40], list("abcd"), num_resamples=50)
    assert found is not None
    assert found.spearman.value == pytest.approx(0.8)
    assert found.pearson.value == pytest.approx(0.8)
    assert found.kendall.value == pytest.approx(4 / 6)


def test_intervals_hold_the_correlation_that_rows_were_drawn_with():
    held = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        x, noise = random.standard_normal((2, 80))
        y = 0.6 * x + 0.8 * noise
        found = correlations(x, y, [str(i) for i in range(80)], num_resamples=100, seed=seed)
        assert found is not None
        held += found.pearson.low <= 0.6 <= found.pearson.high
        assert found.pearson.value == pytest.approx(stats.pearsonr(x, y).statistic)
        assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
        assert found.kendall.value == pytest.approx(stats.kendalltau(x, y).statistic)
        assert found.pearson.low < found.pearson.value < found.pearson.high
    assert held >= 16  # Of 20, 19 are expected.


def test_a_row_that_counts_twice_is_two_rows():
    random = np.random.default_rng(0)
    x, y = random.integers(0, 5, size=(2, 12)).astype(float)
    doubled = correlations(np.repeat(x, 2), np.repeat(y, 2), list("ab" * 12), num_resamples=9)
    assert doubled is not None
    for kind, whole in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        assert getattr(doubled, kind).value == pytest.approx(whole(x, y).statistic)
    # Copies of a row are tied with it, as SciPy has it too.
    tau = stats.kendalltau(np.repeat(x, 2), np.repeat(y, 2)).statistic
    assert doubled.kendall.value == pytest.approx(tau)


@given(st.integers(0, 2**16))
def test_resamples_have_the_correlations_of_their_rows(seed):
    """Two rows in one group, so that all resamples are that group, some times over."""
    random = np.random.default_rng(seed)
    x, y = random.integers(0, 4, size=(2, 6)).astype(float)
    found = correlations(x, y, ["one"] * 6, num_resamples=5)
    if found is None:
        assert not (np.ptp(x) and np.ptp(y))
    else:
        assert found.pearson.value == pytest.approx(stats.pearsonr(x, y).statistic)
        assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
        assert found.kendall.value == pytest.approx(stats.kendalltau(x, y).statistic)


def test_a_resample_in_which_nothing_varies_is_left_out():
    found = correlations([0, 1], [0, 1], ["a", "b"], num_resamples=50)
    assert found is not None
    # What is left is 1 throughout, so that two groups decide the width: z^2 / (2 + z^2).
    assert found.pearson.low == pytest.approx(1 - 3.8415 / 5.8415, abs=1e-4)
    assert found.pearson.high == 1.0


def test_what_does_not_vary_has_no_correlation():
    assert correlations([1, 1, 1], [1, 2, 3], list("abc")) is None
    assert correlations([1], [1], ["a"]) is None
    with pytest.raises(ValueError, match="for each of the 2 groups"):
        correlations([1, 2, 3], [1, 2, 3], ["a", "b"])


def rows(margins, strengths, *, seed=0):
    """Preferences with these margins, and one reading of each with this strength for `chosen`."""
    preferences = [
        Preference(
            id=str(i),
            prompt=user(str(i)),
            chosen="good",
            rejected="bad",
            margin=margin,
            tie=margin == 0,
            group=str(i),
        )
        for i, margin in enumerate(margins)
    ]
    readings = []
    for one, strength in zip(preferences, strengths, strict=True):
        first = one.shown(seed).comparison.first == "good"
        stated = None if strength is None else (strength if first else -strength)
        readings.append([Judgement(text="", outcome=Verdict.FIRST, strength=stated)])
    return judged(preferences, readings, seed=seed)


def test_strengths_are_compared_with_margins_whatever_the_places():
    found = strength_agreement(
        rows([1, 2, 3, 2, None, 3], [1, 2, 3, 0.5, 2, None]), num_resamples=50
    )
    assert found is not None
    assert (found.num_pairs, found.num_missing) == (4, 2)
    assert found.mean_error.value == pytest.approx(1.5 / 4)
    assert found.within_one.value == pytest.approx(3 / 4)
    exact = strength_agreement(rows([1, 2, 3, 0], [1, 2, 3, 0]), num_resamples=50)
    assert exact is not None
    assert exact.correlations.spearman.value == pytest.approx(1.0)
    assert exact.mean_error.value == 0.0


def test_a_judge_that_tells_how_far_and_not_which_way_agrees_with_nothing():
    margins = [1 + i % 3 for i in range(60)]
    # Which side it takes is a coin's.
    strengths = [margin * (1 if i % 2 else -1) for i, margin in enumerate(margins)]
    found = strength_agreement(rows(margins, strengths), num_resamples=50)
    assert found is not None
    assert abs(found.correlations.spearman.value) < 0.2


def test_without_strengths_or_margins_there_is_nothing_to_say():
    assert strength_agreement(rows([1, 2, 3], [None, None, None])) is None
    assert strength_agreement(rows([None, None, None], [1, 2, 3])) is None
    assert strength_agreement([]) is None
