"""Prometheus format: feedback on one response by a rubric of yours, then a score from 1 to 5.

The form of Prometheus (Kim et al. 2024, arXiv:2310.08491), in words of our own: the judge is given
what to look at, what each score means, and perhaps an answer that deserves the highest one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from jurist.digest import digest
from jurist.formats.fence import fenced_responses, responses_mark
from jurist.formats.reply import last_line
from jurist.formats.wording import MATERIAL
from jurist.types import Completion, Conversation, Failure, user

MOST: Final = 5

_TASK = """\
An assistant has answered a prompt. Score its response by the rubric below, from 1 to 5. Go by the \
rubric alone, whatever else you may think of the response.

{criteria}

{levels}"""
_REFERENCE = """\
The reference answer is one that deserves a 5. A response need not say the same in the same \
words."""
_MATERIAL = MATERIAL.replace("the responses", "the response")
_ENDING = """\
Write your feedback on the response now, by the rubric. Then end your reply with a line of the \
form [RESULT] N and nothing else, where N is the score."""
_LINE: Final = re.compile(r"\[RESULT\] ([1-5])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rubric:
    """What to look at in a response, and what each score means."""

    criteria: str
    """A question or a sentence, "Does the response say how it knows what it claims?"."""

    levels: tuple[str, str, str, str, str]
    """What a response is like that deserves 1, 2, 3, 4 and 5."""

    def __post_init__(self) -> None:
        if len(self.levels) != MOST:
            raise ValueError(f"a rubric has {MOST} levels, got {len(self.levels)}")
        for text in (self.criteria, *self.levels):
            if not text.strip():
                raise ValueError("criteria and levels of a rubric must not be empty")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prometheus:
    """Asks a chat model to score one response by a rubric, beside a reference if there is one."""

    rubric: Rubric
    references: Mapping[Conversation, str] = field(default_factory=dict[Conversation, str])
    """Answers that deserve a 5, by their prompts. A prompt that is not here has none."""

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording, the rubric, the references and the settings."""
        wording = (_TASK, _REFERENCE, _MATERIAL, _ENDING)
        known = sorted((digest(prompt), text) for prompt, text in self.references.items())
        return f"prometheus/2/{digest(wording, self.rubric, known, self.seed)[:12]}"

    @property
    def scores(self) -> Mapping[int, str]:
        """The last line of a reply with each score."""
        return _TEXTS

    def render(self, prompt: Conversation, response: str) -> Conversation:
        """Write rubric, response and reference out, as one user turn."""
        reference = self.references.get(prompt)
        known = {} if reference is None else {"reference answer": reference}
        mark = responses_mark(self.seed, prompt, response, *known.values())
        levels = "\n".join(f"{score}: {text}" for score, text in enumerate(self.rubric.levels, 1))
        parts = [
            _TASK.format(criteria=self.rubric.criteria, levels=levels),
            _MATERIAL.format(mark=mark),
            fenced_responses(prompt, {"response": response, **known}, mark),
            *([_REFERENCE] if known else []),
            _ENDING,
        ]
        return user("\n\n".join(parts))

    def parse(self, completion: Completion) -> int | Failure:
        """The score: all of the last line. A 4.5, a 6 or a score elsewhere is none."""
        line = last_line(completion)
        if isinstance(line, Failure):
            return line
        found = _LINE.fullmatch(line)
        return int(found[1]) if found else Failure.UNPARSEABLE


_TEXTS: Mapping[int, str] = MappingProxyType(
    {score: f"[RESULT] {score}" for score in range(1, MOST + 1)}
)
