"""Whether a judge that says 80 % is right 80 times in 100."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.evaluation.judged import Judged
from jurist.types import Verdict

NUM_BINS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityBin:
    """The pairs that a judge was about equally sure of."""

    low: float
    high: float
    confidence: float
    """Mean probability that the judge gave to the response it held better. In [low, high]."""

    accuracy: float
    """Share of them on which that response is the labelled one; an even probability is half."""

    num_pairs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """How far the probabilities of one judge can be taken at their word."""

    brier: float
    """Mean squared error of the probability (Brier 1950): 0 is certain and right, 0.25 is always
    saying one half, 1 is certain and wrong."""

    ece: float
    """Expected calibration error (Guo et al. 2017, eq. 3): mean distance between confidence and
    accuracy over the bins, weighted by pairs."""

    bins: tuple[ReliabilityBin, ...]
    """Of equal width over [0.5, 1]; an empty one is left out."""

    num_pairs: int
    """Labelled pairs with a probability."""

    num_missing: int
    """Labelled pairs without one: the judge failed on them, or states none."""


def calibration(rows: Sequence[Judged], *, num_bins: int = NUM_BINS) -> Calibration | None:
    """Compare the ballots' probabilities with the labels.

    Confidence is the probability of the response held better, so the figures do not depend on
    which response stood first. Rows labelled a tie are left out.

    Args:
        rows: What was judged.
        num_bins: Bins between 0.5 and 1.

    Returns:
        The figures, or None if no labelled pair has a probability.
    """
    labelled = [row for row in rows if row.label is not Verdict.TIE]
    right = [
        probability if row.label is Verdict.FIRST else 1.0 - probability
        for row in labelled
        if (probability := row.ballot.probability) is not None
    ]
    if not right:
        return None
    return calibration_of(right, num_missing=len(labelled) - len(right), num_bins=num_bins)


def calibration_of(
    right: Sequence[float], *, num_missing: int, num_bins: int = NUM_BINS
) -> Calibration:
    """The figures of probabilities that were given to the labelled responses.

    Args:
        right: Of each pair, the probability of the response labelled better. At least one.
        num_missing: Pairs without a probability.
        num_bins: Bins between 0.5 and 1.
    """
    members: dict[int, list[float]] = {}
    for probability in right:
        confidence = max(probability, 1.0 - probability)
        number = min(int((confidence - 0.5) * 2.0 * num_bins), num_bins - 1)
        members.setdefault(number, []).append(probability)
    bins = tuple(_bin(number, members[number], num_bins) for number in sorted(members))
    return Calibration(
        brier=sum((1.0 - probability) ** 2 for probability in right) / len(right),
        ece=sum(b.num_pairs * abs(b.confidence - b.accuracy) for b in bins) / len(right),
        bins=bins,
        num_pairs=len(right),
        num_missing=num_missing,
    )


def _bin(number: int, right: Sequence[float], num_bins: int) -> ReliabilityBin:
    """One bin, of the probabilities that its pairs gave to the labelled response."""
    return ReliabilityBin(
        low=0.5 + 0.5 * number / num_bins,
        high=0.5 + 0.5 * (number + 1) / num_bins,
        confidence=sum(max(p, 1.0 - p) for p in right) / len(right),
        accuracy=sum((p > 0.5) + 0.5 * (p == 0.5) for p in right) / len(right),
        num_pairs=len(right),
    )
