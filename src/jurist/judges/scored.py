"""A judge made of a scorer: the response with the higher score is better."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jurist.judges.base import Scorer
from jurist.types import Comparison, Conversation, Failure, Judgement, Verdict


@dataclass(frozen=True, slots=True)
class ScoredJudge:
    """One judgement per comparison, from the two scores (Bradley and Terry 1952).

    The probability that the first response is better is `sigmoid(first score - second score)`
    (Mahan et al. 2024, eq. 1). Equal scores are a tie; a score that is not finite is a failure.
    """

    scorer: Scorer

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Score each distinct response to each distinct prompt once, in one call."""
        places = distinct_responses(comparisons)
        prompts = [prompt for prompt, _ in places]
        responses = [response for _, response in places]
        scores = dict(zip(places, self.scorer(prompts, responses), strict=True))
        return [
            [
                stated(
                    scores[comparison.prompt, comparison.first]
                    - scores[comparison.prompt, comparison.second]
                )
            ]
            for comparison in comparisons
        ]


def distinct_responses(comparisons: Sequence[Comparison]) -> list[tuple[Conversation, str]]:
    """Every different response to every different prompt, in the order they first stand in."""
    return list(
        dict.fromkeys(
            (comparison.prompt, response)
            for comparison in comparisons
            for response in (comparison.first, comparison.second)
        )
    )


def stated(log_odds: float) -> Judgement:
    """The judgement that the first response is better with these log-odds, in nats."""
    if not math.isfinite(log_odds):
        return Judgement(text="", outcome=Failure.ERROR)
    if log_odds == 0:
        return Judgement(text="", outcome=Verdict.TIE, probability=0.5)
    # exp of a number that is not positive, so it cannot overflow.
    odds = math.exp(-abs(log_odds))
    likelier = 1.0 / (1.0 + odds)
    if log_odds > 0:
        return Judgement(text="", outcome=Verdict.FIRST, probability=likelier)
    return Judgement(text="", outcome=Verdict.SECOND, probability=odds * likelier)
