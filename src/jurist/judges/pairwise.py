"""A judge that asks an engine, in a format's words, and reads the verdict off each reply."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace

from jurist.engines.base import Engine
from jurist.formats.base import Format
from jurist.types import Comparison, Judgement, Sampling


@dataclass(frozen=True, slots=True)
class PairwiseJudge:
    """One judgement per completion (Mahan et al. 2024: the judge, with reasoning or without).

    Majority votes come of `Sampling.num_samples` judgements, counted by a `Ballot`.
    """

    engine: Engine
    _: KW_ONLY
    format: Format
    sampling: Sampling

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Ask about every comparison, in one call of the engine."""
        return self.sample(comparisons, first_index=0, num_samples=self.num_samples)

    @property
    def num_samples(self) -> int:
        """Judgements of a comparison."""
        return self.sampling.num_samples

    def sample(
        self, comparisons: Sequence[Comparison], *, first_index: int, num_samples: int
    ) -> list[list[Judgement]]:
        """Ask for some of the judgements of every comparison, in one call of the engine."""
        sampling = replace(
            self.sampling,
            first_index=self.sampling.first_index + first_index,
            num_samples=num_samples,
        )
        prompts = [self.format.render(comparison) for comparison in comparisons]
        replies = self.engine.generate(prompts, sampling)
        if len(replies) != len(prompts):
            raise ValueError(
                f"the engine was asked {len(prompts)} prompts and answered {len(replies)}; "
                f"an engine gives one list of completions per prompt"
            )
        return [
            [
                Judgement(
                    text=completion.text,
                    outcome=self.format.parse(completion),
                    num_tokens=completion.num_tokens,
                    num_prompt_tokens=completion.num_prompt_tokens,
                )
                for completion in completions
            ]
            for completions in replies
        ]
