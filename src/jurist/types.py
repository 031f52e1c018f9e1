"""The vocabulary of the package: frozen values, no torch, no I/O.

`chosen` and `rejected` are labels; `first` and `second` are places. `Preference.shown` is the one
function that goes from labels to places; nothing goes back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from typing import Literal, NamedTuple, TypeAlias

from jurist.digest import UNLESS_DEFAULT, derive_seed, digest

Role: TypeAlias = Literal["system", "user", "assistant", "document"]
"""Who speaks. A document is nobody's turn: it is what a prompt came with, to be held against."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str
    """Text only; never tokens, never markup of a chat template."""


Conversation: TypeAlias = tuple[Message, ...]
"""Turns, before them the documents that a prompt came with, if any."""


def user(content: str) -> Conversation:
    """A conversation of one user turn."""
    return (Message(role="user", content=content),)


def parted_documents(prompt: Conversation) -> tuple[tuple[str, ...], Conversation]:
    """The documents that a prompt begins with, and its turns.

    Example:
        >>> parted_documents((Message(role="document", content="7 is odd."), *user("Is 7 even?")))
        (('7 is odd.',), (Message(role='user', content='Is 7 even?'),))
    """
    documents = tuple(
        turn.content for turn in takewhile(lambda turn: turn.role == "document", prompt)
    )
    return documents, prompt[len(documents) :]


def told(prompt: Conversation) -> Conversation:
    """A prompt as a model with no role for documents is told it: as part of the user's turn.

    For models that reply to a prompt, or score replies to it; a judge's format shows documents its
    own way. Each stands between lines that bear a digest of them all, which none can hold.

    Raises:
        ValueError: If no user's turn follows a document.
    """
    turns: list[Message] = []
    waiting: list[str] = []
    for turn in prompt:
        if turn.role == "document":
            waiting.append(turn.content)
        elif waiting and turn.role == "user":
            mark = digest("documents", waiting)[:16]
            shown = [
                f"[{mark} document {number}]\n{text}\n[{mark} end of document {number}]"
                for number, text in enumerate(waiting, start=1)
            ]
            turns.append(Message(role="user", content="\n\n".join([*shown, turn.content])))
            waiting = []
        else:
            turns.append(turn)
    if waiting:
        raise ValueError("a document must be followed by a turn of the user's, found none")
    return tuple(turns)


class Verdict(StrEnum):
    """Which of two responses is better, by the place it was shown in."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"

    def swapped(self) -> "Verdict":
        """The same preference, had the responses stood in each other's place."""
        return {Verdict.FIRST: Verdict.SECOND, Verdict.SECOND: Verdict.FIRST}.get(self, self)


class Failure(StrEnum):
    """Why a judgement has no verdict. A failure is never a tie, a loss or a coin flip."""

    TRUNCATED = "truncated"
    """The reply ran into its token limit."""

    UNPARSEABLE = "unparseable"
    """The reply ended, and no verdict stands where the format says it stands."""

    REFUSED = "refused"
    """The model or its server declined to answer."""

    ERROR = "error"
    """The engine could not answer this one item, and said so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What a judge is shown: two responses in places, and no label."""

    prompt: Conversation
    """What the responses answer, ending in the turn they reply to."""

    first: str
    second: str

    def swapped(self) -> "Comparison":
        """The same two responses in each other's place."""
        return Comparison(prompt=self.prompt, first=self.second, second=self.first)


class Shown(NamedTuple):
    """A preference as it is put before a judge, and what a right judge says of it."""

    comparison: Comparison
    label: Verdict
    """The verdict that agrees with the people who labelled the preference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """A prompt with one response labelled better than another."""

    id: str
    """Unique within the file it came from."""

    prompt: Conversation
    chosen: str
    rejected: str

    tie: bool = False
    """The labellers held them equal; `chosen` and `rejected` are then merely first and second."""

    margin: float | None = None
    """How much better, on whatever scale the source uses, or None if it does not say."""

    category: str = ""
    """Section of the source, for the per-category table. Empty if the source has none."""

    source: str = ""
    """Data set the row came from."""

    group: str = ""
    """What a split must keep together: same prompt, task or topic. Never empty once read."""

    language: str = field(default="", metadata=UNLESS_DEFAULT)
    """Language of the row, as the source calls it, or empty if it does not say. Rows whose ids are
    `LANGUAGE-NAME` with one NAME are one pair in several languages."""

    chosen_model: str = field(default="", metadata=UNLESS_DEFAULT)
    """Model that wrote `chosen`, as the source calls it, or empty if it does not say."""

    rejected_model: str = field(default="", metadata=UNLESS_DEFAULT)
    """Model that wrote `rejected`, or empty."""

    @property
    def pair_name(self) -> str | None:
        """What a pair is called in every language it is in, or None if its id does not say."""
        name = self.id.removeprefix(f"{self.language}-")
        return name if self.language and name and name != self.id else None

    def shown(self, seed: int) -> Shown:
        """Put the two responses in places drawn from `seed` and the preference's id.

        The draw is a hash, so it depends neither on the order of the file nor on other rows.
        """
        chosen_first = derive_seed("place", seed, self.id) % 2 == 0
        comparison = Comparison(prompt=self.prompt, first=self.chosen, second=self.rejected)
        if self.tie:
            return Shown(comparison if chosen_first else comparison.swapped(), Verdict.TIE)
        if chosen_first:
            return Shown(comparison, Verdict.FIRST)
        return Shown(comparison.swapped(), Verdict.SECOND)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How an engine samples."""

    num_samples: int = 1
    """Completions of each prompt."""

    temperature: float = 1.0
    """Divides the logits; 0 takes the likeliest token."""

    top_p: float = 1.0
    """Samples from the smallest set of tokens with at least this much probability. In (0, 1]."""

    max_tokens: int = 1024
    """Longest completion, in tokens; a longer one is cut and its finish_reason is "length"."""

    seed: int = 0
    """The run's seed. Sample i of a prompt has a seed of its own, derived from this one, the
    prompt and i (`sample_seed`), so it comes out the same whatever else is asked."""

    first_index: int = 0
    """Index of the first sample: samples first_index ... first_index + num_samples - 1."""

    def __post_init__(self) -> None:
        for name, fine, wanted in (
            ("num_samples", self.num_samples >= 1, "at least 1"),
            ("temperature", 0.0 <= self.temperature < float("inf"), "finite and not negative"),
            ("top_p", 0.0 < self.top_p <= 1.0, "in (0, 1]"),
            ("max_tokens", self.max_tokens >= 1, "at least 1"),
            ("first_index", self.first_index >= 0, "not negative"),
        ):
            if not fine:
                raise ValueError(f"{name} must be {wanted}, got {getattr(self, name)}")


FinishReason: TypeAlias = Literal["stop", "length", "refused", "error"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """One reply of an engine."""

    text: str
    """What the model wrote, without the token that ended it."""

    finish_reason: FinishReason
    num_tokens: int = 0
    """Tokens sampled, the ending one included."""

    num_prompt_tokens: int = 0

    logp: float | None = None
    """Log-probability of the sampled tokens under the model that wrote them, at temperature 1 and
    top_p 1: summed, in nats. None if the engine cannot tell."""


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """How many completions are wanted, said of a few at a time.

    The prompts of a call come in groups that are asked together, such as both orders of a
    comparison. A group's sampling goes in rounds: the rule is told what there is, says how many
    more of each prompt are wanted, and is asked again when they are there. It ends when the rule
    says 0, or when there are as many of each as the call allows. An engine begins what is wanted at
    once, may begin more ahead of need, and drops what turns out not to be wanted.
    """

    more: Callable[[Sequence[Sequence[Completion]]], int]
    """Told the first completions of each prompt of a group, as many of each and none at first: how
    many more of each are wanted. It depends on nothing else."""

    group_size: int = 1
    """So many prompts of a call, from the first on, are a group; the next so many the next."""

    def __post_init__(self) -> None:
        if self.group_size < 1:
            raise ValueError(f"group_size must be at least 1, got {self.group_size}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """One reading of one comparison, in terms of the comparison as it was asked."""

    text: str
    """Everything the judge wrote, reasoning and verdict. Empty for a judge that only scores."""

    outcome: Verdict | Failure
    """The verdict, or why there is none. Exactly one of the two, by construction."""

    probability: float | None = None
    """Probability that the first response is better, if the judge states one. In [0, 1]."""

    strength: float | None = None
    """How much better the first response is, below 0 if it is worse, on the scale of the judge's
    format; None if it states none."""

    swapped: bool = False
    """The judge read the responses in each other's place; everything here is mapped back."""

    num_tokens: int = 0
    """Tokens written for this judgement."""

    num_prompt_tokens: int = 0
    """Tokens read for this judgement."""

    def mapped_back(self) -> "Judgement":
        """This judgement of a swapped comparison, in terms of the comparison before the swap."""
        outcome = self.outcome
        return Judgement(
            text=self.text,
            outcome=outcome.swapped() if isinstance(outcome, Verdict) else outcome,
            probability=None if self.probability is None else 1.0 - self.probability,
            strength=None if self.strength is None else 0.0 - self.strength,
            swapped=not self.swapped,
            num_tokens=self.num_tokens,
            num_prompt_tokens=self.num_prompt_tokens,
        )
