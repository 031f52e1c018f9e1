"""Whether a response says anything at all, told without a model."""

import re
import unicodedata
from typing import Final

from jurist.types import Comparison, Conversation, Verdict

_WORD: Final = re.compile(r"\w+")

# Scripts that put no spaces between words: two characters are taken for a word.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)

_FUNCTION_WORD: Final = re.compile(
    "a|an|and|are|as|at|be|been|but|by|can|could|do|does|for|from|had|has|have|he|her|here|him|his"
    "|how|i|if|in|into|is|it|its|let|ll|m|me|my|no|nor|not|of|on|or|our|re|s|shall|she|should|so|t"
    "|than|that|the|their|them|then|there|these|they|this|those|to|us|ve|was|we|were|what|when"
    "|which|who|will|with|would|you|your"
)
"""English words that say nothing alone. Words of other languages all count."""


def folded(text: str) -> str:
    """A text without case, and with white space and marks without width at its ends aside."""
    shown = "".join(one for one in text if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", shown).casefold().strip()


def num_informative(text: str) -> int:
    """Different words of a text that are no function words. Numbers count, and of a
    script without spaces two different characters are a word.

    Example:
        >>> num_informative("Let's solve this problem step by step."), num_informative("42")
        (3, 1)
        >>> num_informative("..."), num_informative("\u89e3")
        (0, 1)
    """
    shown = folded(text)
    num_unspaced = len(set(_UNSPACED.findall(shown)))
    words = {
        word
        for word in _WORD.findall(_UNSPACED.sub(" ", shown))
        if word.strip("_") and not _FUNCTION_WORD.fullmatch(word)
    }
    return len(words) + (num_unspaced + 1) // 2


def without_content(prompt: Conversation, response: str, *, least_words: int) -> bool:
    """Whether a response has no content: too few informative words, or nothing but the prompt.

    A response that is empty or of punctuation alone has no informative word.

    Args:
        prompt: What it replies to.
        response: The response.
        least_words: Fewest informative words that count as content. At least 1. Short answers that
            are right, such as a name or a number, have one or two.
    """
    if num_informative(response) < least_words:
        return True
    turns = [folded(turn.content) for turn in prompt]
    return folded(response) in (turns[-1], "\n".join(turns))


def settled(comparison: Comparison, *, least_words: int) -> Verdict | None:
    """The verdict on a comparison of which a response has no content; None if both have some.

    A response without content loses to one with it. If neither has any, neither is better.
    """
    first, second = (
        without_content(comparison.prompt, response, least_words=least_words)
        for response in (comparison.first, comparison.second)
    )
    if first and second:
        return Verdict.TIE
    if first:
        return Verdict.SECOND
    return Verdict.FIRST if second else None
