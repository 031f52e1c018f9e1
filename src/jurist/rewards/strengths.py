"""From who beat whom to one number for each response: Bradley and Terry's, or the share of wins.

Arrays are of one cohort at a time; n = different responses in it, B = cohorts solved at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

DEFAULT_PRIOR = 0.1
"""Comparisons with an average response that every response is credited with beforehand."""

_MOST_STEPS = 500
_CLOSE_ENOUGH = 1e-10
_ROUNDING = 1e-12
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Matches:
    """Who met whom in a cohort, and how likely each was to win."""

    wins: Floats
    """Probability that the response of the row beats that of the column, strictly between 0 and 1
    where `met`; a row and its column add up to 1. Anything elsewhere. Shape: [n, n]."""

    met: npt.NDArray[np.bool_] | Floats
    """Which pairs were compared and came to a verdict, or how often; symmetric, false or 0 on the
    diagonal. Shape: [n, n]."""

    copies: Floats
    """How often each response stands in the cohort, at least once. Shape: [n]."""


def bradley_terry_strengths(
    matches: Sequence[Matches], *, prior: float = DEFAULT_PRIOR
) -> list[Floats]:
    """Strengths of the responses of each cohort by maximum likelihood (Bradley and Terry 1952).

    Response i beats j with probability `sigmoid(s_i - s_j)`. The strengths maximise the sum over
    all comparisons of `p log sigmoid(s_i - s_j) + (1 - p) log sigmoid(s_j - s_i)`, with p the
    probability that the judge gives response i: one comparison counts as one, however many votes it
    took. A response that stands in a cohort c times counts as c responses, each with its
    comparisons.

    The prior is `prior` comparisons of each response with one of strength 0, half of them won. It
    makes the answer the only one and finite, also where failures cut a cohort into parts with no
    comparison between them: each part then has its own average at 0. As it goes to nothing, a
    cohort of two has a difference of `log(p / (1 - p))` (Mahan et al. 2024, eq. 6).

    Args:
        matches: One for each cohort.
        prior: How many such comparisons; positive.

    Returns:
        Strengths in nats, not centred. Shapes: [n].

    Raises:
        ValueError: If the prior is not positive and finite.
    """
    if not 0.0 < prior < float("inf"):
        raise ValueError(f"prior must be positive and finite, got {prior}")
    found: list[Floats] = [np.zeros(0)] * len(matches)
    by_size: dict[int, list[int]] = {}
    for number, one in enumerate(matches):
        by_size.setdefault(len(one.copies), []).append(number)
    for size, numbers in by_size.items():
        at_once = max(1, _CELLS_AT_ONCE // (size * size))
        for start in range(0, len(numbers), at_once):
            part = numbers[start : start + at_once]
            strengths = _maximised(
                np.stack([matches[number].wins for number in part]),
                np.stack([_weights(matches[number]) for number in part]),
                prior * np.stack([matches[number].copies for number in part]),
            )
            for number, row in zip(part, strengths, strict=True):
                found[number] = row
    return found


def strength_covariance(
    matches: Matches, strengths: Floats, *, prior: float = DEFAULT_PRIOR
) -> Floats:
    """Covariance of the strengths less their mean, from the curvature of the likelihood.

    The inverse of the observed information where the likelihood is greatest, prior included; a
    comparison counts as one however sure the judge was.

    Args:
        matches: Of one cohort.
        strengths: What `bradley_terry_strengths` gives for it. Shape: [n].
        prior: As there.

    Returns:
        In squared nats. Shape: [n, n].
    """
    _, information = _derivatives(
        strengths[None], matches.wins[None], _weights(matches)[None], prior * matches.copies[None]
    )
    centre = np.eye(len(strengths)) - 1.0 / len(strengths)
    return centre @ np.linalg.inv(information[0]) @ centre


def win_rates(matches: Matches) -> Floats:
    """Mean probability that each response beats another of its cohort, of those it was compared
    with. A copy of it is another, which it beats half the time.

    Returns:
        Shares between 0 and 1; NaN where nothing was compared. Shape: [n].
    """
    opponents = matches.met * matches.copies
    won = np.where(opponents > 0.0, opponents * matches.wins, 0.0)
    total = opponents.sum(axis=1) + matches.copies - 1.0
    halves = 0.5 * (matches.copies - 1.0)
    with np.errstate(invalid="ignore"):
        return np.where(total > 0.0, (won.sum(axis=1) + halves) / total, np.nan)


def _weights(matches: Matches) -> Floats:
    return matches.met * np.outer(matches.copies, matches.copies)


def _maximised(wins: Floats, weights: Floats, prior: Floats) -> Floats:
    """Newton's method on every cohort, each step halved until it does not lower the likelihood.

    Shapes: [B, n, n], [B, n, n], [B, n]; returns [B, n].
    """
    strengths = np.zeros(prior.shape)
    value = _log_likelihood(strengths, wins, weights, prior)
    for _ in range(_MOST_STEPS):
        gradient, hessian = _derivatives(strengths, wins, weights, prior)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        scale = np.ones((len(prior), 1))
        after = _log_likelihood(strengths + step, wins, weights, prior)
        while (worse := after < value - _ROUNDING * (1.0 + np.abs(value))).any():
            scale[worse] /= 2.0
            after = _log_likelihood(strengths + scale * step, wins, weights, prior)
        strengths, value = strengths + scale * step, after
        if float(np.abs(step).max(initial=0.0)) < _CLOSE_ENOUGH:
            break
    return strengths


def _log_likelihood(strengths: Floats, wins: Floats, weights: Floats, prior: Floats) -> Floats:
    """Log-likelihood of each cohort, prior included. Shape: [B]."""
    differences = strengths[:, :, None] - strengths[:, None, :]
    # Each pair stands in the sum once, as the row's win and as the column's.
    compared = np.where(weights > 0.0, weights * wins * -np.logaddexp(0.0, -differences), 0.0)
    both = np.logaddexp(0.0, -strengths) + np.logaddexp(0.0, strengths)
    return compared.sum(axis=(1, 2)) - 0.5 * (prior * both).sum(axis=1)


def _derivatives(
    strengths: Floats, wins: Floats, weights: Floats, prior: Floats
) -> tuple[Floats, Floats]:
    """Gradient, and the negative of the Hessian. Shapes: [B, n] and [B, n, n]."""
    expected = _sigmoid(strengths[:, :, None] - strengths[:, None, :])
    gradient = np.where(weights > 0.0, weights * (wins - expected), 0.0).sum(axis=2)
    own = _sigmoid(strengths)
    gradient += prior * (0.5 - own)
    curvature = weights * expected * (1.0 - expected)
    diagonal = curvature.sum(axis=2) + prior * own * (1.0 - own)
    hessian = -curvature
    index = np.arange(strengths.shape[1])
    hessian[:, index, index] = diagonal
    return gradient, hessian


def _sigmoid(values: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -values))
