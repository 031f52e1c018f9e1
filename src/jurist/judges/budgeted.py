"""A judge that spends a given number of votes on a set of comparisons where they matter most."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

from jurist.digest import digest
from jurist.judges.base import SamplingJudge
from jurist.judges.polling import Polling
from jurist.judges.predictive import probability_of_change
from jurist.types import Comparison, Judgement

_ROUND_SHARE = 8
"""A round goes to one in so many of the comparisons, so that an engine has a batch to work on."""


@dataclass(frozen=True, slots=True)
class Budgeted:
    """Votes in both orders, `mean_votes` of a comparison on average and more of the open ones.

    **The rule.** Every comparison gets one vote in each order. From then on every round goes to the
    eighth of the comparisons whose verdict all votes would most probably change, by the predictive
    probability that `Adaptive` stops by, and each gets half as many votes again as it has, one in
    each order at least. Of comparisons that no votes could change any more, those with the fewest
    come first, once there are no others. So the budget is spent about as `Adaptive` would spend it
    with the least `stop_at` that it affords, and as many verdicts are expected to differ from those
    of all votes as the probabilities at the end add up to.

    The setting is that of a budget for labels (Chen, Lin and Zhou 2013), the rule is not theirs:
    their knowledge gradient asks which vote is expected to gain most at once. Here that was worse,
    on validation pairs, than asking where most is open (docs/log.md).

    **What holds.** No more than `mean_votes` N votes are cast on N comparisons. The rounds do not
    depend on the budget, which only says where they end: with a greater one no comparison gets
    fewer votes, and with enough for all votes it is `BothOrders(judge)`. Equals are told apart by
    their content, never by their place in the list: the order of the comparisons changes nothing.
    Which others there are does, of course. Equal comparisons are judged alike, each at its own
    expense; where the next ones in line cost more than is left, that stays unspent.
    """

    judge: SamplingJudge
    """Reads one order at a time. Its `num_samples` is the most votes of each order."""

    _: KW_ONLY
    mean_votes: float
    """Votes of a comparison on average, both orders together; at least 2, one of each order."""

    def __post_init__(self) -> None:
        if not 2.0 <= self.mean_votes < math.inf:
            raise ValueError(
                f"mean_votes must be finite and at least 2, one vote of each order; "
                f"got {self.mean_votes}"
            )

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Spend the budget on these comparisons.

        Returns:
            For each comparison the votes of the order given, then as many of the swapped order.

        Raises:
            ValueError: If the judge gives other than as many votes as it was asked for.
        """
        polling = Polling(self.judge, comparisons)
        times = Counter(comparisons)
        names = {comparison: digest(comparison) for comparison in times}
        # Counted in votes of one order: both orders are asked together.
        left = math.floor(self.mean_votes * len(comparisons)) // 2
        wanted = dict.fromkeys(times, 1)
        while wanted:
            affordable: dict[Comparison, int] = {}
            for comparison, count in wanted.items():
                affordable[comparison] = min(count, left // times[comparison])
                left -= affordable[comparison] * times[comparison]
                if affordable[comparison] < count:
                    # Spent on the next in line, it would be taken from that one by more budget.
                    left = 0
                    break
            polling.ask({comparison: count for comparison, count in affordable.items() if count})
            wanted = _next_round(polling, names) if left else {}
        return [polling.judgements(comparison) for comparison in comparisons]


def _next_round(polling: Polling, names: Mapping[Comparison, str]) -> dict[Comparison, int]:
    """Votes of each order to cast next, the most open comparison first; empty when all are cast."""
    chances = {
        comparison: probability_of_change(*polling.votes(comparison), num_left)
        for comparison in names
        if (num_left := polling.num_left(comparison))
    }
    some_open = any(chances.values())
    ranked = sorted(
        (comparison for comparison, chance in chances.items() if chance or not some_open),
        key=lambda one: (-chances[one], polling.num_cast(one), names[one]),
    )
    return {
        comparison: min(max(1, polling.num_cast(comparison) // 2), polling.num_left(comparison))
        for comparison in ranked[: math.ceil(len(names) / _ROUND_SHARE)]
    }
