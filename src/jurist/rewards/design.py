"""Which responses of a cohort meet: all of them, or each a bounded number of others.

Responses are numbered here; in which order they are numbered is the business of `cohort.py`.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt


def pairings(num_responses: int, num_opponents: int | None = None) -> list[tuple[int, int]]:
    """The pairs of responses to compare.

    With a bound the design is cyclic (David 1963): responses stand in a circle, and each meets the
    one next to it and those at a few more distances, `num_opponents // 2` distances in all. Of a
    circle of n, the further distances are chosen one by one so that the strengths of the responses
    are then known with the least mean variance (A-optimality, greedily). An odd bound adds one
    opponent straight across. So every response can be compared with every other one over a chain
    of comparisons, and no response has over one comparison more than another.

    Args:
        num_responses: How many there are.
        num_opponents: How many others each response meets, at most. None, or as many as there are
            others or more: all of them. If it and the number of responses are odd, one response
            meets one opponent fewer.

    Returns:
        Pairs of numbers from 0 to `num_responses` - 1, no two of the same and none with itself:
        `num_responses * num_opponents // 2` of them, or n (n - 1) / 2. Each number is the first of
        its pair as often as the second, give or take one.

    Raises:
        ValueError: If there is no response, or the bound is below 2, which would leave most
            responses with no chain between them.

    Example:
        >>> pairings(4, 2)
        [(0, 1), (1, 2), (2, 3), (3, 0)]
        >>> len(pairings(16)), len(pairings(16, 4))
        (120, 32)
    """
    if num_responses < 1:
        raise ValueError(f"num_responses must be at least 1, got {num_responses}")
    if num_opponents is not None and num_opponents < 2:
        raise ValueError(
            f"num_opponents must be at least 2, or responses fall into pairs that nothing "
            f"connects; got {num_opponents}"
        )
    most = num_responses - 1
    bound = most if num_opponents is None else min(num_opponents, most)
    half = num_responses // 2
    around = [
        (place, (place + distance) % num_responses)
        for distance in _distances(num_responses, bound)
        for place in range(num_responses)
    ]
    across = [(place, place + half) for place in range(half)] if bound % 2 else []
    return [*around, *across]


@lru_cache(maxsize=256)
def _distances(num_responses: int, bound: int) -> tuple[int, ...]:
    """The distances around the circle at which responses meet, 1 the first of them."""
    modes = np.arange(1, num_responses)
    # Those straight across are half a circle's worth, and kept for an odd bound.
    furthest = num_responses // 2 - 1 if bound % 2 else (num_responses - 1) // 2
    # Eigenvalues of the circle's information matrix, of which those of each distance add up.
    left = {
        distance: 2.0 - 2.0 * np.cos(2.0 * np.pi * modes * distance / num_responses)
        for distance in range(1, furthest + 1)
    }
    chosen: list[int] = []
    found = np.zeros(len(modes))
    while len(chosen) < bound // 2:
        # Rounded, so that equally good distances are told apart by their size on every machine.
        best = min(
            left if chosen else [1],
            key=lambda distance: (round(_mean_variance(found + left[distance]), 9), distance),
        )
        chosen.append(best)
        found = found + left.pop(best)
    return tuple(chosen)


def _mean_variance(eigenvalues: npt.NDArray[np.float64]) -> float:
    return float((1.0 / eigenvalues).mean())
