"""What every parser does: find what counts of a reply, and read a verdict that stands alone.

And the other way about: what of a reply stands before its verdict.
"""

import re
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
_OPENING: Final = re.compile("|".join(map(re.escape, _THINKING)))


def answer(completion: Completion) -> str | Failure:
    """The part of a reply that may hold a verdict: all of it, or what follows the thinking.

    Args:
        completion: The reply.

    Returns:
        The text after the last block of thinking, without white space at its ends; or a failure if
        the engine says there is no whole reply, or if a block of thinking is never closed. Then
        the model was still arguing, and what it wrote last is no verdict. A block is closed by a
        mark of its own kind alone: any other mark inside it is something that is quoted there.
    """
    failure = FAILED.get(completion.finish_reason)
    if failure is not None:
        return failure
    text = completion.text
    start = 0
    while opening := _OPENING.search(text, start):
        closing = _THINKING[opening[0]]
        end = text.find(closing, opening.end())
        if end < 0:
            return Failure.UNPARSEABLE
        start = end + len(closing)
    rest = text[start:]
    # A template may put the opening into the prompt, so a closing may stand alone.
    for closing in _THINKING.values():
        rest = rest.rpartition(closing)[2]
    return rest.strip()


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
