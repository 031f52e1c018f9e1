"""A judge that takes a vote among the judgements of another."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.judges.ballot import ballots
from jurist.judges.base import Judge
from jurist.types import Comparison, Judgement


@dataclass(frozen=True, slots=True)
class Voting:
    """One judgement per comparison: the outcome of another judge's ballot, its tokens summed.

    `Voting(BothOrders(j))` is one vote over both orders; `BothOrders(Voting(j))` votes in each
    order and keeps the two results apart, so that flips can be told.
    """

    judge: Judge

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Count the votes on every comparison.

        Returns:
            One judgement per comparison. Its text is empty: what the voters wrote stays with the
            judge that asked them.
        """
        return [
            [
                Judgement(
                    text="",
                    outcome=ballot.outcome,
                    probability=ballot.probability,
                    num_tokens=ballot.num_tokens,
                    num_prompt_tokens=ballot.num_prompt_tokens,
                )
            ]
            for ballot in ballots(self.judge, comparisons)
        ]
