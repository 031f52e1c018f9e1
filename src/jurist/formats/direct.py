"""Direct format: the verdict alone, one letter, without reasoning."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jurist.digest import digest
from jurist.formats.fence import comparison_mark, fenced
from jurist.formats.reply import answer, read
from jurist.formats.wording import MATERIAL, TASK
from jurist.types import Comparison, Completion, Conversation, Failure, Verdict, user

_ENDING = "Reply with one letter and nothing else: {options}."
_OPTIONS = "A if response A is better, B if response B is better"
_TIE = ", C if neither is better than the other"

_TEXTS: Mapping[Verdict, str] = MappingProxyType({Verdict.FIRST: "A", Verdict.SECOND: "B"})
_TEXTS_WITH_TIE: Mapping[Verdict, str] = MappingProxyType({**_TEXTS, Verdict.TIE: "C"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Direct:
    """Asks a chat model for `A` or `B` and nothing else (Mahan et al. 2024, Fig. 8)."""

    seed: int = 0
    """The run's seed; the fences are drawn from it."""

    ties: bool = False
    """Whether the judge may also answer `C`: neither is better."""

    @property
    def fingerprint(self) -> str:
        """Changes with the wording and the settings; the number is the parser's and fences' own."""
        return f"direct/2/{digest((TASK, MATERIAL, _ENDING, _OPTIONS, _TIE), self)[:12]}"

    @property
    def reasoning(self) -> bool:
        """The reply is the verdict alone."""
        return False

    @property
    def verdicts(self) -> Mapping[Verdict, str]:
        """The whole reply with each verdict; these are the texts to score."""
        return _TEXTS_WITH_TIE if self.ties else _TEXTS

    def render(self, comparison: Comparison) -> Conversation:
        """Write the comparison out, as one user turn."""
        mark = comparison_mark(self.seed, comparison)
        options = _OPTIONS + (_TIE if self.ties else "")
        return user(
            "\n\n".join(
                (
                    TASK,
                    MATERIAL.format(mark=mark),
                    fenced(comparison, mark),
                    _ENDING.format(options=options),
                )
            )
        )

    def parse(self, completion: Completion) -> Verdict | Failure:
        """Read the verdict, which must be the whole reply, white space at its ends aside."""
        text = answer(completion)
        return text if isinstance(text, Failure) else read(text, self.verdicts)
