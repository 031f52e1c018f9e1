"""What a judge's confidence is good for: made honest by a temperature, or a reason to abstain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jurist.digest import derive_seed
from jurist.evaluation.calibration import Calibration, calibration_of
from jurist.evaluation.judged import Judged
from jurist.types import Verdict

COVERAGES = (1.0, 0.9, 0.75, 0.5, 0.25)
"""Shares of the pairs that a judge answers, the surest first."""

_LOW, _HIGH = -4.0, 4.0
"""Range of the logarithm of a temperature: from 0.018 to 55."""

_STEPS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class AbstentionPoint:
    """What is right of the pairs that a judge is surest of."""

    coverage: float
    """Share of the pairs that it answers. In (0, 1]."""

    accuracy: float
    """Of those; an even probability is half right. Pairs of equal confidence at the edge count by
    their mean, so that their order changes nothing."""

    num_pairs: int


def abstention_curve(
    rows: Sequence[Judged], *, coverages: Sequence[float] = COVERAGES
) -> list[AbstentionPoint]:
    """Accuracy if the judge answers only what it is surest of (El-Yaniv and Wiener 2010).

    Pairs without any verdict are the least sure of all and wrong. Rows labelled a tie are left out.

    Args:
        rows: What was judged.
        coverages: Shares to answer, each in (0, 1].

    Raises:
        ValueError: If a coverage is not in (0, 1], or no row is labelled better one way.
    """
    sure = _confidences(rows)
    if not sure:
        raise ValueError("no row is labelled better one way or the other")
    points: list[AbstentionPoint] = []
    for coverage in coverages:
        if not 0.0 < coverage <= 1.0:
            raise ValueError(f"a coverage is in (0, 1], got {coverage}")
        num = max(1, round(coverage * len(sure)))
        edge = sorted((confidence for confidence, _ in sure), reverse=True)[num - 1]
        above = [credit for confidence, credit in sure if confidence > edge]
        at = [credit for confidence, credit in sure if confidence == edge]
        share = (num - len(above)) / len(at)
        points.append(
            AbstentionPoint(
                coverage=coverage,
                accuracy=(math.fsum(above) + share * math.fsum(at)) / num,
                num_pairs=num,
            )
        )
    return points


def fit_temperature(log_odds: Sequence[float]) -> float:
    """The temperature that makes probabilities likeliest (Guo et al. 2017, section 4.2).

    Log-odds are divided by it: above 1 it takes confidence away, below 1 it adds some. The
    likelihood has one maximum in 1 / T, which is found by halving; where every pair is right, or
    none is, it is the end of the range, 0.018 or 55.

    Args:
        log_odds: Of the labelled response, in nats, pair by pair.

    Raises:
        ValueError: If there are none.

    Example:
        A judge that is always sure by 2 nats and right three times in four should be by log 3.

        >>> round(fit_temperature([2.0, 2.0, 2.0, -2.0]), 3)
        1.82
    """
    if not log_odds:
        raise ValueError("no pairs to fit a temperature on")
    low, high = -_HIGH, -_LOW  # Of log(1 / T).
    for _ in range(_STEPS):
        middle = (low + high) / 2
        inverse = math.exp(middle)
        # The derivative of the log-likelihood in 1 / T falls as 1 / T grows.
        slope = math.fsum(value * _sigmoid(-inverse * value) for value in log_odds)
        low, high = (middle, high) if slope > 0 else (low, middle)
    return math.exp(-(low + high) / 2)


def cross_fitted(rows: Sequence[Judged]) -> tuple[Calibration, float] | None:
    """Calibration with a temperature that was fitted on other pairs.

    Groups are parted in two by hash; each half's probabilities are tempered by what the other half
    says. So no pair has a say in its own probability, and all are reported.

    Returns:
        The figures, and the geometric mean of the two temperatures; None if a half has no labelled
        pair with a probability.
    """
    halves: tuple[list[float], list[float]] = ([], [])
    num_missing = 0
    for row in rows:
        if row.label is Verdict.TIE:
            continue
        odds = row.ballot.log_odds
        if odds is None:
            num_missing += 1
            continue
        half = derive_seed("calibration half", 0, row.preference.group) % 2
        halves[half].append(odds if row.label is Verdict.FIRST else -odds)
    if not all(halves):
        return None
    temperatures = [fit_temperature(half) for half in halves]
    tempered = [
        _sigmoid(value / temperatures[1 - number])
        for number, half in enumerate(halves)
        for value in half
    ]
    return (
        calibration_of(tempered, num_missing=num_missing),
        math.sqrt(temperatures[0] * temperatures[1]),
    )


def _confidences(rows: Sequence[Judged]) -> list[tuple[float, float]]:
    """Of each labelled pair, how sure the judge is and what that earns."""
    found: list[tuple[float, float]] = []
    for row in rows:
        if row.label is Verdict.TIE:
            continue
        probability = row.ballot.probability
        if probability is None:
            found.append((-1.0, 0.0))
            continue
        given = probability if row.label is Verdict.FIRST else 1.0 - probability
        credit = 0.5 if given == 0.5 else float(given > 0.5)
        # Rounded, for p and 1 - p are equally sure, and differ in the last bit.
        found.append((round(abs(given - 0.5), 12), credit))
    return found


def _sigmoid(value: float) -> float:
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    odds = math.exp(value)
    return odds / (1.0 + odds)
