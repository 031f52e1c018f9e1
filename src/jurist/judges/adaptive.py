"""A judge that stops voting on a comparison once more votes would hardly change the verdict."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache

from jurist.judges.base import SamplingJudge
from jurist.judges.polling import Polling
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

    **Rounds.** A round asks for as many votes as would have to be cast, all for the leader, before
    the rule could end the sampling: each comparison's prompt is read in few rounds, and hardly a
    vote more is cast than one by one.

    What comes out for one comparison depends on that comparison and its samples alone, and a
    ballot's judgements are the first of those that `BothOrders(judge)` gives. Rounds go by sample
    index, so an engine that is `Cached` asks for nothing twice.
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
            ValueError: If the judge gives other than as many votes as it was asked for.
        """
        polling = Polling(self.judge, comparisons)
        still_open = polling.comparisons
        while still_open:
            # Those with the fewest votes, so that all who ever come to that number ask together.
            fewest = min(map(polling.num_cast, still_open))
            more = {
                comparison: next_votes(
                    *polling.votes(comparison), polling.num_left(comparison), self.stop_at
                )
                for comparison in still_open
                if polling.num_cast(comparison) == fewest
            }
            polling.ask({comparison: count for comparison, count in more.items() if count})
            still_open = [comparison for comparison in still_open if more.get(comparison) != 0]
        return [polling.judgements(comparison) for comparison in comparisons]


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
