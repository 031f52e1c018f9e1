"""Sentences of a trace that say which response is better, as the verdict after it will."""

import re
from typing import Final

_SENTENCE: Final = re.compile(r"\S[^\n]*?(?:[.!?;](?=\s|$)|$)", re.MULTILINE)
# "A" is an article too, where a word that is no verb of a response follows it.
_NAMED: Final = re.compile(
    r"\[\[[ABC]\]\]"
    r"|\b(?:[Rr]esponse|[Aa]nswer|[Aa]ssistant|[Oo]ption) [AB]\b"
    r"|(?<![\w'])(?:B\b|A\b(?! [a-z])"
    r"|A (?:is|was|has|does|wins|gives|seems|looks|remains|comes|provides|offers|would|should)\b)"
    r"|\b[Nn]either\b"
)
_COMPARES: Final = re.compile(
    r"\b(?:better|best|superior|stronger|strongest|prefer\w*|wins?|winner|verdict|choose|chosen"
    r"|pick|favou?r)\b|\[\[",
    re.IGNORECASE,
)
_CONCLUDES: Final = re.compile(
    r"\W*(?:so|thus|therefore|hence|overall|in (?:conclusion|summary)|to conclude|finally)\b",
    re.IGNORECASE,
)


def without_statements(trace: str) -> str:
    """The trace without the sentences that say which response is better.

    Such a sentence names a response, and either compares (better, preferable, wins) or begins as a
    conclusion does (so, therefore, overall). Which response it speaks for does not matter, so what
    is left does not tell the verdict by what is missing. A list of turns of phrase: it finds those
    that it knows, in English and in the chains world, and takes some arguments along.

    Args:
        trace: A reply up to its verdict.

    Returns:
        The rest, with the white space that ended the trace; nothing if nothing is left.

    Example:
        >>> without_statements("B slips at 7 - 2. So A is better. ")
        'B slips at 7 - 2. '
    """
    kept = _SENTENCE.sub(lambda found: "" if _states(found[0]) else found[0], trace)
    if kept == trace:
        return trace
    return kept.strip() + trace[len(trace.rstrip()) :] if kept.strip() else ""


def _states(sentence: str) -> bool:
    if _NAMED.search(sentence) is None:
        return False
    return bool(_COMPARES.search(sentence) or _CONCLUDES.match(sentence))
