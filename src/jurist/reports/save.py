"""The two files of a report that people read, into one directory."""

from pathlib import Path

from jurist.reports.explorer import Explored
from jurist.reports.html import html
from jurist.reports.markdown import markdown
from jurist.reports.results import Results
from jurist.storage import write_text


def save_report(directory: Path, results: Results, explorer: Explored | None = None) -> None:
    """Write `report.md` and `report.html`.

    Each file appears whole or not at all, and the same results give the same bytes.

    Args:
        directory: Where to.
        results: What the files show.
        explorer: Pairs to explore, on the page.

    Raises:
        StoreError: If a file cannot be written.
    """
    write_text(directory / "report.md", markdown(results))
    write_text(directory / "report.html", html(results, explorer))
