"""A judge that stops voting on a comparison once more votes would hardly change the verdict."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache, partial

from jurist.judges.base import SamplingJudge
from jurist.judges.polling import counted
from jurist.judges.predictive import OrderVotes, probability_of_change
from jurist.types import Comparison, Judgement


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Votes in both orders, as many as it takes (after Adaptive-Consistency, Aggarwal et al. 2023).

    **The rule.** Votes are cast in pairs, one in each order, and the rule is about the ballot of
    both: one order alone, however sure, stops nothing. Sampling of a comparison ends as soon as

        P(all votes give another verdict than those cast | the votes cast) <= stop_at,

    with the exact predictive probability of `jurist.judges.predictive`: within each order votes are
    exchangeable, with shares of first, second and neither of that order's own, uniform beforehand.
    A failure is neither a tie nor a vote. It is one of the readings all the same: fewer are left.

    **The bound.** However the stopping is timed, the probability that the verdict given is not the
    one all votes would give is the mean, over the places where sampling may end, of the probability
    above, so at most `stop_at`, and of N comparisons at most `stop_at` N are expected to differ.
    That is for comparisons whose shares are as the prior has them. Of shares that all lie about a
    half more can differ, of lopsided ones fewer will; a judge's own figures come of replaying the
    rule on votes that were all cast (`jurist.evaluation.stopping_curve`).

    **Certainty.** With `stop_at` 0 sampling ends only where no votes could change the verdict, and
    every verdict is that of all votes, whatever the shares. A tie then takes every vote, and so
    does a comparison without any verdict, with any `stop_at`.

    **Steps.** As many votes are asked for at a time as would have to be cast, all for the leader,
    before the rule could end the sampling: hardly a vote more is cast than one by one. It is all
    one call of the judge, so an engine reads each prompt once, keeps its batches full with other
    comparisons, and may begin votes ahead of need, which are dropped if they are not wanted.

    What comes out for one comparison depends on that comparison and its samples alone, and a
    ballot's judgements are the first of those that `BothOrders(judge)` gives.
    """

    judge: SamplingJudge
    """Reads one order at a time. Its `num_samples` is the most votes of each order."""

    _: KW_ONLY
    stop_at: float = 0.01
    """Probability allowed that all votes would give another verdict. In [0, 1)."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.stop_at < 1.0:
            raise ValueError(f"stop_at must be in [0, 1), got {self.stop_at}")

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Have votes cast on every comparison until each is as good as decided.

        Returns:
            For each comparison the votes of the order given, then as many of the swapped order.

        Raises:
            ValueError: If the judge gives other than as many votes as it was asked for, or
                judgements that state probabilities, whose ballot is no matter of a majority.
        """
        more = partial(_more_votes, self.judge.num_samples, self.stop_at)
        orders = [(comparison, comparison.swapped()) for comparison in comparisons]
        judged = self.judge.sample_groups(orders, more)
        if len(judged) != len(orders):
            raise ValueError(
                f"the judge was asked about {len(orders)} comparisons and answered on {len(judged)}"
            )
        found: list[list[Judgement]] = []
        for given, swapped in judged:
            if len(given) != len(swapped) or more((given, swapped)):
                raise ValueError(
                    f"the judge gave {len(given)} and {len(swapped)} judgements of the two orders "
                    f"of a comparison, and more were wanted; votes must balance between the orders"
                )
            found.append([*given, *(judgement.mapped_back() for judgement in swapped)])
        return found


def _more_votes(num_samples: int, stop_at: float, orders: Sequence[Sequence[Judgement]]) -> int:
    """Votes to cast next in each order, after those of the order given and of the swapped one."""
    given, swapped = orders
    if any(judgement.probability is not None for judgement in (*given, *swapped)):
        raise ValueError(
            "the judge states probabilities, which a ballot averages; only votes can be stopped "
            "early: use BothOrders"
        )
    votes = counted(given), counted([judgement.mapped_back() for judgement in swapped])
    return next_votes(*votes, num_samples - len(given), stop_at)


@lru_cache(maxsize=2**17)
def next_votes(given: OrderVotes, swapped: OrderVotes, num_left: int, stop_at: float) -> int:
    """Votes to cast next in each order; 0 where the rule of `Adaptive` ends the sampling.

    Args:
        given: Votes cast in the order given.
        swapped: Votes cast in the swapped order, as many, in the same terms.
        num_left: Votes that may still be cast in each order.
        stop_at: Probability allowed that all votes would give another verdict.

    Example:
        Of 16 votes in each order, 2 for the first response in each are enough at one in twenty, but
        not at one in a hundred, for which another vote of each order has to agree, at the least.

        >>> agreed = OrderVotes(first=2)
        >>> next_votes(agreed, agreed, 14, 0.1), next_votes(agreed, agreed, 14, 0.01)
        (0, 1)
    """
    if probability_of_change(given, swapped, num_left) <= stop_at:
        return 0
    lead = given.first + swapped.first - given.second - swapped.second
    leaders = [side for side, leads in (("first", lead >= 0), ("second", lead <= 0)) if leads]
    for count in range(1, num_left):
        for leader in leaders:
            hoped_given, hoped_swapped = (
                votes._replace(**{leader: getattr(votes, leader) + count})
                for votes in (given, swapped)
            )
            if probability_of_change(hoped_given, hoped_swapped, num_left - count) <= stop_at:
                return count
    return num_left
