"""Requests and answers of the native routes, as the OpenAPI description shows them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from jurist.judges import Ballot
from jurist.serving.service import About, Against, Reward
from jurist.types import Conversation, Failure, Judgement, Message, Role, user

MAX_ITEMS = 256
"""Comparisons or responses of one request, at most."""

MAX_RESPONSES = 64
"""Responses of one cohort, at most."""

MAX_TURNS = 1000
"""Turns of one conversation, at most."""

MAX_CHARACTERS = 200_000
"""Characters of one text, at most."""


class Request(BaseModel):
    """A request's body: what is not known is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Turn(Request):
    """One turn of a conversation."""

    role: Role
    content: Annotated[str, Field(max_length=MAX_CHARACTERS)]


Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]

Prompt: TypeAlias = Text | Annotated[list[Turn], Field(min_length=1, max_length=MAX_TURNS)]
"""A text, which is a user's turn, or a conversation that ends in the turn replied to."""


def conversation(prompt: str | list[Turn]) -> Conversation:
    """A prompt as the judge takes it."""
    if isinstance(prompt, str):
        return user(prompt)
    return tuple(Message(role=turn.role, content=turn.content) for turn in prompt)


class ComparisonIn(Request):
    """Two responses to a prompt."""

    prompt: Prompt
    first: Text
    second: Text


class JudgeRequest(Request):
    """Comparisons to judge."""

    comparisons: Annotated[list[ComparisonIn], Field(min_length=1, max_length=MAX_ITEMS)]
    readings: bool = False
    """Answer with every reading too: its text, verdict and tokens."""


class CohortIn(Request):
    """Responses to one prompt, to be compared with each other."""

    prompt: Prompt
    responses: Annotated[list[Text], Field(min_length=2, max_length=MAX_RESPONSES)]


class ResponseIn(Request):
    """A single response."""

    prompt: Prompt
    response: Text
    reference: Text | None = None
    """Held against this response, if given; else as the server was started."""

    group: Annotated[str, Field(max_length=200)] = ""
    """Keeps cohorts of the same prompt apart, such as two rounds of training."""


class RewardsRequest(Request):
    """Single responses, to be rewarded each."""

    items: Annotated[list[ResponseIn], Field(min_length=1, max_length=MAX_ITEMS)]


class Votes(BaseModel):
    """Readings of a comparison, both orders together."""

    first: int
    second: int
    tie: int
    failed: int
    possible: int


class ReadingOut(BaseModel):
    """One reading, in terms of the comparison as it was sent."""

    text: str
    verdict: Literal["first", "second", "tie"] | None
    failure: str | None
    probability: float | None
    swapped: bool
    """The judge was shown the second response first."""

    strength: float | None
    num_tokens: int
    num_prompt_tokens: int

    @classmethod
    def of(cls, judgement: Judgement) -> "ReadingOut":
        """As it is answered."""
        failed = isinstance(judgement.outcome, Failure)
        return cls.model_construct(
            text=judgement.text,
            verdict=None if failed else str(judgement.outcome),
            failure=str(judgement.outcome) if failed else None,
            probability=judgement.probability,
            swapped=judgement.swapped,
            strength=judgement.strength,
            num_tokens=judgement.num_tokens,
            num_prompt_tokens=judgement.num_prompt_tokens,
        )


class BallotOut(BaseModel):
    """What was said of one comparison."""

    verdict: Literal["first", "second", "tie"] | None
    """None if no reading came to one."""

    failure: str | None
    """Why there is no verdict."""

    probability: float | None
    """That the first response is better."""

    flip: bool | None
    """The two orders, each by its own readings, came to different verdicts. None if one came to
    none."""

    votes: Votes
    num_tokens: int
    readings: list[ReadingOut] | None = None

    @classmethod
    def of(cls, ballot: Ballot, *, readings: bool) -> "BallotOut":
        """As it is answered."""
        outcome = ballot.outcome
        failed = isinstance(outcome, Failure)
        # Our own values need no validation, which would cost more than the rest of the answer.
        return cls.model_construct(
            verdict=None if failed else str(outcome),
            failure=str(outcome) if failed else None,
            probability=ballot.probability,
            flip=ballot.flip,
            votes=Votes.model_construct(
                first=ballot.first,
                second=ballot.second,
                tie=ballot.ties,
                failed=ballot.num_failures,
                possible=ballot.num_possible,
            ),
            num_tokens=ballot.num_tokens,
            readings=[ReadingOut.of(one) for one in ballot.judgements] if readings else None,
        )


class JudgeAnswer(BaseModel):
    """One ballot for each comparison, in the order they were sent."""

    judge: About
    results: list[BallotOut]


class RewardOut(BaseModel):
    """What one response is worth."""

    reward: float | None
    """In nats; null if there is none."""

    score: float | None
    """The same as a probability: of beating the reference, or an average response of the cohort."""

    against: Against
    num_responses: int
    failure: str | None

    @classmethod
    def of(cls, reward: Reward) -> "RewardOut":
        """As it is answered."""
        return cls.model_construct(
            reward=reward.value,
            score=reward.score,
            against=reward.against,
            num_responses=reward.num_responses,
            failure=reward.failure,
        )


class RewardsAnswer(BaseModel):
    """One reward for each response, in the order they were sent."""

    judge: About
    rewards: list[RewardOut]


class SelectAnswer(BaseModel):
    """Which of the responses of a cohort is best."""

    judge: About
    best: int | None
    """Its place; of several as good, the one drawn first. Null if none has a reward."""

    rewards: list[float | None]
    num_comparisons: int
    num_failed: int
    num_tokens: int


class FieldFault(BaseModel):
    """What is wrong with one field of a request."""

    path: str
    """Such as `comparisons[3].first`."""

    message: str


class ErrorOut(BaseModel):
    """What went wrong."""

    type: str
    message: str
    fields: list[FieldFault] | None = None
    """The first of the fields that are wrong, if that is what is wrong."""


class ErrorAnswer(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorOut
