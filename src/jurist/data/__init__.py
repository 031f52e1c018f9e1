"""Preferences: read, checked, written, split, and kept apart from the test set."""

from jurist.data.candidates import (
    Candidates,
    Question,
    pairs_of,
    read_candidates,
    read_questions,
)
from jurist.data.check import fault
from jurist.data.columns import prompt_group
from jurist.data.layouts import Layout
from jurist.data.overlap import (
    Overlap,
    WithoutOverlap,
    normalised,
    overlap,
    refuse_overlap,
    without_overlap,
)
from jurist.data.pools import Candidate, Pool, read_pools
from jurist.data.read import PreferenceSet, SourceFile, read_preferences
from jurist.data.split import Splits, limited, parts, split, split_tenth
from jurist.data.suites import (
    SUITES,
    Suite,
    SuiteForm,
    SuiteRows,
    SuiteSearch,
    find_suites,
    read_suite,
)
from jurist.data.write import write_preferences

__all__ = [
    "SUITES",
    "Candidate",
    "Candidates",
    "Layout",
    "Overlap",
    "Pool",
    "PreferenceSet",
    "Question",
    "SourceFile",
    "Splits",
    "Suite",
    "SuiteForm",
    "SuiteRows",
    "SuiteSearch",
    "WithoutOverlap",
    "fault",
    "find_suites",
    "limited",
    "normalised",
    "overlap",
    "pairs_of",
    "parts",
    "prompt_group",
    "read_candidates",
    "read_pools",
    "read_preferences",
    "read_questions",
    "read_suite",
    "refuse_overlap",
    "split",
    "split_tenth",
    "without_overlap",
    "write_preferences",
]
