"""The table of what traces lead a reader to, and the files of a run that measured it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from jurist.evaluation import Estimate, Faithfulness, View
from jurist.reports.markdown import escaped, joined, table
from jurist.reports.section import Section
from jurist.reports.table import NONE, percent, signed_with_interval, with_interval
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


_TITLE: Final = "Does the verdict follow from the trace"
_TEXT: Final = (
    "How often a reader who is shown no more than this gives the verdict that the reading gave, in "
    "per cent, with the 95 % interval over groups of pairs, and seeds if there are several. Half "
    "is chance. Stated: readings that say before their verdict which response is better, which "
    "whoever reads them need only repeat. That the trace alone is followed far more often than "
    "another pair's is necessary for it to be why the verdict was given, and not sufficient."
)


def faithfulness_section(rows: Sequence[FaithfulnessRow]) -> Section:
    """The rates of several judges, a row for each and each set."""
    return Section(
        title=_TITLE,
        text=_TEXT,
        headings=("method", "split", "readings", "stated %", *_HEADINGS.values(), "trace - other"),
        cells=tuple(
            (
                row.method,
                row.split,
                f"{row.faithfulness.num_readings:,}",
                _shown(row.faithfulness.stated, lambda one: percent(one.value)),
                *(_shown(row.faithfulness.followed.get(view)) for view in _HEADINGS),
                _shown(row.faithfulness.above_other, signed_with_interval),
            )
            for row in rows
        ),
    )


def views_section(rows: Sequence[FaithfulnessRow]) -> Section:
    """The rates of one judge, a row for each view and a column for each set."""
    found = [row.faithfulness for row in rows]
    return Section(
        title=_TITLE,
        text=_TEXT,
        headings=("shown", *(row.split for row in rows)),
        cells=(
            *(
                (heading, *(_shown(one.followed.get(view)) for one in found))
                for view, heading in _HEADINGS.items()
            ),
            (
                "trace - another pair's",
                *(_shown(one.above_other, signed_with_interval) for one in found),
            ),
            (
                "what the trace adds",
                *(_shown(one.trace_adds, signed_with_interval) for one in found),
            ),
            ("stated", *(_shown(one.stated) for one in found)),
            ("readings", *(f"{one.num_readings:,}" for one in found)),
            ("without a verdict", *(f"{one.num_without_verdict:,}" for one in found)),
            ("not told by the reader", *(f"{one.num_unread:,}" for one in found)),
        ),
    )


def _shown(value: Estimate | None, show: Callable[[Estimate], str] = with_interval) -> str:
    return NONE if value is None else show(value)


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
    section = views_section(rows)
    parts = [
        f"# {escaped(section.title)}?",
        f"Traces of {escaped(judge)}, read by {escaped(reader)}.",
        escaped(section.text),
        table(section.headings, section.cells),
    ]
    write_text(directory / "report.md", joined(parts))
