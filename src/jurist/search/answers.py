"""Answers: what a response comes to, in a form in which equal answers are equal."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

_NUMBER = re.compile(r"[-\u2212]?\d[\d,]*(?:\.\d+)?|[-\u2212]?\.\d+")
_NO_WORD = re.compile(r"[^\w\s]|_")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def last_number(text: str) -> str | None:
    """The last number in a text, without thousands' commas and trailing zeros; None without one.

    Example:
        >>> last_number("5 at $2 make $1,010.50"), last_number("A: 26."), last_number("?")
        ('1010.5', '26', None)
    """
    found = _NUMBER.findall(text)
    if not found:
        return None
    try:
        value = Decimal(found[-1].replace(",", "").replace("\N{MINUS SIGN}", "-"))
    except InvalidOperation:  # digits that Python does not count with
        return None
    # Adding 0 makes a zero without a sign of it.
    return format((value + 0).normalize(), "f")


def plain_text(text: str) -> str | None:
    """A text without case, punctuation, articles and extra space; None if nothing is left.

    Example:
        >>> plain_text(" The  Eiffel Tower."), plain_text("...")
        ('eiffel tower', None)
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_ARTICLES.sub(" ", _NO_WORD.sub(" ", folded)).split()) or None


ANSWERS: Mapping[str, Callable[[str], str | None]] = {"number": last_number, "text": plain_text}
"""Ways to tell which responses give the same answer, by name."""
