"""`report.html`: one file that shows everything, fetches nothing and runs one script, its own.

Model text on the page is hostile text: the template escapes every value, every string has its
control and direction characters written out, and the page forbids itself every load but the
pictures inside it, and every style and script but those whose hashes its policy names.
"""

import base64
import hashlib
import importlib.resources
import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from jurist.reports.card import judge_cards
from jurist.reports.explorer import Explored
from jurist.reports.results import ComparisonRow, Disagreement, Results
from jurist.reports.section import Section
from jurist.reports.sections import sections
from jurist.reports.table import COLUMNS, percent, row_name, shortcut_rows, summary_cells
from jurist.showing import visible

if TYPE_CHECKING:
    from jurist.reports.drawing import Picture

_COMMA = re.compile(r"(?<=\d), (?=[+-]?\d)")


def html(results: Results, explorer: Explored | None = None) -> str:
    """Write the results out as a page.

    The figures need Matplotlib, of the extra `report`. Without it the page says so, and how to get
    it, and has everything else. Without JavaScript the page has everything but the explorer.

    Args:
        results: What the page shows.
        explorer: Pairs to explore. None: the page has no explorer.
    """
    summary = _summary(results)
    style = _asset("style.css") + _track_rules(summary)
    script = _asset("explorer.js")
    return template("report.html").render(
        policy=policy(style=style, script=script),
        style=Markup(style),
        script=Markup(script),
        results=results,
        explorer=explorer,
        judges=list(dict.fromkeys(row.method for row in results.rows)),
        columns=COLUMNS,
        cards=_cards(results),
        judge_cards=judge_cards(results),
        summary=_grouped(summary),
        pictures=_pictures(results),
        sections=[_section(section, results) for section in sections(results)],
        cases=_grouped(
            (f"{case.method} on {case.split}", _case(case)) for case in results.disagreements
        ),
    )


def policy(*, style: str, script: str = "") -> str:
    """The page's Content-Security-Policy: nothing from elsewhere, nothing but what is meant to be.

    Args:
        style: All of the page's one style element.
        script: All of its one script element, if it has one.
    """
    hashes = {
        kind: f"'sha256-{base64.b64encode(hashlib.sha256(of.encode()).digest()).decode()}'"
        for kind, of in (("style", style), ("script", script))
        if of
    }
    parts = [f"{kind}-src {allowed}" for kind, allowed in hashes.items()]
    return "; ".join(
        ["default-src 'none'", *parts, "img-src data:", "base-uri 'none'", "form-action 'none'"]
    )


def page_style() -> str:
    """What every page's style element holds."""
    return _asset("style.css")


def _asset(name: str) -> str:
    return (importlib.resources.files("jurist.reports") / "templates" / name).read_text("utf-8")


def _track_rules(summary: Sequence[tuple[str, Mapping[str, object]]]) -> str:
    """Where each interval lies. In the style element: the policy allows no style in attributes."""
    return "".join(
        f"#{row['track']} {{ --low: {row['low']}%; --value: {row['value']}%; "
        f"--high: {row['high']}%; }}\n"
        for _, row in summary
    )


def template(name: str) -> jinja2.Template:
    """A page of this package, in which every value is escaped and shows what it holds."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jurist", "reports/templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    return environment.get_template(name)


def _shown(value: object) -> object:
    """What the template puts in the place of a value: strings made visible, then escaped."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _grouped(
    rows: Iterable[tuple[str, Mapping[str, object]]],
) -> list[tuple[str, list[Mapping[str, object]]]]:
    """Neighbours of one name together, in the order given."""
    groups: list[tuple[str, list[Mapping[str, object]]]] = []
    for name, row in rows:
        if not groups or groups[-1][0] != name:
            groups.append((name, []))
        groups[-1][1].append(row)
    return groups


def _cards(results: Results) -> list[Mapping[str, str]]:
    """For each split its most accurate judge and its best shortcut."""
    cards: list[Mapping[str, str]] = []
    for split in dict.fromkeys(row.split for row in results.rows):
        best = max(
            (row for row in results.rows if row.split == split),
            key=lambda row: row.agreement.accuracy.value,
        )
        rules = [row.shortcut for row in results.shortcuts if row.split == split]
        rule = max(rules, key=lambda shortcut: shortcut.accuracy.value, default=None)
        accuracy = best.agreement.accuracy
        cards.append(
            {
                "split": split,
                "method": row_name(best, results),
                "value": percent(accuracy.value),
                "low": percent(accuracy.low),
                "high": percent(accuracy.high),
                "shortcut": f"{rule.name}, {percent(rule.accuracy.value)} %" if rule else "",
            }
        )
    return cards


def _summary(results: Results) -> list[tuple[str, Mapping[str, object]]]:
    estimates = [
        *(row.agreement.accuracy for row in results.rows),
        *(row.shortcut.accuracy for row in shortcut_rows(results)),
    ]
    return [
        (
            cells[0],
            {
                "cells": cells,
                "is_shortcut": number >= len(results.rows),
                "track": f"track-{number}",
                "low": percent(estimate.low),
                "value": percent(estimate.value),
                "high": percent(estimate.high),
            },
        )
        for number, (cells, estimate) in enumerate(
            zip(summary_cells(results), estimates, strict=True)
        )
    ]


def can_draw() -> bool:
    """Whether figures can be drawn here: they need Matplotlib, of the extra `report`."""
    return importlib.util.find_spec("matplotlib") is not None


def _pictures(results: Results) -> list[Mapping[str, str]] | None:
    """The figures as data for the page, or None if they cannot be drawn."""
    if not can_draw():
        return None
    from jurist.reports.figures import pictures

    return shown_pictures(pictures(results))


def shown_pictures(pictures: Iterable["Picture"]) -> list[Mapping[str, str]]:
    """Figures as data for a page."""
    return [
        {
            "name": picture.name,
            "title": picture.title,
            "caption": picture.caption,
            "alt": picture.alt,
            "data": base64.b64encode(picture.svg).decode("ascii"),
        }
        for picture in pictures
    ]


def _section(section: Section, results: Results) -> Mapping[str, object]:
    compares = section.title == "Paired comparisons"
    marks = [_mark(row) for row in results.comparisons] if compares else []
    return shown_section(section, marks, mark_at=3)


def shown_section(section: Section, marks: Sequence[str], *, mark_at: int) -> Mapping[str, object]:
    """A table as a page shows it.

    Args:
        section: The table.
        marks: For each row the class of one cell, which may be empty; or none at all.
        mark_at: Which cell.
    """
    return {
        "anchor": re.sub(r"\W+", "-", section.title.lower()),
        "title": section.title,
        "text": section.text,
        "headings": section.headings,
        # An interval breaks before its bracket, if a line must break, and never inside.
        "cells": [
            [_COMMA.sub(",\N{NO-BREAK SPACE}", cell) for cell in row] for row in section.cells
        ],
        "marks": marks,
        "mark_at": mark_at,
    }


def _mark(row: ComparisonRow) -> str:
    if not row.paired.difference.excludes(0.0):
        return ""
    return "win" if row.paired.difference.value > 0.0 else "loss"


def _case(case: Disagreement) -> Mapping[str, object]:
    given = ""
    if case.probability is not None:
        given = f", {percent(case.probability)} % for the response labelled better"
    place = "A" if case.trace_chosen_first else "B"
    return {
        "id": case.id,
        "category": case.category,
        "verdict": f"{case.votes_wrong} votes against the label, {case.votes_right} for it{given}.",
        "prompt": case.prompt,
        "chosen": case.chosen,
        "rejected": case.rejected,
        "trace": case.trace,
        "trace_label": f"one reading that disagreed, with the better response as {place}",
    }
