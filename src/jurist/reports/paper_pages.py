"""The report of a replication: `report.md` and one self-contained `report.html`."""

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from jurist.reports.html import (
    can_draw,
    page_style,
    policy,
    shown_pictures,
    shown_section,
    template,
)
from jurist.reports.markdown import escaped, joined, table
from jurist.reports.paper import PaperResults
from jurist.reports.paper_tables import paper_sections
from jurist.storage import write_text

_MARKS: Mapping[str, str] = {"agrees": "win", "differs": "loss", "not decided": ""}


def save_paper_report(directory: Path, results: PaperResults) -> None:
    """Write `report.md` and `report.html`; the same results give the same bytes.

    Raises:
        StoreError: If a file cannot be written.
    """
    write_text(directory / "report.md", _markdown(results))
    write_text(directory / "report.html", _html(results))


def _html(results: PaperResults) -> str:
    pictures = None
    if can_draw():
        from jurist.reports.paper_figures import paper_pictures

        pictures = shown_pictures(paper_pictures(results))
    marks = [_MARKS[row.verdict] for row in results.claims]
    style = page_style()
    return template("paper.html").render(
        policy=policy(style=style),
        style=Markup(style),
        results=results,
        pictures=pictures,
        sections=[
            shown_section(
                section,
                marks if section.headings[-1] == "verdict" else [],
                mark_at=len(section.headings) - 1,
            )
            for section in paper_sections(results)
        ],
    )


def _markdown(results: PaperResults) -> str:
    parts = [
        f"# {escaped(results.run)}",
        f"Generative Reward Models (Mahan et al. 2024), scale {escaped(results.scale)}. "
        f"Written by jurist {escaped(results.version)}.",
        *(f"> {escaped(note)}" for note in results.notes),
        "## Agreement with the paper",
        *(escaped(paragraph) for paragraph in results.discussion),
    ]
    for section in paper_sections(results):
        parts += [
            f"## {escaped(section.title)}",
            escaped(section.text),
            table(section.headings, section.cells),
        ]
    return joined(parts)
