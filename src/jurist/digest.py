"""Names for content: canonical JSON, its SHA-256, and seeds drawn from it."""

import dataclasses
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

UNLESS_DEFAULT: Final = {"canonical": "unless default"}
"""Metadata of a dataclass's field that came later: `canonical` leaves it out where it has its
default, so that what was named by its content before keeps its name."""


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8, dataclasses as objects.

    Raises:
        TypeError: If the value holds something JSON has no word for.
        ValueError: If it holds NaN or an infinity.
    """
    return _ENCODER.encode(value)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = ((name, default, getattr(value, name)) for name, default in _fields(type(value)))
        return {name: one for name, default, one in found if one != default}
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no canonical JSON: {value!r}")


def came_later(field: "dataclasses.Field[Any]") -> bool:
    """Whether a field was added with `UNLESS_DEFAULT`."""
    return "canonical" in field.metadata


@cache
def _fields(kind: type) -> tuple[tuple[str, object], ...]:
    """Names of the fields, and the value with which each is left out: for most, none there is."""
    return tuple(
        (field.name, field.default if came_later(field) else _NEVER)
        for field in dataclasses.fields(kind)
    )


_NEVER: Final = object()

# One for all: `json.dumps` would make another at each of many thousand calls.
_ENCODER = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    default=_plain,
)


class Written(str):
    """What `canonical` wrote of a value: a part that `digest` need not write again.

    Example:
        >>> digest("long", 1) == digest(Written(canonical("long")), 1)
        True
    """

    __slots__ = ()


def digest(*parts: object) -> str:
    """SHA-256 of the canonical JSON of `parts`, in hexadecimal."""
    if any(isinstance(part, Written) for part in parts):
        written = (part if isinstance(part, Written) else canonical(part) for part in parts)
        text = f"[{','.join(written)}]"
    else:
        text = canonical(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def derive_seed(*parts: object) -> int:
    """A 63-bit seed that depends on `parts` and on nothing else: not on order, host or time.

    Example:
        >>> derive_seed("sample", 0, 1) == derive_seed("sample", 0, 1)
        True
        >>> derive_seed("sample", 0, 1) == derive_seed("sample", 0, 2)
        False
    """
    return int(digest(*parts)[:16], 16) >> 1
