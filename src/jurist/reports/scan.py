"""What a scan of labelled pairs found, as tables and as files."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jurist.evaluation import SourceFlips, Trigger, TriggerScan
from jurist.reports.markdown import escaped, joined, table
from jurist.reports.section import Section
from jurist.reports.table import percent, with_interval
from jurist.reports.text import shortened
from jurist.showing import visible
from jurist.storage import write_json, write_text

SCHEMA = 1

NUM_SHOWN = 20
"""Lines of a table; `scan.json` has all."""

NAME_LIMIT = 60
"""Characters of a phrase or a name in a table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanReport:
    """Everything a scan found."""

    data: str
    opinion: str
    """Run whose verdicts the labels were held against; empty for a bag of words."""

    by: str
    """What tells sources apart."""

    num_pairs: int
    """Labelled pairs."""

    num_ties: int
    """Ties, which were left out."""

    sources: tuple[SourceFlips, ...]
    responses: TriggerScan
    prompts: tuple[Trigger, ...]
    """Phrases of prompts where labels are doubted."""

    @property
    def num_findings(self) -> int:
        """Sources that differ, and triggers."""
        differ = sum(source.differs for source in self.sources)
        return differ + len(self.responses.triggers) + len(self.prompts)


def scan_tables(report: ScanReport) -> list[Section]:
    """Sources, triggers, and words that stand more often in one kind of response."""
    who = f"the verdicts of {report.opinion}" if report.opinion else "a bag of words"
    triggers = (*report.responses.triggers, *report.prompts)
    return [
        Section(
            title=f"Labels by {report.by}",
            text=f"Flipped: {who} held the other response better. Of one group and "
            f"source one pair is counted. A source differs if its labels "
            f"are flipped more often than those of all others, at a false discovery rate of 1 %. "
            f"That may be the labels, or pairs that are harder.",
            headings=("from", "pairs", "flipped, %", "others, %", "differs"),
            cells=tuple(
                (
                    shortened(visible(source.name), NAME_LIMIT),
                    f"{source.num_pairs:,}",
                    with_interval(source.flip_rate),
                    percent(source.others_rate),
                    f"yes, {source.false_discovery_rate:.1g}" if source.differs else "no",
                )
                for source in report.sources[:NUM_SHOWN]
            ),
        ),
        Section(
            title="Triggers",
            text=f"Rare phrases that all but tell the label, of {report.responses.num_phrases:,} "
            f"in the responses of {report.num_pairs:,} pairs: a poisoned set has such, and so has "
            f"one with honest shortcuts. One must decide {report.responses.num_needed} pairs to be "
            f"found if it decides them all one way. Found: {len(triggers)}.",
            headings=("phrase", "in", "pairs", "of them, %", "odds ratio"),
            cells=_cells(triggers),
        ),
        Section(
            title="Words that a label can be guessed by",
            text="Much more often in one kind of response than in the other, the surest first: "
            "what a judge may learn to look for instead of reading.",
            headings=("word", "in", "pairs", "of them, %", "odds ratio"),
            cells=_cells(report.responses.overrepresented),
        ),
    ]


def _cells(triggers: Sequence[Trigger]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            shortened(visible(one.text), NAME_LIMIT),
            one.place,
            f"{one.num_pairs:,}",
            with_interval(one.rate),
            f"{one.odds_ratio:.3g}",
        )
        for one in triggers[:NUM_SHOWN]
    )


def save_scan(directory: Path, report: ScanReport) -> None:
    """Write `scan.json` and `report.md`; the same findings give the same bytes.

    Raises:
        StoreError: If a file cannot be written.
    """
    write_json(directory / "scan.json", {"schema": SCHEMA, **asdict(report)})
    parts = ["# Scan of labelled pairs", f"Pairs of {escaped(report.data)}."]
    for section in scan_tables(report):
        parts += [f"## {escaped(section.title)}", escaped(section.text)]
        if section.cells:
            parts.append(table(section.headings, section.cells))
    write_text(directory / "report.md", joined(parts))
