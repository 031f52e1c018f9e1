"""Where in a line of JSON something stands that the decoder refuses without saying where."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[][{}:]|-?[0-9][0-9.eE+-]*+|-?Infinity|NaN', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


class _Token(NamedTuple):
    text: str
    column: int
    """Characters before it, and one."""


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        yield _Token(found[0], found.start() + 1)


def constant_column(text: str) -> int:
    """The column of the first NaN or infinity; 0 if there is none. So for the others here.

    Example:
        >>> constant_column('{"a": "NaN", "b": NaN}')
        19
    """
    return next((at for found, at in _tokens(text) if found.endswith(("NaN", "Infinity"))), 0)


def long_number_column(text: str, num_digits: int) -> int:
    """The column of the first whole number with more digits than that.

    Example:
        >>> long_number_column('{"a": 0.1234, "b": -123, "c": 1234}', 3)
        31
    """
    return next(
        (
            at
            for found, at in _tokens(text)
            if len(digits := found.removeprefix("-")) > num_digits and digits.isdecimal()
        ),
        0,
    )


def repeated_key_column(text: str) -> int:
    """The column of the first key that its object has already.

    Of several such objects, it is in the one that ends first: the decoder speaks of that.

    Example:
        >>> repeated_key_column('{"a": {"b": 1}, "b": 2, "a": 3}')
        25
        >>> repeated_key_column('{"a": 1, "a": {"b": 1, "b": 2}}')
        24
    """
    known: list[set[str]] = []
    repeated: list[int] = []
    last = _Token("", 0)
    for token in _tokens(text):
        match token.text:
            case "{" | "[":
                known.append(set())
                repeated.append(0)
            case _ if not known:
                break  # two keys spelt in two ways, and what follows is no JSON
            case "}" | "]":
                known.pop()
                if column := repeated.pop():
                    return column
            case ":":
                if last.text in known[-1]:
                    repeated[-1] = repeated[-1] or last.column
                known[-1].add(last.text)
            case _:
                last = token
    return 0


def deep_column(text: str, depth: int) -> int:
    """The column of the first bracket that opens more than so many levels.

    Example:
        >>> deep_column('[["[[["], [[]]]', 2)
        12
    """
    open_ = 0
    for found, at in _tokens(text):
        open_ += (found in "[{") - (found in "]}")
        if open_ > depth:
            return at
    return 0


def lone_surrogate_column(text: str) -> int:
    r"""The column of the first escape that is half of a surrogate pair, the other half missing.

    Example:
        >>> lone_surrogate_column(r'["\\ud800", "\ud83d\ude00", "\udc00"]')
        30
    """
    high = _Token("", 0)
    end = 0
    for found in _ESCAPE.finditer(text):
        code = int(found[1] or "0", 16)
        paired = bool(high.text) and found.start() == end
        if 0xDC00 <= code < 0xE000 and paired:
            high = _Token("", 0)
            continue
        if high.text:
            return high.column
        if 0xDC00 <= code < 0xE000:
            return found.start() + 1
        if 0xD800 <= code < 0xDC00:
            high, end = _Token(found[0], found.start() + 1), found.end()
    return high.column
