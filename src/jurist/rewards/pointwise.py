"""Rewards from a scorer, which needs no comparison: a scalar reward model, or a rule."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jurist.judges import Scorer
from jurist.rewards.cohort import Cohort, CohortRewards, centred
from jurist.types import Conversation


@dataclass(frozen=True, kw_only=True, slots=True)
class PointwiseReward:
    """Scores every response of a cohort by itself; the reward is the score less the mean score."""

    scorer: Scorer

    def __call__(self, cohorts: Sequence[Cohort]) -> list[CohortRewards]:
        """Reward every cohort, each different response scored once, all in one call.

        A score that is not finite is no reward: None, and the others are centred without it.

        Raises:
            ValueError: If the scorer gives another number of scores than it was given responses.
        """
        places = list(
            dict.fromkeys((cohort.prompt, text) for cohort in cohorts for text in cohort.responses)
        )
        given = self.scorer([prompt for prompt, _ in places], [text for _, text in places])
        if len(given) != len(places):
            raise ValueError(
                f"the scorer was given {len(places)} responses and gave {len(given)} scores"
            )
        scores = dict(zip(places, given, strict=True))
        return [
            CohortRewards(
                rewards=centred(
                    [
                        score if math.isfinite(score := scores[cohort.prompt, text]) else None
                        for text in cohort.responses
                    ]
                )
            )
            for cohort in cohorts
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreReward:
    """Scores single responses; see `ResponseReward`. References are not looked at."""

    scorer: Scorer

    def __call__(
        self,
        prompts: Sequence[Conversation],
        responses: Sequence[str],
        references: Sequence[str | None],
    ) -> list[float | None]:
        """Score every response; a score that is not finite is no reward."""
        if len(references) != len(responses):
            raise ValueError(f"got {len(responses)} responses and {len(references)} references")
        scores = self.scorer(prompts, responses)
        return [score if math.isfinite(score) else None for score in scores]
