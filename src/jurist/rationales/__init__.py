"""Rationales: from preferences and a judge's own traces to rows that it can be trained on."""

from jurist.rationales.adversarial import (
    Adversarial,
    adversarial_preferences,
    check_share,
)
from jurist.rationales.collapse import TraceSignals, collapses, trace_signals
from jurist.rationales.consensus import Voters, majority_and_minority, unlabelled
from jurist.rationales.contrast import joined, right_and_wrong
from jurist.rationales.critiques import critique_pairs, response_rows
from jurist.rationales.leaks import Leak, disclosure, find_leaks, refuse_leaks
from jurist.rationales.rationalize import Rationales, sample_rationales
from jurist.rationales.rows import (
    CritiquePair,
    Label,
    PairRow,
    Selection,
    SupervisedRow,
    Trace,
    read_rows,
    write_rows,
)
from jurist.rationales.sample import Sampled, asked_of, both_orders, sample_traces
from jurist.rationales.select import right_traces
from jurist.rationales.synthetic import GoodResponse, Synthetic, synthetic_preferences
from jurist.rationales.verdicts import verdict_rows

__all__ = [
    "Adversarial",
    "CritiquePair",
    "GoodResponse",
    "Label",
    "Leak",
    "PairRow",
    "Rationales",
    "Sampled",
    "Selection",
    "SupervisedRow",
    "Synthetic",
    "Trace",
    "TraceSignals",
    "Voters",
    "adversarial_preferences",
    "asked_of",
    "both_orders",
    "check_share",
    "collapses",
    "critique_pairs",
    "disclosure",
    "find_leaks",
    "joined",
    "majority_and_minority",
    "read_rows",
    "refuse_leaks",
    "response_rows",
    "right_and_wrong",
    "right_traces",
    "sample_rationales",
    "sample_traces",
    "synthetic_preferences",
    "trace_signals",
    "unlabelled",
    "verdict_rows",
    "write_rows",
]
