"""The figures of a report, drawn with Matplotlib as SVG.

Needs the extra `report`; import it only where a figure is wanted.
"""

import math
from collections.abc import Callable, Sequence

from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import StrMethodFormatter

from jurist.evaluation import Estimate
from jurist.reports.attack_figure import attack_figure
from jurist.reports.drawing import (
    COLOURS,
    MARKERS,
    Picture,
    colour,
    dot,
    legend,
    name_rows,
    nudge,
    panels_of,
    shown_name,
    styled,
    svg,
)
from jurist.reports.results import JudgedRow, Results
from jurist.reports.selection_figure import selection_figure
from jurist.reports.table import number, percent, row_name, seconds
from jurist.reports.training_figure import training_figure

_RELIABILITY_ACROSS = 4


def pictures(results: Results) -> list[Picture]:
    """Draw every figure that the results have numbers for. The same results give the same bytes."""
    drawn: list[Picture] = []
    with styled():
        for draw in (
            *(selection_figure, _accuracy, _votes, _tokens, _places, _reliability, _cost),
            attack_figure,
            training_figure,
        ):
            picture = draw(results)
            if picture is not None:
                drawn.append(picture)
    return drawn


def _accuracy(results: Results) -> Picture | None:
    """Accuracy with intervals, a panel for each split, shortcuts and chance as lines."""
    names, splits = _names(results), _splits(results)
    if not names:
        return None
    lows = [row.agreement.accuracy.low for row in results.rows]
    lows += [row.shortcut.accuracy.value for row in results.shortcuts] + [0.5]
    left = max(0.0, math.floor(min(lows) * 20.0) / 20.0 - 0.02)
    figure, panels = panels_of(len(splits), 0.36 * len(names) + 1.1, share_y=True)
    rules = list(dict.fromkeys(row.shortcut.name for row in results.shortcuts))
    lines: dict[str, Line2D] = {}
    for split, axes in zip(splits, panels, strict=True):
        lines["chance"] = axes.axvline(50.0, color="#8c959f", linewidth=1.2)
        for row in results.shortcuts:
            if row.split == split:
                rule = rules.index(row.shortcut.name)
                lines[shown_name(row.shortcut.name)] = axes.axvline(
                    100.0 * row.shortcut.accuracy.value,
                    color=colour(1 + rule),
                    linestyle=("--", ":", "-.")[rule % 3],
                    linewidth=1.6,
                )
        for row in results.rows:
            if row.split == split:
                estimate = row.agreement.accuracy
                at = names.index(row_name(row, results))
                dot(axes, estimate, at, COLOURS[0], MARKERS[0])
                axes.text(
                    1.02,
                    at,
                    percent(estimate.value),
                    transform=axes.get_yaxis_transform(),
                    va="center",
                    fontweight="bold",
                )
        axes.set_title(shown_name(split), loc="left")
        axes.set_xlim(100.0 * left, 101.0)
        axes.set_xlabel("accuracy, %")
        name_rows(axes, names)
    legend(figure, lines)
    return Picture(
        name="accuracy",
        title="Agreement with the labels",
        caption="Dots are the accuracy of the ballots, bars their 95 % intervals over groups of "
        "pairs. Dashed lines are what rules that never read the prompt score on the same pairs; a "
        "judge whose interval reaches such a line has not shown that it reads more than looks.",
        alt="Accuracy and 95 % interval. " + _told(results, lambda row: row.agreement.accuracy),
        svg=svg(figure),
    )


def _votes(results: Results) -> Picture | None:
    """Accuracy against the number of votes, a panel for each split."""
    if not any(len(row.curve) > 1 for row in results.rows):
        return None
    names, splits = _names(results), _splits(results)
    figure, panels = panels_of(len(splits), 3.4, share_y=True)
    lines: dict[str, Line2D] = {}
    most = max(point.votes for row in results.rows for point in row.curve)
    ticks = [2**i for i in range(most.bit_length())]
    for split, axes in zip(splits, panels, strict=True):
        axes.axhline(50.0, color="#8c959f", linewidth=1.2)
        for row in results.rows:
            if row.split == split:
                at = names.index(row_name(row, results))
                (lines[shown_name(names[at])],) = axes.plot(
                    [point.votes for point in row.curve],
                    [100.0 * point.accuracy.value for point in row.curve],
                    color=COLOURS[at % len(COLOURS)],
                    marker=MARKERS[at % len(MARKERS)],
                    markersize=6,
                    linewidth=1.8,
                    markeredgecolor="white",
                    markeredgewidth=0.6,
                )
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlim(0.85, 1.18 * most)
        axes.set_title(shown_name(split), loc="left")
        axes.set_xlabel("votes, both orders together")
    panels[0].set_ylabel("accuracy, %")
    legend(figure, lines)
    return Picture(
        name="votes",
        title="What more votes buy",
        caption="One vote is any single reading; more are taken half from each order, in disjoint "
        "blocks. A judge that is right more often than not gains from votes; one that is wrong on "
        "a kind of pair grows surer of it.",
        alt="Accuracy by number of votes. "
        + "; ".join(
            f"{shown_name(row_name(row, results))} on {shown_name(row.split)}: "
            + ", ".join(f"{point.votes}: {percent(point.accuracy.value)} %" for point in row.curve)
            for row in results.rows
        ),
        svg=svg(figure),
    )


def _tokens(results: Results) -> Picture | None:
    """Accuracy against tokens, of fixed numbers of votes and of stopping early."""
    shown = [row for row in results.rows if any(point.tokens for point in row.curve)]
    if not any(row.stopping or len(row.curve) > 1 for row in shown):
        return None
    names = [name for name in _names(results) if name in {row_name(row, results) for row in shown}]
    splits = [split for split in _splits(results) if split in {row.split for row in shown}]
    figure, panels = panels_of(len(splits), 3.6, share_y=True)
    lines: dict[str, Line2D] = {}
    for split, axes in zip(splits, panels, strict=True):
        for row in shown:
            if row.split != split:
                continue
            at = names.index(row_name(row, results))
            fixed = [(point.tokens, point.accuracy.value) for point in row.curve]
            stopped = [(point.tokens, point.accuracy.value) for point in row.stopping]
            for way, points in (("fixed", fixed), ("stopped early", stopped)):
                if not points:
                    continue
                early = way == "stopped early"
                (lines[f"{shown_name(names[at])}, {way}"],) = axes.plot(
                    [tokens for tokens, _ in points],
                    [100.0 * accuracy for _, accuracy in points],
                    color=colour(at),
                    marker=MARKERS[at % len(MARKERS)],
                    markersize=7 if early else 5,
                    linestyle="-" if early else (0, (1.5, 1.5)),
                    linewidth=1.8 if early else 1.4,
                    markerfacecolor=colour(at) if early else "white",
                    markeredgecolor="white" if early else colour(at),
                    markeredgewidth=0.6 if early else 1.1,
                )
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.minorticks_off()
        axes.set_title(shown_name(split), loc="left")
        axes.set_xlabel("tokens written for a pair")
    panels[0].set_ylabel("accuracy, %")
    legend(figure, lines, across=2)
    return Picture(
        name="tokens",
        title="What votes cost, fixed and stopped early",
        caption="Dotted: 1, 2, 4 ... votes on every pair. Solid: as many as each pair takes, from "
        "the strictest setting on the right, whose verdicts no vote could change, to the loosest "
        "on the left; replayed on the same votes. The table of early stopping has the numbers.",
        alt="Accuracy and tokens of early-stopped voting. "
        + "; ".join(
            f"{shown_name(row_name(row, results))} on {shown_name(row.split)}: "
            + ", ".join(
                f"{percent(point.accuracy.value)} % for {number(round(point.tokens))} tokens"
                for point in row.stopping or row.curve
            )
            for row in shown
        )
        + ".",
        svg=svg(figure),
    )


def _places(results: Results) -> Picture | None:
    """Flip rate and first-slot rate of each method, splits beside each other."""
    flips = {id(row): row.agreement.flips for row in results.rows}
    first = {id(row): row.agreement.first_slot for row in results.rows}
    if not any([*flips.values(), *first.values()]):
        return None
    names, splits = _names(results), _splits(results)
    figure, panels = panels_of(2, 0.42 * len(names) + 1.1, share_y=True)
    panels[1].axvspan(47.0, 53.0, color="#d0d7de", alpha=0.55, linewidth=0)
    panels[1].axvline(50.0, color="#8c959f", linewidth=1.2)
    for axes, estimates in zip(panels, (flips, first), strict=True):
        for row in results.rows:
            estimate = estimates[id(row)]
            if estimate is not None:
                number = splits.index(row.split)
                at = names.index(row_name(row, results)) + nudge(number, len(splits))
                dot(axes, estimate, at, colour(number), MARKERS[number % len(MARKERS)])
        name_rows(axes, names)
    panels[0].set_title("Flips", loc="left")
    panels[0].set_xlabel("pairs judged otherwise in the other order, %")
    panels[0].set_xlim(left=min(0.0, panels[0].get_xlim()[0]))
    panels[1].set_title("First slot", loc="left")
    panels[1].set_xlabel("readings that prefer the response shown first, %")
    panels[1].set_xlim(min(40.0, panels[1].get_xlim()[0]), max(60.0, panels[1].get_xlim()[1]))
    legend(figure, _split_handles(splits))
    return Picture(
        name="places",
        title="Does the order matter?",
        caption="A judge that reads what the responses say flips on few pairs and prefers the "
        "first slot half the time; the grey band is 50 ± 3 %. Bars are 95 % intervals.",
        alt="Flip rate. "
        + _told(results, lambda row: row.agreement.flips)
        + " First-slot rate. "
        + _told(results, lambda row: row.agreement.first_slot),
        svg=svg(figure),
    )


def _reliability(results: Results) -> Picture | None:
    """Accuracy against confidence, a panel for each method."""
    rows = [row for row in results.rows if row.calibration is not None]
    if not rows:
        return None
    splits = _splits(results)
    names = [name for name in _names(results) if name in {row_name(row, results) for row in rows}]
    figure, panels = panels_of(len(names), 2.5, share_y=True, across=_RELIABILITY_ACROSS)
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
                    color=colour(number),
                    marker=MARKERS[number % len(MARKERS)],
                    edgecolor="white",
                    linewidth=0.6,
                    zorder=3,
                )
        axes.set_title(shown_name(name), loc="left")
        axes.set_xlim(47.0, 103.0)
        axes.set_ylim(-4.0, 104.0)
        axes.set_xticks([50, 75, 100])
        axes.set_yticks([0, 25, 50, 75, 100])
        axes.set_xlabel("confidence, %")
    for axes in panels[::_RELIABILITY_ACROSS]:
        axes.set_ylabel("right, %")
    legend(figure, _split_handles(splits))
    return Picture(
        name="reliability",
        title="Can its confidence be believed?",
        caption="Pairs are put together by how sure the judge was. On the diagonal it is right as "
        "often as it says; below it is too sure, above too modest. Larger marks hold more pairs.",
        alt="Expected calibration error. "
        + "; ".join(
            f"{shown_name(row_name(row, results))} on {shown_name(row.split)} "
            f"{percent(row.calibration.ece)} %"
            for row in rows
            if row.calibration is not None
        )
        + ".",
        svg=svg(figure),
    )


def _cost(results: Results) -> Picture | None:
    """Seconds and tokens of each method, splits beside each other."""
    names, splits = _names(results), _splits(results)
    if not names:
        return None
    figure, panels = panels_of(2, 0.46 * len(names) + 1.0, share_y=True)
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
            axes.barh(at, value or 0.0, height=0.86 * height, color=colour(split))
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
        name_rows(axes, names)
    figure.legend(
        [Patch(color=colour(i)) for i in range(len(splits))],
        [shown_name(split) for split in splits],
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
            f"{shown_name(row_name(row, results))} on {shown_name(row.split)} "
            f"{seconds(row.judging_seconds)} s, {number(row.agreement.tokens_per_verdict)} tokens"
            for row in results.rows
        )
        + ".",
        svg=svg(figure),
    )


def _names(results: Results) -> list[str]:
    """Names of the judges, once each, in the order of the results."""
    return list(dict.fromkeys(row_name(row, results) for row in results.rows))


def _splits(results: Results) -> list[str]:
    return list(dict.fromkeys(row.split for row in results.rows))


def _split_handles(splits: Sequence[str]) -> dict[str, Line2D]:
    return {
        shown_name(split): Line2D(
            [], [], color=colour(i), marker=MARKERS[i % len(MARKERS)], markersize=8, linewidth=2
        )
        for i, split in enumerate(splits)
    }


def _told(results: Results, figure: Callable[[JudgedRow], Estimate | None]) -> str:
    """The figure of every judge and split, as text."""
    told = [
        f"{shown_name(row_name(row, results))} on {shown_name(row.split)} "
        f"{percent(estimate.value)} % ({percent(estimate.low)} to {percent(estimate.high)})"
        for row in results.rows
        if (estimate := figure(row)) is not None
    ]
    return "; ".join(told) + "."
