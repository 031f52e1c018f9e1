"""Scores format: principles made for the prompt, a critique by them, and a score for each response.

The form of DeepSeek-GRM (Liu et al. 2025, arXiv:2504.02495, "self-principled critique tuning"), in
words of our own: the judge says first what counts for this prompt, then weighs every response by
it, then gives each a whole number. It takes any number of responses up to 16; of two it is a format
like the others, whose strength is the difference of the scores.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from jurist.digest import digest
from jurist.errors import DataError
from jurist.formats.fence import fenced_responses, responses_mark
from jurist.formats.reply import last_line
from jurist.formats.strength import verdict_of
from jurist.formats.wording import MATERIAL
from jurist.types import Comparison, Completion, Conversation, Failure, Verdict, user

LETTERS: Final = "ABCDEFGHIJKLMNOP"
"""What responses are called; as many as there may be."""

LEAST: Final = 1
MOST: Final = 10

_TASK = """\
Assistants have answered the same prompt. Score how well each response serves the person who wrote \
the prompt.

Be impartial. The order in which the responses are shown says nothing about them; neither does \
their length, nor the names their assistants go by here."""
_METHOD = """\
First set down the principles that a response to this prompt should be judged by, each with the \
weight it deserves here in per cent. Then go through the responses one by one and say how each \
fares by those principles. The scores come after that, on the last line."""
_ENDING = """\
Begin with the principles now. End your reply with a line of the form Scores: {example} and \
nothing else: a whole number from 1 (worst) to 10 (best) for each response, in the order in which \
they are shown."""
_LINE: Final = re.compile(r"Scores: ([0-9]{1,2}(?:, ?[0-9]{1,2}){0,15})")
_TEXTS: Mapping[Verdict, str] = MappingProxyType(
    {Verdict.FIRST: "Scores: 7, 4", Verdict.SECOND: "Scores: 4, 7", Verdict.TIE: "Scores: 5, 5"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Asks a chat model for principles, critiques, and a score from 1 to 10 for each response."""

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording and the settings; the number is the parser's and fences' own."""
        return f"scores/2/{digest((_TASK, _METHOD, MATERIAL, _ENDING), self)[:12]}"

    @property
    def reasoning(self) -> bool:
        """The reply reasons before its scores."""
        return True

    @property
    def verdicts(self) -> Mapping[Verdict, str]:
        """A last line with each verdict on two responses; one of the many that there are."""
        return _TEXTS

    def render(self, comparison: Comparison) -> Conversation:
        """Write a comparison out: `render_all` of its two responses."""
        return self.render_all(comparison.prompt, (comparison.first, comparison.second))

    def render_all(self, prompt: Conversation, responses: Sequence[str]) -> Conversation:
        """Write responses out with their prompt, as one user turn.

        Args:
            prompt: What they reply to.
            responses: 2 to 16 of them.

        Raises:
            DataError: If there are fewer, or more.
        """
        if not 2 <= len(responses) <= len(LETTERS):
            raise DataError(
                f"expected 2 to {len(LETTERS)} responses to score together, got {len(responses)}"
            )
        mark = responses_mark(self.seed, prompt, *responses)
        named = {
            f"response {letter}": text for letter, text in zip(LETTERS, responses, strict=False)
        }
        ending = _ENDING.format(example=", ".join("N" * len(responses)))
        shown = fenced_responses(prompt, named, mark)
        return user("\n\n".join((_TASK, _METHOD, MATERIAL.format(mark=mark), shown, ending)))

    def scores(self, completion: Completion, *, num: int) -> tuple[int, ...] | Failure:
        """The scores on the last line, where they must stand alone, one for each response.

        Args:
            completion: The reply.
            num: How many responses it is about. Another number of scores is no answer.
        """
        line = last_line(completion)
        if isinstance(line, Failure):
            return line
        found = _LINE.fullmatch(line)
        scores = tuple(int(one) for one in found[1].split(",")) if found else ()
        if len(scores) != num or not all(LEAST <= score <= MOST for score in scores):
            return Failure.UNPARSEABLE
        return scores

    def strength(self, completion: Completion) -> float | Failure:
        """By how many points the first of two responses is better, from -9 to 9."""
        scores = self.scores(completion, num=2)
        return scores if isinstance(scores, Failure) else float(scores[0] - scores[1])

    def parse(self, completion: Completion) -> Verdict | Failure:
        """Which of two responses has the higher score; equal ones are a tie."""
        return verdict_of(self.strength(completion))
