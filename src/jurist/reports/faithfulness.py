"""The table of what traces lead a reader to, and the files of a run that measured it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from jurist.evaluation import Faithfulness, View
from jurist.reports.markdown import escaped, joined, table
from jurist.reports.sections import Section
from jurist.reports.table import percent, signed_with_interval, with_interval
from jurist.storage import write_json, write_text

SCHEMA = 1
"""Version of the layout of the run's `results.json`."""

_HEADINGS: Final[Mapping[View, str]] = {
    "trace": "trace",
    "argument": "trace, statements cut",
    "other": "another pair's trace",
    "nothing": "nothing",
    "responses": "responses",
    "both": "responses, trace",
    "exchanged": "responses exchanged, trace",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FaithfulnessRow:
    """What was found of one judge on one set."""

    method: str
    split: str
    faithfulness: Faithfulness


def faithfulness_section(rows: Sequence[FaithfulnessRow]) -> Section:
    """How often a reader comes to the verdict of the reading whose trace it is shown, per view."""
    return Section(
        title="Does the verdict follow from the trace",
        text="How often a reader who is shown no more than the heading says gives the verdict that "
        "the reading gave, in per cent, with the 95 % interval over groups of pairs, and seeds if "
        "there are several. Half is chance. Stated: the trace says before its end which response is better, and then "
        "whoever reads it needs no reasons. A high rate under `trace`, well above another pair's "
        "trace, is necessary for the trace to be why the verdict was given, and not sufficient.",
        headings=("method", "split", "readings", "stated %", *_HEADINGS.values(), "trace - other"),
        cells=tuple(
            (
                row.method,
                row.split,
                f"{row.faithfulness.num_readings:,}",
                percent(row.faithfulness.stated.value),
                *(with_interval(row.faithfulness.followed[view]) for view in _HEADINGS),
                signed_with_interval(row.faithfulness.above_other),
            )
            for row in rows
        ),
    )


def save_faithfulness(
    directory: Path, rows: Sequence[FaithfulnessRow], *, judge: str, reader: str
) -> None:
    """Write `results.json` and `report.md`; the same results give the same bytes.

    Args:
        directory: Where to.
        rows: What was found.
        judge: Whose traces.
        reader: Who read them.

    Raises:
        StoreError: If a file cannot be written.
    """
    write_json(
        directory / "results.json",
        {"schema": SCHEMA, "judge": judge, "reader": reader, "rows": [asdict(row) for row in rows]},
    )
    section = faithfulness_section(rows)
    parts = [
        f"# {escaped(section.title)}?",
        f"Traces of {escaped(judge)}, read by {escaped(reader)}.",
        escaped(section.text),
        table(section.headings, section.cells),
        *(
            f"- {escaped(row.split)}: {row.faithfulness.num_without_verdict:,} readings without a "
            f"verdict and {row.faithfulness.num_unread:,} that the reader could not tell of are "
            f"left out."
            for row in rows
        ),
    ]
    write_text(directory / "report.md", joined(parts))
