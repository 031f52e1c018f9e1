"""Rubrics format: tell the kind of task, then solve it or set up a rubric, then judge by that.

The chain of rubrics of RM-R1 (Chen et al. 2025, arXiv:2505.02387), in words of our own: where there
is a right answer the judge works it out before it looks at the responses; elsewhere it weighs what
matters first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from jurist.digest import digest
from jurist.formats.fence import comparison_mark, fenced
from jurist.formats.reply import answer, last_line, read
from jurist.formats.wording import MATERIAL, TASK
from jurist.types import Comparison, Completion, Conversation, Failure, Verdict, user

TaskType: TypeAlias = Literal["Reasoning", "Chat"]
"""Reasoning: a right answer can be worked out. Chat: what is good is a matter of weighing."""

_METHOD = """\
Go about it in this order:

1. Tell what kind of task the prompt sets. The first line of your reply is Type: Reasoning if it \
has an answer that can be worked out, as in mathematics, programming or logic, and Type: Chat if \
it has none.
2. Of a Reasoning task, work out the answer yourself before you go by either response. Of a Chat \
task, set up a rubric instead: what a good response to this prompt must have, each point with its \
weight in per cent and why it matters here.
3. Judge both responses by that answer or rubric, and quote what you go by."""
_ENDING = """\
Begin with the type now. End your reply with a line that holds your verdict and nothing else: \
[[A]] if response A is better, [[B]] if response B is better."""
_TEXTS: Mapping[Verdict, str] = MappingProxyType({Verdict.FIRST: "[[A]]", Verdict.SECOND: "[[B]]"})
_TYPES: Final[Mapping[TaskType, str]] = MappingProxyType(
    {kind: f"Type: {kind}" for kind in get_args(TaskType)}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rubrics:
    """Asks a chat model for the type of the task, an answer or a rubric, and a verdict by it."""

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording and the settings; the number is the parser's and fences' own."""
        return f"rubrics/2/{digest((TASK, _METHOD, MATERIAL, _ENDING), self)[:12]}"

    @property
    def reasoning(self) -> bool:
        """The reply reasons before its verdict."""
        return True

    @property
    def verdicts(self) -> Mapping[Verdict, str]:
        """The last line of a reply with each verdict."""
        return _TEXTS

    def render(self, comparison: Comparison) -> Conversation:
        """Write the comparison out, as one user turn."""
        mark = comparison_mark(self.seed, comparison)
        material = MATERIAL.format(mark=mark)
        return user("\n\n".join((TASK, _METHOD, material, fenced(comparison, mark), _ENDING)))

    def parse(self, completion: Completion) -> Verdict | Failure:
        """Read the verdict: all of the last line. A reply without a type still has one."""
        line = last_line(completion)
        return line if isinstance(line, Failure) else read(line, _TEXTS)

    def task_type(self, completion: Completion) -> TaskType | Failure:
        """Read the type: all of the first line."""
        text = answer(completion)
        return text if isinstance(text, Failure) else read(text.partition("\n")[0], _TYPES)
