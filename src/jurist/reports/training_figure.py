"""The figure of the losses that a judge was trained through. Needs the extra `report`."""

from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from jurist.reports.drawing import MARKERS, Picture, colour, legend, panels_of, shown_name, svg
from jurist.reports.results import Results


def training_figure(results: Results) -> Picture | None:
    """Loss against step, a panel for each judge, a line for each round."""
    curves = results.training
    if not curves:
        return None
    methods = list(dict.fromkeys(curve.method for curve in curves))
    names = list(dict.fromkeys(curve.name for curve in curves))
    figure, panels = panels_of(len(methods), 2.9, share_y=False)
    lines: dict[str, Line2D] = {}
    for method, axes in zip(methods, panels, strict=True):
        for curve in curves:
            if curve.method != method:
                continue
            at = names.index(curve.name)
            (lines[shown_name(curve.name)],) = axes.plot(
                [point.step for point in curve.points],
                [point.loss for point in curve.points],
                color=colour(at),
                marker=MARKERS[at % len(MARKERS)] if len(curve.points) == 1 else None,
                linewidth=1.5,
            )
        axes.set_title(shown_name(method), loc="left")
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    legend(figure, lines)
    return Picture(
        name="training",
        title="How training went",
        caption="Loss on the rows of each step; of a long training each point is the mean of "
        "neighbouring steps. Losses of different methods are not of one scale. Agreement on pairs "
        "put aside is not measured in training: the table of agreement is of the finished judge.",
        alt="Loss by step, first and last. "
        + "; ".join(
            f"{shown_name(curve.method)}, {shown_name(curve.name)}: "
            f"{curve.points[0].loss:.3g} at step {curve.points[0].step}, "
            f"{curve.points[-1].loss:.3g} at step {curve.points[-1].step}"
            for curve in curves
        )
        + ".",
        svg=svg(figure),
    )
