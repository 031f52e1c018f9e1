"""What a judge is worth: agreement with labels, intervals, votes, shortcuts, comparisons."""

from jurist.evaluation.agreement import Agreement, CategoryAgreement, agreement
from jurist.evaluation.calibration import Calibration, ReliabilityBin, calibration
from jurist.evaluation.compare import PairedComparison, compare
from jurist.evaluation.intervals import (
    Estimate,
    group_bootstrap,
    group_bootstrap_each,
    mcnemar,
    wilson,
)
from jurist.evaluation.judged import Judged, credit, equal_readings, judged
from jurist.evaluation.selection import SelectionPoint, selection_points
from jurist.evaluation.shortcuts import BagOfWords, Shortcut, longer_wins, shortcuts
from jurist.evaluation.stopping import STOP_AT, StoppingPoint, stopping_curve
from jurist.evaluation.votes import VotePoint, vote_curve

__all__ = [
    "STOP_AT",
    "Agreement",
    "BagOfWords",
    "Calibration",
    "CategoryAgreement",
    "Estimate",
    "Judged",
    "PairedComparison",
    "ReliabilityBin",
    "SelectionPoint",
    "Shortcut",
    "StoppingPoint",
    "VotePoint",
    "agreement",
    "calibration",
    "compare",
    "credit",
    "equal_readings",
    "group_bootstrap",
    "group_bootstrap_each",
    "judged",
    "longer_wins",
    "mcnemar",
    "selection_points",
    "shortcuts",
    "stopping_curve",
    "vote_curve",
    "wilson",
]
