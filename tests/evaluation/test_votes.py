import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.evaluation import Judged, agreement, credit, judged, vote_curve
from jurist.judges import Ballot, BothOrders
from jurist.types import Comparison, Failure, Judgement, Preference, Verdict, user

FIRST, SECOND, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE


def preference(number: int, tie: bool = False) -> Preference:
    return Preference(
        id=str(number), prompt=user("?"), chosen="good", rejected="bad", group=str(number), tie=tie
    )


class Coin:
    """Right with probability `chance` in every reading of either order."""

    def __init__(self, chance: float, votes: int) -> None:
        self.chance, self.votes, self.dice = chance, votes, random.Random(11)

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        return [[self._read(comparison) for _ in range(self.votes)] for comparison in comparisons]

    def _read(self, comparison: Comparison) -> Judgement:
        right = FIRST if comparison.first == "good" else SECOND
        outcome = right if self.dice.random() < self.chance else right.swapped()
        return Judgement(text="", outcome=outcome)


def one_row(given: Sequence[object], swapped: Sequence[object]) -> list[Judged]:
    """A row whose label is FIRST: 1 in `given` is a right reading, 0 a wrong one."""
    meant = {1: FIRST, 0: SECOND, "tie": TIE, "fail": Failure.TRUNCATED}
    chosen_first = next(one for one in map(preference, range(99)) if one.shown(0).label is FIRST)
    readings = [Judgement(text="", outcome=meant[x]) for x in given]  # type: ignore[index]
    readings += [
        Judgement(text="", outcome=meant[x], swapped=True)  # type: ignore[index]
        for x in swapped
    ]
    return judged([chosen_first], [readings], seed=0)


def values(rows: Sequence[Judged]) -> dict[int, float]:
    return {point.votes: point.accuracy.value for point in vote_curve(rows, num_resamples=20)}


def majority(chance: float, votes: int) -> float:
    """Probability that most of `votes` coins are right, an even split counting half."""
    weights = [
        math.comb(votes, k) * chance**k * (1 - chance) ** (votes - k) for k in range(votes + 1)
    ]
    return sum(w for k, w in enumerate(weights) if 2 * k > votes) + 0.5 * sum(
        w for k, w in enumerate(weights) if 2 * k == votes
    )


def test_curve_worked_by_hand():
    # given 1 1 0 0, swapped 1 0 1 0.
    # One vote: 4 of 8. Two: pairs (1,1) (1,0) (0,1) (0,0) earn 1, 1/2, 1/2, 0.
    # Four: {1,1,1,0} earns 1, {0,0,1,0} earns 0. Eight: even, 1/2.
    assert values(one_row([1, 1, 0, 0], [1, 0, 1, 0])) == {1: 0.5, 2: 0.5, 4: 0.5, 8: 0.5}
    # given 1 1 1 0, swapped 1 1 0 0: 5/8; 1, 1, 1/2, 0 -> 5/8; 1 and {1,0,0,0} 0 -> 1/2; 1.
    assert values(one_row([1, 1, 1, 0], [1, 1, 0, 0])) == {1: 5 / 8, 2: 5 / 8, 4: 0.5, 8: 1.0}


def test_failures_have_no_vote_and_a_block_of_failures_earns_nothing():
    # Two votes: {fail, 1} earns 1, {fail, fail} earns 0. Four: one vote, right. One vote: 1 of 4.
    assert values(one_row(["fail", "fail"], [1, "fail"])) == {1: 0.25, 2: 0.5, 4: 1.0}


def test_readings_left_over_from_the_last_whole_block_are_left_out_of_it():
    # Three of each order: blocks of two votes use all three, blocks of four only the first two.
    assert values(one_row([1, 1, 0], [1, 1, 0])) == {1: 4 / 6, 2: 2 / 3, 4: 1.0}


def test_curve_ends_where_the_row_with_the_fewest_readings_ends():
    rows = [*one_row([1] * 8, [1] * 8), *one_row([1, 1], [1, 1])]
    assert list(values(rows)) == [1, 2, 4]


def test_a_judge_read_in_one_order_has_a_single_point():
    assert values(one_row([1, 0, 1, 1], [])) == {1: 0.75}


def test_rows_labelled_a_tie_are_left_out():
    rows = [
        *one_row([1], [1]),
        *judged([preference(7, tie=True)], [[Judgement(text="", outcome=FIRST)]], seed=0),
    ]
    assert values(rows) == {1: 1.0, 2: 1.0}


def test_nothing_labelled_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        vote_curve([])


@pytest.mark.parametrize("chance", [0.4, 0.7])
def test_curve_of_coins_is_the_binomial_one(chance: float):
    preferences = [preference(number) for number in range(600)]
    shown = [one.shown(0).comparison for one in preferences]
    rows = judged(preferences, BothOrders(judge=Coin(chance, votes=8))(shown), seed=0)
    for votes, value in values(rows).items():
        # four standard errors of 600 pairs with 16 / votes blocks each
        slack = 4 * 0.5 / math.sqrt(600 * 16 / votes)
        assert value == pytest.approx(majority(chance, votes), abs=slack)
    assert values(rows)[16] == agreement(rows, num_resamples=20).accuracy.value
    assert values(rows)[1] == pytest.approx(agreement(rows, num_resamples=20).single.value)


orders = st.lists(st.sampled_from([1, 0, "tie", "fail"]), min_size=1, max_size=9)


def block_by_block(row: Judged, votes: int) -> float:
    """The definition: disjoint blocks, half of either order, each a ballot of its own."""
    plain = [one for one in row.ballot.judgements if not one.swapped]
    swapped = [one for one in row.ballot.judgements if one.swapped]
    half = votes // 2
    blocks = [
        [*plain[i : i + half], *swapped[i : i + half]]
        for i in range(0, min(len(plain), len(swapped)) - half + 1, half)
    ]
    credits = [credit(Ballot.of(block).outcome, row.label) for block in blocks]
    return sum(credits) / len(credits)


@given(st.lists(st.tuples(orders, orders), min_size=1, max_size=5))
@settings(deadline=None)
def test_the_curve_of_any_readings_is_that_of_its_blocks(readings):
    rows = [row for given_order, swapped in readings for row in one_row(given_order, swapped)]
    found = values(rows)
    for votes, value in found.items():
        if votes > 1:
            expected = [block_by_block(row, votes) for row in rows]
            assert value == pytest.approx(sum(expected) / len(rows), abs=1e-12)


def test_readings_that_state_probabilities_are_settled_by_their_mean():
    # Two votes: 0.9 and 0.2 favour the first, though one reading says either; 0.4 and 0.4 do not.
    chosen_first = next(one for one in map(preference, range(99)) if one.shown(0).label is FIRST)

    def stated(probability: float, swapped: bool) -> Judgement:
        outcome = FIRST if probability > 0.5 else SECOND
        return Judgement(text="", outcome=outcome, probability=probability, swapped=swapped)

    readings = [stated(0.9, False), stated(0.4, False), stated(0.2, True), stated(0.4, True)]
    assert values(judged([chosen_first], [readings], seed=0)) == {1: 0.25, 2: 0.5, 4: 0.0}


def test_tokens_are_those_of_the_votes():
    readings = [
        Judgement(text="", outcome=FIRST, num_tokens=tokens, swapped=swapped)
        for tokens, swapped in ((1, False), (3, False), (5, False), (10, True), (20, True))
    ]
    points = vote_curve(judged([preference(0)], [readings], seed=0), num_resamples=20)
    # Any one: 39 / 5. One of each order: (1 + 10 + 3 + 20) / 2 blocks. Two of each: 34.
    assert [(point.votes, point.tokens) for point in points] == [(1, 7.8), (2, 17.0), (4, 34.0)]
