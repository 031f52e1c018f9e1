"""A critic: writes critiques of one response, and a reward model reads response and critique."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from jurist.engines.base import Engine
from jurist.formats import ResponseFormat
from jurist.judges.base import Scorer
from jurist.judges.rated import Rating
from jurist.types import Conversation, Failure, Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class Critic:
    """Rates a response by the mean reward over critiques of it.

    CLoud (Ankner et al. 2024) and Critic-RM (Yu et al. 2024). A critique that was cut or refused is
    none, and is read by nobody; a response with no other has no rating.
    """

    engine: Engine
    """Writes the critiques."""

    format: ResponseFormat
    """How it is asked for them. What verdict a critique comes to does not count."""

    sampling: Sampling
    reward: Scorer
    """Reads each critique as the reply to the prompt that it was written for."""

    def __call__(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> list[Rating]:
        """Rate every response: one call of the engine, one of the reward model."""
        asked = [
            self.format.render(prompt, response)
            for prompt, response in zip(prompts, responses, strict=True)
        ]
        written = self.engine.generate(asked, self.sampling)
        critiques = [
            (prompt, one.text)
            for prompt, completions in zip(asked, written, strict=True)
            for one in completions
            if one.finish_reason == "stop"
        ]
        rewards = iter(
            self.reward([prompt for prompt, _ in critiques], [one for _, one in critiques])
        )
        ratings: list[Rating] = []
        for completions in written:
            read = [next(rewards) for one in completions if one.finish_reason == "stop"]
            ratings.append(Rating.of(completions, score=fmean(read) if read else Failure.TRUNCATED))
        return ratings
