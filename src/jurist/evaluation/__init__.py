"""What a judge is worth: agreement with labels, intervals, votes, shortcuts, comparisons."""

from jurist.evaluation.agreement import Agreement, CategoryAgreement, agreement
from jurist.evaluation.authors import AuthorLean, author_leans
from jurist.evaluation.calibration import (
    Calibration,
    ReliabilityBin,
    calibration,
    calibration_of,
)
from jurist.evaluation.compare import PairedComparison, compare
from jurist.evaluation.confidence import (
    COVERAGES,
    AbstentionPoint,
    abstention_curve,
    cross_fitted,
    fit_temperature,
)
from jurist.evaluation.correlation import Correlations, correlations
from jurist.evaluation.differences import Differences, PartDifference, differences
from jurist.evaluation.faithfulness import (
    VIEWS,
    Faithfulness,
    Rereading,
    View,
    faithfulness,
)
from jurist.evaluation.frontier import cost_frontier
from jurist.evaluation.intervals import (
    Estimate,
    crossed_bootstrap,
    group_bootstrap,
    group_bootstrap_each,
    group_bootstrap_of,
    mcnemar,
    wilson,
)
from jurist.evaluation.judged import Judged, credit, equal_readings, judged
from jurist.evaluation.label_sources import SourceFlips, source_flips, word_opinions
from jurist.evaluation.languages import (
    LanguageAgreement,
    OneLanguage,
    language_agreement,
    reference_language,
)
from jurist.evaluation.length import LengthBias, length_bias
from jurist.evaluation.orders import order_consistency
from jurist.evaluation.overoptimization import (
    Overoptimization,
    OveroptimizationPoint,
    best_of_n_kl,
    overoptimization_curve,
)
from jurist.evaluation.raters import Alpha, Kappa, cohen_kappa, krippendorff_alpha
from jurist.evaluation.robustness import (
    GATE_WORDS,
    AttackResult,
    Robustness,
    Tournaments,
    robustness,
)
from jurist.evaluation.row_scan import LabelGuess, RowScan, scan_rows
from jurist.evaluation.seeds import (
    SeededAgreement,
    SeededCategory,
    SeededPoint,
    across_seeds,
    seeded_difference,
)
from jurist.evaluation.selection import SelectionPoint, selection_points
from jurist.evaluation.shortcuts import BagOfWords, Shortcut, longer_wins, shortcuts
from jurist.evaluation.stopping import STOP_AT, StoppingPoint, stopping_curve
from jurist.evaluation.strength import StrengthAgreement, strength_agreement
from jurist.evaluation.suites import OfficialScore, official_scores
from jurist.evaluation.triggers import Trigger, TriggerScan, prompt_triggers, trigger_scan
from jurist.evaluation.votes import VoteCredits, VotePoint, vote_credits, vote_curve

__all__ = [
    "COVERAGES",
    "GATE_WORDS",
    "STOP_AT",
    "VIEWS",
    "AbstentionPoint",
    "Agreement",
    "Alpha",
    "AttackResult",
    "AuthorLean",
    "BagOfWords",
    "Calibration",
    "CategoryAgreement",
    "Correlations",
    "Differences",
    "Estimate",
    "Faithfulness",
    "Judged",
    "Kappa",
    "LabelGuess",
    "LanguageAgreement",
    "LengthBias",
    "OfficialScore",
    "OneLanguage",
    "Overoptimization",
    "OveroptimizationPoint",
    "PairedComparison",
    "PartDifference",
    "ReliabilityBin",
    "Rereading",
    "Robustness",
    "RowScan",
    "SeededAgreement",
    "SeededCategory",
    "SeededPoint",
    "SelectionPoint",
    "Shortcut",
    "SourceFlips",
    "StoppingPoint",
    "StrengthAgreement",
    "Tournaments",
    "Trigger",
    "TriggerScan",
    "View",
    "VoteCredits",
    "VotePoint",
    "abstention_curve",
    "across_seeds",
    "agreement",
    "author_leans",
    "best_of_n_kl",
    "calibration",
    "calibration_of",
    "cohen_kappa",
    "compare",
    "correlations",
    "cost_frontier",
    "credit",
    "cross_fitted",
    "crossed_bootstrap",
    "differences",
    "equal_readings",
    "faithfulness",
    "fit_temperature",
    "group_bootstrap",
    "group_bootstrap_each",
    "group_bootstrap_of",
    "judged",
    "krippendorff_alpha",
    "language_agreement",
    "length_bias",
    "longer_wins",
    "mcnemar",
    "official_scores",
    "order_consistency",
    "overoptimization_curve",
    "prompt_triggers",
    "reference_language",
    "robustness",
    "scan_rows",
    "seeded_difference",
    "selection_points",
    "shortcuts",
    "source_flips",
    "stopping_curve",
    "strength_agreement",
    "trigger_scan",
    "vote_credits",
    "vote_curve",
    "wilson",
    "word_opinions",
]
