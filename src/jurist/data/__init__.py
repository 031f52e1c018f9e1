"""Preferences: read, checked, written, split, and kept apart from the test set."""

from jurist.data.check import fault
from jurist.data.columns import Layout, prompt_group
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
from jurist.data.split import Splits, parts, split, split_tenth
from jurist.data.write import write_preferences

__all__ = [
    "Candidate",
    "Layout",
    "Overlap",
    "Pool",
    "PreferenceSet",
    "SourceFile",
    "Splits",
    "WithoutOverlap",
    "fault",
    "normalised",
    "overlap",
    "parts",
    "prompt_group",
    "read_pools",
    "read_preferences",
    "refuse_overlap",
    "split",
    "split_tenth",
    "without_overlap",
    "write_preferences",
]
