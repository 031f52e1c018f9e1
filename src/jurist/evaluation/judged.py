"""Labelled preferences beside what a judge said of them: the one input of every figure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jurist.errors import DataError
from jurist.judges.ballot import Ballot
from jurist.types import Comparison, Failure, Judgement, Preference, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One preference, the places its responses were shown in, and what came of it."""

    preference: Preference
    comparison: Comparison
    """The two responses in the places that `label` and `ballot` speak of."""

    label: Verdict
    """What a right judge says; `Verdict.TIE` where the labellers held the two equal."""

    ballot: Ballot
    """Every reading, in terms of `comparison`, and what they come to."""

    @property
    def credit(self) -> float:
        """What the ballot's outcome earns: see `credit`."""
        return credit(self.ballot.outcome, self.label)

    @property
    def better_first(self) -> bool:
        """Whether `preference.chosen` stands first in `comparison`."""
        if self.label is Verdict.TIE:
            return self.comparison.first == self.preference.chosen
        return self.label is Verdict.FIRST


def credit(outcome: Verdict | Failure, label: Verdict) -> float:
    """What one outcome earns against one label.

    1 for the labelled verdict. A tie where one response is labelled better earns half: it is what
    a coin would earn, and no more. A failure earns nothing. Where the label is itself a tie, only
    a tie earns anything.

    Example:
        >>> credit(Verdict.FIRST, Verdict.FIRST), credit(Verdict.TIE, Verdict.FIRST)
        (1.0, 0.5)
        >>> credit(Failure.TRUNCATED, Verdict.FIRST), credit(Verdict.FIRST, Verdict.TIE)
        (0.0, 0.0)
    """
    if outcome == label:
        return 1.0
    if outcome is Verdict.TIE:
        return 0.5
    return 0.0


def judged(
    preferences: Sequence[Preference],
    judgements: Sequence[Sequence[Judgement]],
    *,
    seed: int,
    num_unasked: Sequence[int] | None = None,
) -> list[Judged]:
    """Set judgements beside the preferences that they are of.

    Args:
        preferences: What was judged. Length N.
        judgements: For each preference, the readings of `preference.shown(seed).comparison`.
        seed: The seed that drew the places.
        num_unasked: For each preference, the readings that were possible and not asked for. None:
            all were asked for.

    Raises:
        DataError: If the lengths differ, or a preference has no reading or no group.
    """
    unasked = [0] * len(preferences) if num_unasked is None else num_unasked
    if len(preferences) != len(judgements):
        raise DataError(
            f"{len(preferences)} preferences and judgements of {len(judgements)}; each preference "
            f"needs its own list of judgements"
        )
    if len(preferences) != len(unasked):
        raise DataError(
            f"{len(preferences)} preferences and {len(unasked)} numbers of readings not asked for; "
            f"each preference needs its own"
        )
    refuse_ungrouped(preferences)
    rows: list[Judged] = []
    for preference, readings, spared in zip(preferences, judgements, unasked, strict=True):
        if not readings:
            raise DataError(f"preference {preference.id!r}: no judgement; a judge gives at least 1")
        comparison, label = preference.shown(seed)
        rows.append(
            Judged(
                preference=preference,
                comparison=comparison,
                label=label,
                ballot=Ballot(judgements=tuple(readings), num_unasked=spared),
            )
        )
    return rows


def refuse_ungrouped(preferences: Sequence[Preference]) -> None:
    """Refuse preferences of which nobody knows which share a prompt.

    Raises:
        DataError: If one has no group.
    """
    for preference in preferences:
        if not preference.group:
            raise DataError(
                f"preference {preference.id!r}: no group; give the rows that share a prompt the "
                f"same group, as reading them from a file does"
            )


def equal_readings(rows: Sequence[Judged]) -> list[Judged]:
    """The rows, cut to as many readings of each order as every row has, if any was stopped early.

    Early stopping reads a pair on for as long as its votes disagree. A mean over all readings would
    then count the doubtful pairs most, and a mean over each pair's own make it look surer than it
    is; the first readings of every pair have neither fault. Rows whose readings were all asked for
    are given back as they are.
    """
    if not any(row.ballot.num_unasked for row in rows):
        return list(rows)
    num_swapped = [sum(judgement.swapped for judgement in row.ballot.judgements) for row in rows]
    given = min(len(row.ballot.judgements) - n for row, n in zip(rows, num_swapped, strict=True))
    swapped = min(num_swapped)
    cut: list[Judged] = []
    for row in rows:
        readings = row.ballot.judgements
        kept = [judgement for judgement in readings if not judgement.swapped][:given]
        kept += [judgement for judgement in readings if judgement.swapped][:swapped]
        spared = row.ballot.num_possible - len(kept)
        cut.append(replace(row, ballot=Ballot(judgements=tuple(kept), num_unasked=spared)))
    return cut
