"""The figures of a replication, laid out as the paper's are. Needs the extra `report`."""

import math

from matplotlib.lines import Line2D

from jurist.reports.drawing import (
    COLOURS,
    MARKERS,
    Picture,
    colour,
    dot,
    legend,
    name_rows,
    panels_of,
    shown_name,
    styled,
    svg,
)
from jurist.reports.paper import PaperResults
from jurist.reports.published import FIGURE_2
from jurist.reports.table import percent, with_interval


def paper_pictures(results: PaperResults) -> list[Picture]:
    """Draw every figure there are numbers for. The same results give the same bytes."""
    with styled():
        drawn = (_two_axes(results), _votes(results), _rounds(results))
    return [picture for picture in drawn if picture is not None]


def _two_axes(results: PaperResults) -> Picture:
    """Accuracy by method, a panel for each split; the paper's own beside them, hollow."""
    methods, splits = results.methods(), results.splits()
    lowest = [row.agreement.accuracy.low for row in results.rows]
    lowest += [row.shortcut.accuracy.value for row in results.shortcuts] + [0.5]
    left = max(0.0, math.floor(min(lowest) * 20.0) / 20.0 - 0.02)
    figure, panels = panels_of(len(splits), 0.42 * len(methods) + 1.1, share_y=True)
    lines: dict[str, Line2D] = {}
    for split, axes in zip(splits, panels, strict=True):
        lines["chance"] = axes.axvline(50.0, color="#8c959f", linewidth=1.2)
        rules = [row.shortcut for row in results.shortcuts if row.split == split]
        for number, rule in enumerate(rules):
            lines[shown_name(rule.name)] = axes.axvline(
                100.0 * rule.accuracy.value,
                color=colour(1 + number),
                linestyle=("--", ":", "-.")[number % 3],
                linewidth=1.6,
            )
        for at, method in enumerate(methods):
            agreement = results.row(method, split).agreement
            dot(axes, agreement.accuracy, at, COLOURS[0], MARKERS[0])
            (lines["each seed"],) = axes.plot(
                [100.0 * value for value in agreement.by_seed],
                [at] * len(agreement.by_seed),
                linestyle="",
                marker="|",
                markersize=9,
                color="#1f2328",
            )
            published = FIGURE_2.get(method)
            if published is not None:
                (lines["the paper, its own data"],) = axes.plot(
                    [getattr(published, results.sides[split])],
                    [at - 0.28],
                    linestyle="",
                    marker="D",
                    markersize=5,
                    markerfacecolor="white",
                    markeredgecolor=colour(3),
                )
            axes.text(
                1.02,
                at,
                percent(agreement.accuracy.value),
                transform=axes.get_yaxis_transform(),
                va="center",
                fontweight="bold",
            )
        axes.set_title(shown_name(split), loc="left")
        axes.set_xlim(100.0 * left, 101.0)
        axes.set_xlabel("accuracy, %")
        name_rows(axes, methods)
    legend(figure, lines)
    return Picture(
        name="two-axes",
        title="In distribution and shifted (after Fig. 2)",
        caption="Dots are the accuracy of all votes, mean of the seeds, bars their 95 % interval "
        "over seeds and groups of pairs. Hollow diamonds are the paper's own numbers for another "
        "model and other data (Llama-3.1-8B-Instruct; held-out UltraFeedback, and RewardBench for "
        "the shifted sets), read off its figure; they have no interval.",
        alt="Accuracy and 95 % interval. "
        + "; ".join(
            f"{row.method} on {row.split} {with_interval(row.agreement.accuracy)} %"
            for row in results.rows
        )
        + ".",
        svg=svg(figure),
    )


def _votes(results: PaperResults) -> Picture | None:
    """Accuracy against the number of votes, a panel for each split."""
    methods = [
        method
        for method in results.methods()
        if any(len(row.agreement.curve) > 2 for row in results.rows if row.method == method)
    ]
    if not methods:
        return None
    splits = results.splits()
    figure, panels = panels_of(len(splits), 3.6, share_y=True)
    most = max(
        point.votes
        for row in results.rows
        if row.method in methods
        for point in row.agreement.curve
    )
    ticks = [2**i for i in range(most.bit_length()) if 2**i <= most]
    lines: dict[str, Line2D] = {}
    for split, axes in zip(splits, panels, strict=True):
        axes.axhline(50.0, color="#8c959f", linewidth=1.2)
        for number, method in enumerate(methods):
            curve = results.row(method, split).agreement.curve
            (lines[shown_name(method)],) = axes.plot(
                [point.votes for point in curve],
                [100.0 * point.accuracy.value for point in curve],
                color=colour(number),
                marker=MARKERS[number % len(MARKERS)],
                markersize=6,
                linewidth=1.8,
                markeredgecolor="white",
                markeredgewidth=0.6,
            )
            axes.fill_between(
                [point.votes for point in curve],
                [100.0 * point.accuracy.low for point in curve],
                [100.0 * point.accuracy.high for point in curve],
                color=colour(number),
                alpha=0.10,
                linewidth=0,
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_title(shown_name(split), loc="left")
        axes.set_xlabel("votes, both orders together")
    panels[0].set_ylabel("accuracy, %")
    legend(figure, lines)
    return Picture(
        name="votes",
        title="What votes buy (after Fig. 5)",
        caption="One vote is any single reading; more are taken half from each order. Bands are "
        "95 % intervals over seeds and groups.",
        alt="Accuracy by number of votes. "
        + "; ".join(
            f"{method} on {split}: "
            + ", ".join(
                f"{point.votes}: {percent(point.accuracy.value)} %"
                for point in results.row(method, split).agreement.curve
            )
            for method in methods
            for split in splits
        )
        + ".",
        svg=svg(figure),
    )


def _rounds(results: PaperResults) -> Picture | None:
    """Accuracy after each round, a panel for each split."""
    methods = list(dict.fromkeys(row.method for row in results.rounds))
    if not methods:
        return None
    splits = results.splits()
    figure, panels = panels_of(len(splits), 3.4, share_y=True)
    lines: dict[str, Line2D] = {}
    told: list[str] = []
    for split, axes in zip(splits, panels, strict=True):
        for number, method in enumerate(methods):
            early = [
                row.agreement
                for row in results.rounds
                if (row.method, row.split) == (method, split)
            ]
            after = [*early, results.row(method, split).agreement]
            values = [100.0 * one.accuracy.value for one in after]
            (lines[shown_name(method)],) = axes.plot(
                range(1, len(after) + 1),
                values,
                color=colour(number),
                marker=MARKERS[number % len(MARKERS)],
                markersize=6,
                linewidth=1.8,
                markeredgecolor="white",
                markeredgewidth=0.6,
            )
            told.append(f"{method} on {split}: " + ", ".join(f"{value:.1f}" for value in values))
            axes.set_xticks(range(1, len(after) + 1))
        axes.set_title(shown_name(split), loc="left")
        axes.set_xlabel("after round")
    panels[0].set_ylabel("accuracy, %")
    legend(figure, lines)
    return Picture(
        name="rounds",
        title="Round by round (after Tables 1 and 3)",
        caption="Accuracy of all votes after each round of sampling and training, mean of the "
        "seeds. The tables below have the intervals.",
        alt="Accuracy after each round. " + "; ".join(told) + ".",
        svg=svg(figure),
    )
