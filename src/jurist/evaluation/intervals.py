"""Intervals and tests for rates whose rows come in groups. NumPy only.

Rows that share a prompt are not independent draws, so every interval here that is about judged
pairs resamples groups, never rows. N = rows, G = groups, C = ratios in one statistic.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

LEVEL = 0.95
"""Confidence of every interval in a report."""

NUM_RESAMPLES = 2_000

_DRAWS_AT_ONCE = 2_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside the interval."""
        return not self.low <= value <= self.high


def group_bootstrap(
    numerators: npt.ArrayLike,
    groups: Sequence[str],
    *,
    denominators: npt.ArrayLike | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Percentile interval of a mean, a ratio or a mean of ratios, resampling whole groups.

    With one column the statistic is sum(numerators) / sum(denominators). With C columns it is the
    plain mean of the C ratios; a column that a resample happens to leave empty drops out of that
    resample's mean. The same seed and the same groups draw the same resamples.

    Where the resamples do not vary at all (every group alike, or one group only) they say nothing
    about the spread, and the interval is then `value` give or take z^2 / (G + z^2), cut to
    `bounds`: Wilson's interval when every one of G groups is right, or every one wrong.

    Source: the cluster bootstrap of Davison and Hinkley 1997, section 3.8, groups drawn whole.

    Args:
        numerators: What is averaged. Shape: [N] or [N, C].
        groups: The group of each row. Length N.
        denominators: Weight of each row in each ratio, not negative. Shape as `numerators`; all
            ones if not given.
        bounds: The least and greatest value the statistic can have.
        num_resamples: How many resamples to draw.
        seed: What the resamples are drawn from.

    Raises:
        ValueError: If there is no row, shapes differ, or a whole column of denominators is zero.
    """
    (estimate,) = _estimates(
        [_ratio(numerators, denominators, len(groups))], groups, bounds, num_resamples, seed
    )
    return estimate


def group_bootstrap_each(
    columns: Sequence[npt.ArrayLike],
    groups: Sequence[str],
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> list[Estimate]:
    """Percentile intervals of several means over the same rows, drawing the resamples once.

    Args:
        columns: What is averaged, each in [0, 1]. Each of shape [N].
        groups: The group of each row. Length N.
        num_resamples: How many resamples to draw.
        seed: What the resamples are drawn from.

    Returns:
        For each column, to the last bit, what `group_bootstrap` gives for it alone.

    Raises:
        ValueError: If there is no row, or lengths differ.
    """
    ratios = [_ratio(column, None, len(groups)) for column in columns]
    return _estimates(ratios, groups, (0.0, 1.0), num_resamples, seed)


def crossed_bootstrap(
    values: npt.ArrayLike,
    groups: Sequence[str],
    *,
    denominators: npt.ArrayLike | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Percentile interval of a mean over runs and rows, resampling runs and groups both.

    Every run, with a seed of its own, judged the same rows. Each resample draws runs and, apart
    from that, groups, and takes their crossing. The interval so covers what another seed and other
    rows would have changed; of three runs it knows little about seeds, and says it too broadly
    rather than too narrowly. Of one run it is that of `group_bootstrap`.

    Source: the pigeonhole bootstrap of Owen 2007 (Annals of Applied Statistics 1:386).

    Args:
        values: What is averaged, a row for each run. Shape: [S, N].
        groups: The group of each row of the data. Length N.
        denominators: What the sum of the values is divided by the sum of, not negative. Shape:
            [S, N]; all ones if not given.
        bounds: The least and greatest value the mean can have.
        num_resamples: How many resamples to draw.
        seed: What the resamples are drawn from.

    Raises:
        ValueError: If there is no run or no row, shapes differ, or all denominators are zero.
    """
    table = np.asarray(values, dtype=np.float64)
    bottoms = np.ones_like(table) if denominators is None else np.asarray(denominators, np.float64)
    if table.ndim != 2 or not table.size or table.shape[1] != len(groups):
        raise ValueError(
            f"values must be [S, N] with the {len(groups)} groups as N and neither zero, "
            f"got {list(table.shape)}"
        )
    if bottoms.shape != table.shape or not bottoms.sum() > 0.0:
        raise ValueError(
            f"denominators must have the values' shape {list(table.shape)} and not all be zero, "
            f"got {list(bottoms.shape)} with a sum of {bottoms.sum():g}"
        )
    if len(table) == 1:
        return group_bootstrap(
            table[0],
            groups,
            denominators=bottoms[0],
            bounds=bounds,
            num_resamples=num_resamples,
            seed=seed,
        )
    index = _group_index(groups)
    num_groups = int(index.max()) + 1
    tops, sizes = (_sums(one.T, index, num_groups) for one in (table, bottoms))
    random = np.random.default_rng(seed)
    draws: list[Floats] = []
    for counts in _resamples(num_groups, num_resamples, random):
        (runs,) = _resamples(len(table), len(counts), random)
        above, below = (
            np.einsum("rs,rs->r", runs, np.einsum("rg,gs->rs", counts, sums))
            for sums in (tops, sizes)
        )
        # A resample that has nothing to be over tells nothing and is left out.
        draws.append(above[below > 0.0] / below[below > 0.0])
    top_means, size_means = (sums.mean(axis=1, keepdims=True) for sums in (tops, sizes))
    return _interval(top_means, size_means, np.concatenate(draws), num_groups, bounds)


def _ratio(
    numerators: npt.ArrayLike, denominators: npt.ArrayLike | None, num_rows: int
) -> tuple[Floats, Floats]:
    """Numerators and denominators of one statistic, checked. Shape of each: [N, C]."""
    tops = np.asarray(numerators, dtype=np.float64)
    bottoms = np.ones_like(tops) if denominators is None else np.asarray(denominators, np.float64)
    if tops.shape[0] == 0:
        raise ValueError("no rows: the average of nothing is not a number")
    if tops.shape != bottoms.shape or tops.shape[0] != num_rows:
        raise ValueError(
            f"numerators {tops.shape}, denominators {bottoms.shape} and {num_rows} groups "
            f"must have the same length"
        )
    if tops.ndim == 1:
        tops, bottoms = tops[:, None], bottoms[:, None]
    if not np.all(bottoms.sum(axis=0) > 0.0):
        raise ValueError("a ratio has nothing to be over: its denominators are all zero")
    return tops, bottoms


def _estimates(
    ratios: Sequence[tuple[Floats, Floats]],
    groups: Sequence[str],
    bounds: tuple[float, float],
    num_resamples: int,
    seed: int,
) -> list[Estimate]:
    index = _group_index(groups)
    num_groups = int(index.max()) + 1
    sums = [
        (_sums(tops, index, num_groups), _sums(bottoms, index, num_groups))
        for tops, bottoms in ratios
    ]
    draws: list[list[Floats]] = [[] for _ in ratios]
    for counts in _resamples(num_groups, num_resamples, np.random.default_rng(seed)):
        for found, (group_tops, group_bottoms) in zip(draws, sums, strict=True):
            found.append(_resampled(counts, group_tops, group_bottoms))
    return [
        _interval(tops, bottoms, np.concatenate(found), num_groups, bounds)
        for found, (tops, bottoms) in zip(draws, ratios, strict=True)
    ]


def _interval(
    tops: Floats, bottoms: Floats, draws: Floats, num_groups: int, bounds: tuple[float, float]
) -> Estimate:
    value = float(np.mean(tops.sum(axis=0) / bottoms.sum(axis=0)))
    return _bounded(value, draws, num_groups, bounds)


def _bounded(value: float, draws: Floats, num_groups: int, bounds: tuple[float, float]) -> Estimate:
    low, high = np.quantile(draws, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    if float(np.ptp(draws)) < 1e-12:
        slack = _z() ** 2 / (num_groups + _z() ** 2)
        low, high = max(bounds[0], value - slack), min(bounds[1], value + slack)
    return Estimate(value=value, low=float(low), high=float(high))


def group_bootstrap_of(
    statistic: Callable[[Floats], Floats],
    groups: Sequence[str],
    *,
    bounds: tuple[float, float],
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Percentile interval of any statistic of rows, resampling whole groups.

    The same seed and the same groups draw the same resamples as `group_bootstrap` does. Where they
    do not vary, the interval is as there.

    Args:
        statistic: Told how often each row counts, in each of R resamples (shape [R, N]): its value
            in each, or NaN where it has none (shape [R]). A resample without a value is left out.
        groups: The group of each row. Length N.
        bounds: The least and greatest value the statistic can have.
        num_resamples: How many resamples to draw.
        seed: What the resamples are drawn from.

    Raises:
        ValueError: If there is no row.
    """
    if not groups:
        raise ValueError("no rows: a statistic of nothing is not a number")
    index = _group_index(groups)
    num_groups = int(index.max()) + 1
    at_once = max(1, _DRAWS_AT_ONCE // len(groups))
    draws = [
        statistic(counts[start : start + at_once, index].astype(np.float64))
        for counts in _resamples(num_groups, num_resamples, np.random.default_rng(seed))
        for start in range(0, len(counts), at_once)
    ]
    found = np.concatenate(draws)
    (value,) = statistic(np.ones((1, len(groups))))
    return _bounded(float(value), found[~np.isnan(found)], num_groups, bounds)


def wilson(successes: float, total: float) -> Estimate:
    """Wilson's score interval of a rate of independent trials (Wilson 1927).

    Args:
        successes: How many succeeded; halves are fine.
        total: How many trials there were.

    Raises:
        ValueError: If there was no trial, or `successes` is not in [0, total].
    """
    if total <= 0.0 or not 0.0 <= successes <= total:
        raise ValueError(f"successes must be in [0, total] and total positive: {successes}/{total}")
    rate, z_squared = successes / total, _z() ** 2
    centre = (rate + z_squared / (2.0 * total)) / (1.0 + z_squared / total)
    spread = math.sqrt(rate * (1.0 - rate) / total + z_squared / (4.0 * total**2))
    half = _z() * spread / (1.0 + z_squared / total)
    return Estimate(value=rate, low=max(0.0, centre - half), high=min(1.0, centre + half))


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided p-value that `wins` and `losses` are tosses of one fair coin.

    McNemar 1947 in its exact binomial form: twice the smaller tail, at most 1. No discordant pair
    at all gives 1.

    Raises:
        ValueError: If a count is negative.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"counts cannot be negative: {wins} wins, {losses} losses")
    total = wins + losses
    tail = term = 1
    for k in range(min(wins, losses)):
        term = term * (total - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**total)


def _z() -> float:
    return NormalDist().inv_cdf((1.0 + LEVEL) / 2.0)


def _group_index(groups: Sequence[str]) -> npt.NDArray[np.int64]:
    # Numbered by first appearance, so that two judges of the same rows share their resamples.
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def _sums(values: Floats, index: npt.NDArray[np.int64], num_groups: int) -> Floats:
    sums = np.zeros((num_groups, values.shape[1]))
    np.add.at(sums, index, values)
    return sums


def _resamples(
    num_groups: int, num_resamples: int, random: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """How often each resample drew each group, some resamples at a time. Shape: [R, G]."""
    at_once = max(1, _DRAWS_AT_ONCE // num_groups)
    for start in range(0, num_resamples, at_once):
        rows = min(at_once, num_resamples - start)
        drawn = random.integers(0, num_groups, size=(rows, num_groups))
        cells = (drawn + num_groups * np.arange(rows)[:, None]).ravel()
        yield np.bincount(cells, minlength=rows * num_groups).reshape(rows, num_groups)


def _resampled(counts: npt.NDArray[np.int64], tops: Floats, bottoms: Floats) -> Floats:
    """The statistic of each resample that it has a value in. Shape: [at most R]."""
    # einsum, because its sums come out the same whatever BLAS and however many threads.
    over = np.einsum("rg,gc->rc", counts, bottoms)
    filled = over > 0.0
    ratios = np.einsum("rg,gc->rc", counts, tops) / np.where(filled, over, 1.0)
    columns = filled.sum(axis=1)
    # A resample in which no column has anything to be over tells nothing and is left out.
    return (ratios.sum(axis=1) / np.maximum(columns, 1))[columns > 0]
