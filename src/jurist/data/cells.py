"""Single columns of a row, each read as the one type it may have or refused."""

import math
from collections.abc import Mapping

from jurist.data.lines import Columns
from jurist.errors import DataError


def required(columns: Columns, name: str) -> object:
    """The value of a column that the row must have.

    Raises:
        DataError: If it is not there, or null. So for the others here, and if the type is wrong.
    """
    value = columns.get(name)
    if value is None:
        what = "null" if name in columns else f"the columns {sorted(columns)}"
        raise DataError(f"expected a column {name!r}, found {what}")
    return value


def text_of(columns: Columns, name: str) -> str:
    """The text of a column that the row must have."""
    value = required(columns, name)
    if not isinstance(value, str):
        raise DataError(f"expected {name!r} to be text, found {kind(value)}")
    return value


def name_of(columns: Mapping[str, object], name: str) -> str | None:
    """Text or a whole number that names something, as text; None if there is none."""
    value = columns.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"expected {name!r} to be text or a whole number, found {kind(value)}")
    return str(value)


def number_of(columns: Mapping[str, object], name: str) -> float | None:
    """A finite number; None if there is none."""
    value = columns.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"expected {name!r} to be a number, found {kind(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not math.isfinite(number):
        raise DataError(f"expected {name!r} to be finite, found {short(value)}")
    return number


def flag_of(columns: Mapping[str, object], name: str) -> bool:
    """True or false; false if neither is there."""
    value = columns.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise DataError(f"expected {name!r} to be true or false, found {short(value)}")
    return value


_KINDS: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def kind(value: object) -> str:
    """What a value is, in the words of the file and not of Python."""
    return _KINDS.get(type(value), type(value).__name__)


def short(value: object) -> str:
    """A value as an error shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
