"""What a tournament promises: how often, at most or exactly, it ends with a wrong response."""

import math


def knockout_failure_bound(
    right: float, accuracy: float, *, num_responses: int, num_votes: int
) -> float:
    """Most often that a knockout ends with a wrong response (Chen et al. 2024, theorem 2.3).

    `(1 - right)^N + ceil(log2 N) exp(-2 K (accuracy - 1/2)^2)`, at most 1. How sure: the proof was
    read. It holds where every comparison of a right response with a wrong one finds the right one
    with at least that accuracy, each vote independently: no position bias, no two wrong responses
    that the judge always believes.

    Args:
        right: Probability that a response is right.
        accuracy: Of one vote, above a half.
        num_responses: N of them are drawn independently.
        num_votes: K votes decide a comparison.
    """
    misled = math.exp(-2.0 * num_votes * (accuracy - 0.5) ** 2)
    return min(1.0, (1.0 - right) ** num_responses + _num_rounds(num_responses) * misled)


def knockout_success(right: float, accuracy: float, *, num_responses: int, num_votes: int) -> float:
    """Probability that a knockout ends with a right response (Chen et al. 2024, theorem 2.4).

    Exact where every vote is right with one accuracy, independently, and the number of responses
    is a power of 2: from round to round the share p of right ones becomes `p^2 + 2 p (1 - p) q`,
    q the accuracy of a majority of K votes, ties broken evenly.

    Args:
        right: Probability that a response is right.
        accuracy: Of one vote.
        num_responses: N, a power of 2.
        num_votes: K votes decide a comparison.

    Raises:
        ValueError: If N is no power of 2.

    Example:
        >>> round(knockout_success(0.2, 0.65, num_responses=64, num_votes=9), 2)
        0.95
    """
    if num_responses < 1 or num_responses & (num_responses - 1):
        raise ValueError(f"num_responses must be a power of 2, got {num_responses}")
    decided = majority_accuracy(accuracy, num_votes)
    for _ in range(_num_rounds(num_responses)):
        right = right**2 + 2.0 * right * (1.0 - right) * decided
    return right


def majority_accuracy(accuracy: float, num_votes: int) -> float:
    """Probability that most of some independent votes are right, half a point for a tie.

    Example:
        >>> round(majority_accuracy(0.65, 9), 3)
        0.828
    """
    return math.fsum(
        math.comb(num_votes, k)
        * accuracy**k
        * (1.0 - accuracy) ** (num_votes - k)
        * (1.0 if 2 * k > num_votes else 0.5 if 2 * k == num_votes else 0.0)
        for k in range(num_votes + 1)
    )


def league_failure_bound(
    strong: float, gap: float, *, num_responses: int, num_opponents: int
) -> float:
    """Most often that a league ends with a wrong response, if the greatest win rate is taken.

    `(1 - strong)^N + N exp(-K gap^2 / 2)`, at most 1. After theorem 3.3 of Chen et al. 2024, whose
    opponents are drawn with replacement and therefore need one term more; in `league_rounds` each
    response meets K different ones, fixed before any comparison, so that its win rate is a mean of
    K independent scores and Hoeffding's inequality says the rest. How sure: our own proof, on the
    steps of theirs, whose constants we could not read.

    Args:
        strong: Probability that a response is right and has a win rate, against responses drawn
            likewise, that is greater by `gap` than that of every wrong one.
        gap: That difference; where all right ones and all wrong ones are alike, the accuracy of a
            comparison less a half.
        num_responses: N of them are drawn independently.
        num_opponents: K others that each meets.
    """
    misjudged = num_responses * math.exp(-num_opponents * gap**2 / 2.0)
    return min(1.0, (1.0 - strong) ** num_responses + misjudged)


def _num_rounds(num_responses: int) -> int:
    return (num_responses - 1).bit_length()
