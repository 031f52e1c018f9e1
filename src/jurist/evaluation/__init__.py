"""What a judge is worth: agreement with labels, intervals, votes, shortcuts, comparisons."""

from jurist.evaluation.agreement import Agreement, CategoryAgreement, agreement
from jurist.evaluation.calibration import Calibration, ReliabilityBin, calibration
from jurist.evaluation.compare import PairedComparison, compare
from jurist.evaluation.intervals import Estimate, group_bootstrap, mcnemar, wilson
from jurist.evaluation.judged import Judged, credit, judged
from jurist.evaluation.shortcuts import BagOfWords, Shortcut, longer_wins, shortcuts
from jurist.evaluation.votes import VotePoint, vote_curve

__all__ = [
    "Agreement",
    "BagOfWords",
    "Calibration",
    "CategoryAgreement",
    "Estimate",
    "Judged",
    "PairedComparison",
    "ReliabilityBin",
    "Shortcut",
    "VotePoint",
    "agreement",
    "calibration",
    "compare",
    "credit",
    "group_bootstrap",
    "judged",
    "longer_wins",
    "mcnemar",
    "shortcuts",
    "vote_curve",
    "wilson",
]
