"""Principles that a judge is to go by, from a file."""

import json
from pathlib import Path
from typing import Any, cast

from jurist.errors import ConfigError, DataError
from jurist.formats import Principle


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
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    found = tuple(
        _principle(line, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    )
    if not found:
        raise DataError(f"{path}: expected at least one principle, found none")
    return found


def _principle(line: str, where: str) -> Principle:
    wanted = 'expected an object such as {"text": "Be kind.", "opposite": "Be unkind."}'
    try:
        given: object = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: {wanted}, found no JSON: {error}") from error
    if not isinstance(given, dict):
        raise DataError(f"{where}: {wanted}, found {line[:80]!r}")
    values = cast(dict[str, Any], given)
    kinds = {"text": str, "opposite": str, "negated": bool}
    unknown = sorted(values.keys() - kinds.keys())
    missing = sorted({"text", "opposite"} - values.keys())
    wrong = [name for name, kind in kinds.items() if not isinstance(values.get(name, kind()), kind)]
    for names, fault in ((unknown, "unknown"), (missing, "missing"), (wrong, "of a wrong kind")):
        if names:
            raise DataError(f"{where}: {wanted}, found {', '.join(names)} {fault}")
    try:
        return Principle(**values)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
