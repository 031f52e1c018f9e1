"""Additive formats: one response at a time, and how many of five points it earns.

The judge prompt of Self-Rewarding Language Models (Yuan et al. 2024, arXiv:2401.10020): a point for
each of five things, each asking more than the one before. Words and layout are our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from jurist.digest import digest
from jurist.formats.fence import fenced_responses, responses_mark
from jurist.formats.reply import last_line, read
from jurist.formats.terse import terse_prompt
from jurist.formats.wording import MATERIAL
from jurist.types import Completion, Conversation, Failure, user

MOST_POINTS = 5
"""Points that the best response has; the worst has 0."""

_TASK = """\
An assistant has answered a prompt. Give its response points, from 0 to 5, by adding them up. \
There is one point for each of these, if it holds:

1. The response has to do with what was asked and tells something about it, be it incomplete or \
beside the point in parts.
2. It deals with a good part of what was asked, though not with all of it.
3. It answers the essentials of what was asked in a way that is of use, whoever or whatever may \
have written it.
4. It is clearly written for the person who asked, from an assistant's point of view, complete and \
well organised, with little that could be better put.
5. It is made for just this prompt, by somebody who knows the matter, with nothing in it that does \
not belong there.

How long a response is earns it nothing."""
_MATERIAL = MATERIAL.replace("the responses", "the response")
_ENDING = """\
Go through the five now, and explain your points briefly. Then end your reply with a line of the \
form Score: N and nothing else, where N is their sum."""

_TEXTS: Mapping[int, str] = MappingProxyType(
    {points: f"Score: {points}" for points in range(MOST_POINTS + 1)}
)
_CUE = "Think 5"
_TERSE_TEXTS: Mapping[int, str] = MappingProxyType(
    {points: str(points) for points in range(MOST_POINTS + 1)}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Additive:
    """Asks a chat model for points, and to end in `Score: N` on a line of its own."""

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording and the settings; the number is the parser's and fences' own."""
        return f"additive/2/{digest((_TASK, _MATERIAL, _ENDING), self)[:12]}"

    @property
    def scores(self) -> Mapping[int, str]:
        """The last line of a reply that gives so many points."""
        return _TEXTS

    def render(self, prompt: Conversation, response: str) -> Conversation:
        """Write the response out with its prompt, as one user turn."""
        mark = responses_mark(self.seed, prompt, response)
        return user(
            "\n\n".join(
                (
                    _TASK,
                    _MATERIAL.format(mark=mark),
                    fenced_responses(prompt, {"response": response}, mark),
                    _ENDING,
                )
            )
        )

    def parse(self, completion: Completion) -> int | Failure:
        """Read the points off the last line, where they must stand alone.

        A sum beyond the scale, a fraction, or a number anywhere else is no score.
        """
        return _parsed(completion, self.scores)


@dataclass(frozen=True, kw_only=True, slots=True)
class TerseAdditive:
    """One line about one response, for models too small to follow prose.

    The prompt is `#7c Q <question> #7c A <response> #7c Think 5`, laid out as `Terse` does; the
    points are a digit alone on the last line.
    """

    seed: int = 0
    """The run's seed; the mark is drawn from it."""

    @property
    def fingerprint(self) -> str:
        """Changes with the cue and the settings; the number is that of layout and parser."""
        return f"terse-additive/2/{digest(_CUE, self)[:12]}"

    @property
    def scores(self) -> Mapping[int, str]:
        """The last line of a reply that gives so many points."""
        return _TERSE_TEXTS

    def render(self, prompt: Conversation, response: str) -> Conversation:
        """Write the response out with its prompt.

        Raises:
            DataError: If all 256 marks occur in the content.
        """
        return terse_prompt(prompt, response, seed=self.seed, cue=_CUE)

    def parse(self, completion: Completion) -> int | Failure:
        """Read the points: all of the last line."""
        return _parsed(completion, self.scores)


AdditiveFormat: TypeAlias = Additive | TerseAdditive
"""A way of asking how many points a response earns."""


def _parsed(completion: Completion, scores: Mapping[int, str]) -> int | Failure:
    line = last_line(completion)
    return line if isinstance(line, Failure) else read(line, scores)
