"""Terse format: a few words of prompt, for models too small to follow prose."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jurist.digest import digest
from jurist.formats.fence import responses_mark
from jurist.formats.reply import answer, last_line, read
from jurist.types import (
    Comparison,
    Completion,
    Conversation,
    Failure,
    Verdict,
    parted_documents,
    user,
)

_LAYOUT = "{mark} Q {question} {mark} A {first} {mark} B {second} {mark} {cue}"
"""What `terse_prompt` makes of two responses; a fingerprint is of it."""

TERSE_CUES = {True: "Think", False: "Verdict"}
_TEXTS: Mapping[Verdict, str] = MappingProxyType({Verdict.FIRST: "[[A]]", Verdict.SECOND: "[[B]]"})


def terse_prompt(prompt: Conversation, *responses: str, seed: int, cue: str) -> Conversation:
    """One or two responses written out as `Terse` says, with this after the last mark.

    Raises:
        DataError: If all 256 marks occur in the content.
    """
    documents, turns = parted_documents(prompt)
    if len(turns) == 1 and turns[0].role == "user":
        question = turns[0].content
    else:
        question = " ".join(f"{turn.role} {turn.content}" for turn in turns)
    mark = responses_mark(seed, prompt, *responses, digits=2, prefix="#")
    fields = [
        *(("D", text) for text in documents),
        *zip(("Q", "A", "B"), (question, *responses), strict=False),
    ]
    return user("".join(f"{mark} {name} {content} " for name, content in fields) + f"{mark} {cue}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Terse:
    """One line, its fields set apart by a mark of `#` and two hexadecimal digits.

    The prompt is `#7c Q <question> #7c A <first> #7c B <second> #7c Think`, all set apart by
    single spaces. The question is the contents of the turns; one of several turns, or of a turn
    that is not the user's, has each turn's role before it. Documents that the prompt begins with
    stand before the question, each as `#7c D <document>`.
    """

    seed: int = 0
    """The run's seed; the mark is drawn from it."""

    reasoning: bool = True
    """Whether the reply reasons, after the word `Think`, before a verdict on its last line. If
    not, the prompt ends in `Verdict` and the reply is the verdict alone."""

    @property
    def fingerprint(self) -> str:
        """Changes with the layout and the settings; the number is the parser's and fences' own."""
        return f"terse/2/{digest(_LAYOUT, TERSE_CUES[self.reasoning], self)[:12]}"

    @property
    def verdicts(self) -> Mapping[Verdict, str]:
        """The last line, or the whole, of a reply with each verdict."""
        return _TEXTS

    def render(self, comparison: Comparison) -> Conversation:
        """Write the comparison out.

        Raises:
            DataError: If all 256 marks occur in the content.
        """
        return terse_prompt(
            comparison.prompt,
            comparison.first,
            comparison.second,
            seed=self.seed,
            cue=TERSE_CUES[self.reasoning],
        )

    def parse(self, completion: Completion) -> Verdict | Failure:
        """Read the verdict: all of the last line, or all of the reply if it does not reason."""
        text = last_line(completion) if self.reasoning else answer(completion)
        return text if isinstance(text, Failure) else read(text, self.verdicts)
