"""Two judges on the same pairs: whether they say the same, and on which pairs they do not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jurist.evaluation.compare import PairedComparison, compare
from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, group_bootstrap
from jurist.evaluation.judged import Judged
from jurist.evaluation.raters import Kappa, cohen_kappa
from jurist.types import Failure, Verdict

LIKE_LENGTH = 0.1
"""Responses are about as long as each other if the longer one is at most so much longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartDifference:
    """Two judges on one kind of pairs."""

    aspect: str
    """What the kinds are of: category, order or length."""

    name: str
    """Which kind."""

    same: Estimate
    """Share of the pairs on which both come to the same verdict, or neither to any."""

    paired: PairedComparison


@dataclass(frozen=True, kw_only=True, slots=True)
class Differences:
    """Two judges on the same pairs."""

    same: Estimate
    """Share of all pairs, tie labels among them, on which both come to the same verdict, or
    neither to any."""

    kappa: Kappa | None
    """Cohen's kappa of the verdicts: for the response labelled better, for the other, a tie, none.
    None if it is undefined."""

    parts: tuple[PartDifference, ...]
    """By category, by whose verdict hangs on the order, and by which response is longer; labelled
    pairs only, kinds without any left out."""


def differences(
    one: Sequence[Judged],
    other: Sequence[Judged],
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Differences:
    """Where two judges differ.

    Verdicts are told by the label and not by places, which each judge may have drawn its own way.

    Args:
        one: What the one judge said of each preference. Length N.
        other: What the other said of the same preferences in the same order. Length N.
        num_resamples: How many resamples an interval is drawn from.
        seed: What the resamples are drawn from.

    Raises:
        DataError: If the two did not judge the same preferences, or none is labelled better one
            way or the other.
    """
    compare(one, other, num_resamples=1, seed=seed)  # refuses what is not paired
    mine, theirs = ([_verdict(row) for row in rows] for rows in (one, other))
    groups = [row.preference.group for row in one]

    def same(at: Sequence[int]) -> Estimate:
        return group_bootstrap(
            [mine[i] == theirs[i] for i in at],
            [groups[i] for i in at],
            num_resamples=num_resamples,
            seed=seed,
        )

    parts: list[PartDifference] = []
    labelled = [i for i, row in enumerate(one) if row.label is not Verdict.TIE]
    for aspect, kind in _ASPECTS.items():
        members: dict[str, list[int]] = {}
        for i in labelled:
            members.setdefault(kind(one[i], other[i]), []).append(i)
        parts += [
            PartDifference(
                aspect=aspect,
                name=name,
                same=same(at),
                paired=compare(
                    [one[i] for i in at],
                    [other[i] for i in at],
                    num_resamples=num_resamples,
                    seed=seed,
                ),
            )
            for name, at in sorted(members.items())
        ]
    return Differences(
        same=same(range(len(one))),
        kappa=cohen_kappa(mine, theirs, groups, num_resamples=num_resamples, seed=seed),
        parts=tuple(parts),
    )


def _verdict(row: Judged) -> str:
    """The ballot's verdict by the label; all failures are one."""
    outcome = row.ballot.outcome
    if isinstance(outcome, Failure):
        return "none"
    if outcome is Verdict.TIE:
        return "tie"
    return "better" if (outcome is Verdict.FIRST) is row.better_first else "worse"


def _category(one: Judged, other: Judged) -> str:
    return one.preference.category


def _order(one: Judged, other: Judged) -> str:
    mine, theirs = one.ballot.flip, other.ballot.flip
    if mine is None or theirs is None:
        return "flips not known of both"
    if mine is theirs:
        return "both flip" if mine else "neither flips"
    return "only the first flips" if mine else "only the second flips"


def _length(one: Judged, other: Judged) -> str:
    better, worse = len(one.preference.chosen), len(one.preference.rejected)
    if max(better, worse) <= (1.0 + LIKE_LENGTH) * min(better, worse):
        return "about as long"
    return "better one is longer" if better > worse else "better one is shorter"


_ASPECTS: Mapping[str, Callable[[Judged, Judged], str]] = {
    "category": _category,
    "order": _order,
    "length": _length,
}
