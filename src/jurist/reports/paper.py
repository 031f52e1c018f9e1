"""What a replication of the paper found, as a value.

Everything the tables and figures show is in `PaperResults`. Numbers of the paper itself come from
`jurist.reports.published` and have columns of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from jurist.evaluation import Estimate, SeededAgreement
from jurist.reports.faithfulness import FaithfulnessRow
from jurist.reports.results import DatasetFacts, ShortcutRow

SCHEMA = 2
"""Version of the layout of a replication's `results.json`."""

Side = Literal["in_distribution", "shifted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Confidence:
    """What a method's probabilities are good for, mean of the seeds."""

    temperature: float | None
    """Fitted on one half of the groups for the other, both ways; None without probabilities."""

    tempered_ece: float | None
    """Calibration error with it."""

    abstention: Mapping[str, float]
    """Accuracy if only so many per cent of the pairs are answered, the surest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reasons:
    """Whether readings are right for a right reason, where steps can be checked; all seeds."""

    right: float
    """Share of readings whose verdict is the labelled one."""

    sound: float | None
    """Of those, the share whose every step is true and leads there. None if none is right."""

    habits: Mapping[str, float]
    """Shares of the ways of judging, over all readings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperRow:
    """One method on one split, all seeds together."""

    method: str
    split: str
    agreement: SeededAgreement
    training_seconds: float | None
    """Mean over the seeds; None if the judge is not trained."""

    judging_seconds: float
    """Time to judge the split, mean over the seeds."""

    confidence: Confidence
    reasons: Reasons | None = None
    """None where nobody can check them."""

    round: int | None = None
    """After which round of training, where a run has several; None: after its last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimRow:
    """A difference between two methods that the paper reports, and what it is here."""

    claim: str
    published: str
    """The paper's number, in points, with its data."""

    split: str
    difference: Estimate
    verdict: Literal["agrees", "differs", "not decided"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperResults:
    """Everything the report of a replication shows."""

    run: str
    version: str
    scale: str
    environment: Mapping[str, str]
    datasets: tuple[DatasetFacts, ...]
    sides: Mapping[str, Side]
    """Of each split, whether it is drawn as the training pairs are."""

    rows: tuple[PaperRow, ...]
    rounds: tuple[PaperRow, ...]
    """After each round but the last."""

    averaged: tuple[PaperRow, ...]
    """With the averaged probability of verdicts instead of counted votes."""

    faithfulness: tuple[FaithfulnessRow, ...]
    """Whether verdicts follow from their traces, of some methods, all seeds together."""

    authors: Mapping[str, str]
    """Who writes the rationales, by method of Table 1."""

    shortcuts: tuple[ShortcutRow, ...]
    claims: tuple[ClaimRow, ...]
    notes: tuple[str, ...]
    """What a reader must know to take the numbers for what they are."""

    discussion: tuple[str, ...]
    """Where this agrees with the paper, where it does not, and why, a paragraph each."""

    schema: int = SCHEMA

    def splits(self) -> list[str]:
        """Names of the test sets, those drawn as the training pairs first."""
        return sorted(self.sides, key=lambda split: self.sides[split] != "in_distribution")

    def methods(self) -> list[str]:
        """Names of the methods, in the order of the rows."""
        return list(dict.fromkeys(row.method for row in self.rows))

    def row(self, method: str, split: str) -> PaperRow:
        """The row of a method on a split."""
        return next(row for row in self.rows if (row.method, row.split) == (method, split))
