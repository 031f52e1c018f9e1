"""Rankings of who met whom: Elo and Bradley-Terry with intervals, and whether there is an order.

Arrays are of one tournament; n = players in it, which may be responses or those who wrote them.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from jurist.rewards import (
    DEFAULT_PRIOR,
    Matches,
    bradley_terry_strengths,
    strength_covariance,
)
from jurist.search.votes import Floats, Ints

ELO_MEAN = 1000.0
"""Rating of an average player."""

ELO_UNIT = 400.0 / math.log(10.0)
"""Elo points to a nat of strength: 400 points are odds of ten to one (Elo 1978)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """Ratings of the players on Elo's scale, their mean at `ELO_MEAN`, and their intervals."""

    ratings: Floats
    """Shape: [n]."""

    low: Floats
    """Lower end of each rating's interval. Shape: [n]."""

    high: Floats
    """Upper end. Shape: [n]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycles:
    """How many triples of players have no order: one beats another, who beats a third, who beats
    the one."""

    num_cyclic: int
    num_triples: int
    """Triples of which all three pairs met and none was drawn."""


def bradley_terry_ranking(
    matches: Matches, *, prior: float = DEFAULT_PRIOR, level: float = 0.95
) -> Ranking:
    """Rank the players by their Bradley-Terry strengths, with Wald's intervals.

    An interval is a rating give or take a quantile times its standard error, from the curvature of
    the likelihood where it is greatest. It counts every comparison as independent: where many are
    of one prompt, or a judge is wrong in one way throughout, it is too narrow.

    Args:
        matches: Who met whom how often.
        prior: Of `bradley_terry_strengths`.
        level: Confidence of each interval, in (0, 1).

    Raises:
        ValueError: If the level is not in (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    (strengths,) = bradley_terry_strengths([matches], prior=prior)
    errors = np.sqrt(strength_covariance(matches, strengths, prior=prior).diagonal())
    ratings = ELO_MEAN + ELO_UNIT * (strengths - strengths.mean())
    slack = ELO_UNIT * NormalDist().inv_cdf((1.0 + level) / 2.0) * errors
    return Ranking(ratings=ratings, low=ratings - slack, high=ratings + slack)


def elo_ratings(
    first: Ints,
    second: Ints,
    scores: Floats,
    num_players: int,
    *,
    step: float = 4.0,
    num_orders: int = 100,
    seed: int = 0,
) -> Ranking:
    """Elo's ratings after some games, which depend on their order: so over many shuffled orders.

    After each game both ratings move by `step` times the score less what was expected of it, which
    is a logistic function of their difference (Elo 1978). Use it to compare with ratings published
    so; `bradley_terry_ranking` needs no order and has no step to choose.

    Args:
        first: Number of the one player of each game, from 0. Length G.
        second: Number of the other. Length G.
        scores: What the first won: 1, 0, or a half for a draw. Length G.
        num_players: n.
        step: Elo points, often called K.
        num_orders: Shuffles of the games.
        seed: Of the shuffles.

    Returns:
        Medians over the orders, and the 2.5th and 97.5th percentiles: what the order alone changes.

    Raises:
        ValueError: If there is no order to look at or lengths differ.
    """
    if num_orders < 1 or not len(first) == len(second) == len(scores):
        raise ValueError(
            f"expected lengths that agree and at least one order, got {len(first)}, "
            f"{len(second)} and {len(scores)} and {num_orders} orders"
        )
    dice = np.random.default_rng(seed)
    games = np.stack([dice.permutation(len(first)) for _ in range(num_orders)], axis=1)
    ratings = np.full((num_orders, num_players), ELO_MEAN)
    every = np.arange(num_orders)
    for game in games:
        one, other = first[game], second[game]
        ahead = (ratings[every, one] - ratings[every, other]) / ELO_UNIT
        moved = step * (scores[game] - np.exp(-np.logaddexp(0.0, -ahead)))
        ratings[every, one] += moved
        ratings[every, other] -= moved
    low, middle, high = np.quantile(ratings, [0.025, 0.5, 0.975], axis=0)
    return Ranking(ratings=middle, low=low, high=high)


def cycles(matches: Matches) -> Cycles:
    """Count the triples that have no order (Kendall and Babington Smith 1940, for any pairing).

    A judge with an order in mind leaves none but by noise; the share of a judge that tosses coins
    is a quarter, of all triples it compared without a draw.

    Args:
        matches: Who met whom, and how likely each was to win; a half is a draw.
    """
    beats = ((matches.met > 0) & (matches.wins > 0.5)).astype(np.int64)
    decided = beats + beats.T
    # A closed walk of three steps goes around a cycle from each of its three ends.
    num_cyclic = int(np.trace(beats @ beats @ beats)) // 3
    return Cycles(
        num_cyclic=num_cyclic, num_triples=int(np.trace(decided @ decided @ decided)) // 6
    )
