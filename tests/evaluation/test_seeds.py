import random

import numpy as np
import pytest

from jurist.evaluation import (
    Estimate,
    Judged,
    across_seeds,
    agreement,
    crossed_bootstrap,
    group_bootstrap,
    judged,
    seeded_difference,
    vote_curve,
)
from jurist.types import Failure, Judgement, Preference, Verdict, user

PAIRS = [
    Preference(
        id=str(number),
        prompt=user("?"),
        chosen="good",
        rejected="bad",
        group=str(number // 2),
        category="even" if number % 2 == 0 else "odd",
        tie=number == 7,
    )
    for number in range(40)
]


def run(seed: int, skill: float, votes: int = 4) -> list[Judged]:
    """A judge that is right with a chance of its own in every reading of either order."""
    dice = random.Random(f"{seed} {skill}")
    found = []
    for pair in PAIRS:
        label = pair.shown(seed).label
        readings = []
        for swapped in (False, True):
            for _ in range(votes):
                right = dice.random() < skill
                outcome = label if right or label is Verdict.TIE else label.swapped()
                readings.append(
                    Judgement(
                        text="",
                        outcome=outcome if dice.random() > 0.05 else Failure.UNPARSEABLE,
                        swapped=swapped,
                        num_tokens=10,
                    )
                )
        found.append(readings)
    return judged(PAIRS, found, seed=seed)


RUNS = {seed: run(seed, 0.8) for seed in (0, 1, 2)}


def test_denominators_make_a_ratio_of_sums():
    values, groups = [[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]], ["a", "b", "c"]
    sizes = [[1.0, 0.0, 4.0], [2.0, 3.0, 2.0]]
    found = crossed_bootstrap(values, groups, denominators=sizes)
    assert found.value == pytest.approx(7 / 12)
    # Ones are what there is without any; a scale of both cancels; one run is a ratio of groups.
    ones = np.ones((2, 3))
    assert crossed_bootstrap(ones / 2, groups, denominators=ones) == crossed_bootstrap(
        ones / 2, groups
    )
    doubled = crossed_bootstrap(2 * np.array(values), groups, denominators=2 * np.array(sizes))
    assert doubled == found
    assert crossed_bootstrap(values[:1], groups, denominators=sizes[:1]) == group_bootstrap(
        values[0], groups, denominators=sizes[0]
    )


@pytest.mark.parametrize("sizes", [[[0.0, 0.0]], [[1.0]]])
def test_denominators_that_cannot_be_are_refused(sizes):
    with pytest.raises(ValueError, match="denominators must have the values' shape"):
        crossed_bootstrap([[1.0, 0.0]], ["a", "b"], denominators=sizes)


def test_of_one_run_the_interval_is_that_of_its_groups():
    values, groups = [1.0, 0.0, 1.0, 1.0, 0.0], ["a", "a", "b", "c", "d"]
    assert crossed_bootstrap([values], groups, seed=3) == group_bootstrap(values, groups, seed=3)


def test_the_mean_is_over_runs_and_rows():
    found = crossed_bootstrap([[1.0, 0.0], [1.0, 1.0]], ["a", "b"])
    assert found.value == 0.75
    assert 0.0 <= found.low < 0.75 < found.high <= 1.0


def test_runs_that_differ_widen_the_interval_and_runs_alike_do_not():
    groups = [str(number) for number in range(200)]
    dice = np.random.default_rng(0)
    row = (dice.random(200) < 0.7).astype(float)
    one = group_bootstrap(row, groups)
    alike = crossed_bootstrap([row, row, row], groups)
    assert alike.high - alike.low == pytest.approx(one.high - one.low, rel=0.15)
    better = np.maximum(row, (dice.random(200) < 0.6).astype(float))
    apart = crossed_bootstrap([row, better], groups)
    assert apart.high - apart.low > 1.3 * (alike.high - alike.low)


def test_where_every_run_is_right_everywhere_the_interval_is_wilsons():
    found = crossed_bootstrap(np.ones((3, 50)), [str(number) for number in range(50)])
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(1 - 1.959964**2 / (50 + 1.959964**2), abs=1e-6)


@pytest.mark.parametrize("values", [[], [[]], [[1.0]], [1.0, 0.0]])
def test_values_of_another_shape_are_refused(values):
    with pytest.raises(ValueError, match=r"values must be \[S, N\]"):
        crossed_bootstrap(values, ["a", "b"])


def test_what_is_brought_together_is_the_mean_of_the_runs():
    found = across_seeds(RUNS)
    alone = [agreement(rows) for rows in RUNS.values()]
    assert found.seeds == (0, 1, 2)
    assert found.by_seed == tuple(one.accuracy.value for one in alone)
    assert found.accuracy.value == pytest.approx(np.mean(found.by_seed))
    assert found.macro == pytest.approx(np.mean([one.macro.value for one in alone]))
    assert found.failure_rate == pytest.approx(np.mean([one.failure_rate for one in alone]))
    assert found.num_pairs == 39
    assert [part.category for part in found.categories] == ["even", "odd"]
    assert sum(part.num_pairs for part in found.categories) == 39
    assert found.votes == 8
    curves = [vote_curve(rows) for rows in RUNS.values()]
    assert [point.votes for point in found.curve] == [1, 2, 4, 8]
    for point, *same in zip(found.curve, *curves, strict=True):
        assert point.accuracy.value == pytest.approx(np.mean([one.accuracy.value for one in same]))
    assert found.curve[-1].accuracy.value == pytest.approx(found.accuracy.value)
    assert found.single == found.curve[0].accuracy
    assert found.ece is not None and found.flips is not None and found.first_slot is not None


def test_a_difference_is_taken_run_by_run_and_pair_by_pair():
    worse = {seed: run(seed, 0.55) for seed in (0, 1, 2)}
    found = seeded_difference(RUNS, worse)
    accuracies = (across_seeds(RUNS).accuracy.value, across_seeds(worse).accuracy.value)
    assert found.value == pytest.approx(accuracies[0] - accuracies[1])
    assert found.low > 0
    assert seeded_difference(worse, RUNS).value == pytest.approx(-found.value)
    same = seeded_difference(RUNS, RUNS)
    assert isinstance(same, Estimate) and same.value == 0.0


def test_runs_of_other_pairs_or_seeds_are_refused():
    with pytest.raises(ValueError, match="same preferences in the same order"):
        across_seeds({0: RUNS[0], 1: RUNS[1][::-1]})
    with pytest.raises(ValueError, match="no runs"):
        across_seeds({})
    with pytest.raises(ValueError, match="runs of other seeds"):
        seeded_difference(RUNS, {0: RUNS[0]})
