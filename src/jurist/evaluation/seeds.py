"""Several runs of one method, each with a seed of its own, on the same test set."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from jurist.evaluation.agreement import agreement
from jurist.evaluation.calibration import calibration
from jurist.evaluation.intervals import Estimate, crossed_bootstrap
from jurist.evaluation.judged import Judged
from jurist.evaluation.votes import vote_credits
from jurist.types import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class SeededPoint:
    """The accuracy that a number of votes gives, over all seeds."""

    votes: int
    """Readings of a pair, both orders together."""

    accuracy: Estimate
    tokens: float
    """Tokens written for a pair at that number of votes, on average."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeededCategory:
    """Accuracy within one section of the data, over all seeds."""

    category: str
    accuracy: Estimate
    num_pairs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SeededAgreement:
    """How far the runs of one method agree with the labels of one set of preferences.

    Intervals resample runs and groups of pairs both (`jurist.evaluation.crossed_bootstrap`); what
    has no interval is the plain mean of the runs.
    """

    seeds: tuple[int, ...]
    accuracy: Estimate
    """Mean credit of the ballots: micro average, failures counted."""

    by_seed: tuple[float, ...]
    """Accuracy of each run, in the order of the seeds."""

    macro: float
    """Mean of the categories' accuracies."""

    categories: tuple[SeededCategory, ...]
    """Sorted by name."""

    single: Estimate
    """Mean credit of one reading taken alone."""

    curve: tuple[SeededPoint, ...]
    """Accuracy with 1, 2, 4, ... votes."""

    flips: float | None
    """Share of pairs judged otherwise in the other order; None if no run had one in both."""

    first_slot: float | None
    """Share of readings that prefer the response read first; None if no run had one."""

    failure_rate: float
    """Share of readings without a verdict."""

    ties: float
    """Share of labelled pairs whose ballot is tied."""

    brier: float | None
    ece: float | None
    """Of the ballots' probabilities; None if no run states one."""

    tokens_per_verdict: float | None
    num_pairs: int
    num_groups: int
    votes: float
    """Mean number of readings of a pair, both orders together."""


def across_seeds(runs: Mapping[int, Sequence[Judged]]) -> SeededAgreement:
    """Bring the runs of one method on one test set together.

    Args:
        runs: By seed, what was judged: the same preferences in the same order.

    Raises:
        ValueError: If there is no run, or two are of different preferences.
        DataError: If no row is labelled better one way or the other.
    """
    _refuse_unlike(list(runs.values()))
    found = [agreement(rows, num_resamples=2) for rows in runs.values()]
    calibrated = [one for rows in runs.values() if (one := calibration(rows)) is not None]
    labelled = [_labelled(rows) for rows in runs.values()]
    groups = [row.preference.group for row in labelled[0]]
    curves = [vote_credits(rows) for rows in runs.values()]
    points = [
        SeededPoint(
            votes=same[0].votes,
            accuracy=crossed_bootstrap([point.credits for point in same], groups),
            tokens=fmean(point.tokens for point in same),
        )
        for same in zip(*curves, strict=False)
    ]
    return SeededAgreement(
        seeds=tuple(runs),
        accuracy=crossed_bootstrap(_credits(labelled), groups),
        by_seed=tuple(one.accuracy.value for one in found),
        macro=fmean(one.macro.value for one in found),
        categories=_categories(labelled),
        single=points[0].accuracy,
        curve=tuple(points),
        flips=_mean(None if one.flips is None else one.flips.value for one in found),
        first_slot=_mean(None if one.first_slot is None else one.first_slot.value for one in found),
        failure_rate=fmean(one.failure_rate for one in found),
        ties=fmean(one.ties.value for one in found),
        brier=_mean(one.brier for one in calibrated),
        ece=_mean(one.ece for one in calibrated),
        tokens_per_verdict=_mean(one.tokens_per_verdict for one in found),
        num_pairs=found[0].num_pairs,
        num_groups=found[0].num_groups,
        votes=fmean(one.votes for one in found),
    )


def seeded_difference(
    runs: Mapping[int, Sequence[Judged]], baselines: Mapping[int, Sequence[Judged]]
) -> Estimate:
    """How much more accurate one method is than another, run by run and pair by pair.

    Args:
        runs: By seed, what one method judged.
        baselines: The same of the other, with the same seeds and preferences.

    Returns:
        The difference of the accuracies, in [-1, 1].

    Raises:
        ValueError: If seeds or preferences differ.
    """
    if list(runs) != list(baselines):
        raise ValueError(f"runs of other seeds: {list(runs)} and {list(baselines)}")
    _refuse_unlike([*runs.values(), *baselines.values()])
    one, other = (
        np.array(_credits([_labelled(rows) for rows in by_seed.values()]))
        for by_seed in (runs, baselines)
    )
    groups = [row.preference.group for row in _labelled(next(iter(runs.values())))]
    return crossed_bootstrap(one - other, groups, bounds=(-1.0, 1.0))


def _refuse_unlike(runs: Sequence[Sequence[Judged]]) -> None:
    if not runs:
        raise ValueError("no runs to bring together")
    ids = [row.preference.id for row in runs[0]]
    if any([row.preference.id for row in rows] != ids for rows in runs):
        raise ValueError("runs of one method must judge the same preferences in the same order")


def _labelled(rows: Sequence[Judged]) -> list[Judged]:
    return [row for row in rows if row.label is not Verdict.TIE]


def _credits(runs: Sequence[Sequence[Judged]]) -> list[list[float]]:
    return [[row.credit for row in rows] for rows in runs]


def _categories(runs: Sequence[Sequence[Judged]]) -> tuple[SeededCategory, ...]:
    names = sorted({row.preference.category for row in runs[0]})
    found: list[SeededCategory] = []
    for name in names:
        members = [[row for row in rows if row.preference.category == name] for rows in runs]
        groups = [row.preference.group for row in members[0]]
        found.append(
            SeededCategory(
                category=name,
                accuracy=crossed_bootstrap(_credits(members), groups),
                num_pairs=len(members[0]),
            )
        )
    return tuple(found)


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that there are; None if there are none."""
    numbers = [value for value in values if value is not None]
    return fmean(numbers) if numbers else None
