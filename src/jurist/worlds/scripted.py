"""The scripted world: solvers, verifiers and judges whose faults are given as numbers.

No model writes anything here, so a method that chooses among answers can be held against what its
arithmetic promises, in milliseconds. Answers are numbers: `RIGHT` is the right one, `COMMON` the
wrong one that most who err give, and the rest are rare. Import it as `jurist.worlds.scripted`: it
loads NumPy, which the other worlds do without.

The default constants were fitted, by hand and on other seeds than the tests', so that four ways to
vote come out as in the sketch this world goes back to (`docs/results.md`). They describe no model.

Dimensions: P = questions, N = samples of a question, M = readings, R = runs, J = jurors, T = kinds
of truth, L = labels a juror may give.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from jurist.digest import derive_seed
from jurist.types import Comparison, Failure, Judgement, Verdict

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Confusion: TypeAlias = Mapping[Verdict, Mapping[Verdict | Failure, float]]
"""By what is true, the probability of each thing a judge may come to."""

RIGHT: Final = 0
COMMON: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """What a solver answers."""

    answers: Ints
    """Number of each answer. Shape: [P, N]."""

    certainty: Floats
    """How sure the solver was of each, greater for surer. Shape: [P, N]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solver:
    """A policy that samples answers, some questions being harder for it than others."""

    ability: tuple[float, float] = (2.0, 2.25)
    """Parameters of the beta distribution of its probability to be right, question by question."""

    common: float = 0.6
    """Of its wrong answers, the share that are the common one."""

    num_rare: int = 20
    """How many rare wrong answers there are, each as likely."""

    certainty_gap: float = 1.2
    """How much surer it is when right, in standard deviations of its certainty."""

    def sample(self, num_questions: int, num_samples: int, dice: np.random.Generator) -> Samples:
        """Answer every question several times, independently."""
        shape = (num_questions, num_samples)
        right = dice.random(shape) < dice.beta(*self.ability, size=(num_questions, 1))
        rare = dice.integers(COMMON + 1, COMMON + 1 + self.num_rare, size=shape)
        wrong = np.where(dice.random(shape) < self.common, COMMON, rare)
        certainty = dice.normal(size=shape) + self.certainty_gap * right
        return Samples(answers=np.where(right, RIGHT, wrong), certainty=certainty)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verifier:
    """Says yes or no of an answer; some rare wrong answers fool it in every reading."""

    sensitivity: float = 0.9
    """Probability of a yes to the right answer, and to one that fools it."""

    specificity: float = 0.85
    """Probability of a no to any other."""

    fooled: float = 0.15
    """Share of the rare wrong answers, drawn for each question, that fool it."""

    def readings(self, answers: Ints, num_readings: int, dice: np.random.Generator) -> Floats:
        """Read every answer several times: 1 for yes, 0 for no. Shape: [P, N, M].

        Another call fools itself anew, as another verifier of the same skill would.
        """
        fools = dice.random((len(answers), int(answers.max()) + 1)) < self.fooled
        fools[:, RIGHT], fools[:, COMMON : COMMON + 1] = True, False
        believed = np.take_along_axis(fools, answers, axis=1)
        chance = np.where(believed, self.sensitivity, 1.0 - self.specificity)
        return (dice.random((*answers.shape, num_readings)) < chance[..., None]).astype(np.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rater:
    """Scores all answers from 1 to 10 in one run; runs on bad principles score at random."""

    soundness: float = 0.5
    """Probability that a run is sound."""

    gap: float = 2.0
    """By how much a sound run scores the right answer higher."""

    noise: float = 2.0
    """Standard deviation of a score."""

    insight: float = 2.0
    """How much better its meta judge rates a sound run, in standard deviations of its rating."""

    def runs(
        self, answers: Ints, num_runs: int, dice: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Score every answer in every run, and have the runs rated.

        Returns:
            Scores, shape [P, R, N], and ratings of the runs, shape [P, R].
        """
        sound = dice.random((len(answers), num_runs)) < self.soundness
        known = self.gap * (answers == RIGHT)[:, None, :] * sound[:, :, None]
        scores = 5.0 + known + self.noise * dice.normal(size=known.shape)
        rating = dice.normal(size=sound.shape) + self.insight * sound
        return np.clip(np.rint(scores), 1.0, 10.0), rating


def juror_votes(truth: Ints, confusion: npt.ArrayLike, dice: np.random.Generator) -> Ints:
    """What each juror says of each item, independently given the truth.

    Args:
        truth: What is true of each item, from 0 to T - 1. Shape: [P].
        confusion: Probability that a juror gives a label where something is true. Shape: [J, T, L].
        dice: What they are drawn with.

    Returns:
        Labels. Shape: [P, J].
    """
    edges = np.asarray(confusion, np.float64).cumsum(axis=-1)[:, truth, :].transpose(1, 0, 2)
    return (dice.random((*edges.shape[:2], 1)) >= edges[..., :-1]).sum(axis=-1)


def confusion_of(accuracy: float, *, ties: float = 0.0, failures: float = 0.0) -> Confusion:
    """The confusion of a judge that is as good at either verdict.

    Args:
        accuracy: Share of its verdicts for the better one, of those that are no ties.
        ties: Share of ties; where the two are equal, nothing but ties.
        failures: Share of readings without any verdict.

    Example:
        >>> row = confusion_of(0.75, failures=0.2)[Verdict.FIRST]
        >>> round(row[Verdict.FIRST], 3), round(row[Verdict.SECOND], 3)
        (0.6, 0.2)
    """
    decided = (1.0 - failures) * (1.0 - ties)
    rest = {Verdict.TIE: (1.0 - failures) * ties, Failure.UNPARSEABLE: failures}
    first = {Verdict.FIRST: decided * accuracy, Verdict.SECOND: decided * (1.0 - accuracy), **rest}
    second = {Verdict.FIRST: first[Verdict.SECOND], Verdict.SECOND: first[Verdict.FIRST], **rest}
    equal = {Verdict.TIE: 1.0 - failures, Failure.UNPARSEABLE: failures}
    return {Verdict.FIRST: first, Verdict.SECOND: second, Verdict.TIE: equal}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptedJudge:
    """A judge (`jurist.judges.Judge`) that errs as it is told to.

    The probability of each outcome is that of its confusion times `exp` of its biases, in nats,
    over their sum. Every reading is drawn from the seed, the comparison and the reading's number.
    """

    quality: Callable[[str], float]
    """How good a response really is."""

    confusion: Confusion
    first_bias: float = 0.0
    """Added to the log-probability of the verdict for the response shown first."""

    length_bias: float = 0.0
    """Added to the log-probability of the verdict for the longer response."""

    num_samples: int = 1
    """Readings of each comparison."""

    states_probability: bool = False
    """Whether a reading states how probable the verdicts for either response were."""

    seed: int = 0

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Read every comparison `num_samples` times."""
        return [self._read(comparison) for comparison in comparisons]

    def probabilities(self, comparison: Comparison) -> dict[Verdict | Failure, float]:
        """Probability of each outcome of one reading."""
        longer = len(comparison.first) - len(comparison.second)
        bias: dict[Verdict | Failure, float] = {
            Verdict.FIRST: self.first_bias + self.length_bias * (longer > 0),
            Verdict.SECOND: self.length_bias * (longer < 0),
        }
        truth = _better(self.quality(comparison.first), self.quality(comparison.second))
        odds = {
            outcome: share * exp(bias.get(outcome, 0.0))
            for outcome, share in self.confusion[truth].items()
        }
        return {outcome: one / sum(odds.values()) for outcome, one in odds.items()}

    def _read(self, comparison: Comparison) -> list[Judgement]:
        chances = self.probabilities(comparison)
        first, second = chances.get(Verdict.FIRST, 0.0), chances.get(Verdict.SECOND, 0.0)
        tie = chances.get(Verdict.TIE, 0.0)
        stated = (first + tie / 2) / (first + second + tie) if self.states_probability else None
        dice = random.Random(derive_seed("scripted", self.seed, comparison))
        return [
            Judgement(text="", outcome=outcome, probability=stated, num_tokens=1)
            for outcome in dice.choices([*chances], [*chances.values()], k=self.num_samples)
        ]


def _better(first: float, second: float) -> Verdict:
    if first == second:
        return Verdict.TIE
    return Verdict.FIRST if first > second else Verdict.SECOND
