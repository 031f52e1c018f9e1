"""What a judge format is: a prompt and the parser of its replies, together."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from jurist.types import Comparison, Completion, Conversation, Failure, Verdict


class Format(Protocol):
    """A way of asking for a verdict, and of reading it back."""

    @property
    def fingerprint(self) -> str:
        """Name, version and settings: what a changed prompt or parser changes."""
        ...

    @property
    def reasoning(self) -> bool:
        """Whether the reply reasons before its verdict. If not, it is the verdict alone."""
        ...

    @property
    def verdicts(self) -> Mapping[Verdict, str]:
        """The text that states each verdict the format allows, as it ends a reply."""
        ...

    def render(self, comparison: Comparison) -> Conversation:
        """Write the comparison out for the judge, ending in the turn it replies to."""
        ...

    def parse(self, completion: Completion) -> Verdict | Failure:
        """Read the verdict where the format says it stands; never guess.

        Linear in the length of the text.
        """
        ...


@runtime_checkable
class GradedFormat(Protocol):
    """A format whose replies say how much better a response is, and not only that it is."""

    def strength(self, completion: Completion) -> float | Failure:
        """How much better the first response is, below 0 if it is worse; never guessed.

        `Format.parse` of the same reply is its sign, and fails where this does.
        """
        ...
