"""Results to results.json, report.md and one self-contained report.html, and to the terminal."""

from jurist.reports.disagreements import worst_disagreements
from jurist.reports.explorer import Explored, explored
from jurist.reports.faithfulness import (
    FaithfulnessRow,
    faithfulness_section,
    save_faithfulness,
    views_section,
)
from jurist.reports.html import html
from jurist.reports.markdown import markdown
from jurist.reports.results import (
    ComparisonRow,
    DatasetFacts,
    DifferencesRow,
    Disagreement,
    JudgedRow,
    JudgeFacts,
    OfficialRow,
    Results,
    RobustnessRow,
    RoundFacts,
    RuleKind,
    SelectionRow,
    ShortcutRow,
    TokenLengths,
    TokenSpread,
    TrainingCurve,
    TrainingPoint,
    judged_row,
    load_results,
    save_results,
)
from jurist.reports.save import save_report
from jurist.reports.scan import ScanReport, save_scan, scan_tables
from jurist.reports.table import SummaryTable, summary_table

__all__ = [
    "ComparisonRow",
    "DatasetFacts",
    "DifferencesRow",
    "Disagreement",
    "Explored",
    "FaithfulnessRow",
    "JudgeFacts",
    "JudgedRow",
    "OfficialRow",
    "Results",
    "RobustnessRow",
    "RoundFacts",
    "RuleKind",
    "ScanReport",
    "SelectionRow",
    "ShortcutRow",
    "SummaryTable",
    "TokenLengths",
    "TokenSpread",
    "TrainingCurve",
    "TrainingPoint",
    "explored",
    "faithfulness_section",
    "html",
    "judged_row",
    "load_results",
    "markdown",
    "save_faithfulness",
    "save_report",
    "save_results",
    "save_scan",
    "scan_tables",
    "summary_table",
    "views_section",
    "worst_disagreements",
]
