"""A judge whose every reading says how sure its reasoning makes it, beside the verdict it wrote."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from jurist.engines.base import Engine, LogprobEngine
from jurist.formats.base import Format
from jurist.judges.direct import weighed
from jurist.judges.pairwise import PairwiseJudge
from jurist.types import Comparison, Judgement, Sampling, Verdict


class SamplingAndScoring(Engine, LogprobEngine, Protocol):
    """An engine that samples replies and says how likely given ones are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AveragedJudge:
    """Samples as `PairwiseJudge` does, and has each verdict's likelihood after each reasoning.

    A sampled verdict is one draw from the probability that the model gives the verdicts once its
    reasoning stands; that probability is what is averaged here, `p(first | reasoning)` over
    reasonings, where a vote would count 0 or 1. With few samples it has less variance and the same
    mean (the average verification score of Zhang et al. 2024, "Generative Verifiers", section 3.3,
    for two verdicts). The `Ballot` of such judgements goes by their mean.

    It costs one more pass over each reply. A reading without a verdict has no probability either.
    """

    engine: SamplingAndScoring
    format: Format
    sampling: Sampling

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Sample judgements of every comparison, then weigh the verdicts after each reasoning."""
        sampled = PairwiseJudge(self.engine, format=self.format, sampling=self.sampling)(
            comparisons
        )
        texts = self.format.verdicts
        continuations = [
            [
                reasoning + text
                for judgement in judgements
                if (reasoning := self._reasoning(judgement)) is not None
                for text in texts.values()
            ]
            for judgements in sampled
        ]
        prompts = [self.format.render(comparison) for comparison in comparisons]
        scores = self.engine.score(prompts, continuations)
        return [
            self._weighed(judgements, logps)
            for judgements, logps in zip(sampled, scores, strict=True)
        ]

    def _reasoning(self, judgement: Judgement) -> str | None:
        """What stands before the verdict of a reading; None if it has none."""
        if not isinstance(judgement.outcome, Verdict):
            return None
        # The parser read the verdict there, so it stands there.
        return judgement.text.rstrip().removesuffix(self.format.verdicts[judgement.outcome])

    def _weighed(self, judgements: Sequence[Judgement], logps: Sequence[float]) -> list[Judgement]:
        verdicts = list(self.format.verdicts)
        told = iter(logps)
        found: list[Judgement] = []
        for judgement in judgements:
            if isinstance(judgement.outcome, Verdict):
                weight = weighed({verdict: next(told) for verdict in verdicts})
                # Where the engine could not say, the reading is lost, and is seen to be.
                lost = weight.probability is None
                judgement = replace(
                    judgement,
                    outcome=weight.outcome if lost else judgement.outcome,
                    probability=weight.probability,
                )
            found.append(judgement)
        return found
