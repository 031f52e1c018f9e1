"""A judge made of a head that reads both responses at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.judges.base import Comparer
from jurist.judges.scored import stated
from jurist.types import Comparison, Judgement


@dataclass(frozen=True, slots=True)
class ComparedJudge:
    """One judgement per comparison, from one number (PairRM, Jiang et al. 2023).

    The probability that the first response is better is the sigmoid of the number. Log-odds of
    zero are a tie; one that is not finite is a failure.
    """

    comparer: Comparer

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Read every distinct comparison once, in one call."""
        distinct = list(dict.fromkeys(comparisons))
        log_odds = dict(zip(distinct, self.comparer(distinct), strict=True))
        return [[stated(log_odds[comparison])] for comparison in comparisons]
