"""What a judge is to go by, from files: principles, rubrics, reference answers."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

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
    for where, line in _lines(path):
        values = _object(line, where, {"text": str, "opposite": str, "negated": bool}, _PRINCIPLE)
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
    for where, line in _lines(path):
        aspect = str(_object(line, where, {"aspect": str}, _ASPECT)["aspect"]).strip()
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
    values = _object(_text(rubric), rubric, {"criteria": str, "levels": list}, _RUBRIC)
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
    for where, line in _lines(path):
        row = _object(line, where, {"prompt": (str, list), "reference": str}, _REFERENCE)
        try:
            prompt = prompt_of(row["prompt"])
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        if prompt in known:
            raise DataError(f"{where}: expected one reference for each prompt, found another one")
        known[prompt] = row["reference"]
    return known


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """Where each line stands, and the line; blank ones are passed over."""
    # Not splitlines: it breaks at characters that JSON may hold unescaped.
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line


def _object(
    text: str, where: str, kinds: Mapping[str, type | tuple[type, ...]], example: str
) -> dict[str, Any]:
    """An object with these fields, of these kinds; only a field of truth values may be missing."""
    wanted = f"expected an object such as {example}"
    try:
        given: object = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where}: {wanted}, found no JSON: {error}") from error
    if not isinstance(given, dict):
        raise DataError(f"{where}: {wanted}, found {text[:80]!r}")
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
