"""Model text made fit to be looked at: nothing hidden, nothing acted on, cuts shown and counted."""

import unicodedata

TEXT_LIMIT = 1_500
"""Characters of one text that a report keeps."""

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = {"\u200d", "\ufe0f"}


def visible(text: str) -> str:
    r"""The text with every control, direction and invisible character written as its escape.

    Line breaks and tabs stay. So does the joiner inside an emoji. What is left can neither recolour
    a terminal, turn the line around, nor hide.

    Example:
        >>> visible("a\x1b[31mb\u202ec")
        'a\\x1b[31mb\\u202ec'
    """
    # Hidden characters are among those that cannot be printed, and most texts have none of either.
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(character if _plain(character) else _escape(character) for character in text)


def shortened(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text, or its beginning and end with the number of characters cut from between them.

    Two thirds of `limit` go to the beginning and one third to the end, where a verdict stands.

    Example:
        >>> shortened("abcdefghijkl", 6)
        'abcd [... 6 characters cut ...] kl'
    """
    if len(text) <= limit:
        return text
    tail = limit // 3
    head = limit - tail
    cut = len(text) - limit
    return f"{text[:head]} [... {cut:,} characters cut ...] {text[len(text) - tail :]}"


def _plain(character: str) -> bool:
    if character in "\n\t" or character in _JOINERS:
        return True
    return unicodedata.category(character) not in _HIDDEN


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
