"""What an empty head would score: reference rows that a claim of skill must beat.

Neither rule reads the prompt. Where one does well, the data can be judged by looks alone, and a
judge that scores as high has shown nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jurist.errors import DataError
from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, group_bootstrap
from jurist.evaluation.words import bag, word_weights
from jurist.types import Preference


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
            (bag(preference.chosen), bag(preference.rejected))
            for preference in train
            if not preference.tie
        ]
        if not pairs:
            raise DataError(f"no labelled pair among {len(train)} rows to fit a bag of words to")
        seen = Counter(word for pair in pairs for found in pair for word in found)
        return cls(weights=word_weights([_difference(*pair) for pair in pairs], seen))

    def credit(self, preference: Preference) -> float:
        """1 if it picks the chosen response, 0 if the rejected, half if neither pulls harder."""
        return _half_step(self.log_odds(preference))

    def log_odds(self, preference: Preference) -> float:
        """Log-odds, in nats, that the chosen response is the better one, by its words."""
        features = _difference(bag(preference.chosen), bag(preference.rejected))
        return sum(value * self.weights.get(word, 0.0) for word, value in features.items())


def _difference(chosen: dict[str, float], rejected: dict[str, float]) -> dict[str, float]:
    words = sorted(chosen.keys() | rejected.keys())
    values = {word: chosen.get(word, 0.0) - rejected.get(word, 0.0) for word in words}
    return {word: value for word, value in values.items() if value != 0.0}


def _half_step(value: float) -> float:
    return 0.5 if value == 0.0 else float(value > 0.0)
