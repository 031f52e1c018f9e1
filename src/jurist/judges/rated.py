"""A judge made of ratings of single responses, each with the critiques that it rests on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from jurist.judges.scored import distinct_responses, stated
from jurist.types import Comparison, Completion, Conversation, Failure, Judgement


@dataclass(frozen=True, kw_only=True, slots=True)
class Rating:
    """How good one response is, and what was written to find out."""

    score: float | Failure
    """In log-odds: the difference of two is that the first is better. Or why there is none."""

    text: str = ""
    """The critiques, one after the other, a blank line between two."""

    num_tokens: int = 0
    """Tokens written."""

    num_prompt_tokens: int = 0
    """Tokens read."""

    @classmethod
    def of(cls, critiques: Sequence[Completion], *, score: float | Failure) -> Self:
        """A score with the critiques that it rests on, and what they cost."""
        return cls(
            score=score,
            text="\n\n".join(one.text for one in critiques),
            num_tokens=sum(one.num_tokens for one in critiques),
            num_prompt_tokens=sum(one.num_prompt_tokens for one in critiques),
        )


class Rater(Protocol):
    """Rates single responses."""

    def __call__(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> list[Rating]:
        """Rate every response to its prompt.

        Args:
            prompts: What is replied to. Length N.
            responses: One reply to each. Length N.

        Raises:
            DataError: A prompt and its response do not fit the model's context.
            EngineError: The model could not be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class RatedJudge:
    """One judgement per comparison, from the two ratings, as `ScoredJudge` gives of two scores.

    Equal scores are a tie; a response without a score is a failure of the comparison. What it cost
    to rate a response is counted once in a call, by the first comparison that shows it.
    """

    rater: Rater

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Rate each distinct response to each distinct prompt once, in one call."""
        places = distinct_responses(comparisons)
        given = self.rater([prompt for prompt, _ in places], [text for _, text in places])
        ratings = dict(zip(places, given, strict=True))
        unpaid = set(places)
        judged: list[list[Judgement]] = []
        for comparison in comparisons:
            shown = [(comparison.prompt, text) for text in (comparison.first, comparison.second)]
            paid = [ratings[place] for place in dict.fromkeys(shown) if place in unpaid]
            unpaid.difference_update(shown)
            first, second = (ratings[place] for place in shown)
            judged.append(
                [
                    replace(
                        _compared(first.score, second.score),
                        text=f"A: {first.text}\n\nB: {second.text}" if first.text else "",
                        num_tokens=sum(one.num_tokens for one in paid),
                        num_prompt_tokens=sum(one.num_prompt_tokens for one in paid),
                    )
                ]
            )
        return judged


@dataclass(frozen=True, slots=True)
class RatedScorer:
    """The scores of a rater by themselves, as a `Scorer`; NaN where it has none."""

    rater: Rater

    def __call__(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        """Score every response; see `Scorer`."""
        return [
            math.nan if isinstance(rating.score, Failure) else rating.score
            for rating in self.rater(prompts, responses)
        ]


def _compared(first: float | Failure, second: float | Failure) -> Judgement:
    if isinstance(first, Failure):
        return Judgement(text="", outcome=first)
    if isinstance(second, Failure):
        return Judgement(text="", outcome=second)
    return stated(first - second)
