"""Answers: what a response comes to, in a form in which equal answers are equal."""

import re
import unicodedata
from collections.abc import Callable, Mapping

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
    # Not by arithmetic, which would round what is long and refuse what is very long.
    number = found[-1].replace(",", "").replace("\N{MINUS SIGN}", "-")
    if not number.isascii():  # digits of another script
        number = "".join(str(unicodedata.decimal(letter, letter)) for letter in number)
    whole, _, fraction = number.lstrip("-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    size = f"{whole}.{fraction}" if fraction else whole
    return f"-{size}" if number.startswith("-") and size != "0" else size


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
