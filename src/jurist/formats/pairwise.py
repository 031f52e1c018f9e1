"""Pairwise format: reason first, then a verdict alone on the last line."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jurist.digest import digest
from jurist.formats.fence import comparison_mark, fenced
from jurist.formats.reply import last_line, read
from jurist.formats.wording import MATERIAL, TASK
from jurist.types import Comparison, Completion, Conversation, Failure, Verdict, user

_METHOD = """\
First compare the two responses and explain your judgement briefly. Your verdict comes after that, \
on the last line."""
_ENDING = """\
Compare the two responses now. Then end your reply with a line that holds your verdict and nothing \
else: {options}."""
_OPTIONS = "[[A]] if response A is better, [[B]] if response B is better"
_TIE = ", [[C]] if neither is better than the other"

_TEXTS: Mapping[Verdict, str] = MappingProxyType({Verdict.FIRST: "[[A]]", Verdict.SECOND: "[[B]]"})
_TEXTS_WITH_TIE: Mapping[Verdict, str] = MappingProxyType({**_TEXTS, Verdict.TIE: "[[C]]"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairwise:
    """Asks a chat model to compare, explain, and end with `[[A]]` or `[[B]]` on a line of its own.

    The judge prompt of Mahan et al. 2024 (Fig. 6), in words of our own.
    """

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    ties: bool = False
    """Whether the judge may also answer `[[C]]`: neither is better."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording and the settings; the number is the parser's and fences' own."""
        wording = (TASK, _METHOD, MATERIAL, _ENDING, _OPTIONS, _TIE)
        return f"pairwise/2/{digest(wording, self)[:12]}"

    @property
    def reasoning(self) -> bool:
        """The reply reasons before its verdict."""
        return True

    @property
    def verdicts(self) -> Mapping[Verdict, str]:
        """The last line of a reply with each verdict."""
        return _TEXTS_WITH_TIE if self.ties else _TEXTS

    def render(self, comparison: Comparison) -> Conversation:
        """Write the comparison out, as one user turn: some chat templates know no system turn."""
        mark = comparison_mark(self.seed, comparison)
        options = _OPTIONS + (_TIE if self.ties else "")
        return user(
            "\n\n".join(
                (
                    TASK,
                    _METHOD,
                    MATERIAL.format(mark=mark),
                    fenced(comparison, mark),
                    _ENDING.format(options=options),
                )
            )
        )

    def parse(self, completion: Completion) -> Verdict | Failure:
        """Read the verdict off the last line, where it must stand alone.

        Reasoning quotes either mark freely, so a mark anywhere else counts for nothing: taking
        the first or the last one found would favour one place.
        """
        line = last_line(completion)
        return line if isinstance(line, Failure) else read(line, self.verdicts)
