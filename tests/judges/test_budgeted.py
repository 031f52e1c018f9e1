"""A budget of votes for a whole set: what holds of it whatever the votes."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.judges import Ballot, BothOrders, Budgeted
from jurist.types import Verdict


def half_lengths(judged):
    return [len(judgements) // 2 for judgements in judged]


@given(
    seed=st.integers(0, 5), count=st.integers(1, 24), votes=st.integers(1, 6), mean=st.floats(2, 14)
)
@settings(deadline=None, max_examples=60)
def test_no_more_is_spent_than_the_budget_and_all_of_it_where_it_can_be(
    make_rolled, seed, count, votes, mean
):
    judge, shown = make_rolled(count, votes, seed=seed)
    judged = Budgeted(judge, mean_votes=mean)(shown)
    spent = sum(map(len, judged))
    assert spent <= mean * count
    # Votes come in pairs: at most one vote is left over.
    assert spent == 2 * min(math.floor(mean * count) // 2, votes * count)
    assert all(judged)


@pytest.mark.parametrize("mean", [2, 2.2, 3, 5, 8])
def test_a_comparison_that_is_there_twice_is_paid_for_twice(make_rolled, mean):
    judge, shown = make_rolled(12, 6, seed=8)
    shown = shown * 2 + shown[:5]
    judged = Budgeted(judge, mean_votes=mean)(shown)
    spent = sum(map(len, judged))
    # What is left over is less than the next one of three would cost.
    assert mean * len(shown) - 6 < spent <= mean * len(shown)
    assert judged[:12] == judged[12:24]


@pytest.mark.parametrize("mean", [2, 3, 5, 8.5, 12])
def test_both_orders_have_as_many_votes_and_they_are_the_first_ones(make_rolled, mean):
    judge, shown = make_rolled(30, 8, seed=1)
    full = BothOrders(judge)(shown)
    for all_votes, cast in zip(full, Budgeted(judge, mean_votes=mean)(shown), strict=True):
        half = len(cast) // 2
        assert cast == [*all_votes[:half], *all_votes[8 : 8 + half]]


def test_a_budget_for_all_votes_is_full_voting(make_rolled):
    judge, shown = make_rolled(30, 8, seed=2)
    assert Budgeted(judge, mean_votes=16)(shown) == BothOrders(judge)(shown)
    assert Budgeted(judge, mean_votes=1e9)(shown) == BothOrders(judge)(shown)


def test_with_more_to_spend_no_comparison_gets_fewer_votes(make_rolled):
    judge, shown = make_rolled(25, 6, seed=3)
    # Comparisons that are asked about twice cost twice: the end of a budget must not turn on that.
    shown += shown[:5]
    before = [0] * len(shown)
    for spend in range(2 * len(shown), 12 * len(shown) + 1):
        now = half_lengths(Budgeted(judge, mean_votes=spend / len(shown) + 1e-9)(shown))
        assert all(one <= other for one, other in zip(before, now, strict=True))
        before = now
    assert before == [6] * len(shown)


@pytest.mark.parametrize("mean", [2.5, 4, 7, 11])
def test_the_order_of_the_set_changes_nothing(make_rolled, mean):
    judge, shown = make_rolled(30, 8, seed=4)
    shown += shown[:3]
    judged = dict(zip(shown, Budgeted(judge, mean_votes=mean)(shown), strict=True))
    for seed in range(5):
        shuffled = list(shown)
        random.Random(seed).shuffle(shuffled)
        again = Budgeted(judge, mean_votes=mean)(shuffled)
        assert again == [judged[comparison] for comparison in shuffled]


def test_votes_go_where_the_verdict_is_open(make_recorded):
    judge, shown = make_recorded(
        {
            **{f"clear {i}": ("f" * 8, "f" * 8) for i in range(6)},
            "even": ("fsfsfsfs", "sfsfsfsf"),
            "leaning": ("ffsfffsf", "fsffffff"),
        }
    )
    judged = half_lengths(Budgeted(judge, mean_votes=6)(shown))
    # 24 of each order: one each, then all that the even one may have, then the leaning one.
    assert judged[6] == 8
    assert 8 >= judged[7] > max(judged[:6])
    assert sum(judged) == 24


def test_equals_are_settled_by_content(make_recorded):
    names = [f"pair {i}" for i in range(16)]
    judge, shown = make_recorded({name: ("fsfs", "fsfs") for name in names})
    judged = dict(zip(shown, half_lengths(Budgeted(judge, mean_votes=3)(shown)), strict=True))
    assert len(set(judged.values())) == 2
    there = [judged[comparison] for comparison in shown]
    assert there != sorted(there) and there != sorted(there, reverse=True)
    back = half_lengths(Budgeted(judge, mean_votes=3)(shown[::-1]))
    assert back == there[::-1]


def test_it_agrees_with_all_votes_more_often_than_as_many_votes_on_every_pair(make_rolled):
    judge, shown = make_rolled(400, 16, seed=6)
    full = [Ballot.of(judgements).outcome for judgements in BothOrders(judge)(shown)]

    def same(judged):
        outcomes = [Ballot.of(judgements).outcome for judgements in judged]
        return sum(one is other for one, other in zip(outcomes, full, strict=True)) / len(full)

    spread = Budgeted(judge, mean_votes=8)(shown)
    even = [[*row[:4], *row[16:20]] for row in BothOrders(judge)(shown)]
    assert sum(map(len, spread)) == sum(map(len, even))
    assert same(spread) > same(even) + 0.05


def test_failures_are_read_on_and_ties_are_not_failures(make_recorded):
    judge, shown = make_recorded(
        {"mute": ("xxxx", "xxxx"), **{f"clear {i}": ("ffff", "ffff") for i in range(7)}}
    )
    mute, *clear = Budgeted(judge, mean_votes=2.75)(shown)
    assert len(mute) == 8
    assert {len(judgements) for judgements in clear} == {2}
    assert Ballot.of(clear[0]).outcome is Verdict.FIRST


@pytest.mark.parametrize("mean", [1.9, 0, -1, math.inf, math.nan])
def test_a_budget_for_less_than_one_vote_of_each_order_is_refused(make_recorded, mean):
    judge, _ = make_recorded({"any": ("ff", "ff")})
    with pytest.raises(ValueError, match="mean_votes must be finite and at least 2"):
        Budgeted(judge, mean_votes=mean)


def test_asked_about_nothing_it_asks_nothing(make_recorded):
    judge, _ = make_recorded({"any": ("ff", "ff")})
    assert Budgeted(judge, mean_votes=4)([]) == []
    assert judge.calls == []
