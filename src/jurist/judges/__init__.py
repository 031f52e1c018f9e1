"""Judges: all that prefers one response to another, behind one interface."""

from jurist.judges.adaptive import Adaptive, next_votes
from jurist.judges.averaged import AveragedJudge, SamplingAndScoring
from jurist.judges.ballot import PROBABILITY_FLOOR, Ballot, ballots
from jurist.judges.base import Comparer, Judge, SamplingJudge, Scorer
from jurist.judges.both_orders import BothOrders
from jurist.judges.budgeted import Budgeted
from jurist.judges.compared import ComparedJudge
from jurist.judges.critic import Critic
from jurist.judges.direct import DirectJudge
from jurist.judges.gated import Gated
from jurist.judges.jury import (
    Jury,
    Reliability,
    dawid_skene,
    jury_judgements,
    majority_judgements,
    verdict_counts,
)
from jurist.judges.mean_rating import MeanRater
from jurist.judges.pairwise import PairwiseJudge
from jurist.judges.polling import counted
from jurist.judges.predictive import OrderVotes, probability_of_change
from jurist.judges.rated import RatedJudge, RatedScorer, Rater, Rating
from jurist.judges.scored import ScoredJudge
from jurist.judges.verifier import Verifier
from jurist.judges.vote import Voting
from jurist.judges.weighing import verdicts_after

__all__ = [
    "PROBABILITY_FLOOR",
    "Adaptive",
    "AveragedJudge",
    "Ballot",
    "BothOrders",
    "Budgeted",
    "ComparedJudge",
    "Comparer",
    "Critic",
    "DirectJudge",
    "Gated",
    "Judge",
    "Jury",
    "MeanRater",
    "OrderVotes",
    "PairwiseJudge",
    "RatedJudge",
    "RatedScorer",
    "Rater",
    "Rating",
    "Reliability",
    "SamplingAndScoring",
    "SamplingJudge",
    "ScoredJudge",
    "Scorer",
    "Verifier",
    "Voting",
    "ballots",
    "counted",
    "dawid_skene",
    "jury_judgements",
    "majority_judgements",
    "next_votes",
    "probability_of_change",
    "verdict_counts",
    "verdicts_after",
]
