"""Rankings with intervals, and cycles: values worked by hand, laws, coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.rewards import Matches
from jurist.search import bradley_terry_ranking, cycles, elo_ratings


def matches(wins, met=None) -> Matches:
    wins = np.array(wins, dtype=float)
    met = ~np.eye(len(wins), dtype=bool) if met is None else np.array(met)
    return Matches(wins=wins, met=met, copies=np.ones(len(wins)))


def played(strengths, num_games, dice) -> Matches:
    """Every pair meets a number of times."""
    chance = 1 / (1 + np.exp(-np.subtract.outer(strengths, strengths)))
    won = np.triu(dice.binomial(num_games, chance), 1)
    wins = (won + np.tril(num_games - won.T, -1)) / num_games
    return matches(wins, num_games * (1.0 - np.eye(len(strengths))))


def test_a_ranking_of_two_matches_a_hand_worked_value():
    # 75 of 100 games won: log 3 between them, so 400 log10 3 Elo points. The information of the
    # difference is 100 * 3/16, and each rating moves half of it.
    games = matches([[0.5, 0.75], [0.25, 0.5]], [[0.0, 100.0], [100.0, 0.0]])
    found = bradley_terry_ranking(games, prior=1e-9)
    gap = 400 * math.log10(3)
    np.testing.assert_allclose(found.ratings, [1000 + gap / 2, 1000 - gap / 2], atol=1e-5)
    error = 400 / math.log(10) / 2 / math.sqrt(100 * 3 / 16)
    np.testing.assert_allclose(found.high - found.ratings, 1.959964 * error, rtol=1e-5)
    np.testing.assert_allclose(found.ratings - found.low, found.high - found.ratings)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 1"):
        bradley_terry_ranking(games, level=1)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_intervals_cover_what_they_say(seed):
    # 95 % intervals of 6 players in 200 tournaments; between 92.5 and 97.5 % hold the truth.
    dice = np.random.default_rng(seed)
    strengths = np.linspace(-1.5, 1.5, 6)
    truth = 1000 + 400 / math.log(10) * strengths
    inside = []
    for _ in range(200):
        found = bradley_terry_ranking(played(strengths, 20, dice), prior=1e-3)
        inside.append((found.low <= truth) & (truth <= found.high))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.025)


@given(order=st.permutations(range(5)), seed=st.integers(0, 50))
def test_the_order_of_players_does_not_matter(order, seed):
    games = played(np.linspace(-1, 1, 5), 5, np.random.default_rng(seed))
    order = list(order)
    turned = matches(games.wins[np.ix_(order, order)], games.met[np.ix_(order, order)])
    one, two = bradley_terry_ranking(games), bradley_terry_ranking(turned)
    np.testing.assert_allclose(one.ratings[order], two.ratings, atol=1e-4)
    np.testing.assert_allclose(one.low[order], two.low, atol=1e-4)
    assert (cycles(games)) == cycles(turned)


def test_more_games_make_narrower_intervals_in_the_root_of_their_number():
    few, many = (
        bradley_terry_ranking(matches([[0.5, 0.6], [0.4, 0.5]], [[0.0, n], [n, 0.0]]), prior=1e-9)
        for n in (25.0, 100.0)
    )
    np.testing.assert_allclose(few.high - few.low, 2 * (many.high - many.low), rtol=1e-5)


def test_one_elo_game_between_equals_moves_half_a_step():
    found = elo_ratings(np.array([0]), np.array([1]), np.array([1.0]), 3, step=32)
    assert found.ratings.tolist() == [1016, 984, 1000]
    # 16 points ahead are expected to win sigmoid(32 ln(10) / 400) of a game.
    twice = elo_ratings(np.array([0, 0]), np.array([1, 1]), np.array([1.0, 1.0]), 2, step=32)
    assert twice.ratings[0] == pytest.approx(1016 + 32 * (1 - 1 / (1 + 10 ** (-32 / 400))))
    with pytest.raises(ValueError, match="at least one order"):
        elo_ratings(np.array([0]), np.array([1]), np.array([1.0]), 2, num_orders=0)


def test_elo_agrees_with_bradley_terry_on_who_is_better():
    dice = np.random.default_rng(5)
    strengths = np.linspace(-1.5, 1.5, 5)
    first, second = (of.ravel() for of in np.triu_indices(5, 1))
    first, second = np.tile(first, 60), np.tile(second, 60)
    chance = 1 / (1 + np.exp(strengths[second] - strengths[first]))
    found = elo_ratings(first, second, (dice.random(len(first)) < chance) * 1.0, 5)
    assert (np.diff(found.ratings) > 0).all()
    assert (found.low <= found.ratings).all()
    assert (found.ratings <= found.high).all()
    assert found.ratings.mean() == pytest.approx(1000, abs=2)


def test_a_circle_is_one_cycle_and_an_order_none():
    circle = cycles(matches([[0.5, 0.9, 0.2], [0.1, 0.5, 0.8], [0.8, 0.2, 0.5]]))
    assert (circle.num_cyclic, circle.num_triples) == (1, 1)
    drawn = cycles(matches([[0.5, 0.9, 0.5], [0.1, 0.5, 0.8], [0.5, 0.2, 0.5]]))
    assert (drawn.num_cyclic, drawn.num_triples) == (0, 0)


@given(size=st.integers(1, 8), seed=st.integers(0, 99))
def test_cycles_agree_with_kendall_and_babington_smith(size, seed):
    won = np.triu(np.random.default_rng(seed).random((size, size)) < 0.5, 1)
    wins = won + np.tril(~won.T, -1)
    found = cycles(matches(wins * 0.8 + 0.1))
    assert found.num_triples == math.comb(size, 3)
    assert found.num_cyclic == math.comb(size, 3) - sum(math.comb(k, 2) for k in wins.sum(axis=1))


def test_of_a_judge_that_tosses_coins_a_quarter_of_triples_are_cyclic():
    dice = np.random.default_rng(3)
    won = np.triu(dice.random((60, 60)) < 0.5, 1)
    found = cycles(matches(won + np.tril(~won.T, -1)))
    assert found.num_cyclic / found.num_triples == pytest.approx(0.25, abs=0.02)
