"""Which responses meet: everybody connected, nobody favoured, no more comparisons than stated."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.rewards import pairings


def connected(num_responses: int, pairs: list[tuple[int, int]]) -> bool:
    reached = {0}
    for _ in range(num_responses):
        reached |= {b for a, b in pairs if a in reached} | {a for a, b in pairs if b in reached}
    return len(reached) == num_responses


@given(num_responses=st.integers(1, 40), num_opponents=st.integers(2, 45))
def test_a_bounded_design_is_connected_balanced_and_has_no_pair_twice(num_responses, num_opponents):
    pairs = pairings(num_responses, num_opponents)
    bound = min(num_opponents, num_responses - 1)
    met = Counter(place for pair in pairs for place in pair)
    assert len({frozenset(pair) for pair in pairs}) == len(pairs) == num_responses * bound // 2
    assert all(len(set(pair)) == 2 and set(pair) <= set(range(num_responses)) for pair in pairs)
    assert connected(num_responses, pairs)
    firsts, seconds = (Counter(pair[side] for pair in pairs) for side in (0, 1))
    assert all(abs(firsts[place] - seconds[place]) <= 1 for place in range(num_responses))
    if num_responses > 1:
        # One has an opponent fewer where the halves of an odd number cannot be told out.
        short = num_responses * bound % 2
        assert sorted(met.values()) == [bound - 1] * short + [bound] * (num_responses - short)


@pytest.mark.parametrize("num_responses", range(1, 9))
def test_without_a_bound_all_pairs_meet(num_responses):
    assert len(pairings(num_responses)) == num_responses * (num_responses - 1) // 2
    assert pairings(num_responses) == pairings(num_responses, 99)


def test_further_distances_are_those_that_tell_most():
    # Of a circle of 9 with two distances, 1 and 2 leave a longer way round than 1 and 3 or 4.
    def mean_variance(distances):
        import numpy as np

        laplacian = np.zeros((9, 9))
        for distance in distances:
            for place in range(9):
                other = (place + distance) % 9
                laplacian[[place, other], [place, other]] += 1
                laplacian[place, other] -= 1
                laplacian[other, place] -= 1
        return np.trace(np.linalg.pinv(laplacian))

    chosen = {(b - a) % 9 for a, b in pairings(9, 4)}
    best = min(({1, d} for d in (2, 3, 4)), key=mean_variance)
    assert mean_variance(chosen) == pytest.approx(mean_variance(best))
    assert mean_variance(chosen) < mean_variance({1, 2})


@pytest.mark.parametrize(("num_responses", "num_opponents"), [(0, 2), (0, None), (5, 1), (5, 0)])
def test_what_cannot_be_designed_is_refused(num_responses, num_opponents):
    with pytest.raises(ValueError, match="at least"):
        pairings(num_responses, num_opponents)
