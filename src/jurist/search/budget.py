"""Budgets: when to solve and when to verify.

With a budget of C for a question, S solutions of cost 1 and V verifications of each, of cost
lambda, cost `S (1 + lambda V)`. Which S and V are best for each C is looked up in a table of what
each pair is worth, measured or simulated.

Dimensions: S = numbers of solutions, V = numbers of verifications, C = budgets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jurist.search.votes import Floats, Ints


@dataclass(frozen=True, kw_only=True, slots=True)
class Frontier:
    """The best that each budget buys."""

    budgets: Floats
    """In solutions. Length C."""

    solutions: Ints
    """Of the best pair that a budget can pay. Length C."""

    verifications: Ints
    """Of each solution; 0 is a vote without any. Length C."""

    accuracy: Floats
    """What that pair is worth. Length C."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """How the best numbers grow with the budget: as powers of it."""

    solutions: float
    """Exponent a of `S ~ C^a`."""

    verifications: float
    """Exponent b of `V ~ C^b`."""

    num_budgets: int
    """Budgets they were fitted to: those at which verifying at all was best."""


def solving_costs(
    solutions: Sequence[int], verifications: Sequence[int], *, ratio: float
) -> Floats:
    """Cost of each pair, in solutions: `S (1 + lambda V)` (Singhi et al. 2025).

    Args:
        solutions: Values of S.
        verifications: Values of V.
        ratio: Lambda: tokens of a verification to one of a solution.

    Returns:
        Shape: [S, V].

    Example:
        >>> solving_costs([1, 2], [0, 4], ratio=0.5)
        array([[1., 3.],
               [2., 6.]])
    """
    return np.outer(solutions, 1.0 + ratio * np.asarray(verifications, np.float64))


def compute_frontier(
    accuracy: npt.ArrayLike,
    solutions: Sequence[int],
    verifications: Sequence[int],
    *,
    ratio: float,
    budgets: Sequence[float],
) -> Frontier:
    """The best pair of each budget, of pairs that cost no more; of equally good ones the cheapest.

    Source: the compute-matched comparison of Singhi et al. 2025, whose pairs cost as much as the
    budget; those that cost less are allowed here, so that more budget is never worse.

    Args:
        accuracy: What each pair is worth. Shape: [S, V].
        solutions: Values of S.
        verifications: Values of V.
        ratio: Of `solving_costs`.
        budgets: Values of C, each enough for the cheapest pair.

    Raises:
        ValueError: If shapes differ, or a budget pays for nothing.
    """
    costs, worth = solving_costs(solutions, verifications, ratio=ratio), np.asarray(accuracy)
    limits = np.asarray(budgets, np.float64)
    if worth.shape != costs.shape or not (limits >= costs.min()).all():
        raise ValueError(
            f"expected an accuracy of shape {list(costs.shape)} and budgets of at least "
            f"{costs.min()}, got {list(worth.shape)} and {sorted(budgets)[:1]}"
        )
    # Best first, of the best the cheapest first: a budget takes the first that it can pay.
    order = np.lexsort((costs.ravel(), -worth.ravel()))
    payable = costs.ravel()[order] <= limits[:, None] * (1.0 + 1e-12)
    rows, columns = np.unravel_index(order[payable.argmax(axis=1)], costs.shape)
    return Frontier(
        budgets=limits,
        solutions=np.asarray(solutions, np.int64)[rows],
        verifications=np.asarray(verifications, np.int64)[columns],
        accuracy=worth[rows, columns].astype(np.float64),
    )


def growth_exponents(frontier: Frontier) -> Growth:
    """Fit `S ~ C^a` and `V ~ C^b` by least squares of the logarithms.

    Singhi et al. 2025 report a = 0.57 and b = 0.39 for one model on one benchmark; theirs are for
    those, and yours are for yours. Budgets at which no verification was best have no logarithm of V
    and are left out.

    Raises:
        ValueError: If fewer than two budgets are left.
    """
    verified = frontier.verifications > 0
    if len(np.unique(frontier.budgets[verified])) < 2:
        raise ValueError(
            f"expected at least two budgets at which verifying is best, found "
            f"{int(verified.sum())} of {len(verified)}; look at greater budgets"
        )
    spent = np.log(frontier.budgets[verified])
    spent -= spent.mean()
    numbers = np.stack([frontier.solutions[verified], frontier.verifications[verified]])
    slopes = np.log(numbers) @ spent / (spent @ spent)
    return Growth(
        solutions=float(slopes[0]), verifications=float(slopes[1]), num_budgets=int(verified.sum())
    )
