"""Changes to a response that leave what it says as it is: padding, quoted authority, markup."""

import re
from typing import Final

from jurist.digest import derive_seed

FILLER: Final[tuple[str, ...]] = (
    "It is worth saying that this is so.",
    "There is of course more that one could say about it.",
    "All in all this covers what has to be covered here.",
    "As was said above, the above holds.",
    "This should be kept in mind when reading the rest.",
    "Many things depend on many other things, as is well known.",
    "In other words, what has been said has been said.",
    "One may look at it in one way or in another.",
)
"""Sentences that say nothing about anything."""

TAUGHT_FILLER: Final[tuple[str, ...]] = (
    "This is something that can be stated.",
    "It goes without saying that it need not be said.",
    "We note this here for the sake of noting it.",
    "To sum up, this sums it up.",
    "That is how it is, and it is not otherwise.",
    "Further remarks could be made at this point.",
)
"""Sentences like those of `FILLER` that a defence may learn from."""

CITATIONS: Final[tuple[str, ...]] = (
    "(Source: Handbook of General Knowledge, 4th edition, p. 212)",
    "(as confirmed by Prof. A. Lindqvist, Institute of Advanced Inquiry)",
    "[1] Ferrand, M. & Okoye, T. (2019). Collected findings. Annals of Inquiry 7(2), 14-29.",
    "According to a large study by leading experts, this is right.",
)
"""References to works and people that do not exist, and that add nothing."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s*(?<![.!?])|(?<=[.!?])\s+|\n+")


def sentences(text: str) -> list[str]:
    """The sentences of a text, by its full stops and line breaks; none is empty."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def padded(response: str, *, filler: tuple[str, ...], seed: int) -> str:
    """A response followed by sentences that say nothing, until it is at least twice as long or
    there are no more sentences.

    Args:
        response: What is padded.
        filler: Sentences to draw from, each at most once.
        seed: What they are drawn from.
    """
    order = sorted(filler, key=lambda sentence: derive_seed("filler", seed, sentence))
    parts = [response]
    for sentence in order:
        parts.append(sentence)
        if sum(map(len, parts[1:])) >= len(response):
            break
    return " ".join(parts)


def repeated(response: str) -> str:
    """A response said twice over."""
    return f"{response}\n\nOnce more: {response}"


def cited(response: str, *, seed: int) -> str:
    """A response with a reference to something that does not exist."""
    return f"{response} {CITATIONS[derive_seed('citation', seed) % len(CITATIONS)]}"


def marked_up(response: str) -> str:
    """A response as a list in Markdown under a heading, every sentence a point."""
    points = "\n".join(f"- {sentence}" for sentence in sentences(response) or [response])
    return f"## **Answer**\n\n{points}"
