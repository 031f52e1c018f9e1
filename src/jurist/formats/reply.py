"""What every parser does: find what counts of a reply, and read a verdict that stands alone.

And the other way about: what of a reply stands before its verdict.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from jurist.types import Completion, Failure

VerdictT = TypeVar("VerdictT")

FAILED: Final = {
    "length": Failure.TRUNCATED,
    "refused": Failure.REFUSED,
    "error": Failure.ERROR,
}
"""What a reply is that the engine says is no whole one, by its finish_reason."""

_THINKING: Final = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "[THINK]": "[/THINK]",
}

MAX_BLOCKS: Final = 5_000
"""Blocks of thinking in one reply, those of one kind in a row counted as one."""


def answer(completion: Completion) -> str | Failure:
    """The part of a reply that may hold a verdict: all of it, or what follows the thinking.

    Args:
        completion: The reply.

    Returns:
        The text after the last block of thinking, without white space at its ends; or a failure if
        the engine says there is no whole reply, or if a block of thinking is never closed. Then
        the model was still arguing, and what it wrote last is no verdict. A block is closed by a
        mark of its own kind alone: any other mark inside it is something that is quoted there. A
        reply with more than `MAX_BLOCKS` blocks is a failure too.
    """
    failure = FAILED.get(completion.finish_reason)
    if failure is not None:
        return failure
    text = completion.text
    start = _end_of_thinking(text)
    if start is None:
        return Failure.UNPARSEABLE
    rest = text[start:]
    # A template may put the opening into the prompt, so a closing may stand alone.
    for closing in _THINKING.values():
        rest = rest.rpartition(closing)[2]
    return rest.strip()


def _end_of_thinking(text: str) -> int | None:
    """Where the last block of thinking ends, 0 if there is none; nothing if one does not end, or
    if there are more than `MAX_BLOCKS`.

    Reads every part of the text a few times at most, by `str.find`. A pattern that tries each
    place takes 25 times as long on the worst megabyte, one of marks alone.
    """
    start = 0
    openings = {opening: text.find(opening) for opening in _THINKING}
    for _ in range(MAX_BLOCKS):
        found = sorted((at, opening) for opening, at in openings.items() if at >= 0)
        if not found:
            return start
        at, opening = found[0]
        other = found[1][0] if len(found) > 1 else len(text)
        closing = _THINKING[opening]
        # Before a mark of another kind there are blocks of this kind alone, and only the last of
        # them matters. A block that goes on beyond it quotes it.
        end = text.rfind(closing, at, other)
        if end < 0:
            end = text.find(closing, other)
        if end < 0:
            return None
        start = end + len(closing)
        openings = {
            opening: at if at < 0 or at >= start else text.find(opening, start)
            for opening, at in openings.items()
        }
    return None


def last_line(completion: Completion) -> str | Failure:
    """The last line of what may hold a verdict, without white space at its ends; or a failure.

    Where formats that reason want their verdict, alone.
    """
    text = answer(completion)
    return text if isinstance(text, Failure) else text.rpartition("\n")[2].strip()


def read(line: str, verdicts: Mapping[VerdictT, str]) -> VerdictT | Failure:
    """The verdict that a line states and states alone, white space at its ends aside."""
    line = line.strip()
    for verdict, text in verdicts.items():
        if line == text:
            return verdict
    return Failure.UNPARSEABLE


def reasoning(text: str, verdict: str) -> str:
    r"""What stands before the verdict of a reply, with the white space between the two.

    Args:
        text: A reply that was read as this verdict.
        verdict: The text that states it.

    Example:
        >>> reasoning("A adds up. \n[[A]]\n", "[[A]]")
        'A adds up. \n'
    """
    # The parser read the verdict there, so it stands there.
    return text.rstrip().removesuffix(verdict)
