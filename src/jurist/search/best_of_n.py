"""Choosing one of the responses to a prompt: the one with the greatest reward."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.rewards import Cohort, CohortReward, Compared, drawn_order


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The response chosen for one prompt."""

    place: int
    """Its place among the responses; of equal texts, the first."""

    comparisons: tuple[Compared, ...]
    """What it rests on. None where a scorer chose."""

    rewards: tuple[float | None, ...] = ()
    """Of every response; none after a knockout, which has no more than a winner."""


def best_of_n(reward: CohortReward, cohorts: Sequence[Cohort], *, seed: int = 0) -> list[Choice]:
    """Choose the response with the greatest reward.

    Of several as great, the one that is drawn first (`jurist.rewards.drawn_order`); so also where
    no response has a reward at all.

    Args:
        reward: By a judge (`jurist.rewards.PairwiseReward`) or a scorer (`PointwiseReward`).
        cohorts: The responses to choose from.
        seed: Of the draw.
    """
    return [
        Choice(
            place=first_drawn(cohort, found.best, seed=seed),
            comparisons=found.comparisons,
            rewards=found.rewards,
        )
        for cohort, found in zip(cohorts, reward(cohorts), strict=True)
    ]


def first_drawn(cohort: Cohort, places: Sequence[int], *, seed: int) -> int:
    """Of some places, the one whose response is drawn first."""
    order = drawn_order(cohort.prompt, cohort.responses, seed=seed)
    return min(places, key=lambda place: (order.index(cohort.responses[place]), place))
