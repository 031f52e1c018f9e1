"""Formats that show many responses at once: to choose one of them, or to write a better one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from jurist.digest import digest
from jurist.formats.fence import fenced_responses, responses_mark
from jurist.formats.reply import answer, last_line
from jurist.formats.wording import MATERIAL
from jurist.types import Completion, Conversation, Failure, user

Aim: TypeAlias = Literal["best", "consistent"]
"""What to look for: the response that is right, or the one that most of the others agree with."""

_TASKS: Final = {
    "best": """\
{number} assistants, 1 to {number}, have each answered the same prompt. Find the response that \
serves the person who wrote the prompt best: the one most likely to be right, if the prompt has a \
right answer. It need not be one that others agree with.""",
    "consistent": """\
{number} assistants, 1 to {number}, have each answered the same prompt. Find the response that \
agrees most with the others: the one whose answer most of them come to, in whatever words, or, \
where no two answers are alike, the one that shares most with the rest. Do not judge which answer \
is right.""",
}
_METHOD: Final = """\
First go through the responses briefly. The number of the one you choose comes after that, on the \
last line. The order in which the responses are shown says nothing about them."""
_CHOOSE: Final = """\
Choose now. Then end your reply with a line that holds the number of the response you choose, in \
double square brackets, and nothing else: [[1]] to [[{number}]]."""

_WRITE: Final = """\
{number} assistants, 1 to {number}, have each answered the same prompt. Any of them may be wrong, \
in whole or in part. Write a response of your own to that prompt, better than any of theirs: take \
over what holds, leave out what does not, and work out again what they disagree about."""
_ANSWER: Final = """\
Write your own response to the prompt now, for the person who wrote it, without a word about the \
other responses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listwise:
    """Asks a chat model which of several responses to take, with `[[number]]` on the last line.

    Aimed at the best one it is GenSelect (Moshkov et al. 2025), which shows up to 16 of them, as
    summaries where they are long; aimed at the one most consistent with the others it is universal
    self-consistency (Chen et al. 2023). The words are our own.
    """

    aim: Aim = "best"
    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording and the settings; the number is the parser's and fences' own."""
        wording = (_TASKS, _METHOD, MATERIAL, _CHOOSE)
        return f"listwise/2/{digest(wording, self)[:12]}"

    def render(self, prompt: Conversation, responses: Sequence[str]) -> Conversation:
        """Write the responses out, numbered from 1 in the order given, as one user turn.

        Raises:
            ValueError: If there are fewer than two.
        """
        return _shown(prompt, responses, self.seed, (_TASKS[self.aim], _METHOD), _CHOOSE)

    def parse(self, completion: Completion, num_responses: int) -> int | Failure:
        """Read the choice off the last line, where it must stand alone.

        Returns:
            The place of the response chosen, from 0; or why there is none, such as a number that no
            response has.
        """
        line = last_line(completion)
        if isinstance(line, Failure):
            return line
        places = {f"[[{place + 1}]]": place for place in range(num_responses)}
        return places.get(line, Failure.UNPARSEABLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Synthesis:
    """Asks a chat model for a new response, given several to the same prompt.

    Generative self-aggregation (Li et al. 2025), in words of our own. How sure: high, the
    mechanism; the paper's wording was not looked at.
    """

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording and the settings; the number is the parser's and fences' own."""
        return f"synthesis/2/{digest((_WRITE, MATERIAL, _ANSWER), self)[:12]}"

    def render(self, prompt: Conversation, responses: Sequence[str]) -> Conversation:
        """Write the responses out, numbered from 1 in the order given, as one user turn.

        Raises:
            ValueError: If there are fewer than two.
        """
        return _shown(prompt, responses, self.seed, (_WRITE,), _ANSWER)

    def parse(self, completion: Completion) -> str | Failure:
        """The new response, without any thinking before it; a reply without one is a failure."""
        return answer(completion) or Failure.UNPARSEABLE


def _shown(
    prompt: Conversation, responses: Sequence[str], seed: int, task: Sequence[str], ending: str
) -> Conversation:
    if len(responses) < 2:
        raise ValueError(f"expected at least two responses to show, got {len(responses)}")
    mark = responses_mark(seed, prompt, *responses)
    named = {f"response {place}": text for place, text in enumerate(responses, 1)}
    number = len(responses)
    return user(
        "\n\n".join(
            (
                *(part.format(number=number) for part in task),
                MATERIAL.format(mark=mark),
                fenced_responses(prompt, named, mark),
                ending.format(number=number),
            )
        )
    )
