"""How likely each verdict is, once some reasoning stands before it."""

import math
from collections.abc import Mapping, Sequence

from jurist.engines.base import LogprobEngine
from jurist.formats.base import Format
from jurist.types import Comparison, Failure, Judgement, Verdict


def verdicts_after(
    engine: LogprobEngine,
    format: Format,
    comparisons: Sequence[Comparison],
    traces: Sequence[Sequence[str]],
) -> list[list[Judgement]]:
    """Weigh the verdicts after each trace, in one call of the engine.

    Args:
        engine: Whose likelihoods.
        format: How the comparisons are shown, and which verdicts it allows.
        comparisons: What the verdicts are about. Length N.
        traces: For each comparison, what stands in the reply before the verdict: reasoning, with
            the white space that ends it, or nothing. Length N.

    Returns:
        For each comparison a judgement per trace; see `weighed`.
    """
    texts = format.verdicts
    scores = engine.score(
        [format.render(comparison) for comparison in comparisons],
        [[trace + text for trace in found for text in texts.values()] for found in traces],
    )
    if len(scores) != len(comparisons):
        raise ValueError(
            f"the engine was asked {len(comparisons)} prompts and answered {len(scores)}; "
            f"an engine gives one list of log-probabilities per prompt"
        )
    return [
        [
            weighed(dict(zip(texts, logps[start : start + len(texts)], strict=True)))
            for start in range(0, len(found) * len(texts), len(texts))
        ]
        for found, logps in zip(traces, scores, strict=True)
    ]


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
