"""What an empty head would score: reference rows that a claim of skill must beat.

Neither rule reads the prompt. Where one does well, the data can be judged by looks alone, and a
judge that scores as high has shown nothing.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jurist.errors import DataError
from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, Floats, group_bootstrap
from jurist.types import Preference

VOCABULARY_SIZE = 20_000
"""Words kept, by the number of training responses they stand in."""

L2 = 1.0
"""Penalty on half the squared weights, beside a loss summed over pairs. Fixed, never tuned."""

_WORD = re.compile(r"\w+|[^\w\s]")
_NEWTON_STEPS = 30
_CONJUGATE_STEPS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortcut:
    """The accuracy of one rule on one set of preferences."""

    name: str
    accuracy: Estimate
    num_pairs: int
    """Labelled pairs; rows labelled a tie are left out."""


def shortcuts(
    train: Sequence[Preference],
    test: Sequence[Preference],
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> list[Shortcut]:
    """Score "longer wins" and a bag of words on `test`.

    Args:
        train: What the bag of words is fitted on. If it holds no labelled pair (a judge that was
            not trained has no training data), "longer wins" stands alone.
        test: What both are scored on.
        num_resamples: How many resamples an interval is drawn from.
        seed: What the resamples are drawn from.

    Raises:
        DataError: If `test` has no labelled pair.
    """
    labelled = [preference for preference in test if not preference.tie]
    if not labelled:
        raise DataError(
            f"no accuracy of nothing: all {len(test)} rows are labelled ties; at least one must "
            f"have a better response"
        )
    rules: dict[str, Callable[[Preference], float]] = {"longer wins": longer_wins}
    if any(not preference.tie for preference in train):
        rules["bag of words"] = BagOfWords.fit(train).credit
    groups = [preference.group for preference in labelled]
    return [
        Shortcut(
            name=name,
            accuracy=group_bootstrap(
                [rule(preference) for preference in labelled],
                groups,
                num_resamples=num_resamples,
                seed=seed,
            ),
            num_pairs=len(labelled),
        )
        for name, rule in rules.items()
    ]


def longer_wins(preference: Preference) -> float:
    """Credit of the rule that the response of more characters is better; equal lengths are half."""
    return _half_step(len(preference.chosen) - len(preference.rejected))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BagOfWords:
    """A logistic regression on which words stand more often in which response.

    A pair is its difference of log(1 + count) over the lower-cased words and punctuation marks of
    the two responses; there is no intercept, so exchanging the responses exchanges the verdict.
    """

    weights: dict[str, float]
    """Pull of each word towards the response it stands in, in nats of log-odds."""

    @classmethod
    def fit(cls, train: Sequence[Preference]) -> "BagOfWords":
        """Fit to the labelled pairs of `train` by Newton's method.

        Deterministic, without a sparse matrix library; some seconds for ten thousand pairs.

        Raises:
            DataError: If no pair is labelled.
        """
        pairs = [
            (_bag(preference.chosen), _bag(preference.rejected))
            for preference in train
            if not preference.tie
        ]
        if not pairs:
            raise DataError(f"no labelled pair among {len(train)} rows to fit a bag of words to")
        seen = Counter(word for pair in pairs for bag in pair for word in bag)
        kept = sorted(seen, key=lambda word: (-seen[word], word))[:VOCABULARY_SIZE]
        column = {word: number for number, word in enumerate(kept)}
        features = _Sparse.of([_difference(*pair) for pair in pairs], column)
        weights = _fitted(features)
        return cls(weights={word: float(weights[number]) for word, number in column.items()})

    def credit(self, preference: Preference) -> float:
        """1 if it picks the chosen response, 0 if the rejected, half if neither pulls harder."""
        features = _difference(_bag(preference.chosen), _bag(preference.rejected))
        return _half_step(
            sum(value * self.weights.get(word, 0.0) for word, value in features.items())
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Sparse:
    """A matrix by its entries that are not zero. Shape: [num_rows, num_columns]."""

    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    value: Floats
    num_rows: int
    num_columns: int

    @classmethod
    def of(cls, rows: Sequence[dict[str, float]], column: dict[str, int]) -> "_Sparse":
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


def _fitted(features: _Sparse) -> Floats:
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


def _newton_step(features: _Sparse, curvature: Floats, target: Floats) -> Floats:
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


def _bag(text: str) -> dict[str, float]:
    counts = Counter(_WORD.findall(text.lower()))
    return {word: float(np.log1p(count)) for word, count in counts.items()}


def _difference(chosen: dict[str, float], rejected: dict[str, float]) -> dict[str, float]:
    words = sorted(chosen.keys() | rejected.keys())
    values = {word: chosen.get(word, 0.0) - rejected.get(word, 0.0) for word in words}
    return {word: value for word, value in values.items() if value != 0.0}


def _half_step(value: float) -> float:
    return 0.5 if value == 0.0 else float(value > 0.0)
