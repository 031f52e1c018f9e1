"""A judge that does not write: it compares how likely each verdict is as the reply."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

from jurist.engines.base import LogprobEngine
from jurist.formats.base import Format
from jurist.types import Comparison, Failure, Judgement, Verdict


@dataclass(frozen=True, slots=True)
class DirectJudge:
    """One judgement per comparison, from the likelihood of the verdicts (GenRM without reasoning).

    The probability that the first response is better is the likelihood of the first verdict among
    those of all verdicts the format allows (Mahan et al. 2024, section 3 and eq. 7). Of a tie's
    likelihood half counts for either response, so that a swap exchanges the two.
    """

    engine: LogprobEngine
    _: KW_ONLY
    format: Format
    """A format whose reply is the verdict alone."""

    def __post_init__(self) -> None:
        if self.format.reasoning:
            raise ValueError(
                f"a direct judge needs a format without reasoning, got {self.format!r}: the "
                f"likelihood of a verdict before its reasoning says little of the verdict after it"
            )

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Score every verdict on every comparison, in one call of the engine."""
        verdicts = self.format.verdicts
        prompts = [self.format.render(comparison) for comparison in comparisons]
        scores = self.engine.score(prompts, [list(verdicts.values())] * len(prompts))
        if len(scores) != len(prompts):
            raise ValueError(
                f"the engine was asked {len(prompts)} prompts and answered {len(scores)}; "
                f"an engine gives one list of log-probabilities per prompt"
            )
        return [[weighed(dict(zip(verdicts, logps, strict=True)))] for logps in scores]


def weighed(logps: Mapping[Verdict, float]) -> Judgement:
    """What the log-probabilities of the verdicts, in nats, amount to.

    Of a tie's likelihood half counts for either response. A number that is not there is a failure.
    """
    highest = max(logps.values())
    if not math.isfinite(highest) or any(math.isnan(logp) for logp in logps.values()):
        return Judgement(text="", outcome=Failure.ERROR)
    # Relative to the likeliest, so that nothing overflows and the sum is at least 1.
    likelihoods = {verdict: math.exp(logp - highest) for verdict, logp in logps.items()}
    tied = likelihoods.get(Verdict.TIE, 0.0)
    probability = (likelihoods[Verdict.FIRST] + tied / 2) / sum(likelihoods.values())
    likeliest = [verdict for verdict, logp in logps.items() if logp == highest]
    return Judgement(
        text="",
        outcome=likeliest[0] if len(likeliest) == 1 else Verdict.TIE,
        probability=probability,
    )
