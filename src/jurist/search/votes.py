"""Votes over samples: what many answers to one question, and what was said of them, come to.

Every function here turns one question's samples into a support of each: a number that is the same
for samples of one answer, the greater the better, and -inf for a sample that gives none. What is
taken is what has the greatest support (`taken`). All are pure functions of arrays.

Dimensions: ... = any questions, N = samples of a question, M = readings of a sample, R = runs of a
judge over all N, V = verifiers, T = tokens, W = words of a vocabulary.
"""

from collections.abc import Hashable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

NO_ANSWER = -1
"""Number of a sample that gives no answer."""

_AS_GOOD_AS_EQUAL = 1e-9


def answer_numbers(answers: Sequence[Hashable | None]) -> Ints:
    """Numbers for the answers to one question: equal answers have equal ones.

    Args:
        answers: In a form in which equal answers are equal; None where a sample gives none. Length
            N.

    Example:
        >>> answer_numbers(["42", "7", None, "42"])
        array([ 0,  1, -1,  0])
    """
    seen: dict[Hashable, int] = {}
    return np.array(
        [NO_ANSWER if answer is None else seen.setdefault(answer, len(seen)) for answer in answers],
        dtype=np.int64,
    )


def taken(support: npt.ArrayLike) -> Floats:
    """Probability that each sample is taken: of those in front, up to rounding, each as likely.

    Args:
        support: Of each sample; -inf for one to be taken only if there is no other. Shape:
            [..., N].

    Returns:
        Shape: [..., N]; adds up to 1 over the samples.

    Example:
        >>> taken([2.0, 1.0, 2.0])
        array([0.5, 0. , 0.5])
    """
    values = np.asarray(support, np.float64)
    most = values.max(axis=-1, keepdims=True)
    slack = _AS_GOOD_AS_EQUAL * np.maximum(1.0, np.where(np.isfinite(most), np.abs(most), 1.0))
    front = values >= most - slack
    return front / front.sum(axis=-1, keepdims=True)


def majority_votes(answers: npt.ArrayLike) -> Floats:
    """Samples that give the same answer (self-consistency, Wang et al. 2022).

    Args:
        answers: Their numbers (`answer_numbers`). Shape: [..., N].

    Example:
        >>> majority_votes([0, 1, 0, -1])
        array([  2.,   1.,   2., -inf])
    """
    return weighted_votes(answers, np.ones(np.shape(answers)))


def weighted_votes(answers: npt.ArrayLike, scores: npt.ArrayLike) -> Floats:
    """Sum of the scores of the samples that give the same answer.

    With p(Yes) of a verifier for scores this is the weighted vote of RL^V (Sareen et al. 2025) and,
    earlier, of Cobbe et al. 2021; with ones it is `majority_votes`.

    Args:
        answers: Their numbers. Shape: [..., N].
        scores: Of each sample, not negative: a vote must not count against its answer. Shape:
            [..., N].

    Raises:
        ValueError: If shapes differ, or a score is negative or not a number.
    """
    same, values = _same(answers), np.asarray(scores, np.float64)
    if values.shape != same.shape[:-1] or not (values >= 0.0).all():
        raise ValueError(
            f"expected scores of shape {list(same.shape[:-1])}, none of them negative or NaN; got "
            f"{list(values.shape)}" + (f", least {values.min()}" if values.size else "")
        )
    return _answered(same, (same * values[..., None, :]).sum(axis=-1))


def mean_scores(answers: npt.ArrayLike, scores: npt.ArrayLike) -> Floats:
    """Mean score of the samples that give the same answer, however many there are.

    With p(Yes) for scores: the mean probability that the answer is right. One lucky sample of a
    wrong answer is enough to win; `pessimistic_scores` guards against that.

    Args:
        answers: Their numbers. Shape: [..., N].
        scores: Of each sample, finite. Shape: [..., N].
    """
    same, values = _same(answers), np.asarray(scores, np.float64)
    votes = same.sum(axis=-1)
    return _answered(same, (same * values[..., None, :]).sum(axis=-1) / np.maximum(votes, 1))


def pessimistic_scores(answers: npt.ArrayLike, scores: npt.ArrayLike, *, alpha: float) -> Floats:
    """Mean score of an answer less a penalty for how little was seen of it (Heimdall).

    `mean(a) - alpha ln(N M) / (N_a M + 1)`, with N_a the samples that give answer a and M the
    readings of each: pessimistic verification of Shi and Jin 2025 (section 3.3). How sure: the
    principle is the paper's abstract, the penalty is given from memory and could not be compared
    with the paper's own; the paper's alpha is not known to us either.

    Args:
        answers: Their numbers. Shape: [..., N].
        scores: Every reading of every sample, such as 1 for "right" and 0 for "wrong". Shape:
            [..., N, M].
        alpha: Weight of the penalty, not negative; 0 gives `mean_scores`.

    Raises:
        ValueError: If alpha is negative.
    """
    if not alpha >= 0.0:
        raise ValueError(f"alpha must not be negative, got {alpha}")
    readings = np.asarray(scores, np.float64)
    num_samples, num_readings = readings.shape[-2:]
    seen = _same(answers).sum(axis=-1) * num_readings
    penalty = np.log(num_samples * num_readings) / (seen + 1.0)
    return mean_scores(answers, readings.mean(axis=-1)) - alpha * penalty


def borda_votes(answers: npt.ArrayLike, certainty: npt.ArrayLike, *, power: float) -> Floats:
    """Votes that weigh more the surer the sample: `(N - rank + 1) ** power`, summed by answer.

    Borda voting with self-certainty (Kang et al. 2025), rank 1 the surest. How sure: the formula is
    the authors' code's. Samples equally sure share the mean of their ranks, which the source leaves
    to the order of a sort. A power of 0 is `majority_votes`; a great one takes the surest sample.

    Args:
        answers: Their numbers. Shape: [..., N].
        certainty: Of each sample (`self_certainty`), or any score. Shape: [..., N].
        power: Not negative. The authors' choice grows with N, from 0.3 at 8 to 1.2 at 64.

    Raises:
        ValueError: If the power is negative.
    """
    if not power >= 0.0:
        raise ValueError(f"power must not be negative, got {power}")
    sure = np.asarray(certainty, np.float64)
    above = (sure[..., None, :] > sure[..., :, None]).sum(axis=-1)
    beside = (sure[..., None, :] == sure[..., :, None]).sum(axis=-1)
    # Ranks above + 1 to above + beside, of which each of those beside has the mean.
    rank = above + (beside + 1) / 2
    return weighted_votes(answers, (sure.shape[-1] - rank + 1.0) ** power)


def self_certainty(logps: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> Floats:
    """How far a sample's next-word distributions are from uniform: mean KL(uniform || p), in nats.

    `-1 / (T W) sum_t sum_j ln(W p_tj)` (Kang et al. 2025). How sure: as in the authors' code.

    Args:
        logps: Log-probabilities of every word at every token, in nats. Shape: [..., T, W].
        mask: Tokens that count; all if not given. Shape: [..., T].

    Returns:
        0 for uniform distributions, and greater. Shape: [...].

    Raises:
        ValueError: If a sample has no token that counts.
    """
    values = np.asarray(logps, np.float64)
    tokens = -values.mean(axis=-1) - np.log(values.shape[-1])
    counts = np.ones(tokens.shape, np.bool_) if mask is None else np.asarray(mask, np.bool_)
    if not counts.any(axis=-1).all():
        raise ValueError("a sample has no token that counts, and so no certainty")
    return np.where(counts, tokens, 0.0).sum(axis=-1) / counts.sum(axis=-1)


def summed_scores(
    scores: npt.ArrayLike, quality: npt.ArrayLike | None = None, *, keep: int | None = None
) -> Floats:
    """Sum over a judge's runs of the scores it gives each sample, best runs only if asked.

    The vote of DeepSeek-GRM (Liu et al. 2025): every run writes principles of its own and scores
    all samples; a meta judge rates the runs, and those with the `keep` best ratings count. Runs
    that tie for the last places share them. How sure: high, the mechanism; the paper shuffles the
    samples before each run, which is the caller's part, as is turning the scores back.

    Args:
        scores: What each run gives each sample; NaN in all of a run that failed, which then has no
            vote. Shape: [..., R, N].
        quality: Rating of each run; that of a failed run does not matter. Shape: [..., R].
        keep: How many runs count. None: all.

    Returns:
        Shape: [..., N]; -inf where every run failed.

    Raises:
        ValueError: If only one of `quality` and `keep` is given, or `keep` is below 1.
    """
    values = np.asarray(scores, np.float64)
    whole = np.asarray(np.isfinite(values).all(axis=-1), np.bool_)
    weight = whole.astype(np.float64)
    if (quality is None) != (keep is None) or (keep is not None and keep < 1):
        raise ValueError(f"give quality and keep together, keep at least 1; got keep={keep}")
    if keep is not None:
        rated: Floats = np.where(whole, np.asarray(quality, np.float64), -np.inf)
        above = (rated[..., None, :] > rated[..., :, None]).sum(axis=-1)
        beside = (rated[..., None, :] == rated[..., :, None]).sum(axis=-1)
        weight *= np.clip((keep - above) / beside, 0.0, 1.0)
    total = np.where(whole[..., None], values * weight[..., None], 0.0).sum(axis=-2)
    return np.where(whole.any(axis=-1, keepdims=True), total, -np.inf)


def approvals(verdicts: npt.ArrayLike) -> Floats:
    """Share of the verifiers that approve of each sample (multi-agent verification).

    Each verifier looks at one aspect and says yes or no; the sample that most approve of is taken:
    BoN-MAV of Lifshitz et al. 2025. How sure: high, as on the paper's page.

    Args:
        verdicts: 1 for yes, 0 for no, NaN for a verifier that failed: then the others decide.
            Shape: [..., N, V].

    Returns:
        Shape: [..., N]; -inf where all failed.
    """
    values = np.asarray(verdicts, np.float64)
    given = np.logical_not(np.isnan(values))
    share = np.where(given, values, 0.0).sum(axis=-1) / np.maximum(given.sum(axis=-1), 1)
    return np.where(given.any(axis=-1), share, -np.inf)


def _same(answers: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which samples give one answer; no answer is like no other. Shape: [..., N, N]."""
    numbers = np.asarray(answers, np.int64)
    return (numbers[..., :, None] == numbers[..., None, :]) & (numbers[..., :, None] != NO_ANSWER)


def _answered(same: npt.NDArray[np.bool_], support: Floats) -> Floats:
    return np.where(same.any(axis=-1), support, -np.inf)
