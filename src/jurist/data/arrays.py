"""Rows of a JSON file that is one array of objects, as many benchmarks are published.

Or that holds one: a task of BIG-bench is an object in a file `task.json`, its rows the array under
"examples".

The file is held in memory as a whole, an array having no lines to read it by, so that there is a
most that is read. It is read as strictly as JSON Lines are.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from jurist.data.lines import DECODER, Columns, Row, cannot_read, decoding_fault, odd_value
from jurist.errors import DataError

MAX_ARRAY_BYTES = 2**30
"""A longer file, after unzipping, is refused."""

_SPACE = re.compile(r"[ \t\r\n]*")
_BOM = "\ufeff"
_TASK = "task.json"
_EXAMPLES = re.compile(r'"examples"\s*:\s*(?=\[)')


def is_array(path: Path) -> bool:
    """Whether a file is named *.json or *.json.gz and begins as a JSON array, or is a task."""
    if path.name == _TASK:
        return True
    if not path.name.endswith((".json", ".json.gz")):
        return False
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            start = file.read(4096).decode("utf-8", "replace").removeprefix(_BOM)
    except (OSError, EOFError, zlib.error):
        return False  # whoever reads it says what is wrong
    return start.lstrip(" \t\r\n").startswith("[")


def array_rows(path: Path, *, max_bytes: int = MAX_ARRAY_BYTES) -> Iterator[Row]:
    """Read a JSON array of objects, its items counted from 1.

    Raises:
        DataError: If the file is missing, damaged, too long or no array to its end. An item that is
            not an object is a bad row.
    """
    text = _text(path, max_bytes)
    line, counted, number = 1, 0, 0

    def line_at(position: int) -> int:
        nonlocal line, counted
        line += text.count("\n", counted, position)
        counted = position
        return line

    examples = _EXAMPLES.search(text) if path.name == _TASK else None
    position = _past_space(text, 0 if examples is None else examples.end())
    if text[position : position + 1] != "[":
        raise DataError(f"{path}:{line_at(position)}: expected a JSON array, found another value")
    position = _past_space(text, position + 1)
    while text[position : position + 1] != "]":
        start = position
        try:
            value, position = DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            # Where the next item begins, nobody can tell.
            at = error.lineno if isinstance(error, json.JSONDecodeError) else line_at(start)
            raise DataError(
                f"{path}:{at}: expected an item of a JSON array, found none that can be read "
                f"({decoding_fault(error, '')}); fetch the file or write it again"
            ) from error
        number += 1
        yield _row(number, line_at(start), value, text[start:position])
        position = _past_space(text, position)
        mark = text[position : position + 1]
        if mark == ",":
            position = _past_space(text, position + 1)
        elif mark != "]":
            what = "the end of the file" if not mark else repr(mark)
            raise DataError(
                f"{path}:{line_at(position)}: expected ',' or ']' after an item of a JSON array, "
                f"found {what}"
            )
    rest = text[position + 1 :].strip(" \t\r\n")
    if rest and examples is None:
        raise DataError(f"{path}: expected nothing after a JSON array, found {rest[:20]!r}")


def _row(number: int, line: int, value: object, text: str) -> Row:
    raw = text.encode("utf-8")
    if not isinstance(value, dict):
        found = "null" if value is None else type(value).__name__
        return Row(number, None, f"expected a JSON object, found {found}", raw, line=line)
    if reason := odd_value(value, text):
        return Row(number, None, reason, raw, line=line)
    columns: Columns = value
    return Row(number, columns, raw=raw, line=line)


def _text(path: Path, max_bytes: int) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise DataError(
                f"{path}: a JSON array of more than {max_bytes:,} bytes, the most that is read; "
                f"convert it to JSON Lines, which are read a line at a time: "
                f"`jq -c '.[]' {path.name} > rows.jsonl`"
            )
        return content.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: expected UTF-8, found byte 0x{error.object[error.start]:02x}"
        ) from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is damaged ({error}); fetch it again") from error
    except OSError as error:
        raise cannot_read(path, error) from error


def _past_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return position if found is None else found.end()
