"""Correlations with intervals that resample groups."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy import stats

from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, Floats, group_bootstrap_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Correlations:
    """Three ways to say how far two numbers go together, each in [-1, 1]."""

    pearson: Estimate
    """How near to a straight line."""

    spearman: Estimate
    """Of ranks; equal values share their mean rank."""

    kendall: Estimate
    """Of the order of pairs of rows, corrected for ties (tau-b)."""


def correlations(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    groups: Sequence[str],
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Correlations | None:
    """Pearson's, Spearman's and Kendall's correlation of two numbers of the same rows.

    Args:
        x: One number of each row, finite. Shape: [N].
        y: The other one. Shape: [N].
        groups: The group of each row. Length N.
        num_resamples: How many resamples an interval is drawn from.
        seed: What the resamples are drawn from.

    Returns:
        The correlations, or None if there are none: fewer than two rows, or all alike.

    Raises:
        ValueError: If shapes differ.
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.shape != (len(groups),) or second.shape != first.shape:
        raise ValueError(
            f"x and y must have one number for each of the {len(groups)} groups, got shapes "
            f"{first.shape} and {second.shape}"
        )
    if len(first) < 2 or not (np.ptp(first) and np.ptp(second)):
        return None

    def estimate(statistic: Callable[[Floats, Floats], float]) -> Estimate:
        def of_rows(rows: npt.NDArray[np.int64]) -> float:
            ours, theirs = first[rows], second[rows]
            if not (np.ptp(ours) and np.ptp(theirs)):
                return float("nan")
            return statistic(ours, theirs)

        return group_bootstrap_of(
            of_rows, groups, bounds=(-1.0, 1.0), num_resamples=num_resamples, seed=seed
        )

    return Correlations(
        pearson=estimate(_pearson), spearman=estimate(_spearman), kendall=estimate(_kendall)
    )


# SciPy's own functions of the first two work out p-values too, at ten times the cost.
def _pearson(x: Floats, y: Floats) -> float:
    return float(np.corrcoef(x, y)[0, 1])


def _spearman(x: Floats, y: Floats) -> float:
    return _pearson(stats.rankdata(x), stats.rankdata(y))


def _kendall(x: Floats, y: Floats) -> float:
    tau, _ = cast(tuple[float, float], stats.kendalltau(x, y, method="asymptotic"))
    return float(tau)
