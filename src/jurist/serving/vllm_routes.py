"""Routes in vLLM's shapes: a judge where a client expects a classifier or a cross-encoder.

As in vLLM, scores of pairs and rankings are between 0 and 1: here the probability of beating an
average response of those that were sent together, or of a judge of single responses its score
through a sigmoid. A response without a reward has a score of null.
"""

import asyncio
import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from jurist.data.stack_texts import StackTexts
from jurist.errors import DataError
from jurist.rewards import Cohort, win_probability
from jurist.serving.bodies import StrictRoute
from jurist.serving.service import Service
from jurist.serving.wire import MAX_ITEMS, MAX_RESPONSES, MAX_TURNS, Text, Turn, conversation
from jurist.types import user

OneOrMany = Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_ITEMS)]


class ClassifyRequest(BaseModel):
    """What verl posts for a discriminative reward model, among others."""

    model_config = ConfigDict(frozen=True, strict=True)

    model: str | None = None
    input: OneOrMany | None = None
    """StackTexts of prompt and response."""

    messages: Annotated[list[Turn], Field(min_length=2, max_length=MAX_TURNS)] | None = None
    """A conversation, whose last turn is the response."""

    use_activation: bool = True
    """Answer between 0 and 1; else in nats."""


class ScoreRequest(BaseModel):
    """Queries and documents: prompts and responses here."""

    model_config = ConfigDict(frozen=True, strict=True, populate_by_name=True)

    model: str | None = None
    queries: Annotated[
        OneOrMany, Field(validation_alias=AliasChoices("queries", "query", "text_1", "data_1"))
    ]
    documents: Annotated[
        OneOrMany,
        Field(validation_alias=AliasChoices("documents", "items", "text_2", "data_2")),
    ]


class RerankRequest(BaseModel):
    """One query and its documents: a prompt and its responses here."""

    model_config = ConfigDict(frozen=True, strict=True)

    model: str | None = None
    query: Text
    documents: Annotated[list[Text], Field(min_length=2, max_length=MAX_RESPONSES)]
    top_n: Annotated[int, Field(ge=0)] = 0
    """So many of the best; 0: all."""


def vllm_routes(service: Service, texts: StackTexts) -> APIRouter:
    """Routes in vLLM's shapes."""
    routes = APIRouter(route_class=StrictRoute, tags=["vLLM's shapes"])
    _add_classify(routes, service, texts)
    _add_score(routes, service)
    _add_rerank(routes, service)
    return routes


def _head(kind: str, service: Service) -> dict[str, Any]:
    return {
        "id": f"{kind}-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": service.about.model,
    }


def _add_classify(routes: APIRouter, service: Service, texts: StackTexts) -> None:
    @routes.post("/classify")
    @routes.post("/v1/classify", include_in_schema=False)
    async def classify(request: ClassifyRequest) -> dict[str, Any]:
        """Reward single responses: `probs` has one number."""
        if (request.input is None) == (request.messages is None):
            raise DataError("expected either 'input' or 'messages'")
        if request.messages is not None:
            turns = conversation(request.messages)
            if turns[-1].role != "assistant":
                raise DataError(
                    f"messages: expected a last turn of the assistant's, the response; found "
                    f"{turns[-1].role!r}"
                )
            given = [(turns[:-1], texts.response(turns[-1].content))]
        else:
            inputs = [request.input] if isinstance(request.input, str) else request.input or []
            given = [texts.parted(text) for text in inputs]
        found = await asyncio.gather(*(service.reward(*one) for one in given))
        data = [
            {
                "index": index,
                "label": "reward",
                "probs": [reward.score if request.use_activation else reward.value],
                "num_classes": 1,
                "against": reward.against,
                "num_responses": reward.num_responses,
                "failure": reward.failure,
            }
            for index, reward in enumerate(found)
        ]
        return {
            **_head("classify", service),
            "data": data,
            "usage": _usage(sum(r.num_tokens for r in found)),
        }


def _add_score(routes: APIRouter, service: Service) -> None:
    @routes.post("/v1/score")
    @routes.post("/score", include_in_schema=False)
    async def score(request: ScoreRequest) -> dict[str, Any]:
        """Score documents as responses to their queries, those to one query beside each other."""
        queries = [request.queries] if isinstance(request.queries, str) else request.queries
        documents = [request.documents] if isinstance(request.documents, str) else request.documents
        if len(queries) == 1:
            queries = queries * len(documents)
        if len(queries) != len(documents):
            raise DataError(
                f"expected one query, or one for each document; got {len(queries)} queries and "
                f"{len(documents)} documents"
            )
        places: dict[str, list[int]] = {}
        for place, query in enumerate(queries):
            places.setdefault(query, []).append(place)
        found = await asyncio.gather(
            *(_scores(service, query, [documents[i] for i in of]) for query, of in places.items())
        )
        scores: list[float | None] = [None] * len(documents)
        for of, (values, _) in zip(places.values(), found, strict=True):
            for place, value in zip(of, values, strict=True):
                scores[place] = value
        return {
            **_head("score", service),
            "data": [
                {"index": index, "object": "score", "score": value}
                for index, value in enumerate(scores)
            ],
            "usage": _usage(sum(num for _, num in found)),
        }


def _add_rerank(routes: APIRouter, service: Service) -> None:
    @routes.post("/v1/rerank")
    @routes.post("/rerank", include_in_schema=False)
    @routes.post("/v2/rerank", include_in_schema=False)
    async def rerank(request: RerankRequest) -> dict[str, Any]:
        """Rank the responses to one prompt, the best first; those without a score are last."""
        scores, num_tokens = await _scores(service, request.query, request.documents)
        order = sorted(
            range(len(scores)), key=lambda i: -1.0 if (s := scores[i]) is None else s, reverse=True
        )
        results = [
            {
                "index": i,
                "document": {"text": request.documents[i]},
                "relevance_score": scores[i],
            }
            for i in order[: request.top_n or None]
        ]
        found = _head("rerank", service)
        return {
            "id": found["id"],
            "model": found["model"],
            "usage": _usage(num_tokens),
            "results": results,
        }


async def _scores(
    service: Service, query: str, documents: list[str]
) -> tuple[list[float | None], int]:
    """Scores of the responses to one prompt, and the tokens written for them."""
    if len(documents) == 1:
        reward = await service.reward(user(query), documents[0])
        return [reward.score], reward.num_tokens
    found = await service.reward_cohort(Cohort(prompt=user(query), responses=tuple(documents)))
    return [
        None if value is None else win_probability(value) for value in found.rewards
    ], found.num_tokens


def _usage(num_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 0, "completion_tokens": num_tokens, "total_tokens": num_tokens}
