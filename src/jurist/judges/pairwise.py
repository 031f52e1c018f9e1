"""A judge that asks an engine, in a format's words, and reads the verdict off each reply."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from jurist.engines.base import Engine
from jurist.formats.base import Format, GradedFormat
from jurist.types import Comparison, Completion, Failure, Judgement, Sampling, StoppingRule


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
        return self._ask(comparisons, sampling, None, _Reader(self.format))

    def sample_groups(
        self,
        groups: Sequence[Sequence[Comparison]],
        more: Callable[[Sequence[Sequence[Judgement]]], int],
    ) -> list[list[list[Judgement]]]:
        """Ask for judgements as they are wanted, in one call of the engine."""
        sizes = {len(group) for group in groups}
        if len(sizes) > 1:
            raise ValueError(f"groups must be of one size, got sizes {sorted(sizes)}")
        if not sizes:
            return []
        read = _Reader(self.format)
        (size,) = sizes
        rule = StoppingRule(_ByJudgements(read, more), group_size=size)
        comparisons = [comparison for group in groups for comparison in group]
        judged = self._ask(comparisons, self.sampling, rule, read)
        return [judged[first : first + size] for first in range(0, len(judged), size)]

    def _ask(
        self,
        comparisons: Sequence[Comparison],
        sampling: Sampling,
        rule: StoppingRule | None,
        read: "_Reader",
    ) -> list[list[Judgement]]:
        prompts = [self.format.render(comparison) for comparison in comparisons]
        replies = self.engine.generate(prompts, sampling, rule)
        if len(replies) != len(prompts):
            raise ValueError(
                f"the engine was asked {len(prompts)} prompts and answered {len(replies)}; "
                f"an engine gives one list of completions per prompt"
            )
        return [[read(completion) for completion in completions] for completions in replies]


class _Reader:
    """Reads completions as judgements, each once however often it is asked."""

    def __init__(self, form: Format) -> None:
        self._format = form
        self._read: dict[Completion, Judgement] = {}

    def __call__(self, completion: Completion) -> Judgement:
        found = self._read.get(completion)
        if found is None:
            form = self._format
            strength = form.strength(completion) if isinstance(form, GradedFormat) else None
            found = self._read[completion] = Judgement(
                text=completion.text,
                outcome=self._format.parse(completion),
                strength=None if isinstance(strength, Failure) else strength,
                num_tokens=completion.num_tokens,
                num_prompt_tokens=completion.num_prompt_tokens,
            )
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy in another process reads for itself.
        return (_Reader, (self._format,))


@dataclass(frozen=True, slots=True)
class _ByJudgements:
    """A stopping rule about what completions are read as."""

    read: _Reader
    more: Callable[[Sequence[Sequence[Judgement]]], int]

    def __call__(self, samples: Sequence[Sequence[Completion]]) -> int:
        return self.more([[self.read(completion) for completion in part] for part in samples])
