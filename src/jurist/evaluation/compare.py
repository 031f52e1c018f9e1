"""Two judges on the same pairs: is one better, and could that be luck?"""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.errors import DataError
from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, group_bootstrap, mcnemar
from jurist.evaluation.judged import Judged
from jurist.types import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedComparison:
    """One judge against another on the same labelled pairs, paired pair by pair."""

    difference: Estimate
    """Accuracy of the one minus accuracy of the other, resampling groups of pairs."""

    p_value: float
    """Exact two-sided McNemar test of `wins` against `losses`, which takes every pair for an
    independent draw; where groups hold many pairs, trust the interval."""

    wins: int
    """Pairs on which the one earned more credit than the other."""

    losses: int
    """Pairs on which it earned less."""

    both_right: int
    both_wrong: int
    """Neither earned anything."""

    both_tied: int
    """Each earned the half credit of a tied ballot."""

    num_pairs: int


def compare(
    one: Sequence[Judged],
    other: Sequence[Judged],
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> PairedComparison:
    """Compare two judges on the pairs that both judged.

    Rows labelled a tie are left out, as they are of `Agreement.accuracy`.

    Args:
        one: What the one judge said of each preference. Length N.
        other: What the other said of the same preferences in the same order. Length N.
        num_resamples: How many resamples the interval is drawn from.
        seed: What the resamples are drawn from.

    Raises:
        DataError: If the two did not judge the same preferences, or none is labelled better one
            way or the other.
    """
    if len(one) != len(other):
        raise DataError(
            f"one judge has {len(one)} rows and the other {len(other)}; a paired comparison needs "
            f"the same preferences in the same order"
        )
    for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
        if mine.preference != theirs.preference:
            raise DataError(
                f"row {number}: one judge judged {mine.preference.id!r} and the other "
                f"{theirs.preference.id!r}, or other content under that id; a paired comparison "
                f"needs the same preferences in the same order"
            )
    pairs = [
        (mine.credit, theirs.credit)
        for mine, theirs in zip(one, other, strict=True)
        if mine.label is not Verdict.TIE
    ]
    if not pairs:
        raise DataError(f"nothing to compare: all {len(one)} rows are labelled ties")
    groups = [row.preference.group for row in one if row.label is not Verdict.TIE]
    wins = sum(mine > theirs for mine, theirs in pairs)
    losses = sum(mine < theirs for mine, theirs in pairs)
    return PairedComparison(
        difference=group_bootstrap(
            [mine - theirs for mine, theirs in pairs],
            groups,
            bounds=(-1.0, 1.0),
            num_resamples=num_resamples,
            seed=seed,
        ),
        p_value=mcnemar(wins, losses),
        wins=wins,
        losses=losses,
        both_right=pairs.count((1.0, 1.0)),
        both_wrong=pairs.count((0.0, 0.0)),
        both_tied=pairs.count((0.5, 0.5)),
        num_pairs=len(pairs),
    )
