"""Points of a curve over n: means, paired differences, and the share of the way to the best."""

import pytest

from jurist.errors import DataError
from jurist.evaluation import Estimate, selection_points

TABLES = {
    "randomly": [[0.5, 0.25, 0.0, 0.25]],
    "oracle": [[1.0, 1.0, 0.0, 1.0]],
    "comparisons": [[6.0, 6.0, 3.0, 1.0]],
    "tokens": [[60.0, 20.0, 0.0, 0.0]],
}


def test_a_point_matches_hand_worked_values():
    (point,) = selection_points([4], [[1.0, 0.0, 0.0, 1.0]], **TABLES, groups=["a", "a", "b", "c"])
    assert (point.n, point.accuracy.value, point.over_random.value) == (4, 0.5, 0.25)
    # From 1/4 to 3/4 there is a half to go, and a quarter is gone.
    assert point.recovered == pytest.approx(0.5)
    assert (point.comparisons, point.tokens) == (4.0, 20.0)
    assert point.accuracy.low < 0.5 < point.accuracy.high


def test_a_rule_that_is_random_has_no_difference_and_no_spread_but_that_of_few_groups():
    (point,) = selection_points([1], TABLES["randomly"], **TABLES, groups=list("abcd"))
    assert point.over_random.value == 0
    assert not point.over_random.excludes(0)


def test_the_difference_is_paired_and_groups_are_drawn_whole():
    # Better by 0.1 or not at all, whatever the prompt: the mean varies more than the difference.
    randomly = [[0.1 * i for i in range(9)]]
    chosen = [[0.1 * i + 0.1 * (i % 2) for i in range(9)]]
    nothing = [[0.0] * 9]
    tables = {"randomly": randomly, "oracle": [[1.0] * 9], "comparisons": nothing}
    (apart,) = selection_points([2], chosen, **tables, tokens=nothing, groups=list("abcdefghi"))
    assert width(apart.accuracy) > 0.2 > 0.1 > width(apart.over_random) > 0
    (few,) = selection_points([2], chosen, **tables, tokens=nothing, groups=list("aaabbbccc"))
    assert width(few.accuracy) > width(apart.accuracy)


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_where_there_is_no_way_to_go_none_of_it_is_recovered():
    tables = {**TABLES, "oracle": TABLES["randomly"]}
    (point,) = selection_points([1], TABLES["randomly"], **tables, groups=list("abcd"))
    assert point.recovered is None


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected tables of 1 values of n by 3 prompts"):
        selection_points([1], [[0.0, 0.0, 0.0]], **TABLES, groups=list("abc"))
    with pytest.raises(DataError, match="no prompts"):
        selection_points([], [], randomly=[], oracle=[], comparisons=[], tokens=[], groups=[])
