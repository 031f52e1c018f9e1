"""Accuracy against the number of votes: what more samples of the same judge would have bought."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jurist.evaluation.agreement import single_credit
from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, Floats, group_bootstrap_each
from jurist.evaluation.judged import Judged, credit, equal_readings
from jurist.judges.ballot import Ballot
from jurist.types import Failure, Judgement, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class VotePoint:
    """The accuracy that a number of votes gives, and what they cost."""

    votes: int
    """Readings of a pair, both orders together."""

    accuracy: Estimate

    tokens: float
    """Tokens written for a pair at that number of votes, on average."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoteCredits:
    """What a number of votes earns, pair by pair."""

    votes: int
    """Readings of a pair, both orders together."""

    credits: Floats
    """Mean credit of each labelled pair's blocks of so many votes. Shape: [N]."""

    tokens: float
    """Tokens written for a pair at that number of votes, on average."""


def vote_curve(
    rows: Sequence[Judged], *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> list[VotePoint]:
    """Accuracy of 1, 2, 4, 8, ... votes, out of the readings there are.

    One vote is any single reading, of either order. More are taken half from each order: the
    readings are cut into disjoint blocks in the order they were sampled, each block is a ballot of
    its own, and a pair's credit is the mean over its blocks. The curve ends at the greatest power
    of two that every labelled pair has readings for; the accuracy of *all* readings is
    `Agreement.accuracy`, and equals the last point where their number is that power.

    Where voting was stopped early on some pairs, only the readings that every pair has are used: a
    pair is read on for as long as its votes disagree, so later readings are not like the first.

    Rows labelled a tie are left out, as they are of `Agreement.accuracy`.

    Args:
        rows: What was judged.
        num_resamples: How many resamples an interval is drawn from.
        seed: What the resamples are drawn from.

    Raises:
        ValueError: If no row is labelled better one way or the other.
    """
    found = vote_credits(rows)
    accuracies = group_bootstrap_each(
        [point.credits for point in found],
        [row.preference.group for row in rows if row.label is not Verdict.TIE],
        num_resamples=num_resamples,
        seed=seed,
    )
    return [
        VotePoint(votes=point.votes, accuracy=accuracy, tokens=point.tokens)
        for point, accuracy in zip(found, accuracies, strict=True)
    ]


def vote_credits(rows: Sequence[Judged]) -> list[VoteCredits]:
    """What each labelled pair earns with 1, 2, 4, 8, ... votes, by the rule of `vote_curve`.

    Args:
        rows: What was judged.
    """
    rows = equal_readings(rows)
    labelled = [row for row in rows if row.label is not Verdict.TIE]
    orders = [_orders(row) for row in labelled]
    lengths = np.array([min(len(plain), len(swapped)) for plain, swapped in orders], np.int64)
    most = 2 * int(lengths.min(initial=2**31)) if labelled else 0
    sizes = [2**i for i in range(1, most.bit_length()) if 2**i <= most]
    blocks = _Blocks(labelled, orders, lengths)
    single = sum(row.ballot.num_tokens / len(row.ballot.judgements) for row in labelled)
    return [
        VoteCredits(
            votes=1,
            credits=np.array([single_credit(row) for row in labelled], np.float64),
            tokens=single / len(labelled) if labelled else 0.0,
        ),
        *(
            VoteCredits(votes=n, credits=blocks.credits(n // 2), tokens=blocks.tokens(n // 2))
            for n in sizes
        ),
    ]


_VERDICTS = frozenset[Verdict | Failure](Verdict)
_Orders = tuple[list[Judgement], list[Judgement]]


def _orders(row: Judged) -> _Orders:
    plain = [judgement for judgement in row.ballot.judgements if not judgement.swapped]
    swapped = [judgement for judgement in row.ballot.judgements if judgement.swapped]
    return plain, swapped


class _Blocks:
    """The readings of all rows in arrays, the two orders added up reading by reading.

    N = rows, P = readings of one order in the row that has most. Shorter rows are filled with
    zeros, which no whole block of theirs reaches.
    """

    def __init__(
        self, rows: Sequence[Judged], orders: Sequence[_Orders], lengths: npt.NDArray[np.int64]
    ) -> None:
        self._rows, self._orders, self._lengths = rows, orders, lengths
        shape = (len(rows), int(lengths.max(initial=0)))
        self._lead = np.zeros(shape, np.int64)
        """Verdicts that agree with the label, less those that prefer the other response."""

        self._verdicts = np.zeros(shape, np.int64)
        self._tokens = np.zeros(shape, np.int64)
        self._stated: list[int] = []
        """Rows in which a reading states a probability: a majority does not settle them."""

        for i, (row, (plain, swapped)) in enumerate(zip(rows, orders, strict=True)):
            worth: dict[Verdict | Failure, int] = {row.label: 1, row.label.swapped(): -1}
            for readings in (plain[: lengths[i]], swapped[: lengths[i]]):
                counts = np.array(
                    [
                        (worth.get(one.outcome, 0), one.outcome in _VERDICTS, one.num_tokens)
                        for one in readings
                    ],
                    np.int64,
                ).reshape(-1, 3)
                self._lead[i, : lengths[i]] += counts[:, 0]
                self._verdicts[i, : lengths[i]] += counts[:, 1]
                self._tokens[i, : lengths[i]] += counts[:, 2]
            if any(one.probability is not None for one in (*plain, *swapped)):
                self._stated.append(i)

    def credits(self, half: int) -> Floats:
        """Mean credit of each row's blocks, `half` readings of each order in each. Shape: [N]."""
        lead, known = self._summed(self._lead, half), self._summed(self._verdicts, half)
        earned = np.where(lead > 0, 1.0, np.where((lead == 0) & (known > 0), 0.5, 0.0))
        credits = self._mean(earned, half)
        for i in self._stated:
            credits[i] = _block_credit(self._rows[i].label, *self._orders[i], half)
        return credits

    def tokens(self, half: int) -> float:
        """Tokens of a block: the mean of a row's blocks, then of the rows."""
        return float(self._mean(self._summed(self._tokens, half), half).mean())

    def _summed(self, values: npt.NDArray[np.int64], half: int) -> npt.NDArray[np.int64]:
        """The sum over each block. Shape: [N, blocks of the longest row]."""
        num_blocks = values.shape[1] // half
        return values[:, : num_blocks * half].reshape(len(values), num_blocks, half).sum(axis=2)

    def _mean(self, values: npt.NDArray[np.generic], half: int) -> Floats:
        """The mean over each row's own whole blocks. Shape: [N]."""
        num_blocks = self._lengths // half
        whole = np.arange(values.shape[1]) < num_blocks[:, None]
        return np.where(whole, values, 0.0).sum(axis=1) / num_blocks


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
