"""What all figures share: style, panels, marks and names. Needs the extra `report`.

Series are told apart by colour and marker both, in colours that colour-blind people can tell apart
(Okabe and Ito 2008). Text is drawn as outlines, so a figure looks alike on every machine.
"""

import io
import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from jurist.evaluation import Estimate
from jurist.showing import visible

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#AA4499",
    "#56B4E9",
    "#E69F00",
    "#000000",
    "#882255",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_INK, _GRID = "#1f2328", "#e4e8ec"
FAINT = "#57606a"
"""Of what stands back: ticks, and lines that are not judges."""

_NAME_LENGTH = 26
PANELS_ACROSS = 3
"""Panels in a row, at most."""

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
    "xtick.color": FAINT,
    "ytick.color": FAINT,
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


@contextmanager
def styled() -> Generator[None]:
    """Draw in one style, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # pyright: ignore[reportArgumentType, reportCallIssue]
        yield


def shown_name(name: str) -> str:
    """A name as a figure shows it: safe, not too long, and never hidden from a legend."""
    shown = " ".join(visible(name).split())
    if len(shown) > _NAME_LENGTH:
        shown = shown[: _NAME_LENGTH - 1] + "…"
    return " " + shown if shown.startswith("_") else shown


def colour(number: int) -> str:
    """The colour of the series of a number, counted from 0."""
    return COLOURS[number % len(COLOURS)]


def nudge(number: int, of: int) -> float:
    """How far a mark stands off its row, so that `of` marks on one row stand apart."""
    return 0.0 if of == 1 else 0.44 * (number / (of - 1) - 0.5)


def panels_of(
    count: int, height: float, *, share_y: bool, across: int = PANELS_ACROSS
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


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Write names beside the rows of a panel, the first on top."""
    axes.set_yticks(range(len(names)), [shown_name(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def dot(axes: Axes, estimate: Estimate, at: float, colour: str, marker: str) -> None:
    """A value and its interval, in per cent, on the row `at`."""
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


def legend(figure: Figure, lines: Mapping[str, Line2D], *, across: int = 4) -> None:
    """One legend under all panels."""
    figure.legend(
        list(lines.values()),
        list(lines),
        loc="outside lower center",
        ncols=min(across, len(lines)),
        handlelength=2.6,
    )


def svg(figure: Figure) -> bytes:
    """The figure as SVG; the same figure gives the same bytes."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
