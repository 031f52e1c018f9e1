"""Strength format: how much better, from -3 to 3, instead of which one alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from jurist.digest import digest
from jurist.formats.fence import comparison_mark, fenced
from jurist.formats.reply import last_line
from jurist.formats.wording import MATERIAL, TASK
from jurist.types import Comparison, Completion, Conversation, Failure, Verdict, user

_METHOD = """\
First compare the two responses and explain your judgement briefly. How much better one of them is \
comes after that, on the last line."""
_ENDING = """\
Compare the two responses now. Then end your reply with a line of the form Preference: N and \
nothing else, where N is a whole number from -3 to 3:

-3 if response A is much better, -2 if it is clearly better, -1 if it is slightly better,
0 if neither is better than the other,
1 if response B is slightly better, 2 if it is clearly better, 3 if it is much better."""
_LINE: Final = re.compile(r"Preference: ([+-]?[0-3])")
_TEXTS: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.FIRST: "Preference: -2",
        Verdict.SECOND: "Preference: 2",
        Verdict.TIE: "Preference: 0",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Strength:
    """Asks a chat model for the strength of its preference, as Think-RM does.

    The scale and its signs are those of HelpSteer2-Preference (Wang et al. 2024), on which Think-RM
    (Hong et al. 2025) trains: below 0 the first response is the better one. Words are our own. In
    the package a strength is positive where the first is better, so the sign is turned here and
    nowhere else.
    """

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording and the settings; the number is the parser's and fences' own."""
        return f"strength/2/{digest((TASK, _METHOD, MATERIAL, _ENDING), self)[:12]}"

    @property
    def reasoning(self) -> bool:
        """The reply reasons before its verdict."""
        return True

    @property
    def verdicts(self) -> Mapping[Verdict, str]:
        """A last line with each verdict; one of the several that there are."""
        return _TEXTS

    def render(self, comparison: Comparison) -> Conversation:
        """Write the comparison out, as one user turn."""
        mark = comparison_mark(self.seed, comparison)
        material = MATERIAL.format(mark=mark)
        return user("\n\n".join((TASK, _METHOD, material, fenced(comparison, mark), _ENDING)))

    def strength(self, completion: Completion) -> float | Failure:
        """How much better the first response is, from -3 to 3: all of the last line."""
        line = last_line(completion)
        if isinstance(line, Failure):
            return line
        found = _LINE.fullmatch(line)
        return -float(found[1]) if found else Failure.UNPARSEABLE

    def parse(self, completion: Completion) -> Verdict | Failure:
        """The side of the scale that the strength is on; 0 is a tie."""
        return verdict_of(self.strength(completion))


def verdict_of(strength: float | Failure) -> Verdict | Failure:
    """The verdict that a strength states.

    Example:
        >>> verdict_of(-2.0), verdict_of(0.0)
        (<Verdict.SECOND: 'second'>, <Verdict.TIE: 'tie'>)
    """
    if isinstance(strength, Failure):
        return strength
    if strength == 0:
        return Verdict.TIE
    return Verdict.FIRST if strength > 0 else Verdict.SECOND
