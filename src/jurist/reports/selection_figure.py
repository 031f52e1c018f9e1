"""The figure of best of n, drawn with Matplotlib; needs the extra `report`."""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from jurist.reports.drawing import (
    FAINT,
    MARKERS,
    Picture,
    colour,
    legend,
    panels_of,
    shown_name,
    svg,
)
from jurist.reports.results import Results, RuleKind, SelectionRow
from jurist.reports.table import percent


def selection_figure(results: Results) -> Picture | None:
    """Accuracy of what is chosen against the number of candidates, a panel for each set."""
    if not results.selection:
        return None
    splits = list(dict.fromkeys(row.split for row in results.selection))
    figure, panels = panels_of(len(splits), 4.0, share_y=False)
    lines: dict[str, Line2D] = {}
    for split, axes in zip(splits, panels, strict=True):
        rows = [row for row in results.selection if row.split == split]
        judged = [row for row in rows if row.kind is RuleKind.JUDGE]
        others = [row for row in rows if row.kind is not RuleKind.JUDGE]
        for at, row in enumerate(judged):
            lines[shown_name(_rule_name(row))] = _selection_line(
                axes, row, color=colour(at), marker=MARKERS[at % len(MARKERS)], zorder=3
            )
        for at, row in enumerate(others):
            style = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))[at % 4]
            lines[shown_name(_rule_name(row))] = _selection_line(
                axes, row, color=FAINT, linestyle=style
            )
        if judged:
            # Of one rule only: those of one judge lie upon each other, and the table has them all.
            _band(axes, judged[0], colour(0))
        most = max(point.n for row in rows for point in row.points)
        if most > 8:
            axes.set_xscale("log", base=2)
        every = [2**k for k in range(most.bit_length())] if most > 8 else range(1, most + 1)
        axes.set_xticks([*every], [str(n) for n in every])
        axes.minorticks_off()
        axes.set_title(shown_name(split), loc="left")
        axes.set_xlabel("candidates to choose from, n")
    panels[0].set_ylabel("right, %")
    legend(figure, lines, across=3)
    return Picture(
        name="selection",
        title="Best of n",
        caption="How often the chosen one of n candidates is right. The oracle takes a right one "
        "if there is one; a judge that adds nothing stays with random; one whose band reaches the "
        "line of the longest has not shown that it reads. The band is the 95 % interval of the "
        "first rule, over groups; the table has those of all.",
        alt="Share of prompts whose chosen candidate is right, by number of candidates. "
        + "; ".join(
            f"{shown_name(_rule_name(row))} on {shown_name(row.split)}: "
            + ", ".join(f"{point.n}: {percent(point.accuracy.value)} %" for point in row.points)
            for row in results.selection
        )
        + ".",
        svg=svg(figure),
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


def _band(axes: Axes, row: SelectionRow, shade: str) -> None:
    """The interval of a rule; a single one as a bar."""
    sizes = [point.n for point in row.points]
    lows = [100.0 * point.accuracy.low for point in row.points]
    highs = [100.0 * point.accuracy.high for point in row.points]
    if len(sizes) == 1:
        axes.vlines(sizes, lows, highs, color=shade, linewidth=2.0)
    axes.fill_between(sizes, lows, highs, color=shade, alpha=0.14, linewidth=0)


def _rule_name(row: SelectionRow) -> str:
    return f"{row.method}, {row.rule}" if row.rule else row.method
