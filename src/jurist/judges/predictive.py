"""What the votes not yet cast may still do to a ballot: exact predictive probabilities.

One comparison is read by votes in two orders. Within an order, votes are taken to be draws from
shares (first, second, neither) that are unknown and the order's own: a judge that leans to a place
has different ones in either order, so nothing that one order says is believed of the other. A tie
and a failure are both "neither", for they move no majority. Before any vote every triple of shares
is as likely as any other, the uniform prior of Adaptive-Consistency (Aggarwal et al. 2023).

The votes to come are then Dirichlet-multinomial in each order, and all that matters of them is what
they add to the lead of the first response over the second. That is summed exactly: no draws, no
normal approximation. Trials are stopped by such a predictive probability (Lee and Liu 2008).
Adaptive-Consistency asks instead how probable it is that the leader's *share* is the greater, which
says nothing of how few votes are left to be cast.

Everything is a function of counts, and the same to the last bit for a comparison and its swap.
"""

import math
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, TypeAlias

PRIOR = 1.0
"""Pseudo-votes for each of first, second and neither, in each order: uniform over the shares."""

_CACHE_SIZE = 2**17
_Counts: TypeAlias = tuple[int, int, int]


class OrderVotes(NamedTuple):
    """The votes cast in one order, in terms of the comparison."""

    first: int = 0
    second: int = 0
    ties: int = 0
    failures: int = 0

    @property
    def neither(self) -> int:
        """Votes that move no majority."""
        return self.ties + self.failures


class Outlook(NamedTuple):
    """Probabilities of where the majority lies once all votes are cast; their sum is 1."""

    first: float
    second: float
    even: float
    """As many votes for the one as for the other, or none for either."""


def outlook(given: OrderVotes, swapped: OrderVotes, num_left: int) -> Outlook:
    """Where the majority of both orders together will lie after `num_left` more votes in each.

    Args:
        given: Votes cast in the order given.
        swapped: Votes cast in the swapped order, in terms of the comparison as given.
        num_left: Votes still to be cast in each order.

    Raises:
        ValueError: If a count is negative.

    Example:
        One vote for the first response in either order, one left in each. The second catches up if
        it gets both, each with probability (0 + 1) / (1 + 3).

        >>> found = outlook(OrderVotes(first=1), OrderVotes(first=1), 1)
        >>> round(found.first, 9), found.second, round(found.even, 9)
        (0.9375, 0.0, 0.0625)
    """
    if min(*given, *swapped, num_left) < 0:
        raise ValueError(f"no count is negative: {given}, {swapped}, {num_left} left")
    # One form for all that are alike but for names and orders, so that they agree to the last bit.
    one, other = sorted((votes.first, votes.second, votes.neither) for votes in (given, swapped))
    mirror = sorted((votes.second, votes.first, votes.neither) for votes in (given, swapped))
    first, second, even = _outlook(*min((one, other), (mirror[0], mirror[1])), num_left)
    if [one, other] == mirror:
        # Neither response is ahead in anything: rounding must not put one there.
        first = second = (first + second) / 2.0
    return Outlook(first, second, even) if [one, other] <= mirror else Outlook(second, first, even)


def probability_of_change(given: OrderVotes, swapped: OrderVotes, num_left: int) -> float:
    """Probability that all votes give another verdict than those cast so far. In [0, 1].

    Exactly 0 if, and only if, no votes could. While no vote has a verdict, any that comes changes
    what the ballot says, and the probability is taken to be 1 as long as one may come.
    """
    lead = given.first + swapped.first - given.second - swapped.second
    first, second, even = outlook(given, swapped, num_left)
    if lead:
        return (second if lead > 0 else first) + even
    if not (
        given.first + given.second + given.ties + swapped.first + swapped.second + swapped.ties
    ):
        return 1.0 if num_left else 0.0
    return first + second


@lru_cache(maxsize=_CACHE_SIZE)
def _outlook(one: _Counts, other: _Counts, num_left: int) -> Outlook:
    lead = one[0] - one[1] + other[0] - other[1]
    mine, theirs = lead_changes(*one, num_left), lead_changes(*other, num_left)
    # Of the other order's gain: that it is at most, and at least, entry i's.
    at_most = list(accumulate(theirs))
    at_least = list(accumulate(reversed(theirs)))[::-1]
    last = 2 * num_left
    first: list[float] = []
    second: list[float] = []
    even: list[float] = []
    for i, chance in enumerate(mine):
        # The entry of `theirs` that makes the two even.
        needed = 2 * num_left - lead - i
        if needed < last:
            first.append(chance * at_least[max(needed + 1, 0)])
        if needed > 0:
            second.append(chance * at_most[min(needed - 1, last)])
        if 0 <= needed <= last:
            even.append(chance * theirs[needed])
    return Outlook(math.fsum(first), math.fsum(second), math.fsum(even))


@lru_cache(maxsize=_CACHE_SIZE)
def lead_changes(first: int, second: int, neither: int, num_left: int) -> tuple[float, ...]:
    """Distribution of what more votes of one order add to the lead of the first response.

    Args:
        first: Votes for the first response so far.
        second: Votes for the second so far.
        neither: Votes for neither so far.
        num_left: Votes to come.

    Returns:
        At place i the probability that the lead changes by i - `num_left`; 2 `num_left` + 1 places.

    Example:
        >>> [round(chance, 9) for chance in lead_changes(1, 0, 0, 1)]
        [0.25, 0.25, 0.5]
    """
    for_first, for_second, for_neither = (
        _log_weights(PRIOR + count, num_left) for count in (first, second, neither)
    )
    total = _log_weights(3 * PRIOR + first + second + neither, num_left)[num_left]
    by_change: list[list[float]] = [[] for _ in range(2 * num_left + 1)]
    for more_first in range(num_left + 1):
        for more_second in range(num_left - more_first + 1):
            weight = for_first[more_first] + for_second[more_second]
            weight += for_neither[num_left - more_first - more_second]
            by_change[num_left + more_first - more_second].append(math.exp(weight - total))
    return tuple(math.fsum(chances) for chances in by_change)


@lru_cache(maxsize=_CACHE_SIZE)
def _log_weights(shape: float, most: int) -> tuple[float, ...]:
    """Logarithms of shape (shape + 1) ... (shape + k - 1) / k! for k = 0 ... `most`."""
    start = math.lgamma(shape)
    return tuple(math.lgamma(shape + k) - start - math.lgamma(k + 1.0) for k in range(most + 1))
