"""The rationaliser's prompt: here is the verdict, write the reasoning that leads to it."""

from dataclasses import dataclass
from typing import Final, assert_never

from jurist.formats.fence import comparison_mark, fenced
from jurist.formats.pairwise import Pairwise
from jurist.formats.terse import Terse, terse_prompt
from jurist.formats.wording import MATERIAL, TASK
from jurist.types import Comparison, Completion, Conversation, Failure, Verdict, user

_HINT: Final = """\
People who compared the two responses have found response {better} to be the better one. Explain \
why response {better} is better than response {other}: say what in the prompt and in the \
responses decides it. Write as somebody who compares them and comes to a verdict at the end, and \
do not mention that the verdict was known beforehand. Then end your reply with a line that holds \
{verdict} and nothing else."""
_TERSE_HINT: Final = "Think {better}"
_LETTERS: Final = {Verdict.FIRST: ("A", "B"), Verdict.SECOND: ("B", "A")}


@dataclass(frozen=True, slots=True)
class Rationalizer:
    """Asks for the reasoning behind a verdict that is given (Mahan et al. 2024, Fig. 7).

    What comes back is read as a reply in `format`, and trained on as a reply to that format's own
    prompt: the hint stands nowhere but in the prompt that is written here.
    """

    format: Pairwise | Terse
    """The judge's format, with reasoning."""

    def __post_init__(self) -> None:
        if not self.format.reasoning:
            raise ValueError(f"a verdict without reasoning has no rationale: {self.format!r}")

    def render(self, comparison: Comparison, verdict: Verdict) -> Conversation:
        """Write the comparison out, with the verdict that is to be explained.

        Raises:
            ValueError: If the verdict is a tie, which has no better response to speak for.
        """
        if verdict not in _LETTERS:
            raise ValueError("a tie has no better response to explain")
        better, other = _LETTERS[verdict]
        match self.format:
            case Pairwise(seed=seed):
                mark = comparison_mark(seed, comparison)
                hint = _HINT.format(
                    better=better, other=other, verdict=self.format.verdicts[verdict]
                )
                material = MATERIAL.format(mark=mark)
                return user("\n\n".join((TASK, material, fenced(comparison, mark), hint)))
            case Terse(seed=seed):
                cue = _TERSE_HINT.format(better=better)
                return terse_prompt(
                    comparison.prompt, comparison.first, comparison.second, seed=seed, cue=cue
                )
            case _:
                assert_never(self.format)

    def parse(self, completion: Completion) -> Verdict | Failure:
        """Read the verdict that the reply comes to, which need not be the one given."""
        return self.format.parse(completion)
