"""Votes in both orders on some comparisons, asked of a judge a few at a time."""

from collections.abc import Mapping, Sequence
from functools import partial

from jurist.judges.base import SamplingJudge
from jurist.judges.both_orders import BothOrders
from jurist.judges.predictive import OrderVotes
from jurist.types import Comparison, Failure, Judgement, Verdict


class Polling:
    """The votes cast so far. Every comparison has as many in either order, always.

    Vote i of a comparison is the judge's sample i, whoever asks and in however many rounds: what
    has been cast is always the beginning of what all votes would be. Equal comparisons are one.

    Args:
        judge: Whom to ask; it reads one order at a time.
        comparisons: What will be asked about.
    """

    def __init__(self, judge: SamplingJudge, comparisons: Sequence[Comparison]) -> None:
        self._judge = judge
        self._cast: dict[Comparison, tuple[list[Judgement], list[Judgement]]] = {
            comparison: ([], []) for comparison in comparisons
        }

    @property
    def comparisons(self) -> list[Comparison]:
        """The different comparisons, in the order they were first named."""
        return list(self._cast)

    def num_cast(self, comparison: Comparison) -> int:
        """Votes cast in each order."""
        return len(self._cast[comparison][0])

    def num_left(self, comparison: Comparison) -> int:
        """Votes that may still be cast in each order."""
        return self._judge.num_samples - self.num_cast(comparison)

    def votes(self, comparison: Comparison) -> tuple[OrderVotes, OrderVotes]:
        """What was cast in the order given and in the swapped one, in the comparison's terms."""
        given, swapped = self._cast[comparison]
        return counted(given), counted(swapped)

    def judgements(self, comparison: Comparison) -> list[Judgement]:
        """What was cast: the order given, then the swapped one, as `BothOrders` lists them."""
        given, swapped = self._cast[comparison]
        return [*given, *swapped]

    def ask(self, more: Mapping[Comparison, int]) -> None:
        """Have so many more votes cast on each comparison, in each order.

        Those that have as many votes and want as many more share one call of the judge.

        Raises:
            ValueError: If the judge gives another number of judgements than it was asked for, or
                judgements that state probabilities, whose ballot is no matter of a majority.
        """
        alike: dict[tuple[int, int], list[Comparison]] = {}
        for comparison, count in more.items():
            alike.setdefault((self.num_cast(comparison), count), []).append(comparison)
        for (first_index, count), group in sorted(alike.items(), key=lambda item: item[0]):
            sample = partial(self._judge.sample, first_index=first_index, num_samples=count)
            for comparison, judgements in zip(group, BothOrders(sample)(group), strict=True):
                given = [judgement for judgement in judgements if not judgement.swapped]
                swapped = [judgement for judgement in judgements if judgement.swapped]
                if not len(given) == len(swapped) == count:
                    raise ValueError(
                        f"the judge was asked for {count} judgements of each order and gave "
                        f"{len(given)} and {len(swapped)}; votes must balance between the orders"
                    )
                if any(judgement.probability is not None for judgement in judgements):
                    raise ValueError(
                        "the judge states probabilities, which a ballot averages; only votes can "
                        "be stopped early: use BothOrders"
                    )
                self._cast[comparison][0].extend(given)
                self._cast[comparison][1].extend(swapped)


def counted(judgements: Sequence[Judgement]) -> OrderVotes:
    """The votes of one order."""
    outcomes = [judgement.outcome for judgement in judgements]
    return OrderVotes(
        first=outcomes.count(Verdict.FIRST),
        second=outcomes.count(Verdict.SECOND),
        ties=outcomes.count(Verdict.TIE),
        failures=sum(isinstance(outcome, Failure) for outcome in outcomes),
    )
