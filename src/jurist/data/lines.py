"""Rows of JSON Lines files, plain or gzipped, read strictly and a line at a time.

What `json.loads` lets through and a judge must not be trained on is refused here: bytes that are
not UTF-8, NaN and infinities, a key given twice, half of a surrogate pair.
"""

import gzip
import io
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeAlias, cast

from jurist.data.places import (
    constant_column,
    deep_column,
    lone_surrogate_column,
    long_number_column,
    repeated_key_column,
)
from jurist.errors import DataError

_File: TypeAlias = io.BufferedReader | gzip.GzipFile

Columns: TypeAlias = dict[str, object]
"""One row as its file has it: column name to value."""

MAX_LINE_BYTES = 64 * 2**20
"""A longer line is refused; nothing of it but its beginning is held in memory."""

MAX_DEPTH = 100
"""Lists and objects inside one another, the row itself one of them. How deep Python itself can read
depends on what else it is doing, so that a file could be read in one place and not in another."""

_KEPT_OF_A_LONG_LINE = 1000
_PIECE_BYTES = 2**20
_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Row(NamedTuple):
    """One row of a file, good or bad."""

    number: int
    """Line of the file, or row of a table or item of an array, counted from 1."""

    columns: Columns | None
    """What the row holds, or None if it could not be read."""

    reason: str = ""
    """Why it could not be read."""

    raw: bytes | None = None
    """The line as it stands in the file, or None for the row of a table."""

    part: int = 0
    """Which of several pairs that one row makes, counted from 1; 0 if it makes one or none."""

    line: int | None = None
    """Where an item of an array begins, several of which may stand on one line. None for others,
    whose number is all there is to say."""

    @property
    def where(self) -> str:
        """Where the row stands in its file, as an error says it."""
        return str(self.number) if self.line is None else f"{self.line}: item {self.number}"


def json_rows(path: Path, *, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Row]:
    r"""Read a JSON Lines file one line at a time; blank lines are passed over.

    Lines end at `\n` alone: `str.splitlines` would also cut at U+2028 and its like, which JSON
    allows inside strings. A `\r` before the end and a UTF-8 byte order mark at the start of the
    file are tolerated. Whether the file is gzipped is read off its first two bytes.

    Raises:
        DataError: If the file as a whole is not what it should be: missing, cut short, UTF-16, a
            JSON array. What is wrong with one line is said in its `Row.reason` instead.
    """
    with _opened(path) as file:
        seen = 0
        number = 0
        for line, whole in _lines(file, path, max_line_bytes):
            number += 1
            if number == 1:
                line = _first_line(line, path)
            if not whole:
                yield Row(
                    number,
                    None,
                    f"expected at most {max_line_bytes:,} bytes in a line, found more; only its "
                    f"first {_KEPT_OF_A_LONG_LINE:,} are kept here",
                    line,
                )
                continue
            stripped = line.strip()
            if not stripped:
                continue
            seen += 1
            if seen == 1:
                _refuse_other_json(stripped, path)
            yield _row(number, line)


def refuse_no_file(path: Path) -> None:
    """See that a path is not that of a folder, a pipe or a device, which can be no file of data.

    Raises:
        DataError: If it is. A pipe gives what it holds once only, and files are read again. If the
            system does not say what it is, as of a path that is too long.
    """
    try:
        if not path.exists() or path.is_file():
            return
        found = "a folder" if path.is_dir() else "a pipe or a device"
    except OSError as error:
        raise cannot_read(path, error) from error
    raise DataError(f"{path}: expected a file, found {found}; copy what it holds to a file")


def cannot_read(path: Path, error: OSError) -> DataError:
    """What to say of a file that the system does not let be read."""
    return DataError(f"{path}: cannot read: {error.strerror or error}")


@contextmanager
def _opened(path: Path) -> Generator[_File, None, None]:
    try:
        refuse_no_file(path)
        with path.open("rb") as plain:
            gzipped = plain.peek(2)[:2] == _GZIP_MAGIC
            if path.suffix == ".gz" and not gzipped and plain.peek(1):
                raise DataError(f"{path}: expected gzip, as the name says, found something else")
            if not gzipped:
                yield plain
                return
            with gzip.open(plain, "rb") as unzipped:
                yield unzipped
    except OSError as error:
        raise cannot_read(path, error) from error


class _Line(NamedTuple):
    content: bytes
    whole: bool
    """If not, it was too long, and this is its beginning."""


def _lines(file: _File, path: Path, max_line_bytes: int) -> Iterator[_Line]:
    """The lines of a file. No more than `max_line_bytes` and a piece are held of any."""
    number = 0
    try:
        while piece := file.readline(_PIECE_BYTES):
            pieces, num_bytes = [piece], len(piece)
            while not piece.endswith(b"\n") and (piece := file.readline(_PIECE_BYTES)):
                num_bytes += len(piece)
                if num_bytes <= max_line_bytes:
                    pieces.append(piece)
                else:
                    del pieces[1:]
            number += 1
            if num_bytes > max_line_bytes:
                yield _Line(pieces[0][:_KEPT_OF_A_LONG_LINE], whole=False)
            else:
                yield _Line(b"".join(pieces), whole=True)
    except EOFError as error:
        raise DataError(
            f"{path}: the gzip file is cut short: expected more after line {number}, the last "
            f"whole one, and found the end; fetch it or write it again"
        ) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip file is damaged after line {number}, the last one that could be "
            f"read ({error}); fetch it or write it again"
        ) from error


def _first_line(line: bytes, path: Path) -> bytes:
    if line.startswith(_UTF16_BOMS):
        raise DataError(f"{path}:1: expected UTF-8, found UTF-16; save the file as UTF-8")
    if line.startswith(b"PAR1"):
        raise DataError(f"{path}:1: expected JSON Lines, found Parquet; name the file *.parquet")
    return line.removeprefix(_UTF8_BOM)


def _refuse_other_json(first: bytes, path: Path) -> None:
    if first.startswith(b"["):
        raise DataError(
            f"{path}: expected JSON Lines, one object a line, found a JSON array; convert it with "
            f"`jq -c '.[]' {path.name} > rows.jsonl`"
        )
    if first == b"{":
        raise DataError(
            f"{path}: expected JSON Lines, one object a line, found an object spread over "
            f"several lines; convert it with `jq -c . {path.name} > rows.jsonl`"
        )


_NAMED_KEYS = 5
"""Keys that an error names, at most."""

_NAMED_CHARACTERS = 60
"""Of a key that an error names, at most."""


class _RepeatedKeyError(ValueError):
    """An object with one key twice, which the standard library would let through."""


class _ConstantError(ValueError):
    """NaN or an infinity, likewise."""


def _object(pairs: list[tuple[str, object]]) -> Columns:
    columns = dict(pairs)
    if len(columns) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = sorted(name for name, count in counts.items() if count > 1)
        more = f" and {len(twice) - _NAMED_KEYS} more" if len(twice) > _NAMED_KEYS else ""
        named = ", ".join(map(_named, twice[:_NAMED_KEYS]))
        raise _RepeatedKeyError(f"expected each key once, found twice: {named}{more}")
    return columns


def _named(key: str) -> str:
    """A key as an error names it: it may be as long as a line, and hold half a surrogate pair."""
    shown = key if len(key) <= _NAMED_CHARACTERS else f"{key[: _NAMED_CHARACTERS - 3]}..."
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def _constant(name: str) -> NoReturn:
    raise _ConstantError(f"expected JSON, found {name}, which JSON has no word for")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
"""Decodes JSON as strictly as every file of data is read, up to what `odd_value` finds."""


def odd_value(value: object, text: str, *, with_column: bool = True) -> str | None:
    """Why a decoded value cannot be used all the same: half of a surrogate pair, or too deep.

    Args:
        value: What was decoded.
        text: What it was decoded from.
        with_column: Say at which column. It takes a second reading of the text, a slow one.
    """
    shown = text if with_column else ""
    if _ESCAPED_SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            half = "expected text, found half of a surrogate pair (a lone \\ud800 to \\udfff)"
            return half + _at(lone_surrogate_column(shown))
        except RecursionError:
            return _too_deep(shown)
    # As many brackets may stand in texts, or side by side.
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        return _too_deep(shown)
    return None


def _is_deeper(value: object, levels: int) -> bool:
    """Whether a decoded value has more levels of lists and objects than so many."""
    level = [value]
    for _ in range(levels + 1):
        containers = [one for one in level if isinstance(one, dict | list)]
        if not containers:
            return False
        level = [
            inner
            for one in cast("list[dict[str, object] | list[object]]", containers)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return True


def decoding_fault(error: ValueError | RecursionError, text: str) -> str:
    """Why `DECODER` refused a text, in the words of an error, with its column where there is one.

    The column is counted in characters from 1, like the line that the text is.
    """
    match error:
        case json.JSONDecodeError():
            return f"expected JSON, found an error at column {error.colno}: {error.msg}"
        case RecursionError():
            return _too_deep(text)
        case _RepeatedKeyError():
            return str(error) + _at(repeated_key_column(text))
        case _ConstantError():
            return str(error) + _at(constant_column(text))
        case _:
            at = _at(long_number_column(text, sys.get_int_max_str_digits()))
            return f"expected JSON, found a value that cannot be read{at}: {error}"


def _too_deep(text: str) -> str:
    return (
        f"expected a value of at most {MAX_DEPTH} levels, found JSON nested too deeply to read"
        f"{_at(deep_column(text, MAX_DEPTH))}"
    )


def _at(column: int) -> str:
    return f", at column {column}" if column else ""


def _row(number: int, line: bytes) -> Row:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = line[error.start]
        reason = f"expected UTF-8, found byte 0x{byte:02x} at column {error.start + 1}"
        return Row(number, None, reason, line)
    try:
        value: object = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        hint = ""
        if "\0" in text:
            hint = "; it holds NUL bytes, so it may be UTF-16, or damaged"
        elif isinstance(error, json.JSONDecodeError) and not text.endswith("\n"):
            hint = "; the line has no end, so the file may be cut short"
        return Row(number, None, decoding_fault(error, text) + hint, line)
    if reason := odd_value(value, text):
        return Row(number, None, reason, line)
    if not isinstance(value, dict):
        found = type(value).__name__ if value is not None else "null"
        return Row(number, None, f"expected a JSON object, found {found}", line)
    return Row(number, value, raw=line)
