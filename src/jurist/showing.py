"""Text fit to be shown: nothing hidden in it, nothing acted on, and no key.

What a terminal, a log or a report shows was in part written by models, servers and strangers. Keys
are those that the environment holds, under whatever name a service reads its key from.
"""

import base64
import logging
import os
import re
import unicodedata
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

import rich.console
from rich.segment import Segment

KEY: Final = "[key]"
"""Stands where a key stood."""

_LEAST_KEY: Final = 8
"""Shorter ones are no keys: to take them out would make holes in plain words."""

_KEY_NAME: Final = re.compile(
    r"(APIKEY|_KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE)$", re.IGNORECASE
)
_LOOKS_LIKE_KEY: Final = re.compile(r"(?<![\w/.-])(sk-|hf_)(?=[\w.-]*[\d*])[\w*.-]{12,}")
"""Long, with a digit or masked, and with nothing before it: not `convert-hf-to-gguf`."""

_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")

_HIDDEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS: Final = {"\u200d", "\ufe0f"}
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0e\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""Letters and marks that are drawn as nothing: what Unicode calls default ignorable, beyond the
categories above."""


def visible(text: str) -> str:
    r"""The text with every control, direction and invisible character written as its escape.

    Line breaks and tabs stay. So does the joiner inside an emoji. What is left can neither recolour
    a terminal, turn the line around, nor hide.

    Example:
        >>> visible("a\x1b[31mb\u202ec")
        'a\\x1b[31mb\\u202ec'
    """
    # Hidden characters are among those that cannot be printed, and most texts have none of either.
    if text.replace("\n", "").replace("\t", "").isprintable() and not _UNSEEN.search(text):
        return text
    return "".join(character if _plain(character) else _escape(character) for character in text)


def keys_in_environment() -> list[str]:
    """What the environment holds under names that end as those of keys do, the longest first."""
    found = {
        value.strip()
        for name, value in os.environ.items()
        if _KEY_NAME.search(name) and len(value.strip()) >= _LEAST_KEY
    }
    return sorted(found, key=len, reverse=True)


def without_keys(text: str, keys: Iterable[str]) -> str:
    """The text with `KEY` in the place of each key, however it is written there.

    As it is, percent-encoded, and in base64, alone or behind other text.

    Example:
        >>> without_keys("no such key: c2VjcmV0LWtleQ==", ["secret-key"])
        'no such key: [key]Q=='
    """
    for key in keys:
        if len(key) < _LEAST_KEY:
            continue
        # Of a key that is no text, as the environment's may be, the bytes.
        content = key.encode("utf-8", "surrogateescape")
        # The longer ones first: they may begin with the key itself.
        for form in (quote(content, safe=""), *_in_base64(content), key):
            text = text.replace(form, KEY)
    return text


def without_secrets(text: str) -> str:
    """The text without the environment's keys, and without what looks like a key."""
    text = without_keys(text, keys_in_environment())
    return _BEARER.sub(rf"\1 {KEY}", _LOOKS_LIKE_KEY.sub(KEY, text))


def fit_to_show(text: str) -> str:
    """The text as a terminal or a log may have it: `visible`, and `without_secrets`."""
    return visible(without_secrets(text))


class Console(rich.console.Console):
    """A terminal, or a file in its place, that gets no control character but the console's own."""

    def render(
        self,
        renderable: rich.console.RenderableType,
        options: rich.console.ConsoleOptions | None = None,
    ) -> Iterable[Segment]:
        """What is to be written, piece by piece."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable() or segment.text == "\n":
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)


class FitToShow(logging.Filter):
    """Makes what is logged fit to be shown, whoever logs it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Write the message and the traceback out, fit to be shown; every record passes."""
        try:
            said = record.getMessage()
        except Exception:  # noqa: BLE001 - whatever formatting raises
            # Who logs wrongly is not to be ended by it: the handler would tell of it and go on.
            said = f"{record.msg!r} {record.args!r}"
        record.msg, record.args = fit_to_show(said), None
        if record.exc_info:
            record.exc_text = fit_to_show(_FORMATTER.formatException(record.exc_info))
        if record.stack_info:
            record.stack_info = fit_to_show(record.stack_info)
        return True


_FORMATTER: Final = logging.Formatter()


def _in_base64(key: bytes) -> list[str]:
    """What every base64 text that holds the key has in it, wherever in its groups the key begins.

    The characters at both ends depend on what stands beside the key, and are left out.
    """
    forms: list[str] = []
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + key)
        # 8 bits of the key fill 6 of a character: from the first that is the key's alone.
        first = -(-8 * before // 6)
        num = (8 * (before + len(key))) // 6 - first
        form = whole[first : first + num].decode("ascii")
        forms += [form, form.replace("+", "-").replace("/", "_")]
    return forms


def _plain(character: str) -> bool:
    if character in "\n\t" or character in _JOINERS:
        return True
    return unicodedata.category(character) not in _HIDDEN and not _UNSEEN.match(character)


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
