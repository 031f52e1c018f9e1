"""Judges: all that prefers one response to another, behind one interface."""

from jurist.judges.ballot import PROBABILITY_FLOOR, Ballot, ballots
from jurist.judges.base import Judge, Scorer
from jurist.judges.both_orders import BothOrders
from jurist.judges.direct import DirectJudge
from jurist.judges.pairwise import PairwiseJudge
from jurist.judges.scored import ScoredJudge
from jurist.judges.vote import Voting

__all__ = [
    "PROBABILITY_FLOOR",
    "Ballot",
    "BothOrders",
    "DirectJudge",
    "Judge",
    "PairwiseJudge",
    "ScoredJudge",
    "Scorer",
    "Voting",
    "ballots",
]
