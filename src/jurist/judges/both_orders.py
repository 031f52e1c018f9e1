"""A judge that reads every comparison in both orders."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.judges.base import Judge
from jurist.types import Comparison, Judgement


@dataclass(frozen=True, slots=True)
class BothOrders:
    """Asks another judge about each comparison as given and swapped.

    A judge prefers places as well as responses; averaged over both orders, the places cancel.
    """

    judge: Judge

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Judge both orders of every comparison, in one call of the judge so that it can batch.

        Returns:
            For each comparison the judgements of the order given, then those of the swapped order,
            mapped back and marked `swapped`.
        """
        orders = [*comparisons, *(comparison.swapped() for comparison in comparisons)]
        judged = self.judge(orders)
        if len(judged) != len(orders):
            raise ValueError(
                f"the judge was asked about {len(orders)} comparisons and answered on "
                f"{len(judged)}; a judge gives one list of judgements per comparison"
            )
        num_given = len(comparisons)
        return [
            [*given, *(judgement.mapped_back() for judgement in swapped)]
            for given, swapped in zip(judged[:num_given], judged[num_given:], strict=True)
        ]
