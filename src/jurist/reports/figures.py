"""The figures of a report, drawn with Matplotlib as SVG.

The one file that needs the extra `report`; import it only where a figure is wanted. Splits are told
apart by colour and marker, methods too, in colours that colour-blind people can tell apart (Okabe
and Ito 2008). Text is drawn as outlines, so a figure looks alike on every machine.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import StrMethodFormatter

from jurist.evaluation import Estimate
from jurist.reports.results import JudgedRow, Results, RuleKind, SelectionRow
from jurist.reports.table import number, percent, row_name, seconds
from jurist.reports.text import visible

_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#AA4499",
    "#56B4E9",
    "#E69F00",
    "#000000",
    "#882255",
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_INK, _FAINT, _GRID = "#1f2328", "#57606a", "#e4e8ec"
_NAME_LENGTH = 26
_PANELS_ACROSS = 3
_RELIABILITY_ACROSS = 4
_WIDTH = 10.0

_STYLE: Mapping[str, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.labelcolor": _INK,
    "axes.edgecolor": "#b6bec7",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": _GRID,
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "jurist",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One figure, ready for a page."""

    name: str
    title: str
    caption: str
    alt: str
    """What the figure shows, in words, for those who cannot see it."""

    svg: bytes


def pictures(results: Results) -> list[Picture]:
    """Draw every figure that the results have numbers for. The same results give the same bytes."""
    drawn: list[Picture] = []
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # pyright: ignore[reportArgumentType, reportCallIssue]
        for draw in (_selection, _accuracy, _votes, _tokens, _places, _reliability, _cost):
            picture = draw(results)
            if picture is not None:
                drawn.append(picture)
    return drawn


def _selection(results: Results) -> Picture | None:
    """Accuracy of what is chosen against the number of candidates, a panel for each set."""
    if not results.selection:
        return None
    splits = list(dict.fromkeys(row.split for row in results.selection))
    figure, panels = _panels(len(splits), 4.0, share_y=False)
    lines: dict[str, Line2D] = {}
    for split, axes in zip(splits, panels, strict=True):
        rows = [row for row in results.selection if row.split == split]
        judged = [row for row in rows if row.kind is RuleKind.JUDGE]
        others = [row for row in rows if row.kind is not RuleKind.JUDGE]
        for at, row in enumerate(judged):
            lines[_name(_rule_name(row))] = _selection_line(
                axes, row, color=_colour(at), marker=_MARKERS[at % len(_MARKERS)], zorder=3
            )
        for at, row in enumerate(others):
            style = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))[at % 4]
            lines[_name(_rule_name(row))] = _selection_line(
                axes, row, color=_FAINT, linestyle=style
            )
        if judged:
            # Of one rule only: those of one judge lie upon each other, and the table has them all.
            _band(axes, judged[0], _colour(0))
        most = max(point.n for row in rows for point in row.points)
        if most > 8:
            axes.set_xscale("log", base=2)
        every = [2**k for k in range(most.bit_length())] if most > 8 else range(1, most + 1)
        axes.set_xticks([*every], [str(n) for n in every])
        axes.minorticks_off()
        axes.set_title(_name(split), loc="left")
        axes.set_xlabel("candidates to choose from, n")
    panels[0].set_ylabel("right, %")
    _legend(figure, lines, across=3)
    return Picture(
        name="selection",
        title="Best of n",
        caption="How often the chosen one of n candidates is right. The oracle takes a right one "
        "if there is one; a judge that adds nothing stays with random; one whose band reaches the "
        "line of the longest has not shown that it reads. The band is the 95 % interval of the "
        "first rule, over groups; the table has those of all.",
        alt="Share of prompts whose chosen candidate is right, by number of candidates. "
        + "; ".join(
            f"{_name(_rule_name(row))} on {_name(row.split)}: "
            + ", ".join(f"{point.n}: {percent(point.accuracy.value)} %" for point in row.points)
            for row in results.selection
        )
        + ".",
        svg=_svg(figure),
    )


def _selection_line(axes: Axes, row: SelectionRow, **style: object) -> Line2D:
    (line,) = axes.plot(
        [point.n for point in row.points],
        [100.0 * point.accuracy.value for point in row.points],
        markersize=6.5,
        linewidth=1.8,
        markeredgecolor="white",
        markeredgewidth=0.6,
        **style,  # pyright: ignore[reportArgumentType]
    )
    return line


def _band(axes: Axes, row: SelectionRow, colour: str) -> None:
    """The interval of a rule; a single one as a bar."""
    sizes = [point.n for point in row.points]
    lows = [100.0 * point.accuracy.low for point in row.points]
    highs = [100.0 * point.accuracy.high for point in row.points]
    if len(sizes) == 1:
        axes.vlines(sizes, lows, highs, color=colour, linewidth=2.0)
    axes.fill_between(sizes, lows, highs, color=colour, alpha=0.14, linewidth=0)


def _rule_name(row: SelectionRow) -> str:
    return f"{row.method}, {row.rule}" if row.rule else row.method


def _accuracy(results: Results) -> Picture | None:
    """Accuracy with intervals, a panel for each split, shortcuts and chance as lines."""
    names, splits = _names(results), _splits(results)
    if not names:
        return None
    lows = [row.agreement.accuracy.low for row in results.rows]
    lows += [row.shortcut.accuracy.value for row in results.shortcuts] + [0.5]
    left = max(0.0, math.floor(min(lows) * 20.0) / 20.0 - 0.02)
    figure, panels = _panels(len(splits), 0.36 * len(names) + 1.1, share_y=True)
    rules = list(dict.fromkeys(row.shortcut.name for row in results.shortcuts))
    lines: dict[str, Line2D] = {}
    for split, axes in zip(splits, panels, strict=True):
        lines["chance"] = axes.axvline(50.0, color="#8c959f", linewidth=1.2)
        for row in results.shortcuts:
            if row.split == split:
                rule = rules.index(row.shortcut.name)
                lines[_name(row.shortcut.name)] = axes.axvline(
                    100.0 * row.shortcut.accuracy.value,
                    color=_colour(1 + rule),
                    linestyle=("--", ":", "-.")[rule % 3],
                    linewidth=1.6,
                )
        for row in results.rows:
            if row.split == split:
                estimate = row.agreement.accuracy
                at = names.index(row_name(row, results))
                _dot(axes, estimate, at, _COLOURS[0], _MARKERS[0])
                axes.text(
                    1.02,
                    at,
                    percent(estimate.value),
                    transform=axes.get_yaxis_transform(),
                    va="center",
                    fontweight="bold",
                )
        axes.set_title(_name(split), loc="left")
        axes.set_xlim(100.0 * left, 101.0)
        axes.set_xlabel("accuracy, %")
        _name_rows(axes, names)
    _legend(figure, lines)
    return Picture(
        name="accuracy",
        title="Agreement with the labels",
        caption="Dots are the accuracy of the ballots, bars their 95 % intervals over groups of "
        "pairs. Dashed lines are what rules that never read the prompt score on the same pairs; a "
        "judge whose interval reaches such a line has not shown that it reads more than looks.",
        alt="Accuracy and 95 % interval. " + _told(results, lambda row: row.agreement.accuracy),
        svg=_svg(figure),
    )


def _votes(results: Results) -> Picture | None:
    """Accuracy against the number of votes, a panel for each split."""
    if not any(len(row.curve) > 1 for row in results.rows):
        return None
    names, splits = _names(results), _splits(results)
    figure, panels = _panels(len(splits), 3.4, share_y=True)
    lines: dict[str, Line2D] = {}
    most = max(point.votes for row in results.rows for point in row.curve)
    ticks = [2**i for i in range(most.bit_length())]
    for split, axes in zip(splits, panels, strict=True):
        axes.axhline(50.0, color="#8c959f", linewidth=1.2)
        for row in results.rows:
            if row.split == split:
                at = names.index(row_name(row, results))
                (lines[_name(names[at])],) = axes.plot(
                    [point.votes for point in row.curve],
                    [100.0 * point.accuracy.value for point in row.curve],
                    color=_COLOURS[at % len(_COLOURS)],
                    marker=_MARKERS[at % len(_MARKERS)],
                    markersize=6,
                    linewidth=1.8,
                    markeredgecolor="white",
                    markeredgewidth=0.6,
                )
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlim(0.85, 1.18 * most)
        axes.set_title(_name(split), loc="left")
        axes.set_xlabel("votes, both orders together")
    panels[0].set_ylabel("accuracy, %")
    _legend(figure, lines)
    return Picture(
        name="votes",
        title="What more votes buy",
        caption="One vote is any single reading; more are taken half from each order, in disjoint "
        "blocks. A judge that is right more often than not gains from votes; one that is wrong on "
        "a kind of pair grows surer of it.",
        alt="Accuracy by number of votes. "
        + "; ".join(
            f"{_name(row_name(row, results))} on {_name(row.split)}: "
            + ", ".join(f"{point.votes}: {percent(point.accuracy.value)} %" for point in row.curve)
            for row in results.rows
        ),
        svg=_svg(figure),
    )


def _tokens(results: Results) -> Picture | None:
    """Accuracy against tokens, of fixed numbers of votes and of stopping early."""
    shown = [row for row in results.rows if row.stopping and row.stopping[0].tokens]
    if not shown:
        return None
    names = [name for name in _names(results) if name in {row_name(row, results) for row in shown}]
    splits = [split for split in _splits(results) if split in {row.split for row in shown}]
    figure, panels = _panels(len(splits), 3.6, share_y=True)
    lines: dict[str, Line2D] = {}
    for split, axes in zip(splits, panels, strict=True):
        for row in shown:
            if row.split != split:
                continue
            at = names.index(row_name(row, results))
            fixed = [(point.tokens, point.accuracy.value) for point in row.curve]
            stopped = [(point.tokens, point.accuracy.value) for point in row.stopping]
            for way, points in (("fixed", fixed), ("stopped early", stopped)):
                early = way == "stopped early"
                (lines[f"{_name(names[at])}, {way}"],) = axes.plot(
                    [tokens for tokens, _ in points],
                    [100.0 * accuracy for _, accuracy in points],
                    color=_colour(at),
                    marker=_MARKERS[at % len(_MARKERS)],
                    markersize=7 if early else 5,
                    linestyle="-" if early else (0, (1.5, 1.5)),
                    linewidth=1.8 if early else 1.4,
                    markerfacecolor=_colour(at) if early else "white",
                    markeredgecolor="white" if early else _colour(at),
                    markeredgewidth=0.6 if early else 1.1,
                )
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.minorticks_off()
        axes.set_title(_name(split), loc="left")
        axes.set_xlabel("tokens written for a pair")
    panels[0].set_ylabel("accuracy, %")
    _legend(figure, lines, across=2)
    return Picture(
        name="tokens",
        title="What votes cost, fixed and stopped early",
        caption="Dotted: 1, 2, 4 ... votes on every pair. Solid: as many as each pair takes, from "
        "the strictest setting on the right, whose verdicts no vote could change, to the loosest "
        "on the left; replayed on the same votes. The table of early stopping has the numbers.",
        alt="Accuracy and tokens of early-stopped voting. "
        + "; ".join(
            f"{_name(row_name(row, results))} on {_name(row.split)}: "
            + ", ".join(
                f"{percent(point.accuracy.value)} % for {number(round(point.tokens))} tokens"
                for point in row.stopping
            )
            for row in shown
        )
        + ".",
        svg=_svg(figure),
    )


def _places(results: Results) -> Picture | None:
    """Flip rate and first-slot rate of each method, splits beside each other."""
    flips = {id(row): row.agreement.flips for row in results.rows}
    first = {id(row): row.agreement.first_slot for row in results.rows}
    if not any([*flips.values(), *first.values()]):
        return None
    names, splits = _names(results), _splits(results)
    figure, panels = _panels(2, 0.42 * len(names) + 1.1, share_y=True)
    panels[1].axvspan(47.0, 53.0, color="#d0d7de", alpha=0.55, linewidth=0)
    panels[1].axvline(50.0, color="#8c959f", linewidth=1.2)
    for axes, estimates in zip(panels, (flips, first), strict=True):
        for row in results.rows:
            estimate = estimates[id(row)]
            if estimate is not None:
                number = splits.index(row.split)
                at = names.index(row_name(row, results)) + _nudge(number, len(splits))
                _dot(axes, estimate, at, _colour(number), _MARKERS[number % len(_MARKERS)])
        _name_rows(axes, names)
    panels[0].set_title("Flips", loc="left")
    panels[0].set_xlabel("pairs judged otherwise in the other order, %")
    panels[0].set_xlim(left=min(0.0, panels[0].get_xlim()[0]))
    panels[1].set_title("First slot", loc="left")
    panels[1].set_xlabel("readings that prefer the response shown first, %")
    panels[1].set_xlim(min(40.0, panels[1].get_xlim()[0]), max(60.0, panels[1].get_xlim()[1]))
    _legend(figure, _split_handles(splits))
    return Picture(
        name="places",
        title="Does the order matter?",
        caption="A judge that reads what the responses say flips on few pairs and prefers the "
        "first slot half the time; the grey band is 50 ± 3 %. Bars are 95 % intervals.",
        alt="Flip rate. "
        + _told(results, lambda row: row.agreement.flips)
        + " First-slot rate. "
        + _told(results, lambda row: row.agreement.first_slot),
        svg=_svg(figure),
    )


def _reliability(results: Results) -> Picture | None:
    """Accuracy against confidence, a panel for each method."""
    rows = [row for row in results.rows if row.calibration is not None]
    if not rows:
        return None
    splits = _splits(results)
    names = [name for name in _names(results) if name in {row_name(row, results) for row in rows}]
    figure, panels = _panels(len(names), 2.5, share_y=True, across=_RELIABILITY_ACROSS)
    for name, axes in zip(names, panels, strict=True):
        axes.plot([50.0, 100.0], [50.0, 100.0], color="#8c959f", linewidth=1.2)
        for row in rows:
            if row_name(row, results) == name and row.calibration is not None:
                number = splits.index(row.split)
                bins = row.calibration.bins
                largest = max(b.num_pairs for b in bins)
                axes.scatter(
                    [100.0 * b.confidence for b in bins],
                    [100.0 * b.accuracy for b in bins],
                    s=[5.0 + 115.0 * b.num_pairs / largest for b in bins],
                    alpha=0.85,
                    color=_colour(number),
                    marker=_MARKERS[number % len(_MARKERS)],
                    edgecolor="white",
                    linewidth=0.6,
                    zorder=3,
                )
        axes.set_title(_name(name), loc="left")
        axes.set_xlim(47.0, 103.0)
        axes.set_ylim(-4.0, 104.0)
        axes.set_xticks([50, 75, 100])
        axes.set_yticks([0, 25, 50, 75, 100])
        axes.set_xlabel("confidence, %")
    for axes in panels[::_RELIABILITY_ACROSS]:
        axes.set_ylabel("right, %")
    _legend(figure, _split_handles(splits))
    return Picture(
        name="reliability",
        title="Can its confidence be believed?",
        caption="Pairs are put together by how sure the judge was. On the diagonal it is right as "
        "often as it says; below it is too sure, above too modest. Larger marks hold more pairs.",
        alt="Expected calibration error. "
        + "; ".join(
            f"{_name(row_name(row, results))} on {_name(row.split)} "
            f"{percent(row.calibration.ece)} %"
            for row in rows
            if row.calibration is not None
        )
        + ".",
        svg=_svg(figure),
    )


def _cost(results: Results) -> Picture | None:
    """Seconds and tokens of each method, splits beside each other."""
    names, splits = _names(results), _splits(results)
    if not names:
        return None
    figure, panels = _panels(2, 0.46 * len(names) + 1.0, share_y=True)
    height = 0.8 / len(splits)
    for row in results.rows:
        split = splits.index(row.split)
        at = names.index(row_name(row, results)) + 0.8 * (split + 0.5) / len(splits) - 0.4
        rows_judged = row.agreement.num_pairs + row.agreement.num_tie_labels
        per_hundred = 100.0 * row.judging_seconds / rows_judged
        tokens = row.agreement.tokens_per_verdict
        for axes, value, label in (
            (panels[0], per_hundred, seconds(per_hundred)),
            (panels[1], tokens, number(tokens)),
        ):
            axes.barh(at, value or 0.0, height=0.86 * height, color=_colour(split))
            axes.annotate(
                label, (value or 0.0, at), (4, 0), textcoords="offset points", va="center"
            )
    for axes, title, label in (
        (panels[0], "Time", "seconds to judge 100 pairs, all votes"),
        (panels[1], "Tokens", "tokens written for each verdict"),
    ):
        axes.set_title(title, loc="left")
        axes.set_xlabel(label)
        axes.margins(x=0.16)
        axes.grid(visible=False, axis="y")
        _name_rows(axes, names)
    figure.legend(
        [Patch(color=_colour(i)) for i in range(len(splits))],
        [_name(split) for split in splits],
        loc="outside lower center",
        ncols=4,
    )
    return Picture(
        name="cost",
        title="What a verdict costs",
        caption="Time is wall-clock on the machine named below; both orders and every vote are in "
        "it. Tokens are those written; a judge that only scores writes none.",
        alt="Seconds to judge the split and tokens for each verdict. "
        + "; ".join(
            f"{_name(row_name(row, results))} on {_name(row.split)} "
            f"{seconds(row.judging_seconds)} s, {number(row.agreement.tokens_per_verdict)} tokens"
            for row in results.rows
        )
        + ".",
        svg=_svg(figure),
    )


def _names(results: Results) -> list[str]:
    """Names of the judges, once each, in the order of the results."""
    return list(dict.fromkeys(row_name(row, results) for row in results.rows))


def _splits(results: Results) -> list[str]:
    return list(dict.fromkeys(row.split for row in results.rows))


def _name(name: str) -> str:
    """A name as a figure shows it: safe, not too long, and never hidden from a legend."""
    shown = " ".join(visible(name).split())
    if len(shown) > _NAME_LENGTH:
        shown = shown[: _NAME_LENGTH - 1] + "…"
    return " " + shown if shown.startswith("_") else shown


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _nudge(number: int, of: int) -> float:
    """How far a mark stands off its row, so that `of` marks on one row stand apart."""
    return 0.0 if of == 1 else 0.44 * (number / (of - 1) - 0.5)


def _panels(
    count: int, height: float, *, share_y: bool, across: int = _PANELS_ACROSS
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, at most `across` in a row, each `height` inches high."""
    columns = min(count, across)
    lines = math.ceil(count / columns)
    layout = ConstrainedLayoutEngine(wspace=0.06, hspace=0.06)
    figure = Figure(figsize=(_WIDTH, lines * height + 0.5), layout=layout)
    grid = figure.subplots(lines, columns, sharey=share_y, squeeze=False)
    cells: list[Axes] = list(grid.ravel())
    for axes in cells[count:]:
        axes.set_axis_off()
    return figure, cells[:count]


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_name(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _dot(axes: Axes, estimate: Estimate, at: float, colour: str, marker: str) -> None:
    low, high = 100.0 * estimate.low, 100.0 * estimate.high
    axes.plot([low, high], [at, at], color=colour, linewidth=2.4, solid_capstyle="round")
    axes.plot(
        [100.0 * estimate.value],
        [at],
        marker=marker,
        markersize=8,
        color=colour,
        markeredgecolor="white",
        markeredgewidth=1.0,
    )


def _split_handles(splits: Sequence[str]) -> dict[str, Line2D]:
    return {
        _name(split): Line2D(
            [], [], color=_colour(i), marker=_MARKERS[i % len(_MARKERS)], markersize=8, linewidth=2
        )
        for i, split in enumerate(splits)
    }


def _legend(figure: Figure, lines: Mapping[str, Line2D], *, across: int = 4) -> None:
    figure.legend(
        list(lines.values()),
        list(lines),
        loc="outside lower center",
        ncols=min(across, len(lines)),
        handlelength=2.6,
    )


def _told(results: Results, figure: Callable[[JudgedRow], Estimate | None]) -> str:
    """The figure of every judge and split, as text."""
    told = [
        f"{_name(row_name(row, results))} on {_name(row.split)} {percent(estimate.value)} % "
        f"({percent(estimate.low)} to {percent(estimate.high)})"
        for row in results.rows
        if (estimate := figure(row)) is not None
    ]
    return "; ".join(told) + "."


def _svg(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
