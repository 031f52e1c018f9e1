"""When to solve and when to verify: a frontier that brute force agrees with, and its growth."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.search import (
    compute_frontier,
    growth_exponents,
    majority_votes,
    solving_costs,
    taken,
    weighted_votes,
)
from jurist.worlds.scripted import RIGHT, Solver, Verifier

SOLUTIONS, VERIFICATIONS = [1, 2, 4, 8, 16, 32], [0, 1, 2, 4, 8]


@given(seed=st.integers(0, 99), ratio=st.floats(0.1, 3), budget=st.floats(1, 300))
def test_the_frontier_is_what_brute_force_finds(seed, ratio, budget):
    # Coarse, so that there are ties.
    table = np.random.default_rng(seed).integers(0, 6, (6, 5)) / 5
    found = compute_frontier(table, SOLUTIONS, VERIFICATIONS, ratio=ratio, budgets=[budget])
    payable = [
        (table[i, j], -num * (1 + ratio * each))
        for (i, num), (j, each) in itertools.product(enumerate(SOLUTIONS), enumerate(VERIFICATIONS))
        if num * (1 + ratio * each) <= budget
    ]
    worth, cost = max(payable)
    assert found.accuracy[0] == worth
    spent = found.solutions[0] * (1 + ratio * found.verifications[0])
    assert spent == pytest.approx(-cost)


@given(seed=st.integers(0, 99))
def test_more_budget_is_never_worse(seed):
    table = np.random.default_rng(seed).random((6, 5))
    budgets = [1, 2, 5, 17, 64, 200]
    found = compute_frontier(table, SOLUTIONS, VERIFICATIONS, ratio=1, budgets=budgets)
    assert (np.diff(found.accuracy) >= 0).all()


def test_exponents_of_powers_are_found_again():
    # Worth more only along S = C^(2/3), V = C^(1/3) / ratio, near enough: C = 8^k.
    solutions, verifications = [4**k for k in range(6)], [2**k for k in range(6)]
    worth = np.diag(np.arange(1.0, 7.0))
    budgets = np.diag(solving_costs(solutions, verifications, ratio=100)).tolist()
    found = growth_exponents(
        compute_frontier(worth, solutions, verifications, ratio=100, budgets=budgets)
    )
    assert found.solutions == pytest.approx(2 / 3, abs=0.01)
    assert found.verifications == pytest.approx(1 / 3, abs=0.01)
    assert found.num_budgets == 6


def test_what_cannot_be_looked_up_is_refused():
    with pytest.raises(ValueError, match=r"expected an accuracy of shape \[1, 2\]"):
        compute_frontier([[1.0]], [1], [0, 1], ratio=1, budgets=[4])
    with pytest.raises(ValueError, match=r"budgets of at least 1\.0, got \[1, 2\] and \[0.5\]"):
        compute_frontier([[1.0, 2.0]], [1], [0, 1], ratio=1, budgets=[0.5, 3])
    never = compute_frontier([[1.0, 0.0]], [1], [0, 1], ratio=1, budgets=[1, 2])
    with pytest.raises(ValueError, match="found 0 of 2"):
        growth_exponents(never)


def grid(seed, solutions, verifications):
    """What a majority (V = 0) or a weighted vote is worth in the scripted world."""
    dice = np.random.default_rng(seed)
    answers = Solver().sample(1_500, max(solutions), dice).answers
    verifier = Verifier(sensitivity=0.7, specificity=0.7)
    readings = verifier.readings(answers, max(verifications), dice)

    def worth(num, each):
        some = answers[:, :num]
        support = (
            weighted_votes(some, readings[:, :num, :each].mean(axis=-1))
            if each
            else majority_votes(some)
        )
        return float((taken(support) * (some == RIGHT)).sum(axis=-1).mean())

    return [[worth(num, each) for each in verifications] for num in solutions]


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_small_budgets_are_for_solving_and_great_ones_for_both(seed):
    solutions, verifications = [2**k for k in range(8)], [0, 1, 2, 4, 8, 16]
    table = grid(seed, solutions, verifications)
    budgets = [2.0**k for k in range(11)]
    found = compute_frontier(table, solutions, verifications, ratio=1, budgets=budgets)
    assert (found.verifications[:3] == 0).all()
    assert (found.verifications[5:] > 0).all()
    # At the greatest budget verifying is worth .1 more than all votes without.
    assert found.accuracy[-1] > max(row[0] for row in table) + 0.1
    # Solutions grow faster than verifications; .1 between the exponents at least.
    growth = growth_exponents(found)
    assert growth.solutions > growth.verifications + 0.1 > 0.1
