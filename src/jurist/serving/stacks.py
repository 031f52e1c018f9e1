"""Routes in the shapes that training stacks post: OpenRLHF, slime and NeMo Gym.

None of them has a word for a response without a reward, and each takes a number for one. So a
request of which any response has none is answered with 503 and the reason, which their clients
retry and then report; it is never answered with a number.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from jurist.data.stack_texts import StackTexts
from jurist.errors import DataError
from jurist.rewards import Cohort, CohortRewards
from jurist.serving.bodies import StrictRoute
from jurist.serving.service import Reward, Service
from jurist.serving.wire import MAX_ITEMS, MAX_RESPONSES, MAX_TURNS, Text
from jurist.types import Conversation, Message, Role, user

Labels = Literal["ignored", "references"]
"""What a stack's labels are: nothing to this judge, or responses to be held against."""


class Unrewarded(Exception):
    """A response has no reward, and the shape of the answer has no word for that."""


class OpenRLHFRequest(BaseModel):
    """What OpenRLHF 0.11 posts to `--reward.remote_url`."""

    model_config = ConfigDict(frozen=True, strict=True)

    query: Annotated[list[Text], Field(min_length=1, max_length=MAX_ITEMS)]
    """Prompt and response as one text, special tokens included."""

    prompts: Annotated[list[Text], Field(max_length=MAX_ITEMS)]
    labels: Annotated[list[object], Field(max_length=MAX_ITEMS)] | None = None


class OpenRLHFAnswer(BaseModel):
    """What OpenRLHF reads. `scores`, between 0 and 1, are for its dynamic filtering."""

    rewards: list[float]
    scores: list[float]
    extra_logs: dict[str, list[float]]


class SlimeRequest(BaseModel):
    """What slime posts to `--rm-url` with `--rm-type remote_rm`."""

    model_config = ConfigDict(frozen=True, strict=True)

    prompt: Text | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_TURNS)]
    response: Text
    label: object = None


class GymRequest(BaseModel):
    """What NeMo Gym's clients post to `/compare`."""

    model_config = ConfigDict(frozen=True, strict=True)

    conversation_history: Annotated[list[dict[str, str]], Field(min_length=1, max_length=MAX_TURNS)]
    response_objs: Annotated[list[dict[str, Any]], Field(max_length=MAX_RESPONSES)]
    """Objects of the Responses API."""

    principle: str | None = None


class GymAnswer(BaseModel):
    """What NeMo Gym reads."""

    rewards: list[float]
    comparison_results: list[dict[str, Any]]
    metrics: dict[str, float]


def stack_routes(service: Service, texts: StackTexts, *, labels: Labels) -> APIRouter:
    """Routes for training stacks.

    Args:
        service: What answers.
        texts: How prompts and responses are told apart where they are one text.
        labels: What the labels are that come with a response.
    """
    routes = APIRouter(route_class=StrictRoute, tags=["training stacks"])
    _add_openrlhf(routes, service, texts, labels)
    _add_slime(routes, service, texts, labels)
    _add_gym(routes, service)
    return routes


def _reference(label: object, labels: Labels) -> str | None:
    if labels == "ignored":
        return None
    if not isinstance(label, str) or not label:
        raise DataError(
            f"the server was started with --labels references, so a label must be the text of a "
            f"response; got {label!r:.60}"
        )
    return label


def _add_openrlhf(routes: APIRouter, service: Service, texts: StackTexts, labels: Labels) -> None:
    @routes.post("/get_reward")
    async def get_reward(request: OpenRLHFRequest) -> OpenRLHFAnswer:
        """Reward responses as OpenRLHF asks: one a request, or a few."""
        given = [None] * len(request.query) if request.labels is None else request.labels
        if not len(request.query) == len(request.prompts) == len(given):
            raise DataError(
                f"expected as many prompts and labels as queries, got {len(request.query)} "
                f"queries, {len(request.prompts)} prompts and {len(given)} labels"
            )
        found = await asyncio.gather(
            *(
                service.reward(
                    user(prompt),
                    texts.response_of(query, prompt),
                    reference=_reference(label, labels),
                )
                for query, prompt, label in zip(request.query, request.prompts, given, strict=True)
            )
        )
        values = [_known(reward) for reward in found]
        return OpenRLHFAnswer(
            rewards=values,
            scores=[cast(float, reward.score) for reward in found],
            extra_logs={
                "jurist_reward": values,
                "jurist_cohort_size": [float(reward.num_responses) for reward in found],
            },
        )


def _add_slime(routes: APIRouter, service: Service, texts: StackTexts, labels: Labels) -> None:
    @routes.post("/slime")
    async def slime(request: SlimeRequest) -> float:
        """Reward one response as slime asks: the answer is a number and nothing else."""
        prompt = user(request.prompt) if isinstance(request.prompt, str) else _turns(request.prompt)
        return _known(
            await service.reward(
                prompt,
                texts.response(request.response),
                reference=_reference(request.label, labels),
            )
        )


def _add_gym(routes: APIRouter, service: Service) -> None:
    @routes.post("/compare")
    async def compare(request: GymRequest) -> GymAnswer:
        """Reward the responses to one conversation as NeMo Gym asks: all at once."""
        if request.principle:
            raise DataError(
                "principle: this judge is asked as it was trained, and would not see it; leave it"
            )
        responses = [_output_text(one, number) for number, one in enumerate(request.response_objs)]
        if not responses:
            return GymAnswer(rewards=[], comparison_results=[], metrics={})
        if len(responses) == 1:
            raise Unrewarded("a single response has nothing to be compared with")
        cohort = Cohort(prompt=_turns(request.conversation_history), responses=tuple(responses))
        found = await service.reward_cohort(cohort)
        if None in found.rewards:
            place = found.rewards.index(None)
            raise Unrewarded(f"response {place}: none of its comparisons came to a verdict")
        return GymAnswer(
            rewards=cast(list[float], list(found.rewards)),
            comparison_results=_results(responses, found),
            metrics={
                "num_comparisons": float(len(found.comparisons)),
                "num_failed_comparisons": float(found.num_failed),
                "num_tokens": float(found.num_tokens),
            },
        )


def _known(reward: Reward) -> float:
    if reward.value is None:
        raise Unrewarded(str(reward.failure))
    return reward.value


def _turns(given: Sequence[dict[str, Any]]) -> Conversation:
    turns: list[Message] = []
    for number, turn in enumerate(given):
        match turn:
            case {"role": "system" | "user" | "assistant" as role, "content": str() as content}:
                turns.append(Message(role=cast(Role, role), content=content))
            case _:
                raise DataError(
                    f"turn {number} of the prompt: expected a role of system, user or assistant "
                    f"and a content that is a text, found {turn!s:.80}"
                )
    return tuple(turns)


def _output_text(response: dict[str, Any], number: int) -> str:
    """The text of the messages of a Responses API object. Its reasoning is not part of it."""
    parts: list[str] = []
    for item in _items(response.get("output")):
        match item:
            case {"type": "message", "content": list(content)}:
                parts += _texts(cast("list[object]", content))
            case _:
                pass
    text = "".join(parts)
    if not text.strip():
        raise DataError(
            f"response_objs[{number}]: expected an output with a message of output_text, found "
            f"{response!s:.80}"
        )
    return text


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _texts(content: list[object]) -> Iterator[str]:
    for part in content:
        match part:
            case {"type": "output_text", "text": str() as text}:
                yield text
            case _:
                pass


def _results(responses: Sequence[str], found: CohortRewards) -> list[dict[str, Any]]:
    return [
        {
            "response_i": responses.index(one.first),
            "response_j": responses.index(one.second),
            "judge_idx": 0,
            "probability": one.probability,
            "votes_i": one.ballot.first,
            "votes_j": one.ballot.second,
            "ties": one.ballot.ties,
            "failed": one.ballot.num_failures,
            "flip": one.ballot.flip,
        }
        for one in found.comparisons
    ]
