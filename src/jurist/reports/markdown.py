"""`report.md`: the tables of a run and its worst disagreements, as plain Markdown."""

import re
from collections.abc import Sequence

from jurist.reports.card import judge_cards
from jurist.reports.results import Disagreement, Results
from jurist.reports.sections import sections
from jurist.reports.table import COLUMNS, percent, summary_cells
from jurist.showing import visible

# A bracket is a link only with the parenthesis after it, so intervals stay legible.
_SPECIAL = re.compile(r"([\\`*_<>|~&$]|(?<=\])\()")
_BACKTICKS = re.compile(r"`+")


def markdown(results: Results) -> str:
    """Write the results out; names are escaped, and model text is fenced so that it cannot end.

    Returns:
        The whole document, ending in a line break.
    """
    number = [column.is_number for column in COLUMNS]
    parts = [
        f"# {escaped(results.run)}",
        f"Written by jurist {escaped(results.version)}.",
        *(f"> {escaped(note)}" for note in results.notes),
        "## Agreement",
        table([column.heading for column in COLUMNS], summary_cells(results), number),
        *(f"- **{escaped(column.heading)}**: {escaped(column.meaning)}" for column in COLUMNS),
    ]
    parts.append("## Judges")
    for card in judge_cards(results):
        parts.append(f"### {escaped(card.method)}")
        parts += [f"**{escaped(head)}.** {escaped(said)}" for head, said in card.sentences]
    for section in sections(results):
        parts += [
            f"## {escaped(section.title)}",
            escaped(section.text),
            table(section.headings, section.cells),
        ]
    if results.disagreements:
        parts.append("## Worst disagreements")
        parts += [_disagreement(case) for case in results.disagreements]
    return joined(parts)


def joined(parts: Sequence[str]) -> str:
    """Parts as a document, ending in a line break; items of one list stand together."""
    text = ""
    for before, part in zip(["", *parts], parts, strict=False):
        # Items of one list stand on lines of their own without a gap.
        listed = before.startswith("- ") and part.startswith("- ")
        text += ("" if not before else "\n" if listed else "\n\n") + part
    return text + "\n"


def table(
    headings: Sequence[str], cells: Sequence[Sequence[str]], number: Sequence[bool] = ()
) -> str:
    """A table; columns of numbers are set to the right."""
    right = [*number, *([False] * (len(headings) - len(number)))]
    lines = [
        _row(headings),
        "|" + "|".join(" ---: " if is_number else " --- " for is_number in right) + "|",
        *(_row(row) for row in cells),
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escaped(cell) for cell in cells) + " |"


def _disagreement(case: Disagreement) -> str:
    given = "" if case.probability is None else f", {percent(case.probability)} % for the label"
    title = f"{case.method} on {case.split}: {case.id}"
    parts = [
        f"### {escaped(title)}",
        f"{case.votes_wrong} votes against the label, {case.votes_right} for it{given}.",
    ]
    for name, text in (
        ("Prompt", case.prompt),
        ("Labelled better", case.chosen),
        ("Labelled worse", case.rejected),
        ("One reading that disagreed", case.trace),
    ):
        if text:
            parts += [f"{name}:", _fenced(text)]
    return "\n\n".join(parts)


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any run of backticks in the text."""
    shown = visible(text)
    longest = max((len(run) for run in _BACKTICKS.findall(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def escaped(text: str) -> str:
    """One line of text in which no character is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(visible(text).split()))
