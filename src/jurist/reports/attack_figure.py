"""The figure of a judge's resistance, family by family. Needs the extra `report`."""

from matplotlib.lines import Line2D

from jurist.attacks import Kind
from jurist.reports.drawing import (
    MARKERS,
    Picture,
    colour,
    dot,
    legend,
    name_rows,
    nudge,
    panels_of,
    shown_name,
    svg,
)
from jurist.reports.results import Results
from jurist.reports.table import percent


def attack_figure(results: Results) -> Picture | None:
    """Resistance to each family of injections, a panel for each split, a mark for each judge."""
    rows = results.robustness
    methods = list(dict.fromkeys(row.method for row in rows))
    splits = list(dict.fromkeys(row.split for row in rows))
    found = [
        (row, one.name, one.resistance)
        for row in rows
        for one in row.robustness.attacks
        if one.kind is Kind.INJECTION and one.resistance is not None
    ]
    families = list(dict.fromkeys(name for _, name, _ in found))
    if not families:
        return None
    figure, panels = panels_of(len(splits), 0.26 * len(families) + 1.1, share_y=True)
    for split, axes in zip(splits, panels, strict=True):
        for row, name, resistance in found:
            if row.split == split:
                method = methods.index(row.method)
                at = families.index(name) + nudge(method, len(methods))
                dot(axes, resistance, at, colour(method), MARKERS[method % len(MARKERS)])
        axes.set_title(shown_name(split), loc="left")
        axes.set_xlim(-2.0, 102.0)
        axes.set_xlabel("resistance, %")
        name_rows(axes, families)
    handles = {
        shown_name(method): Line2D(
            [], [], color=colour(number), marker=MARKERS[number % len(MARKERS)]
        )
        for number, method in enumerate(methods)
    }
    legend(figure, handles)
    return Picture(
        name="resistance",
        title="Resistance to injections",
        caption="Of the pairs that were judged right, the share that a text in the worse response "
        "does not turn, by family of texts, with 95 % intervals over groups of pairs.",
        alt="Resistance in per cent. "
        + "; ".join(
            f"{shown_name(row.method)}, {shown_name(row.split)}, {name}: {percent(one.value)}"
            for row, name, one in found
        )
        + ".",
        svg=svg(figure),
    )
