"""Exact tails of counts, and what is left of many tests at once."""

import math
from collections.abc import Sequence


def binomial_tail(successes: int, total: int, probability: float) -> float:
    """Probability of so many successes or more in independent trials.

    Args:
        successes: How many. From 0 to `total`.
        total: Trials.
        probability: Of success in each. In (0, 1).

    Raises:
        ValueError: If a number is out of its range.

    Example:
        >>> round(binomial_tail(3, 3, 0.5), 6)
        0.125
    """
    if not 0 <= successes <= total or not 0.0 < probability < 1.0:
        raise ValueError(
            f"successes must be in [0, total] and the probability in (0, 1): "
            f"{successes}/{total}, {probability}"
        )
    if successes == 0:
        return 1.0
    if successes <= total * probability:
        # The terms of this tail begin below what a float can hold; those of the other do not.
        return 1.0 - binomial_tail(total - successes + 1, total, 1.0 - probability)
    term = math.exp(
        _log_choose(total, successes)
        + successes * math.log(probability)
        + (total - successes) * math.log1p(-probability)
    )
    odds = probability / (1.0 - probability)
    tail = 0.0
    for count in range(successes, total + 1):
        tail += term
        term *= (total - count) / (count + 1) * odds
        # Beyond the mean terms only fall, and those that are left no longer count.
        if term < tail * 1e-17 and count >= total * probability:
            break
    return min(1.0, tail)


def hypergeometric_tail(marked: int, drawn: int, num_marked: int, total: int) -> float:
    """Probability of so many marked ones or more among some drawn without putting back.

    This is Fisher's exact test, one-sided, that drawn ones are marked no more often than others.

    Args:
        marked: Marked ones among those drawn.
        drawn: How many were drawn.
        num_marked: Marked ones in all.
        total: All.

    Raises:
        ValueError: If the counts cannot be.
    """
    if not (0 <= marked <= min(drawn, num_marked) and max(drawn, num_marked) <= total):
        raise ValueError(
            f"counts cannot be: {marked} marked of {drawn} drawn, {num_marked} of {total} in all"
        )
    tail = sum(
        math.exp(
            _log_choose(num_marked, count)
            + _log_choose(total - num_marked, drawn - count)
            - _log_choose(total, drawn)
        )
        for count in range(marked, min(drawn, num_marked) + 1)
        if drawn - count <= total - num_marked
    )
    return min(1.0, tail)


def false_discovery_rates(p_values: Sequence[float]) -> list[float]:
    """The least false discovery rate at which each test would be called a finding.

    Benjamini and Hochberg 1995.

    Args:
        p_values: Of the tests, in any order.

    Returns:
        For each test its rate. In the order given.
    """
    order = sorted(range(len(p_values)), key=lambda place: -p_values[place])
    found = [1.0] * len(p_values)
    least = 1.0
    for rank, place in zip(range(len(order), 0, -1), order, strict=True):
        least = min(least, p_values[place] * len(p_values) / rank)
        found[place] = least
    return found


def _log_choose(total: int, count: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
