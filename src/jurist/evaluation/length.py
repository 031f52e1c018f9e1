"""Whether a judge goes by length: what it prefers, what people prefer, and where it is right."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, group_bootstrap
from jurist.evaluation.judged import Judged
from jurist.types import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class LengthBias:
    """One judge on the labelled pairs whose responses differ in length, in characters."""

    prefers_longer: Estimate | None
    """Share of ballots that prefer the longer response, of those that prefer one. None if none
    does."""

    labelled_longer: Estimate
    """Share of the pairs whose longer response is labelled better: what a judge that agrees with
    the labels, and leans no way where it errs, would prefer about as often."""

    when_longer: Estimate | None
    """Accuracy where the better response is the longer one. None if there is no such pair."""

    when_shorter: Estimate | None
    """Accuracy where it is the shorter one."""

    num_longer: int
    """Pairs whose better response is the longer one."""

    num_shorter: int


def length_bias(
    rows: Sequence[Judged], *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> LengthBias | None:
    """Hold a judge's verdicts against the lengths of the responses.

    A difference between the two accuracies is the judge's lean towards long or short ones, as far
    as the pairs are equally hard either way.

    Args:
        rows: What was judged. Rows labelled a tie, and responses of one length, are left out.
        num_resamples: How many resamples an interval is drawn from.
        seed: What the resamples are drawn from.

    Returns:
        The figures, or None if no labelled pair has responses of different lengths.
    """
    apart = [
        row
        for row in rows
        if row.label is not Verdict.TIE
        and len(row.preference.chosen) != len(row.preference.rejected)
    ]
    if not apart:
        return None
    longer = [len(row.preference.chosen) > len(row.preference.rejected) for row in apart]
    decided = [row.ballot.outcome in (Verdict.FIRST, Verdict.SECOND) for row in apart]
    # It prefers the longer one where it is right about a longer one, or wrong about a shorter one.
    prefers = [
        is_decided and (row.ballot.outcome is row.label) is is_longer
        for row, is_longer, is_decided in zip(apart, longer, decided, strict=True)
    ]

    def ratio(tops: Sequence[float], bottoms: Sequence[bool]) -> Estimate | None:
        if not any(bottoms):
            return None
        return group_bootstrap(
            tops,
            [row.preference.group for row in apart],
            denominators=bottoms,
            num_resamples=num_resamples,
            seed=seed,
        )

    def accuracy(where: Sequence[bool]) -> Estimate | None:
        return ratio([row.credit * at for row, at in zip(apart, where, strict=True)], where)

    return LengthBias(
        prefers_longer=ratio(prefers, decided),
        labelled_longer=group_bootstrap(
            longer,
            [row.preference.group for row in apart],
            num_resamples=num_resamples,
            seed=seed,
        ),
        when_longer=accuracy(longer),
        when_shorter=accuracy([not is_longer for is_longer in longer]),
        num_longer=sum(longer),
        num_shorter=len(longer) - sum(longer),
    )
