"""Principles format: judge by given principles and by nothing else, each as it is or negated.

What SALMON conditions its reward model on (Sun et al. 2024, arXiv:2310.05910): a judge that follows
the principles it is given can be steered by changing them, and one that follows a negated principle
turns its verdict round. Words are our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jurist.digest import digest
from jurist.formats.fence import comparison_mark, fenced
from jurist.formats.reply import last_line, read
from jurist.formats.wording import MATERIAL
from jurist.types import Comparison, Completion, Conversation, Failure, Verdict, user

_TASK = """\
Two assistants, A and B, have each answered the same prompt. Judge which of the two responses \
follows the principles below better. Go by them alone, whatever else you may think of a response.

{principles}"""
_METHOD = """\
Be impartial: which response is shown first says nothing about which is better. First go through \
the principles one by one and say which response follows each better. Your verdict comes after \
that, on the last line."""
_ENDING = """\
Compare the two responses now. Then end your reply with a line that holds your verdict and nothing \
else: [[A]] if response A follows the principles better, [[B]] if response B does."""
_TEXTS: Mapping[Verdict, str] = MappingProxyType({Verdict.FIRST: "[[A]]", Verdict.SECOND: "[[B]]"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Principle:
    """Something that a response should do, and its opposite."""

    text: str
    """A sentence, "The response should be honest about what it does not know."."""

    opposite: str
    """The same turned round, "The response should claim to know everything."."""

    negated: bool = False
    """Whether the opposite is asked for."""

    def __post_init__(self) -> None:
        for name in ("text", "opposite"):
            given = getattr(self, name)
            if not given.strip() or "\n" in given:
                raise ValueError(f"{name} of a principle must be one line of text, got {given!r}")

    @property
    def shown(self) -> str:
        """The sentence that the judge is given."""
        return self.opposite if self.negated else self.text

    def negation(self) -> "Principle":
        """This principle the other way round."""
        return Principle(text=self.text, opposite=self.opposite, negated=not self.negated)


@dataclass(frozen=True, kw_only=True, slots=True)
class Principles:
    """Asks a chat model which response follows some principles better."""

    principles: tuple[Principle, ...]
    """At least one."""

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    def __post_init__(self) -> None:
        if not self.principles:
            raise ValueError("a judge by principles needs at least one, got none")

    @property
    def fingerprint(self) -> str:
        """Changes with the wording, the principles and the settings."""
        return f"principles/2/{digest((_TASK, _METHOD, MATERIAL, _ENDING), self)[:12]}"

    @property
    def reasoning(self) -> bool:
        """The reply reasons before its verdict."""
        return True

    @property
    def verdicts(self) -> Mapping[Verdict, str]:
        """The last line of a reply with each verdict."""
        return _TEXTS

    def render(self, comparison: Comparison) -> Conversation:
        """Write principles and comparison out, as one user turn."""
        mark = comparison_mark(self.seed, comparison)
        listed = "\n".join(f"{i}. {one.shown}" for i, one in enumerate(self.principles, 1))
        parts = (
            _TASK.format(principles=listed),
            _METHOD,
            MATERIAL.format(mark=mark),
            fenced(comparison, mark),
            _ENDING,
        )
        return user("\n\n".join(parts))

    def parse(self, completion: Completion) -> Verdict | Failure:
        """Read the verdict: all of the last line."""
        line = last_line(completion)
        return line if isinstance(line, Failure) else read(line, _TEXTS)
