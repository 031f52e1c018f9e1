"""What early-stopped voting would have given and cost, replayed on votes that were all cast."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.evaluation.intervals import (
    NUM_RESAMPLES,
    Estimate,
    group_bootstrap,
    group_bootstrap_each,
)
from jurist.evaluation.judged import Judged, credit
from jurist.judges.adaptive import next_votes
from jurist.judges.ballot import Ballot
from jurist.judges.polling import counted
from jurist.types import Judgement, Verdict

STOP_AT = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""The settings of `Adaptive` that a report replays."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoppingPoint:
    """Early-stopped voting on the labelled pairs, with one setting, against all votes."""

    stop_at: float
    """Probability allowed that all votes would give another verdict."""

    same: Estimate
    """Share of pairs whose verdict is that of all votes."""

    share: Estimate
    """Votes cast, as a share of all votes."""

    accuracy: Estimate
    """Mean credit of the verdicts given."""

    votes: float
    """Readings of a pair, both orders together, on average."""

    tokens: float
    """Tokens written for a pair, on average."""


def stopping_curve(
    rows: Sequence[Judged],
    *,
    stop_at: Sequence[float] = STOP_AT,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> list[StoppingPoint]:
    """What `jurist.judges.Adaptive` would have made of each pair, for several settings.

    A vote is a numbered sample, so stopping early casts the first of the votes there are, and the
    replay is exact: the verdicts and votes that `Adaptive` gives with the same judge and seed.

    Rows labelled a tie are left out, as they are of `Agreement.accuracy`.

    Args:
        rows: What was judged, every vote of it cast.
        stop_at: The settings.
        num_resamples: How many resamples an interval is drawn from.
        seed: What the resamples are drawn from.

    Returns:
        A point for each setting. None at all where there is nothing to stop: voting was stopped
        already, a pair has fewer than two votes of an order or more of one than of the other, or
        readings state probabilities.

    Raises:
        ValueError: If no row is labelled better one way or the other.
    """
    labelled = [row for row in rows if row.label is not Verdict.TIE]
    votes = [_Votes(row) for row in labelled]
    if not all(one.can_be_stopped for one in votes):
        return []
    groups = [row.preference.group for row in labelled]
    points: list[StoppingPoint] = []
    for setting in stop_at:
        cast = [one.cast(setting) for one in votes]
        verdicts = [one.ballot(count) for one, count in zip(votes, cast, strict=True)]
        same, accuracy = group_bootstrap_each(
            [
                [
                    float(verdict.outcome == row.ballot.outcome)
                    for row, verdict in zip(labelled, verdicts, strict=True)
                ],
                [
                    credit(verdict.outcome, row.label)
                    for row, verdict in zip(labelled, verdicts, strict=True)
                ],
            ],
            groups,
            num_resamples=num_resamples,
            seed=seed,
        )
        points.append(
            StoppingPoint(
                stop_at=setting,
                same=same,
                share=group_bootstrap(
                    cast,
                    groups,
                    denominators=[one.num_votes for one in votes],
                    num_resamples=num_resamples,
                    seed=seed,
                ),
                accuracy=accuracy,
                votes=2.0 * sum(cast) / len(labelled),
                tokens=sum(verdict.num_tokens for verdict in verdicts) / len(labelled),
            )
        )
    return points


class _Votes:
    """All votes on one pair."""

    def __init__(self, row: Judged) -> None:
        readings = row.ballot.judgements
        self._given: list[Judgement] = [one for one in readings if not one.swapped]
        self._swapped: list[Judgement] = [one for one in readings if one.swapped]
        self.num_votes = len(self._given)
        """Votes of each order."""

        self.can_be_stopped = (
            not row.ballot.num_unasked
            and len(self._given) == len(self._swapped) >= 2
            and all(one.probability is None for one in readings)
        )

    def cast(self, stop_at: float) -> int:
        """Votes of each order that `Adaptive` would have cast."""
        cast = 0
        while more := next_votes(
            counted(self._given[:cast]),
            counted(self._swapped[:cast]),
            self.num_votes - cast,
            stop_at,
        ):
            cast += more
        return cast

    def ballot(self, cast: int) -> Ballot:
        """The ballot of the first votes of each order."""
        return Ballot.of(
            [*self._given[:cast], *self._swapped[:cast]], num_unasked=2 * (self.num_votes - cast)
        )
