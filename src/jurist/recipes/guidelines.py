"""What a judge is to go by, from files: principles, rubrics, reference answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from jurist.data.lines import Columns, json_rows
from jurist.data.objects import read_object
from jurist.data.turns import prompt_of
from jurist.errors import ConfigError, DataError
from jurist.formats import Principle, Prometheus, Rubric
from jurist.types import Conversation

_PRINCIPLE = '{"text": "Be kind.", "opposite": "Be unkind."}'
_ASPECT = '{"aspect": "Is every number in it right?"}'
_RUBRIC = '{"criteria": "Is it kind?", "levels": ["no", "hardly", "fairly", "rather", "very"]}'
_REFERENCE = '{"prompt": "What is 2 + 2?", "reference": "4"}'


def read_principles(path: str) -> tuple[Principle, ...]:
    """The principles of a JSON Lines file, in its order.

    Args:
        path: A file with an object on each line: "text", "opposite", and "negated" if the opposite
            is asked for. Blank lines are passed over.

    Raises:
        ConfigError: If no file is named.
        DataError: If there is none, it holds no principle, or a line is something else.
    """
    if not path:
        raise ConfigError("--format principles needs --principles FILE, what the judge goes by")
    found: list[Principle] = []
    for where, row in _rows(path, _PRINCIPLE):
        values = _object(row, where, {"text": str, "opposite": str, "negated": bool}, _PRINCIPLE)
        try:
            found.append(Principle(**values))
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
    if not found:
        raise DataError(f"{path}: expected at least one principle, found none")
    return tuple(found)


def read_aspects(path: str) -> tuple[str, ...]:
    """The aspects of a JSON Lines file, in its order, each for a verifier of its own.

    Raises:
        DataError: If there is no such file, it holds no aspect or one twice, or a line is something
            else.
    """
    found: list[str] = []
    for where, row in _rows(path, _ASPECT):
        aspect = str(_object(row, where, {"aspect": str}, _ASPECT)["aspect"]).strip()
        if not aspect or aspect in found:
            raise DataError(f"{where}: expected an aspect of its own, found {aspect!r}")
        found.append(aspect)
    if not found:
        raise DataError(f"{path}: expected at least one aspect, found none")
    return tuple(found)


def read_prometheus(rubric: str, references: str, *, seed: int) -> Prometheus:
    """The format that scores by a rubric.

    Args:
        rubric: JSON file with "criteria" and five "levels".
        references: JSON Lines file with a "prompt", text or messages, and its "reference" on each
            line; empty: there are none.
        seed: The run's seed.

    Raises:
        ConfigError: If no rubric is named.
        DataError: If a file cannot be read, or holds something else; if a prompt comes twice.
    """
    if not rubric:
        raise ConfigError("--format prometheus needs --rubric FILE, what each score means")
    try:
        given = read_object(Path(rubric))
    except FileNotFoundError:
        raise DataError(f"{rubric}: expected a file with {_RUBRIC}, found no such file") from None
    values = _object(given, rubric, {"criteria": str, "levels": list}, _RUBRIC)
    levels = cast(list[object], values["levels"])
    if not all(isinstance(level, str) for level in levels):
        raise DataError(f"{rubric}: expected levels to be text, found {levels!r}")
    try:
        made = Rubric(criteria=values["criteria"], levels=cast(Any, tuple(levels)))
    except ValueError as error:
        raise DataError(f"{rubric}: {error}") from error
    known = read_references(references) if references else {}
    return Prometheus(rubric=made, references=known, seed=seed)


def read_references(path: str) -> dict[Conversation, str]:
    """Read JSON Lines of a "prompt", text or messages, and its "reference".

    Raises:
        DataError: If the file cannot be read, or holds something else; if a prompt comes twice.
    """
    known: dict[Conversation, str] = {}
    for where, given in _rows(path, _REFERENCE):
        row = _object(given, where, {"prompt": (str, list), "reference": str}, _REFERENCE)
        try:
            prompt = prompt_of(row["prompt"])
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        if not row["reference"].strip():
            raise DataError(f"{where}: expected text in 'reference', found none")
        if prompt in known:
            raise DataError(f"{where}: expected one reference for each prompt, found another one")
        known[prompt] = row["reference"]
    return known


def _rows(path: str, example: str) -> Iterator[tuple[str, Columns]]:
    """Where each row stands, and the row; blank lines are passed over."""
    for row in json_rows(Path(path)):
        where = f"{path}:{row.number}"
        if row.columns is None:
            raise DataError(f"{where}: {row.reason}; a line is such as {example}")
        yield where, row.columns


def _object(
    given: Columns, where: str, kinds: Mapping[str, type | tuple[type, ...]], example: str
) -> dict[str, Any]:
    """An object with these fields, of these kinds; only a field of truth values may be missing."""
    wanted = f"expected an object such as {example}"
    values = cast(dict[str, Any], given)
    needed = {name for name, kind in kinds.items() if kind is not bool}
    for names, fault in (
        (values.keys() - kinds.keys(), "unknown"),
        (needed - values.keys(), "missing"),
        ({n for n in values.keys() & kinds.keys() if not isinstance(values[n], kinds[n])}, "wrong"),
    ):
        if names:
            raise DataError(f"{where}: {wanted}, found {', '.join(sorted(names))} {fault}")
    return values
