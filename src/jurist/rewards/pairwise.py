"""Rewards from a judge of pairs: responses beside each other, or each beside a reference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jurist.errors import DataError
from jurist.judges import Ballot, Judge, ballots
from jurist.rewards.cohort import (
    Aggregation,
    Cohort,
    CohortRewards,
    Compared,
    aggregated,
    cohort_comparisons,
)
from jurist.rewards.strengths import DEFAULT_PRIOR
from jurist.types import Comparison, Conversation


@dataclass(frozen=True, kw_only=True, slots=True)
class PairwiseReward:
    """Compares the responses of a cohort with each other; one reward each comes out.

    Give it a judge that reads both orders (`jurist.judges.BothOrders`): a liking for the first
    place then cancels in every comparison.
    """

    judge: Judge

    num_opponents: int | None = None
    """Other responses that each is compared with, at most (`pairings`). None: all of them, which
    takes n (n - 1) / 2 comparisons of n responses."""

    aggregation: Aggregation = "bradley-terry"

    prior: float = DEFAULT_PRIOR
    """Of `bradley_terry_strengths`."""

    seed: int = 0
    """Draws who meets whom, by the texts alone."""

    def __call__(self, cohorts: Sequence[Cohort]) -> list[CohortRewards]:
        """Reward every cohort, all comparisons in one call of the judge; see `CohortReward`.

        Raises:
            ValueError: If the bound or the prior is out of bounds.
        """
        asked = [
            cohort_comparisons(cohort, num_opponents=self.num_opponents, seed=self.seed)
            for cohort in cohorts
        ]
        found = iter(ballots(self.judge, [one for part in asked for one in part]))
        compared = [_beside(part, found) for part in asked]
        return aggregated(cohorts, compared, aggregation=self.aggregation, prior=self.prior)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceReward:
    """Compares each response with one reference response to its prompt, such as a sample of the
    policy before training.

    The reward is `log(p / (1 - p))` in nats, p the probability that the response beats the
    reference: under Bradley and Terry the difference of their rewards, `r(x, y) - r(x, y_ref)`
    (Mahan et al. 2024, eq. 5 and 6). A share of votes is smoothed to `(k + 0.5) / (n + 1)`, so 32
    votes of 32 are worth 4.2 nats (`jurist.judges.Ballot.probability`). Not centred: 0 is as good
    as the reference, and a response that is the reference has 0 without being judged.
    """

    judge: Judge

    def __call__(
        self,
        prompts: Sequence[Conversation],
        responses: Sequence[str],
        references: Sequence[str | None],
    ) -> list[float | None]:
        """Reward every response, all comparisons in one call of the judge.

        Args:
            prompts: Length N.
            responses: One to each prompt. Length N.
            references: What each is compared with. Length N.

        Returns:
            For each response its reward in nats, or None if no reading came to a verdict. Length N.

        Raises:
            ValueError: If the lengths differ.
            DataError: A comparison cannot be shown to the judge, or a response has no reference.
            EngineError: The model behind the judge could not be reached.
        """
        asked: list[Comparison] = []
        for prompt, response, reference in zip(prompts, responses, references, strict=True):
            if reference is None:
                raise DataError(
                    f"expected a reference to hold {response!r:.60} against, got none; a judge of "
                    f"pairs says nothing of a single response"
                )
            asked.append(Comparison(prompt=prompt, first=response, second=reference))
        # In whatever order and however often they are given, they are one call about the same.
        distinct = list(dict.fromkeys(one for one in asked if one.first != one.second))
        found = dict(zip(distinct, ballots(self.judge, distinct), strict=True))
        return [found[one].log_odds if one in found else 0.0 for one in asked]


def _beside(asked: Sequence[Comparison], found: Iterator[Ballot]) -> list[Compared]:
    """The next comparisons and what was said of them."""
    return [Compared(first=one.first, second=one.second, ballot=next(found)) for one in asked]
