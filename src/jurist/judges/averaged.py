"""A judge whose every reading says how sure its reasoning makes it, beside the verdict it wrote."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from jurist.engines.base import Engine, LogprobEngine
from jurist.formats.base import Format
from jurist.formats.reply import reasoning
from jurist.judges.pairwise import PairwiseJudge
from jurist.judges.weighing import verdicts_after
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
        weights = verdicts_after(
            self.engine,
            self.format,
            comparisons,
            [
                [
                    reasoning(judgement.text, self.format.verdicts[judgement.outcome])
                    for judgement in judgements
                    if isinstance(judgement.outcome, Verdict)
                ]
                for judgements in sampled
            ],
        )
        return [
            _with_probability(judgements, found)
            for judgements, found in zip(sampled, weights, strict=True)
        ]


def _with_probability(
    judgements: Sequence[Judgement], weights: Sequence[Judgement]
) -> list[Judgement]:
    """The readings, those with a verdict as sure of it as their reasoning leaves them."""
    told = iter(weights)
    found: list[Judgement] = []
    for judgement in judgements:
        if isinstance(judgement.outcome, Verdict):
            weight = next(told)
            # Where the engine could not say, the reading is lost, and is seen to be.
            lost = weight.probability is None
            judgement = replace(
                judgement,
                outcome=weight.outcome if lost else judgement.outcome,
                probability=weight.probability,
            )
        found.append(judgement)
    return found
