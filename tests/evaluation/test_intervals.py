import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jurist.evaluation.intervals import (
    Estimate,
    group_bootstrap,
    group_bootstrap_each,
    mcnemar,
    wilson,
)


def names(count: int) -> list[str]:
    return [f"g{i}" for i in range(count)]


def test_bootstrap_value_is_the_mean_and_lies_in_its_interval():
    estimate = group_bootstrap([1.0, 0.0, 1.0, 1.0], names(4))
    assert estimate.value == 0.75
    assert estimate.low <= 0.75 <= estimate.high


def test_bootstrap_of_one_row_a_group_agrees_with_scipy():
    rows = np.random.default_rng(5).integers(0, 2, size=200).astype(float)
    ours = group_bootstrap(rows, names(200), num_resamples=9_999)
    theirs = stats.bootstrap(
        (rows,), np.mean, n_resamples=9_999, method="percentile", rng=np.random.default_rng(6)
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.006)
    assert ours.high == pytest.approx(theirs.high, abs=0.006)


def test_interval_is_as_wide_as_the_groups_make_it_not_the_rows():
    # Ten alike rows a group carry no more than one row a group does.
    rows = np.random.default_rng(7).integers(0, 2, size=40).astype(float)
    thin = group_bootstrap(rows, names(40))
    thick = group_bootstrap(np.repeat(rows, 10), list(np.repeat(names(40), 10)))
    assert thick == thin
    as_rows = group_bootstrap(np.repeat(rows, 10), names(400))
    assert as_rows.high - as_rows.low < 0.5 * (thick.high - thick.low)


@pytest.mark.parametrize(("seed", "rate"), [(0, 0.55), (1, 0.85)])
def test_95_percent_interval_covers_the_truth_about_95_times_in_100(seed: int, rate: float):
    # 60 groups of 1 to 6 rows that lean together: one latent rate a group, mean `rate`.
    random = np.random.default_rng(seed)
    covered = 0
    for _ in range(300):
        sizes = random.integers(1, 7, size=60)
        latent = random.beta(4 * rate, 4 * (1 - rate), size=60)
        groups = np.repeat(np.arange(60), sizes)
        rows = (random.random(len(groups)) < latent[groups]).astype(float)
        estimate = group_bootstrap(rows, [str(g) for g in groups], num_resamples=500)
        covered += estimate.low <= rate <= estimate.high
    assert 0.92 <= covered / 300 <= 0.98


def test_paired_difference_covers_zero_when_both_judges_are_alike():
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(300):
        difference = random.choice([-1.0, 0.0, 0.0, 1.0], size=80)
        covered += not group_bootstrap(
            difference, names(80), bounds=(-1.0, 1.0), num_resamples=500
        ).excludes(0.0)
    assert 0.92 <= covered / 300 <= 0.98


def test_two_columns_give_the_mean_of_their_ratios_not_the_ratio_of_their_sums():
    # Category one: 3 of 4 right. Category two: 0 of 1. Macro (0.75 + 0) / 2, micro 3 / 5.
    right = [[1, 0], [1, 0], [1, 0], [0, 0], [0, 0]]
    asked = [[1, 0], [1, 0], [1, 0], [1, 0], [0, 1]]
    assert group_bootstrap(right, names(5), denominators=asked).value == 0.375


def test_a_category_that_a_resample_misses_drops_out_of_its_mean():
    # Both categories are always right; were a missing one counted as 0, low would be 0.5.
    asked = [[1, 0]] * 9 + [[0, 1]]
    estimate = group_bootstrap(asked, names(10), denominators=asked)
    assert estimate.value == 1.0
    assert estimate.low > 0.7


def test_resamples_with_nothing_to_be_over_are_left_out():
    # Nine groups in ten have no verdict; a resample without the tenth has no rate at all.
    asked = [0.0] * 9 + [4.0]
    estimate = group_bootstrap([0.0] * 9 + [2.0], names(10), denominators=asked)
    assert estimate.value == 0.5
    assert estimate.low > 0.2


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_all_alike_gets_wilsons_interval_over_groups_not_a_point(right: float):
    ours = group_bootstrap([right] * 60, [f"g{i // 2}" for i in range(60)])
    theirs = stats.binomtest(int(30 * right), 30).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_one_group_alone_claims_next_to_nothing():
    estimate = group_bootstrap([1.0, 0.0, 1.0, 0.0], ["only"] * 4)
    assert (estimate.low, estimate.high) == (0.0, 1.0)


def test_equal_judges_on_few_pairs_are_not_said_to_be_exactly_equal():
    estimate = group_bootstrap([0.0] * 10, names(10), bounds=(-1.0, 1.0))
    assert estimate.low == -estimate.high < -0.2


def test_same_seed_draws_the_same_interval_and_another_seed_another():
    rows = [math.sqrt(i) / 10 for i in range(97)]
    assert group_bootstrap(rows, names(97), seed=1) == group_bootstrap(rows, names(97), seed=1)
    assert group_bootstrap(rows, names(97), seed=1) != group_bootstrap(rows, names(97), seed=2)


def test_drawing_in_blocks_gives_what_drawing_at_once_gives(monkeypatch: pytest.MonkeyPatch):
    rows = [float(i % 3 == 0) for i in range(50)]
    whole = group_bootstrap(rows, names(50))
    monkeypatch.setattr("jurist.evaluation.intervals._DRAWS_AT_ONCE", 777)
    assert group_bootstrap(rows, names(50)) == whole


def test_ten_thousand_groups_and_eight_categories_take_seconds_not_minutes():
    random = np.random.default_rng(0)
    asked = np.eye(8)[random.integers(0, 8, size=10_000)]
    right = asked * random.integers(0, 2, size=(10_000, 1))
    estimate = group_bootstrap(right, names(10_000), denominators=asked)
    assert estimate.high - estimate.low == pytest.approx(0.02, abs=0.004)


@pytest.mark.parametrize(
    ("numerators", "groups", "denominators", "message"),
    [
        ([], [], None, "average of nothing"),
        ([1.0], ["a", "b"], None, "same length"),
        ([1.0, 0.0], ["a", "b"], [1.0], "same length"),
        ([0.0, 0.0], ["a", "b"], [0.0, 0.0], "all zero"),
    ],
)
def test_bootstrap_refuses_what_has_no_average(numerators, groups, denominators, message):
    with pytest.raises(ValueError, match=message):
        group_bootstrap(numerators, groups, denominators=denominators)


@pytest.mark.parametrize(("successes", "total"), [(0, 5), (5, 5), (13, 40), (399, 400)])
def test_wilson_agrees_with_scipy(successes: int, total: int):
    ours = wilson(successes, total)
    theirs = stats.binomtest(successes, total).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_of_one_in_two_worked_by_hand():
    # z = 1.959964: centre 1/2, half = z sqrt(1/8 + z^2/16) / (1 + z^2/2) = 0.405463
    estimate = wilson(1, 2)
    assert estimate.low == pytest.approx(0.5 - 0.405463, abs=1e-5)
    assert estimate.high == pytest.approx(0.5 + 0.405463, abs=1e-5)


@pytest.mark.parametrize(("successes", "total"), [(1, 0), (-1, 4), (5, 4)])
def test_wilson_refuses_impossible_counts(successes: int, total: int):
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, total)


def test_mcnemar_worked_by_hand():
    # Smaller tail of 1 and 5: (C(6,0) + C(6,1)) / 2^6 = 7/64, twice that 14/64.
    assert mcnemar(5, 1) == 14 / 64
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(3, 3) == 1.0


@given(wins=st.integers(0, 400), losses=st.integers(0, 400))
def test_mcnemar_agrees_with_scipy(wins: int, losses: int):
    assert mcnemar(wins, losses) == mcnemar(losses, wins)
    if wins + losses:
        theirs = stats.binomtest(wins, wins + losses).pvalue
        assert mcnemar(wins, losses) == pytest.approx(theirs, rel=1e-9)


def test_mcnemar_of_thousands_neither_overflows_nor_dawdles():
    assert 0.0 <= mcnemar(6_000, 4_000) < 1e-80
    assert math.isclose(mcnemar(5_000, 5_000), 1.0)


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 2)


def test_estimate_excludes_only_what_lies_outside():
    estimate = Estimate(value=0.1, low=0.0, high=0.2)
    assert not estimate.excludes(0.0)
    assert estimate.excludes(-0.01)
    assert estimate.excludes(0.21)


@pytest.mark.parametrize("num_groups", [1, 7, 3000])
def test_several_means_at_once_are_what_each_is_alone(num_groups: int):
    dice = np.random.default_rng(num_groups)
    groups = [str(group) for group in dice.integers(0, num_groups, size=4000)]
    columns = [dice.random(4000), np.ones(4000), dice.integers(0, 2, 4000)]
    found = group_bootstrap_each(columns, groups, num_resamples=900, seed=4)
    alone = [group_bootstrap(column, groups, num_resamples=900, seed=4) for column in columns]
    assert found == alone


def test_several_means_of_nothing_or_of_other_rows_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        group_bootstrap_each([[]], [])
    with pytest.raises(ValueError, match="must have the same length"):
        group_bootstrap_each([[1.0], [1.0, 0.0]], ["a"])
