"""The one table of a run, for the terminal; the written reports show the same cells."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from jurist.evaluation import Agreement, Estimate
from jurist.reports.results import JudgedRow, Results, RuleKind, ShortcutRow
from jurist.showing import visible

NONE = "-"
"""What a cell says where there is no number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of the summary."""

    heading: str
    meaning: str
    """What the figure is, in a sentence."""

    is_number: bool = True


COLUMNS = (
    Column(heading="method", meaning="The judge, or the shortcut.", is_number=False),
    Column(heading="split", meaning="The data it was asked about.", is_number=False),
    Column(
        heading="accuracy % [95 %]",
        meaning="Pairs on which the ballot of all votes in both orders agrees with the label. A "
        "tied ballot is half right, a failed one wrong. The interval resamples groups of pairs.",
    ),
    Column(
        heading="flips %",
        meaning="Pairs on which showing the responses in the other order changes the verdict.",
    ),
    Column(
        heading="first slot %",
        meaning="Readings that prefer the response shown first, of those that prefer one. Asked "
        "in both orders, a judge without a bias for places has 50.",
    ),
    Column(heading="failures %", meaning="Readings that came to no verdict."),
    Column(heading="ties %", meaning="Labelled pairs whose ballot is tied."),
    Column(heading="pairs", meaning="Labelled pairs: what the accuracy is over."),
    Column(
        heading="votes",
        meaning="Readings of a pair, both orders together: their mean, and of how many, where "
        "voting was stopped early.",
    ),
    Column(heading="train s", meaning="Seconds to make the judge, rationales included."),
    Column(heading="judge s", meaning="Seconds to judge the split."),
    Column(
        heading="tokens / verdict",
        meaning="Tokens written for each reading that came to a verdict.",
    ),
)

_FIRST_COST = 7
"""Columns from here on say what the figures rest on and cost."""


def summary_cells(results: Results) -> list[list[str]]:
    """The cells under `COLUMNS`: judges in the order of the results, then shortcuts.

    Text in the cells is as given: whoever shows it makes it safe for where it is shown.
    """
    return [
        *(_judge_cells(row, row_name(row, results)) for row in results.rows),
        *(_shortcut_cells(row) for row in shortcut_rows(results)),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class SummaryTable:
    """The summary for a terminal. Names can neither style nor move anything.

    If the console is too narrow for all columns, the last ones follow in a table of their own.
    """

    results: Results

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table, or the two, for a console to print."""
        cells = summary_cells(self.results)
        whole = _terminal_table(cells, range(len(COLUMNS)))
        ample = options.update(width=10_000)
        if Measurement.get(console, ample, whole).maximum <= options.max_width:
            yield whole
            return
        names = [i for i, column in enumerate(COLUMNS) if not column.is_number]
        yield _terminal_table(cells, range(_FIRST_COST))
        yield _terminal_table(cells, [*names, *range(_FIRST_COST, len(COLUMNS))])


def summary_table(results: Results) -> SummaryTable:
    """The summary, to be printed by a `rich.console.Console`."""
    return SummaryTable(results=results)


def selection_lines(results: Results) -> list[str]:
    """What the judge chooses among all candidates, a line for each rule and set of pools."""
    return [
        f"{row.split}: best of {row.points[-1].n} by {row.method}, {row.rule}: "
        f"{with_interval(row.points[-1].accuracy)} % right, "
        f"{signed_with_interval(row.points[-1].over_random)} points over random"
        for row in results.selection
        if row.kind is RuleKind.JUDGE
    ]


def shortcut_rows(results: Results) -> list[ShortcutRow]:
    """The shortcuts, those of one name together, as the judges stand in the results."""
    names = [row.shortcut.name for row in results.shortcuts]
    return sorted(results.shortcuts, key=lambda row: names.index(row.shortcut.name))


def row_name(row: JudgedRow, results: Results) -> str:
    """The judge's name, with its seed where the results hold several seeds."""
    several = len({other.seed for other in results.rows}) > 1
    return f"{row.method}, seed {row.seed}" if several else row.method


def percent(value: float) -> str:
    """A share as a percentage with one decimal, without the sign.

    Example:
        >>> percent(0.8125)
        '81.2'
    """
    return f"{100.0 * value:.1f}"


def with_interval(estimate: Estimate) -> str:
    """A share and its interval, in per cent.

    Example:
        >>> with_interval(Estimate(value=0.8, low=0.755, high=0.84))
        '80.0 [75.5, 84.0]'
    """
    return f"{percent(estimate.value)} [{percent(estimate.low)}, {percent(estimate.high)}]"


def signed_with_interval(estimate: Estimate) -> str:
    """A difference of two shares and its interval, in points.

    Example:
        >>> signed_with_interval(Estimate(value=0.05, low=-0.01, high=0.11))
        '+5.0 [-1.0, +11.0]'
    """
    value, low, high = (100.0 * v for v in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def seconds(value: float | None) -> str:
    """Seconds, to a sensible number of digits.

    Example:
        >>> seconds(0.034), seconds(12.34), seconds(4321.0)
        ('0.03', '12.3', '4,321')
    """
    if value is None:
        return NONE
    if value < 1.0:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100.0 else f"{value:,.0f}"


def number(value: float | None) -> str:
    """A count that may be a mean: whole numbers without a decimal.

    Example:
        >>> number(32.0), number(6.25), number(None) == NONE
        ('32', '6.2', True)
    """
    if value is None:
        return NONE
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _terminal_table(cells: Sequence[Sequence[str]], columns: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for i in columns:
        heading, is_number = COLUMNS[i].heading, COLUMNS[i].is_number
        table.add_column(
            Text(heading.replace(" ", "\n", 1)) if is_number else Text(heading),
            justify="right" if is_number else "left",
            vertical="bottom",
            no_wrap=is_number,
            overflow="fold",
        )
    before = ""
    for row in cells:
        # A name once is enough: its other splits stand below it.
        shown = ["" if row[0] == before else row[0], *row[1:]]
        before = row[0]
        table.add_row(*(Text(visible(shown[i])) for i in columns))
    return table


def _judge_cells(row: JudgedRow, name: str) -> list[str]:
    agreement = row.agreement
    return [
        name,
        row.split,
        with_interval(agreement.accuracy),
        _share(agreement.flips),
        _share(agreement.first_slot),
        percent(agreement.failure_rate),
        percent(agreement.ties.value),
        f"{agreement.num_pairs:,}",
        _votes(agreement),
        seconds(row.training_seconds),
        seconds(row.judging_seconds),
        number(agreement.tokens_per_verdict),
    ]


def _shortcut_cells(row: ShortcutRow) -> list[str]:
    filled = {
        0: row.shortcut.name,
        1: row.split,
        2: with_interval(row.shortcut.accuracy),
        7: f"{row.shortcut.num_pairs:,}",
    }
    return [filled.get(i, NONE) for i in range(len(COLUMNS))]


def _votes(agreement: Agreement) -> str:
    cast = number(agreement.votes)
    return f"{cast} of {number(agreement.possible_votes)}" if agreement.num_unasked else cast


def _share(estimate: Estimate | None) -> str:
    return NONE if estimate is None else percent(estimate.value)
