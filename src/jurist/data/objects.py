"""Files that are one JSON object, settings and the like, read as strictly as rows are."""

from pathlib import Path

from jurist.data.lines import (
    DECODER,
    MAX_LINE_BYTES,
    Columns,
    cannot_read,
    decoding_fault,
    odd_value,
    refuse_no_file,
)
from jurist.errors import DataError


def read_object(path: Path, *, max_bytes: int = MAX_LINE_BYTES) -> Columns:
    """Read a file that is one JSON object in UTF-8, with or without a byte order mark.

    Args:
        path: The file.
        max_bytes: A longer one is refused.

    Raises:
        FileNotFoundError: If there is none, for the caller to say what that means.
        DataError: If it cannot be read, or is something else; says where and what.
    """
    refuse_no_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise cannot_read(path, error) from error
    if len(content) > max_bytes:
        raise DataError(f"{path}: more than {max_bytes:,} bytes, the most that is read")
    return object_of(content, str(path))


def object_of(content: bytes, where: str, *, with_column: bool = True) -> Columns:
    """The JSON object that some bytes are.

    Args:
        content: All of a file, or of a line.
        where: What an error calls them.
        with_column: Say at which column of its one line something is wrong. It takes a second
            reading of the text, a slow one.

    Raises:
        DataError: If they are something else.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise DataError(f"{where}:{line}: expected UTF-8, found byte 0x{byte:02x}") from error
    try:
        value: object = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        # A column is of a line, and what is refused without one may stand in any.
        one_line = text if with_column and "\n" not in text.strip() else ""
        raise DataError(f"{where}:{line}: {decoding_fault(error, one_line)}") from error
    if reason := odd_value(value, text, with_column=with_column):
        raise DataError(f"{where}: {reason}")
    if not isinstance(value, dict):
        found = "null" if value is None else type(value).__name__
        raise DataError(f"{where}: expected a JSON object, found {found}")
    return value
