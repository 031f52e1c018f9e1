"""The decision shape, `POST /v1/systemone`: which of some options, and how likely each is.

The state is the prompt, and the options of a choice are responses to it. Two options are judged as
a comparison; of more, each is compared with others, and the probability that Luce's axiom gives it
among all of them is proportional to the exponential of its strength.
"""

import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from jurist.errors import DataError
from jurist.rewards import Cohort
from jurist.serving.bodies import StrictRoute
from jurist.serving.service import NO_VERDICT, Service
from jurist.serving.wire import MAX_RESPONSES, Prompt, Text, conversation
from jurist.types import Comparison, Conversation

MAX_QUESTIONS = 64


class Question(BaseModel):
    """A choice between responses."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: Literal["choice"]
    criteria: Annotated[dict[str, Text], Field(min_length=2, max_length=MAX_RESPONSES)]
    """Responses, by the name that each is answered with."""

    instructions: str | None = None


class DecisionRequest(BaseModel):
    """Questions about one prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: str | None = None
    state: Prompt
    questions: Annotated[dict[str, Question], Field(min_length=1, max_length=MAX_QUESTIONS)]
    instructions: str | None = None


def decision_routes(service: Service) -> APIRouter:
    """The decision shape."""
    routes = APIRouter(route_class=StrictRoute, tags=["decisions"])

    @routes.post("/v1/systemone")
    async def decide(request: DecisionRequest) -> dict[str, Any]:
        """Choose among responses to the state."""
        if request.instructions or any(one.instructions for one in request.questions.values()):
            raise DataError(
                "instructions: this judge is asked as it was trained, and would not see them; "
                "leave them"
            )
        prompt = conversation(request.state)
        answers = {
            name: await _answer(service, prompt, question.criteria)
            for name, question in request.questions.items()
        }
        return {
            "object": "decision",
            "model": service.about.model,
            "answers": {name: answer for name, (answer, _) in answers.items()},
            "diagnostics": {
                name: {"label_mass": mass, "argmax_is_label": True}
                for name, (_, mass) in answers.items()
            },
        }

    return routes


async def _answer(
    service: Service, prompt: Conversation, options: dict[str, str]
) -> tuple[dict[str, Any], float]:
    """The answer to one question, and the share of readings that came to a verdict."""
    if len(set(options.values())) < len(options):
        raise DataError(f"criteria: two options are the same response; got {list(options)}")
    names = list(options)
    if len(names) == 2:
        asked = Comparison(prompt=prompt, first=options[names[0]], second=options[names[1]])
        (ballot,) = await service.compare([asked])
        mass = ballot.num_verdicts / len(ballot.judgements)
        first = ballot.probability
        shares = None if first is None else [first, 1.0 - first]
    else:
        found = await service.reward_cohort(
            Cohort(prompt=prompt, responses=tuple(options.values()))
        )
        readings = [one for each in found.comparisons for one in each.ballot.judgements]
        verdicts = sum(each.ballot.num_verdicts for each in found.comparisons)
        mass = verdicts / len(readings) if readings else 1.0
        known = [value for value in found.rewards if value is not None]
        shares = _shares(known) if len(known) == len(names) else None
    if shares is None:
        failed = {"choice": None, "probabilities": None, "confidence": None, "failure": NO_VERDICT}
        return {"type": "choice", **failed}, mass
    best = max(range(len(names)), key=lambda place: shares[place])
    return {
        "type": "choice",
        "choice": names[best],
        "probabilities": dict(zip(names, shares, strict=True)),
        "confidence": shares[best] * mass,
    }, mass


def _shares(strengths: list[float]) -> list[float]:
    most = max(strengths)
    weights = [math.exp(strength - most) for strength in strengths]
    return [weight / sum(weights) for weight in weights]
