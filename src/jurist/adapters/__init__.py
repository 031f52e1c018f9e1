"""Adapters: a judge in the shape that each training or evaluation stack asks for, and back.

None of them imports the stack that it fits.
"""

from jurist.adapters.inspect_ai import inspect_scorer
from jurist.adapters.lm_eval import lm_eval_process_results
from jurist.adapters.openrlhf import RewardFunc, from_openrlhf, openrlhf_reward_func
from jurist.adapters.trl import (
    FromTRLJudge,
    PairwiseRanker,
    RewardFunction,
    TRLAsyncReward,
    TRLCohortReward,
    TRLPairwiseJudge,
    TRLReward,
    completion_text,
    from_trl_reward,
)
from jurist.adapters.verl import ComputeScore, from_verl, verl_compute_score
from jurist.adapters.watched import WatchedReward

__all__ = [
    "ComputeScore",
    "FromTRLJudge",
    "PairwiseRanker",
    "RewardFunc",
    "RewardFunction",
    "TRLAsyncReward",
    "TRLCohortReward",
    "TRLPairwiseJudge",
    "TRLReward",
    "WatchedReward",
    "completion_text",
    "from_openrlhf",
    "from_trl_reward",
    "from_verl",
    "inspect_scorer",
    "lm_eval_process_results",
    "openrlhf_reward_func",
    "verl_compute_score",
]
