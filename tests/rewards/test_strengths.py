"""Strengths and shares of wins: values worked by hand, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.rewards import Matches, bradley_terry_strengths, win_rates


def matches(wins, *, met=None, copies=None) -> Matches:
    wins = np.array(wins, dtype=float)
    size = len(wins)
    everyone = ~np.eye(size, dtype=bool)
    return Matches(
        wins=wins,
        met=everyone if met is None else np.array(met, dtype=bool),
        copies=np.ones(size) if copies is None else np.array(copies, dtype=float),
    )


def tournament(draw_probability, size):
    wins = np.full((size, size), 0.5)
    for i in range(size):
        for j in range(i + 1, size):
            wins[i, j] = draw_probability()
            wins[j, i] = 1 - wins[i, j]
    return wins


probabilities = st.floats(0.001, 0.999)


@st.composite
def tournaments(draw, max_size=5):
    size = draw(st.integers(2, max_size))
    return tournament(lambda: draw(probabilities), size)


def test_strengths_of_two_match_a_hand_worked_value():
    # With strengths t and -t the slope is 0.9 - sigmoid(2t) - 0.6 (sigmoid(t) - 1/2). At t = log 2
    # the sigmoids are 4/5 and 2/3: 0.9 - 0.8 - 0.6 / 6 = 0.
    (strengths,) = bradley_terry_strengths([matches([[0.5, 0.9], [0.1, 0.5]])], prior=0.6)
    np.testing.assert_allclose(strengths, [math.log(2), -math.log(2)], atol=1e-9)


def test_with_a_vanishing_prior_two_responses_differ_by_the_log_odds():
    (strengths,) = bradley_terry_strengths([matches([[0.5, 0.9], [0.1, 0.5]])], prior=1e-9)
    assert strengths[0] - strengths[1] == pytest.approx(math.log(9), abs=1e-6)


def test_strengths_of_a_chain_add_up():
    # 0 beats 1 by log-odds of log 3, 1 beats 2 by log 9, and 0 never met 2.
    met = [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    wins = [[0.5, 0.75, 0.5], [0.25, 0.5, 0.9], [0.5, 0.1, 0.5]]
    (strengths,) = bradley_terry_strengths([matches(wins, met=met)], prior=1e-9)
    assert strengths[0] - strengths[2] == pytest.approx(math.log(27), abs=1e-5)


@given(strengths=st.lists(st.floats(-4, 4), min_size=2, max_size=6))
def test_strengths_that_made_the_probabilities_are_found_again(strengths):
    differences = np.subtract.outer(strengths, strengths)
    (found,) = bradley_terry_strengths([matches(1 / (1 + np.exp(-differences)))], prior=1e-9)
    np.testing.assert_allclose(
        found - found.mean(), np.array(strengths) - np.mean(strengths), atol=1e-4
    )


@given(wins=tournaments())
def test_who_met_everybody_is_ordered_as_by_wins(wins):
    # What Zermelo found in 1929: in a full round the strengths are in the order of the wins.
    (strengths,) = bradley_terry_strengths([matches(wins)])
    rates = win_rates(matches(wins))
    for i in range(len(wins)):
        for j in range(len(wins)):
            if rates[i] > rates[j] + 1e-9:
                assert strengths[i] > strengths[j]


@given(wins=tournaments(), prior=st.floats(0.01, 2))
def test_the_slope_is_zero_where_it_ends(wins, prior):
    (s,) = bradley_terry_strengths([matches(wins)], prior=prior)
    expected = 1 / (1 + np.exp(-np.subtract.outer(s, s)))
    slope = np.where(np.eye(len(s)), 0, wins - expected).sum(axis=1)
    np.testing.assert_allclose(slope + prior * (0.5 - 1 / (1 + np.exp(-s))), 0, atol=1e-8)


@given(many=st.lists(tournaments(), min_size=1, max_size=6))
def test_cohorts_solved_together_come_out_as_alone(many):
    together = bradley_terry_strengths([matches(wins) for wins in many])
    for wins, strengths in zip(many, together, strict=True):
        (alone,) = bradley_terry_strengths([matches(wins)])
        np.testing.assert_allclose(strengths, alone, atol=1e-8)


@given(wins=tournaments(max_size=4), data=st.data())
def test_copies_count_as_that_many_responses_that_tie_with_each_other(wins, data):
    copies = [data.draw(st.integers(1, 3)) for _ in wins]
    index = np.repeat(np.arange(len(wins)), copies)
    (merged,) = bradley_terry_strengths([matches(wins, copies=copies)])
    (apart,) = bradley_terry_strengths([matches(wins[np.ix_(index, index)])])
    np.testing.assert_allclose(merged[index], apart, atol=1e-7)
    np.testing.assert_allclose(
        win_rates(matches(wins, copies=copies))[index],
        win_rates(matches(wins[np.ix_(index, index)])),
        atol=1e-12,
    )


def test_near_certainty_all_round_is_solved():
    size = 12
    wins = tournament(lambda: 1 - 1e-6, size)
    (strengths,) = bradley_terry_strengths([matches(wins)], prior=0.01)
    assert np.isfinite(strengths).all()
    assert (np.diff(strengths) < 0).all()


def test_parts_that_never_met_have_an_average_of_their_own():
    met = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    wins = [[0.5, 0.9, 0, 0], [0.1, 0.5, 0, 0], [0, 0, 0.5, 0.6], [0, 0, 0.4, 0.5]]
    (strengths,) = bradley_terry_strengths([matches(wins, met=met)])
    np.testing.assert_allclose(strengths[:2].sum(), 0, atol=1e-9)
    np.testing.assert_allclose(strengths[2:].sum(), 0, atol=1e-9)
    assert strengths[0] > strengths[2] > strengths[3] > strengths[1]


def test_win_rates_match_hand_worked_values():
    wins = [[0.5, 0.8, 0.6], [0.2, 0.5, 0.5], [0.4, 0.5, 0.5]]
    np.testing.assert_allclose(win_rates(matches(wins)), [0.7, 0.35, 0.45])
    # Two copies of the first: it meets 2 others and itself, at 0.8, 0.6 and 0.5.
    np.testing.assert_allclose(
        win_rates(matches(wins, copies=[2, 1, 1])),
        [1.9 / 3, (0.2 + 0.2 + 0.5) / 3, (0.4 + 0.4 + 0.5) / 3],
    )


@pytest.mark.parametrize("prior", [0.0, -1.0, math.inf, math.nan])
def test_a_prior_that_settles_nothing_is_refused(prior):
    with pytest.raises(ValueError, match="prior must be positive and finite"):
        bradley_terry_strengths([], prior=prior)
