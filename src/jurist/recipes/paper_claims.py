"""What the paper says of its methods, and whether it is found here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from jurist.evaluation import Estimate, Judged, seeded_difference
from jurist.reports.paper import ClaimRow, Side

Runs = Mapping[int, Sequence[Judged]]
"""What one method judged of one split, by seed."""

ALIKE_POINTS: Final = 0.05
"""Two methods that the paper finds alike are so here, if all of the interval is this near."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A difference that the paper reports."""

    claim: str
    method: str
    baseline: str
    side: Side
    published: str
    """In points, with its data."""

    sign: Literal["more", "less", "alike"]


CLAIMS: Final = (
    Claim(
        claim="GenRM is as good as Bradley-Terry in distribution",
        method="GenRM",
        baseline="Bradley-Terry",
        side="in_distribution",
        published="-0.2 (UltraFeedback)",
        sign="alike",
    ),
    Claim(
        claim="GenRM carries over better than Bradley-Terry",
        method="GenRM",
        baseline="Bradley-Terry",
        side="shifted",
        published="+4.0 (RewardBench)",
        sign="more",
    ),
    Claim(
        claim="PairRM carries over better than Bradley-Terry",
        method="PairRM",
        baseline="Bradley-Terry",
        side="shifted",
        published="+2.1 (RewardBench)",
        sign="more",
    ),
    Claim(
        claim="STaR-SFT gains nothing over its base",
        method="STaR-SFT",
        baseline="LLM-as-a-judge",
        side="in_distribution",
        published="-0.4 (UltraFeedback), 0 (UltraInteract)",
        sign="alike",
    ),
    Claim(
        claim="STaR-DPO gains over its base in distribution",
        method="STaR-DPO",
        baseline="LLM-as-a-judge",
        side="in_distribution",
        published="+5.8 (UltraFeedback), +21.4 (UltraInteract)",
        sign="more",
    ),
    Claim(
        claim="STaR-DPO gains over its base on shifted data",
        method="STaR-DPO",
        baseline="LLM-as-a-judge",
        side="shifted",
        published="+4.8 (RewardBench)",
        sign="more",
    ),
    Claim(
        claim="STaR-DPO is as good as Bradley-Terry in distribution",
        method="STaR-DPO",
        baseline="Bradley-Terry",
        side="in_distribution",
        published="-0.3 (UltraFeedback), about -4 (UltraInteract)",
        sign="alike",
    ),
    Claim(
        claim="STaR-DPO carries over better than Bradley-Terry",
        method="STaR-DPO",
        baseline="Bradley-Terry",
        side="shifted",
        published="+7.7 (RewardBench)",
        sign="more",
    ),
    Claim(
        claim="STaR-DPO carries over better than GenRM",
        method="STaR-DPO",
        baseline="GenRM",
        side="shifted",
        published="+3.7 (RewardBench)",
        sign="more",
    ),
    Claim(
        claim="STaR-Rationalizer is as good as STaR-DPO in distribution",
        method="STaR-Rationalizer",
        baseline="STaR-DPO",
        side="in_distribution",
        published="-0.4 (UltraFeedback)",
        sign="alike",
    ),
    Claim(
        claim="STaR-Rationalizer falls below its base on shifted data",
        method="STaR-Rationalizer",
        baseline="LLM-as-a-judge",
        side="shifted",
        published="-8.3 (RewardBench)",
        sign="less",
    ),
)
"""What the paper says of its methods, from Fig. 2 and the text on Fig. 4."""


def judge_claims(runs: Mapping[tuple[str, str], Runs], sides: Mapping[str, Side]) -> list[ClaimRow]:
    """Every claim of the paper whose methods were run, on every split of its side."""
    found: list[ClaimRow] = []
    for claim in CLAIMS:
        for split, side in sides.items():
            ours, theirs = runs.get((claim.method, split)), runs.get((claim.baseline, split))
            if side != claim.side or ours is None or theirs is None:
                continue
            difference = seeded_difference(ours, theirs)
            found.append(
                ClaimRow(
                    claim=claim.claim,
                    published=claim.published,
                    split=split,
                    difference=difference,
                    verdict=verdict_on(claim.sign, difference),
                )
            )
    return found


def verdict_on(
    sign: Literal["more", "less", "alike"], difference: Estimate
) -> Literal["agrees", "differs", "not decided"]:
    """Whether a difference found is the one that was claimed, as far as its interval says.

    Example:
        >>> verdict_on("more", Estimate(value=0.04, low=0.01, high=0.07))
        'agrees'
        >>> verdict_on("alike", Estimate(value=0.04, low=-0.01, high=0.09))
        'not decided'
    """
    decided = difference.excludes(0.0)
    if sign == "alike":
        if decided:
            return "differs"
        near = max(abs(difference.low), abs(difference.high)) <= ALIKE_POINTS
        return "agrees" if near else "not decided"
    if not decided:
        return "not decided"
    return "agrees" if (difference.value > 0) == (sign == "more") else "differs"


def told(claims: Sequence[ClaimRow]) -> list[str]:
    """Which claims hold here, which do not, and which the numbers leave open."""
    ways: tuple[tuple[str, Callable[[ClaimRow], bool]], ...] = (
        ("Found here as the paper says", lambda row: row.verdict == "agrees"),
        ("Found otherwise here", lambda row: row.verdict == "differs"),
        ("Not decided by these numbers", lambda row: row.verdict == "not decided"),
    )
    paragraphs: list[str] = []
    for opening, chosen in ways:
        rows = [row for row in claims if chosen(row)]
        if rows:
            paragraphs.append(
                f"{opening}: "
                + "; ".join(
                    f"{row.claim} ({100 * row.difference.value:+.1f} points on {row.split}, "
                    f"[{100 * row.difference.low:+.1f}, {100 * row.difference.high:+.1f}])"
                    for row in rows
                )
                + "."
            )
    return paragraphs
