"""Model text cut to what a report keeps, each cut shown and counted."""

TEXT_LIMIT = 1_500
"""Characters of one text that a report keeps."""


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
