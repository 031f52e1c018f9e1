"""One of the smaller tables of a report, and how its cells are written."""

from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from jurist.evaluation import Estimate
from jurist.reports.table import NONE, with_interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One of the smaller tables."""

    title: str
    text: str
    """What the table shows, in a sentence or two."""

    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


def section_table(section: Section) -> Table:
    """The cells of a section as a table for the terminal."""
    table = Table(box=box.SIMPLE, show_edge=False)
    for heading in section.headings:
        table.add_column(Text(heading))
    for row in section.cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def interval_or_none(estimate: Estimate | None) -> str:
    """A share and its interval, in per cent, if there is one."""
    return NONE if estimate is None else with_interval(estimate)


def decimal(estimate: Estimate) -> str:
    """A number and its interval, to two decimals."""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
