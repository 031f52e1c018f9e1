"""Splits and parts: by group, the same every time, and nothing lost."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.data import parts, split, split_tenth
from jurist.errors import ConfigError, DataError
from jurist.types import Preference, user


def rows(groups: list[int]) -> list[Preference]:
    return [
        Preference(id=f"row-{i}", prompt=user("p"), chosen="x", rejected="y", group=f"group-{g}")
        for i, g in enumerate(groups)
    ]


MANY = rows([i // 3 for i in range(3000)])


def ids(preferences: list[Preference]) -> set[str]:
    return {one.id for one in preferences}


def groups(preferences: list[Preference]) -> set[str]:
    return {one.group for one in preferences}


def test_every_row_goes_to_one_part_in_order_and_no_group_to_two():
    made = split(MANY, validation=0.1, test=0.2, seed=0)
    all_parts = (made.train, made.validation, made.test)
    assert sorted(one.id for part in all_parts for one in part) == sorted(ids(MANY))
    assert sum(len(groups(part)) for part in all_parts) == len(groups(MANY))
    for part in all_parts:
        names = ids(part)
        assert part == [one for one in MANY if one.id in names]


def test_the_shares_are_about_those_asked_for():
    made = split(MANY, validation=0.1, test=0.2, seed=0)
    # 1000 groups: a share of 0.2 has a standard deviation of 12.6 groups, one of 0.1 of 9.5.
    assert abs(len(groups(made.test)) - 200) < 4 * 12.6
    assert abs(len(groups(made.validation)) - 100) < 4 * 9.5


def test_a_split_depends_on_the_seed_and_on_nothing_else():
    def parted(preferences: list[Preference], seed: int) -> list[set[str]]:
        made = split(preferences, validation=0.1, test=0.2, seed=seed)
        return [ids(made.train), ids(made.validation), ids(made.test)]

    shuffled = random.Random(0).sample(MANY, len(MANY))
    assert parted(MANY, 1) == parted(shuffled, 1)
    assert parted(MANY, 1) != parted(MANY, 2)


def test_a_group_keeps_its_part_whatever_other_rows_there_are():
    whole = split(MANY, validation=0.1, test=0.2, seed=0)
    half = split(MANY[::2], validation=0.1, test=0.2, seed=0)
    assert groups(half.test) <= groups(whole.test)
    assert groups(half.validation) <= groups(whole.validation)


def test_the_test_part_does_not_change_with_the_validation_share():
    def test_part(validation: float) -> list[Preference]:
        return split(MANY, validation=validation, test=0.2, seed=0).test

    assert test_part(0.0) == test_part(0.5)


def test_the_tenth_is_the_published_one():
    made = split_tenth(MANY, validation=0.1, seed=0)
    expected = {
        one.group
        for one in MANY
        if int(hashlib.sha256(one.group.encode()).hexdigest()[:8], 16) % 10 == 0
    }
    assert groups(made.test) == expected
    assert abs(len(groups(made.validation)) - 90) < 4 * 9.0
    assert len(made.train) + len(made.validation) + len(made.test) == len(MANY)
    assert split_tenth(MANY, validation=0.0, seed=1).test == made.test


def test_the_published_rule_by_a_value_worked_by_hand():
    # sha256("a") = ca978112...: 0xca978112 = 3398926610, so "a" is a test group.
    # sha256("b") = 3e23e816...: 0x3e23e816 = 1042540566, so "b" is not.
    a, b = (
        Preference(id=name, prompt=user("p"), chosen="x", rejected="y", group=name) for name in "ab"
    )
    made = split_tenth([a, b], validation=0.0, seed=0)
    assert (made.test, made.train) == ([a], [b])


def test_a_part_that_comes_out_empty_is_refused():
    with pytest.raises(DataError, match="in the test part, found none: 3 preferences are 1 groups"):
        split(rows([1, 1, 1]), validation=0.0, test=1e-6, seed=0)


def test_a_share_of_nothing_may_be_empty():
    made = split(rows([1, 2]), validation=0.0, test=1.0, seed=0)
    assert (made.train, made.validation, len(made.test)) == ([], [], 2)
    assert split(MANY, validation=0.3, test=0.7, seed=0).train == []


@pytest.mark.parametrize(
    "shares", [(-0.1, 0.1), (0.5, 0.6), (1.1, 0.0), (float("nan"), 0.1)], ids=str
)
def test_shares_that_are_none_are_refused(shares: tuple[float, float]):
    with pytest.raises(ConfigError, match="shares in"):
        split(MANY, validation=shares[0], test=shares[1], seed=0)


def test_a_row_without_group_is_refused():
    row = Preference(id="lonely", prompt=user("p"), chosen="x", rejected="y")
    for parting in (
        lambda: split([row], validation=0.0, test=0.5, seed=0),
        lambda: split_tenth([row], validation=0.0, seed=0),
        lambda: parts([row], 1, seed=0),
    ):
        with pytest.raises(DataError, match="'lonely': expected a group"):
            parting()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 5), st.integers(0, 3))
def test_parts_are_equal_disjoint_whole_and_cut_few_groups(sizes: list[int], num: int, seed: int):
    preferences = rows(sizes)
    if len(preferences) < num:
        with pytest.raises(DataError, match=f"at least {num} preferences"):
            parts(preferences, num, seed=seed)
        return
    made = parts(preferences, num, seed=seed)
    assert len(made) == num
    assert max(map(len, made)) - min(map(len, made)) <= 1
    assert sorted(one.id for part in made for one in part) == sorted(ids(preferences))
    cuts = sum(len(groups(part)) for part in made) - len(groups(preferences))
    assert cuts <= num - 1
    for part in made:
        assert part == [one for one in preferences if one in part]


def test_parts_depend_on_the_seed_and_not_on_the_order():
    shuffled = random.Random(0).sample(MANY, len(MANY))
    parted = [ids(part) for part in parts(MANY, 3, seed=0)]
    assert parted == [ids(part) for part in parts(shuffled, 3, seed=0)]
    assert parted != [ids(part) for part in parts(MANY, 3, seed=1)]


def test_parts_of_no_number_are_refused():
    with pytest.raises(ConfigError, match="num must be at least 1, got 0"):
        parts(MANY, 0, seed=0)
