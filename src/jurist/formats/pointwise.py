"""Pointwise formats: one response at a time, and whether it is a good one.

What they ask of a response is what a preference says of it: chosen ones are good and rejected ones
are not. That is more than people said, who only compared; see `jurist.rationales.asked_of`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from jurist.digest import UNLESS_DEFAULT, digest
from jurist.formats.fence import fenced_responses, responses_mark
from jurist.formats.reply import answer, last_line, read
from jurist.formats.terse import TERSE_CUES, terse_prompt
from jurist.formats.wording import MATERIAL
from jurist.types import Completion, Conversation, Failure, user

_TASK = """\
An assistant has answered a prompt. Judge whether its response serves the person who wrote the \
prompt well.

Weigh how helpful, how relevant and how accurate the response is, its depth, its creativity, and \
whether its level of detail suits what was asked. How long it is says nothing about that."""
_ASPECT = """\
Judge one aspect of it alone, and let nothing else count: a response that is good in this respect \
is a good one here, whatever else is wrong with it. The aspect: {aspect}"""
_METHOD = """\
First examine the response and explain briefly what is right and what is wrong with it. Your \
verdict comes after that, on the last line."""
_MATERIAL = MATERIAL.replace("the responses", "the response")
_REASONED = """\
Examine the response now. Then end your reply with a line that holds your verdict and nothing \
else: Yes if it is a good response, No if it is not."""
_DIRECT = """\
Is it a good response? Reply with one word and nothing else: Yes or No."""

_TEXTS: Mapping[bool, str] = MappingProxyType({True: "Yes", False: "No"})
_TERSE_LAYOUT = "{mark} Q {question} {mark} A {response} {mark} {cue}"
_TERSE_TEXTS: Mapping[bool, str] = MappingProxyType({True: "ok", False: "bad"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Pointwise:
    """Asks a chat model about one response, and to end in `Yes` or `No` on a line of its own.

    The question of a generative verifier (Zhang et al. 2024, section 3), in words of our own, asked
    of any response and not only of solutions.
    """

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    reasoning: bool = True
    """Whether the reply examines the response before its verdict. If not, it is the verdict."""

    aspect: str = field(default="", metadata=UNLESS_DEFAULT)
    """What alone is to be judged, as an aspect verifier does (Lifshitz et al. 2025). Empty: the
    response as a whole."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording and the settings; the number is the parser's and fences' own."""
        wording = (_TASK, _METHOD, _MATERIAL, _REASONED, _DIRECT)
        if self.aspect:
            wording = (*wording, _ASPECT)
        return f"pointwise/2/{digest(wording, self)[:12]}"

    @property
    def verdicts(self) -> Mapping[bool, str]:
        """The last line, or the whole, of a reply that finds the response good, or not."""
        return _TEXTS

    def render(self, prompt: Conversation, response: str) -> Conversation:
        """Write the response out with its prompt, as one user turn."""
        mark = responses_mark(self.seed, prompt, response)
        material = (
            _MATERIAL.format(mark=mark),
            fenced_responses(prompt, {"response": response}, mark),
        )
        task = (_TASK, _ASPECT.format(aspect=self.aspect)) if self.aspect else (_TASK,)
        if self.reasoning:
            return user("\n\n".join((*task, _METHOD, *material, _REASONED)))
        return user("\n\n".join((*task, *material, _DIRECT)))

    def parse(self, completion: Completion) -> bool | Failure:
        """Read the verdict: all of the last line, or all of the reply if it does not reason."""
        return _parsed(completion, self.verdicts, reasoning=self.reasoning)


@dataclass(frozen=True, kw_only=True, slots=True)
class TersePointwise:
    """One line about one response, for models too small to follow prose.

    The prompt is `#7c Q <question> #7c A <response> #7c Think`, laid out as `Terse` does; the
    verdict is `ok` or `bad`, alone on the last line.
    """

    seed: int = 0
    """The run's seed; the mark is drawn from it."""

    reasoning: bool = True
    """Whether the reply reasons, after the word `Think`, before its verdict. If not, the prompt
    ends in `Verdict` and the reply is the verdict alone."""

    @property
    def fingerprint(self) -> str:
        """Changes with the layout and the settings; the number is the parser's and fences' own."""
        return f"terse-pointwise/2/{digest(_TERSE_LAYOUT, TERSE_CUES[self.reasoning], self)[:12]}"

    @property
    def verdicts(self) -> Mapping[bool, str]:
        """The last line, or the whole, of a reply that finds the response good, or not."""
        return _TERSE_TEXTS

    def render(self, prompt: Conversation, response: str) -> Conversation:
        """Write the response out with its prompt.

        Raises:
            DataError: If all 256 marks occur in the content.
        """
        return terse_prompt(prompt, response, seed=self.seed, cue=TERSE_CUES[self.reasoning])

    def parse(self, completion: Completion) -> bool | Failure:
        """Read the verdict: all of the last line, or all of the reply if it does not reason."""
        return _parsed(completion, self.verdicts, reasoning=self.reasoning)


ResponseFormat: TypeAlias = Pointwise | TersePointwise
"""A way of asking about one response."""


def _parsed(
    completion: Completion, verdicts: Mapping[bool, str], *, reasoning: bool
) -> bool | Failure:
    text = last_line(completion) if reasoning else answer(completion)
    return text if isinstance(text, Failure) else read(text, verdicts)
