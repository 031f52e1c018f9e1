"""Scores of benchmarks in which a right response stands against several wrong ones.

R = right responses to a prompt, W = wrong ones. Each function takes what was found of the R x W
pairs, so that a judge of pairs and a scorer are scored alike: for a scorer, whose verdict on a pair
is the sign of a difference, the numbers are those that the benchmark's own program gives.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jurist.data.candidates import NUM_STYLES, Candidates
from jurist.errors import DataError
from jurist.evaluation.judged import Judged
from jurist.types import Verdict

Signs: TypeAlias = Sequence[Sequence[int]]
"""For each right response and each wrong one: 1 if the right one won, 0 for a tie, -1 if it lost or
there was no verdict. Shape: [R, W]."""


def rows_of(
    candidates: Sequence[Candidates], rows: Sequence[Judged]
) -> list[list[Sequence[Judged]]]:
    """Part judged pairs into the candidates that they were made of by `jurist.data.pairs_of`.

    Returns:
        For each of the candidates, the rows of its pairs. Shape: [N, R, W].

    Raises:
        DataError: If the rows are not those pairs, in that order.
    """
    found: list[list[Sequence[Judged]]] = []
    start = 0
    for one in candidates:
        width = len(one.wrong)
        found.append(
            [rows[start + i * width : start + (i + 1) * width] for i in range(len(one.right))]
        )
        for i, of_right in enumerate(found[-1]):
            shown = [(row.preference.chosen, row.preference.rejected) for row in of_right]
            if shown != [(one.right[i], wrong) for wrong in one.wrong]:
                raise DataError(f"expected the pairs of {one.id!r} in their order, found others")
        start += width * len(one.right)
    if start != len(rows):
        raise DataError(f"expected {start} judged pairs, found {len(rows)}")
    return found


def signs(rows: Sequence[Sequence[Judged]]) -> list[list[int]]:
    """Who won each pair, by the ballots. Shapes: [R, W] -> [R, W]."""
    return [[_sign(row) for row in of_right] for of_right in rows]


def _sign(row: Judged) -> int:
    if row.ballot.outcome is Verdict.TIE:
        return 0
    return 1 if row.ballot.outcome is row.label else -1


def best_of(won: Signs) -> float:
    """Credit of one prompt of RewardBench 2 outside of Ties (Malik et al. 2025). In [0, 1].

    1 if the right response beats every wrong one, 1 / k if it shares the first place with k - 1 of
    them, else 0.

    Example:
        >>> best_of([[1, 1, 1]]), best_of([[1, 0, 1]]), best_of([[1, -1, 1]])
        (1.0, 0.5, 0.0)
    """
    (of_right,) = won
    if min(of_right) < 0:
        return 0.0
    return 1.0 / (1 + list(of_right).count(0))


def beats_all(won: Signs) -> bool:
    """Whether the right response beats every wrong one: RewardMATH's accuracy (Kim et al. 2024)."""
    return all(sign == 1 for of_right in won for sign in of_right)


def reciprocal_rank(won: Signs) -> float:
    """One over the place of the one right response, ties counted against it (Kim et al. 2024).

    Example:
        >>> reciprocal_rank([[1, 0, -1, 1]])
        0.3333333333333333
    """
    (of_right,) = won
    return 1.0 / (1 + sum(sign != 1 for sign in of_right))


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleScores:
    """Accuracies of one prompt of RM-Bench, or means of them (Liu et al. 2025). In [0, 1].

    Of the 3 x 3 pairs of styles, easy are those in which the right response has the fancier style,
    normal those of one style, hard those in which the wrong response has it. A tie is not right.
    """

    easy: float
    normal: float
    hard: float

    @property
    def mean(self) -> float:
        """Plain mean of the three."""
        return (self.easy + self.normal + self.hard) / 3


def style_scores(won: Signs) -> StyleScores:
    """Accuracies of one prompt of RM-Bench.

    Args:
        won: Styles in the order published, plainest first. Shape: [3, 3].

    Raises:
        DataError: If there are other than three styles.
    """
    if len(won) != NUM_STYLES or any(len(row) != NUM_STYLES for row in won):
        raise DataError(f"expected {NUM_STYLES} styles of each response, found {len(won)}")
    right = [[sign == 1 for sign in row] for row in won]
    places = range(NUM_STYLES)

    def share(cells: list[bool]) -> float:
        return sum(cells) / len(cells)

    return StyleScores(
        easy=share([right[i][j] for i in places for j in places if i > j]),
        normal=share([right[i][i] for i in places]),
        hard=share([right[i][j] for i in places for j in places if i < j]),
    )


# The subset Ties of RewardBench 2

_EQUAL = 1e-9
"""Scores, margins and spreads that differ by less are equal: those of whole ratings, which came
through probabilities, differ by rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Scores of the responses to one prompt; only their differences mean anything."""

    right: Sequence[float]
    """Length R."""

    wrong: Sequence[float]
    """Length W."""

    @property
    def margin(self) -> float:
        """The worst right response's score less the best wrong one's."""
        return min(self.right) - max(self.wrong)

    @property
    def spread(self) -> float:
        """The best right response's score less the worst right one's."""
        return max(self.right) - min(self.right)


@dataclass(frozen=True, kw_only=True, slots=True)
class TiesScore:
    """What RewardBench 2 makes of its subset Ties."""

    tied_accuracy: float
    """Share of prompts with several right responses of which each beats every wrong one."""

    reference_accuracy: float
    """The same for the prompts with one right response."""

    preferred: float
    """Share of prompts whose right responses lie closer together than right and wrong."""

    preferred_hard: float
    """The same with the smaller of the margins of the prompt and of its reference."""

    gap: float
    """Mean of tanh(smaller margin / spread - 1). In [-1, 1]."""

    @property
    def overall(self) -> float:
        """0.3, 0.3, 0.2, 0.2 and 0.01 of the above, in their order."""
        return (
            0.3 * self.tied_accuracy
            + 0.3 * self.reference_accuracy
            + 0.2 * self.preferred
            + 0.2 * self.preferred_hard
            + 0.01 * self.gap
        )


def ties_score(
    references: Mapping[str, Scores | None], tied: Mapping[str, Scores | None]
) -> TiesScore:
    """Score the subset Ties (Malik et al. 2025, as the benchmark's own program does).

    Args:
        references: Prompts with one right response, by the name they share with those in `tied`.
            None where a comparison has no verdict: such a prompt is wrong in every respect.
        tied: Prompts with several right responses.

    Raises:
        DataError: If no name is in both.
    """
    names = sorted(references.keys() & tied.keys())
    if not names:
        raise DataError("expected prompts in Ties that have a reference, found none")
    margins: list[float] = []
    smaller: list[float] = []
    spreads: list[float] = []
    for name in names:
        several, one = tied[name], references[name]
        margins.append(-math.inf if several is None else several.margin)
        smaller.append(min(margins[-1], -math.inf if one is None else one.margin))
        spreads.append(0.0 if several is None else several.spread)
    return TiesScore(
        tied_accuracy=_accuracy(tied),
        reference_accuracy=_accuracy(references),
        preferred=_share(margins, spreads),
        preferred_hard=_share(smaller, spreads),
        gap=sum(map(_gap, smaller, spreads)) / len(names),
    )


def _accuracy(prompts: Mapping[str, Scores | None]) -> float:
    right = [scores is not None and scores.margin > _EQUAL for scores in prompts.values()]
    return sum(right) / len(right)


def _share(margins: Sequence[float], spreads: Sequence[float]) -> float:
    return sum(m > s + _EQUAL for m, s in zip(margins, spreads, strict=True)) / len(margins)


def _gap(margin: float, spread: float) -> float:
    if spread < _EQUAL:
        # The limit; nothing over nothing counts as nothing.
        return math.copysign(1.0, margin) if abs(margin) > _EQUAL else 0.0
    return math.tanh(margin / spread - 1.0)


def scores_of(log_odds: Sequence[Sequence[float]]) -> Scores:
    """The scores that fit log-odds of all pairs of right and wrong responses best.

    By least squares under Bradley and Terry (1952), where the log-odds of a pair are the difference
    of two scores. Those of a scalar model come out as they were, up to what is common to all.

    Args:
        log_odds: Of each right response against each wrong one, in nats. Shape: [R, W].

    Example:
        >>> scores_of([[3.0, 4.0], [1.0, 2.0]])  # of 3 and 1 against 0 and -1
        Scores(right=[3.5, 1.5], wrong=[0.5, -0.5])
    """
    rows, columns = len(log_odds), len(log_odds[0])
    right = [math.fsum(row) / columns for row in log_odds]
    mean = math.fsum(right) / rows
    wrong = [mean - math.fsum(row[j] for row in log_odds) / rows for j in range(columns)]
    return Scores(right=right, wrong=wrong)


def scores_of_rows(rows: Sequence[Sequence[Judged]]) -> Scores | None:
    """The scores that fit the ballots of one prompt best, or None if a pair has no verdict."""
    found: list[list[float]] = []
    for of_right in rows:
        found.append([])
        for row in of_right:
            odds = row.ballot.log_odds
            if odds is None:
                return None
            found[-1].append(odds if row.label is Verdict.FIRST else -odds)
    return scores_of(found)
