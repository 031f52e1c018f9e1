import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.judges.predictive import OrderVotes, lead_changes, outlook, probability_of_change

counts = st.builds(
    OrderVotes, st.integers(0, 6), st.integers(0, 6), st.integers(0, 2), st.integers(0, 2)
)


def by_drawing_every_sequence(given: OrderVotes, swapped: OrderVotes, num_left: int):
    """The same three probabilities, from an urn that gets one more of what was drawn."""
    found = {1: 0.0, -1: 0.0, 0: 0.0}
    lead = given.first + swapped.first - given.second - swapped.second
    for drawn in itertools.product(range(3), repeat=2 * num_left):
        chance, gain = 1.0, 0
        for votes, sequence in ((given, drawn[:num_left]), (swapped, drawn[num_left:])):
            urn = [votes.first + 1, votes.second + 1, votes.neither + 1]
            for kind in sequence:
                chance *= urn[kind] / sum(urn)
                urn[kind] += 1
                gain += (1, -1, 0)[kind]
        total = lead + gain
        found[(total > 0) - (total < 0)] += chance
    return found[1], found[-1], found[0]


def test_an_outlook_worked_by_hand():
    # First leads by 1 and one vote of each order is left: it loses its lead if both go to second,
    # 1/4 * 1/3 (the order that has no vote knows nothing), and falls even if one does and the
    # other goes to neither.
    found = outlook(OrderVotes(first=1), OrderVotes(), 1)
    assert found.second == pytest.approx(1 / 12)
    assert found.even == pytest.approx(1 / 4 * 1 / 3 + 1 / 4 * 1 / 3)
    assert found.first == pytest.approx(1 - 3 / 12)


def test_changes_of_a_lead_worked_by_hand():
    # Urn 2, 1, 1. Two votes: ff 2/4 3/5, ss 1/4 2/5, fn and nf 2 * 2/4 1/5, sn and ns 2 * 1/4 1/5.
    assert lead_changes(1, 0, 0, 2) == pytest.approx((0.1, 0.1, 0.3, 0.2, 0.3))


@given(counts, counts, st.integers(0, 2))
@settings(deadline=None, max_examples=40)
def test_an_outlook_is_what_drawing_vote_by_vote_gives(given_order, swapped, num_left):
    expected = by_drawing_every_sequence(given_order, swapped, num_left)
    assert tuple(outlook(given_order, swapped, num_left)) == pytest.approx(expected, abs=1e-12)


@given(counts, counts, st.integers(0, 40))
@settings(deadline=None)
def test_probabilities_add_up_and_know_no_names_and_no_orders(given_order, swapped, num_left):
    found = outlook(given_order, swapped, num_left)
    assert min(found) >= 0.0
    assert math.fsum(found) == pytest.approx(1.0, abs=1e-12)
    mirror = [
        votes._replace(first=votes.second, second=votes.first) for votes in (swapped, given_order)
    ]
    # To the last bit: a stop must not hang on which response came first.
    assert outlook(*mirror, num_left) == (found.second, found.first, found.even)
    assert outlook(swapped, given_order, num_left) == found


@pytest.mark.parametrize("num_left", range(1, 30))
def test_where_neither_response_is_ahead_in_anything_rounding_puts_none_there(num_left):
    for one in (OrderVotes(first=1), OrderVotes(first=5, second=2, ties=1)):
        found = outlook(one, one._replace(first=one.second, second=one.first), num_left)
        assert found.first == found.second


@given(counts, counts, st.integers(0, 12))
@settings(deadline=None)
def test_a_change_is_impossible_exactly_where_no_votes_could_make_one(
    given_order, swapped, num_left
):
    lead = given_order.first + swapped.first - given_order.second - swapped.second
    certain = abs(lead) > 2 * num_left or num_left == 0
    assert (probability_of_change(given_order, swapped, num_left) == 0.0) is certain


def test_nothing_is_settled_by_failures():
    failed, tied = OrderVotes(failures=15), OrderVotes(ties=15)
    assert probability_of_change(failed, failed, 1) == 1.0
    assert probability_of_change(failed, failed, 0) == 0.0
    # Ties are verdicts: another tie is likely, and only a lead would be a change.
    assert probability_of_change(tied, tied, 1) == pytest.approx(1 - (16 / 18) ** 2 - 2 / 18**2)
    assert probability_of_change(OrderVotes(), OrderVotes(), 3) == 1.0


def test_one_sure_order_says_nothing_of_the_other():
    sure = OrderVotes(first=8)
    both = probability_of_change(sure, sure, 8)
    assert both < 1e-9
    assert probability_of_change(sure, OrderVotes(first=2, second=6), 8) > 0.02
    # A judge that goes by places alone: even, and never sure of it.
    assert probability_of_change(sure, OrderVotes(second=8), 8) > 0.3


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="no count is negative"):
        outlook(OrderVotes(first=-1), OrderVotes(), 1)
    with pytest.raises(ValueError, match="no count is negative"):
        outlook(OrderVotes(), OrderVotes(), -1)
