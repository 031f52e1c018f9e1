"""Prompts without responses: a column `prompt`, text or a list of messages, as TRL has them.

A row may also have id, source, category and group, as a preference has, and `answer`; any other
column is left alone.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from jurist.data.cells import name_of, required
from jurist.data.columns import prompt_group
from jurist.data.layouts import Place, stem
from jurist.data.lines import Columns
from jurist.data.offences import Offences
from jurist.data.read import file_rows
from jurist.data.turns import prompt_of
from jurist.errors import DataError
from jurist.types import Conversation, parted_documents


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """What is to be replied to."""

    id: str
    """Unique within the file."""

    prompt: Conversation
    answer: str = ""
    """The right answer, if the file gives one. Nobody is shown it."""

    source: str = ""
    category: str = ""
    group: str = ""
    """What a resample must keep together. Never empty once read."""


def iterate_prompts(path: Path, *, skip_bad: Path | None = None) -> Generator[Prompt]:
    """Read a file of prompts one at a time: JSON Lines, a JSON array or Parquet.

    Args:
        path: The file.
        skip_bad: Where to set bad rows aside, as `read_preferences` does. If None, a bad row is an
            error. Either happens at the end: only a file read to its end is known to be good.

    Yields:
        The prompts in the order of the file.

    Raises:
        DataError: If the file is missing or damaged, holds no prompt, or a row is not one.
        StoreError: If the rejects cannot be written.
    """
    offences = Offences(skip_bad)
    places: dict[str, str] = {}
    if not path.is_file():
        raise DataError(f"{path}: expected a file of prompts, found none of that name")
    for row in file_rows(path):
        try:
            if row.columns is None:
                raise DataError(row.reason)
            one = _prompt(row.columns, Place(stem(path.name), row.number))
            if one.id in places:
                raise DataError(
                    f"expected each id once, found {one.id!r} in line {places[one.id]} too"
                )
        except DataError as error:
            offences.add(str(path), row, str(error))
            continue
        places[one.id] = row.where
        yield one
    offences.settle()
    if not places:
        raise DataError(f"{path}: expected prompts, found no row that is one")


def _prompt(columns: Columns, place: Place) -> Prompt:
    prompt = prompt_of(required(columns, "prompt"))
    if not prompt or prompt[-1].role != "user" or not prompt[-1].content.strip():
        raise DataError("expected the prompt to end in a user turn that says something")
    if any(turn.role == "document" for turn in parted_documents(prompt)[1]):
        raise DataError("expected documents before all turns of the prompt, found one after a turn")
    return Prompt(
        id=name_of(columns, "id") or place.name,
        prompt=prompt,
        answer=name_of(columns, "answer") or "",
        source=name_of(columns, "source") or place.stem,
        category=name_of(columns, "category") or "",
        group=name_of(columns, "group") or prompt_group(prompt),
    )
