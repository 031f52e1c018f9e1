"""Bags of words, and a logistic regression on them. NumPy only.

Deterministic, and without a sparse matrix library.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jurist.evaluation.intervals import Floats

VOCABULARY_SIZE = 20_000
"""Words kept, by the number of texts they stand in."""

L2 = 1.0
"""Penalty on half the squared weights, beside a loss summed over rows. Fixed, never tuned."""

_WORD = re.compile(r"\w+|[^\w\s]")
_NEWTON_STEPS = 30
_CONJUGATE_STEPS = 50


def words(text: str) -> list[str]:
    """The words and punctuation marks of a text, lower-cased, in order.

    Example:
        >>> words("It's 7.")
        ['it', "'", 's', '7', '.']
    """
    return _WORD.findall(text.lower())


def bag(text: str) -> dict[str, float]:
    """log(1 + count) of every word of a text."""
    return {word: float(np.log1p(count)) for word, count in Counter(words(text)).items()}


def word_weights(rows: Sequence[dict[str, float]], seen: Mapping[str, int]) -> dict[str, float]:
    """Pull of each word, in nats of log-odds: those that make all rows' log-odds positive.

    Args:
        rows: Values of words by row, times minus one in a row that is to be negative.
        seen: How often each word was seen; of more than `VOCABULARY_SIZE` the rarest get no pull.
    """
    kept = sorted(seen, key=lambda word: (-seen[word], word))[:VOCABULARY_SIZE]
    column = {word: number for number, word in enumerate(kept)}
    found = logistic_weights(SparseRows.of(rows, column))
    return {word: float(found[number]) for word, number in column.items()}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SparseRows:
    """A matrix by its entries that are not zero. Shape: [num_rows, num_columns]."""

    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    value: Floats
    num_rows: int
    num_columns: int

    @classmethod
    def of(cls, rows: Sequence[dict[str, float]], column: dict[str, int]) -> "SparseRows":
        """Of the values of words by row, and each word's column; others are left out."""
        entries = [
            (number, column[word], value)
            for number, features in enumerate(rows)
            for word, value in features.items()
            if word in column
        ]
        return cls(
            row=np.array([entry[0] for entry in entries], dtype=np.int64),
            column=np.array([entry[1] for entry in entries], dtype=np.int64),
            value=np.array([entry[2] for entry in entries], dtype=np.float64),
            num_rows=len(rows),
            num_columns=len(column),
        )

    def times(self, weights: Floats) -> Floats:
        """Matrix times vector. Shape: [num_columns] -> [num_rows]."""
        return _summed(self.row, self.value * weights[self.column], self.num_rows)

    def transposed_times(self, weights: Floats) -> Floats:
        """Transpose times vector. Shape: [num_rows] -> [num_columns]."""
        return _summed(self.column, self.value * weights[self.row], self.num_columns)


def _summed(place: npt.NDArray[np.int64], value: Floats, length: int) -> Floats:
    # Of no entries at all NumPy counts in whole numbers, whatever the weights.
    return np.bincount(place, value, minlength=length).astype(np.float64, copy=False)


def logistic_weights(features: SparseRows) -> Floats:
    """Weights that minimise sum(log(1 + exp(-features @ weights))) + L2 / 2 |weights|^2.

    Newton's method, each step solved by conjugate gradients and halved until the loss falls.
    """
    weights = np.zeros(features.num_columns)
    margins = np.zeros(features.num_rows)

    def loss(margins: Floats, weights: Floats) -> float:
        return float(np.logaddexp(0.0, -margins).sum() + 0.5 * L2 * (weights**2).sum())

    for _ in range(_NEWTON_STEPS):
        wrong = np.exp(-np.logaddexp(0.0, margins))
        gradient = L2 * weights - features.transposed_times(wrong)
        if float(np.abs(gradient).max(initial=0.0)) < 1e-6:
            break
        step = _newton_step(features, wrong * (1.0 - wrong), -gradient)
        moved = features.times(step)
        before = loss(margins, weights)
        scale = 1.0
        while scale > 1e-6 and loss(margins + scale * moved, weights + scale * step) > before:
            scale /= 2.0
        weights = weights + scale * step
        margins = margins + scale * moved
    return weights


def _newton_step(features: SparseRows, curvature: Floats, target: Floats) -> Floats:
    """Solve (features^T diag(curvature) features + L2) step = target by conjugate gradients."""
    step = np.zeros_like(target)
    residual = target.copy()
    direction = residual.copy()
    left = float((residual**2).sum())
    enough = 1e-6 * left
    for _ in range(_CONJUGATE_STEPS):
        if left <= enough:
            break
        image = features.transposed_times(curvature * features.times(direction)) + L2 * direction
        pace = left / float((direction * image).sum())
        step += pace * direction
        residual -= pace * image
        following = float((residual**2).sum())
        direction = residual + following / left * direction
        left = following
    return step
