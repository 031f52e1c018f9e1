"""How much better: strengths that a judge states, beside those that people gave."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jurist.evaluation.correlation import Correlations, correlations
from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, group_bootstrap
from jurist.evaluation.judged import Judged
from jurist.types import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class StrengthAgreement:
    """Agreement of stated strengths with margins, both above 0 if the first response is better.

    Only rows whose label has a margin, or is a tie, and whose ballot has a strength count.
    """

    correlations: Correlations
    """Of strengths with margins; needs no common scale."""

    mean_error: Estimate
    """Mean absolute difference, on the scale of the margins. Says something only where judge and
    people use one scale, such as HelpSteer2's -3 to 3."""

    within_one: Estimate
    """Share of rows whose difference is at most 1; as `mean_error`, of one scale."""

    num_pairs: int
    num_missing: int
    """Rows that lack one of the two numbers."""


def strength_agreement(
    rows: Sequence[Judged], *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> StrengthAgreement | None:
    """Compare the strengths of ballots with the margins of labels.

    Which response is shown first is drawn, so the sign of a margin is a coin's: a judge that states
    how far two responses are apart, and not which is better, correlates with nothing.

    Args:
        rows: Preferences with their ballots.
        num_resamples: How many resamples an interval is drawn from.
        seed: What the resamples are drawn from.

    Returns:
        The agreement, with 95 % intervals that resample groups; None if fewer than two rows have
        both numbers, or if all rows have the same one of either.
    """
    pairs = [
        (given, stated, row.preference.group)
        for row in rows
        if (given := _margin(row)) is not None and (stated := row.ballot.strength) is not None
    ]
    given = np.array([one for one, _, _ in pairs])
    stated = np.array([one for _, one, _ in pairs])
    groups = [group for _, _, group in pairs]
    found = correlations(given, stated, groups, num_resamples=num_resamples, seed=seed)
    if found is None:
        return None
    apart = np.abs(given - stated)
    widest = float(np.abs(given).max() + np.abs(stated).max())
    return StrengthAgreement(
        correlations=found,
        mean_error=group_bootstrap(
            apart, groups, bounds=(0.0, widest), num_resamples=num_resamples, seed=seed
        ),
        within_one=group_bootstrap(apart <= 1.0, groups, num_resamples=num_resamples, seed=seed),
        num_pairs=len(pairs),
        num_missing=len(rows) - len(pairs),
    )


def _margin(row: Judged) -> float | None:
    """The label's margin, above 0 if the response shown first is labelled better."""
    if row.label is Verdict.TIE:
        return 0.0
    margin = row.preference.margin
    if margin is None:
        return None
    return margin if row.label is Verdict.FIRST else -margin
