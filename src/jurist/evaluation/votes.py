"""Accuracy against the number of votes: what more samples of the same judge would have bought."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.evaluation.agreement import single_credit
from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, group_bootstrap
from jurist.evaluation.judged import Judged, credit
from jurist.judges.ballot import Ballot
from jurist.types import Judgement, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class VotePoint:
    """The accuracy that a number of votes gives."""

    votes: int
    """Readings of a pair, both orders together."""

    accuracy: Estimate


def vote_curve(
    rows: Sequence[Judged], *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> list[VotePoint]:
    """Accuracy of 1, 2, 4, 8, ... votes, out of the readings there are.

    One vote is any single reading, of either order. More are taken half from each order: the
    readings are cut into disjoint blocks in the order they were sampled, each block is a ballot of
    its own, and a pair's credit is the mean over its blocks. The curve ends at the greatest power
    of two that every labelled pair has readings for; the accuracy of *all* readings is
    `Agreement.accuracy`, and equals the last point where their number is that power.

    Rows labelled a tie are left out, as they are of `Agreement.accuracy`.

    Args:
        rows: What was judged.
        num_resamples: How many resamples an interval is drawn from.
        seed: What the resamples are drawn from.

    Raises:
        ValueError: If no row is labelled better one way or the other.
    """
    labelled = [row for row in rows if row.label is not Verdict.TIE]
    groups = [row.preference.group for row in labelled]
    orders = [_orders(row) for row in labelled]
    per_order = min((min(len(plain), len(swapped)) for plain, swapped in orders), default=0)

    credits = [single_credit(row) for row in labelled]
    points: list[VotePoint] = []
    votes = 1
    while True:
        accuracy = group_bootstrap(credits, groups, num_resamples=num_resamples, seed=seed)
        points.append(VotePoint(votes=votes, accuracy=accuracy))
        votes *= 2
        if votes > 2 * per_order:
            return points
        credits = [
            _block_credit(row.label, plain, swapped, votes // 2)
            for row, (plain, swapped) in zip(labelled, orders, strict=True)
        ]


def _orders(row: Judged) -> tuple[list[Judgement], list[Judgement]]:
    plain = [judgement for judgement in row.ballot.judgements if not judgement.swapped]
    swapped = [judgement for judgement in row.ballot.judgements if judgement.swapped]
    return plain, swapped


def _block_credit(
    label: Verdict, plain: Sequence[Judgement], swapped: Sequence[Judgement], half: int
) -> float:
    """Mean credit of the ballots of disjoint blocks, `half` readings of each order in each."""
    starts = range(0, min(len(plain), len(swapped)) - half + 1, half)
    credits = [
        credit(Ballot(judgements=(*plain[i : i + half], *swapped[i : i + half])).outcome, label)
        for i in starts
    ]
    return sum(credits) / len(credits)
