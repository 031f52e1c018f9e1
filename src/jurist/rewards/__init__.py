"""Rewards: from judges and scorers to one number for each response, to train a policy on."""

from jurist.rewards.base import ResponseReward, win_probability
from jurist.rewards.cohort import (
    Aggregation,
    Cohort,
    CohortReward,
    CohortRewards,
    Compared,
    aggregated,
    cohort_comparisons,
    drawn_order,
    matches_of,
)
from jurist.rewards.design import pairings
from jurist.rewards.expected import expected_best
from jurist.rewards.pairwise import PairwiseReward, ReferenceReward
from jurist.rewards.pointwise import PointwiseReward, ScoreReward
from jurist.rewards.served import ServedReward
from jurist.rewards.strengths import (
    DEFAULT_PRIOR,
    Matches,
    bradley_terry_strengths,
    strength_covariance,
    win_rates,
)
from jurist.rewards.watch import RewardWatch, WatchedBatch

__all__ = [
    "DEFAULT_PRIOR",
    "Aggregation",
    "Cohort",
    "CohortReward",
    "CohortRewards",
    "Compared",
    "Matches",
    "PairwiseReward",
    "PointwiseReward",
    "ReferenceReward",
    "ResponseReward",
    "RewardWatch",
    "ScoreReward",
    "ServedReward",
    "WatchedBatch",
    "aggregated",
    "bradley_terry_strengths",
    "cohort_comparisons",
    "drawn_order",
    "expected_best",
    "matches_of",
    "pairings",
    "strength_covariance",
    "win_probability",
    "win_rates",
]
