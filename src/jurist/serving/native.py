"""The native routes: comparisons, rewards, best of n."""

import asyncio

from fastapi import APIRouter

from jurist.rewards import Cohort
from jurist.search import first_drawn
from jurist.serving.bodies import StrictRoute
from jurist.serving.service import About, Service
from jurist.serving.wire import (
    BallotOut,
    CohortIn,
    JudgeAnswer,
    JudgeRequest,
    RewardOut,
    RewardsAnswer,
    RewardsRequest,
    SelectAnswer,
    conversation,
)
from jurist.types import Comparison


def native_routes(service: Service) -> APIRouter:
    """Routes under `/v1` that are this package's own."""
    routes = APIRouter(route_class=StrictRoute, prefix="/v1", tags=["native"])
    about = service.about

    @routes.get("/judge")
    async def describe() -> About:
        """Say which judge answers here."""
        return about

    @routes.post("/judge")
    async def judge(request: JudgeRequest) -> JudgeAnswer:
        """Judge comparisons, each in both orders."""
        found = await service.compare(
            [
                Comparison(prompt=conversation(one.prompt), first=one.first, second=one.second)
                for one in request.comparisons
            ]
        )
        return JudgeAnswer.model_construct(
            judge=about,
            results=[BallotOut.of(ballot, readings=request.readings) for ballot in found],
        )

    @routes.post("/rewards")
    async def reward(request: RewardsRequest) -> RewardsAnswer:
        """Reward single responses: against a reference, or against who else comes."""
        found = await asyncio.gather(
            *(
                service.reward(
                    conversation(one.prompt),
                    one.response,
                    reference=one.reference,
                    group=one.group,
                )
                for one in request.items
            )
        )
        return RewardsAnswer.model_construct(
            judge=about, rewards=[RewardOut.of(reward) for reward in found]
        )

    @routes.post("/select")
    async def select(request: CohortIn) -> SelectAnswer:
        """Choose the best of the responses to a prompt."""
        cohort = Cohort(prompt=conversation(request.prompt), responses=tuple(request.responses))
        found = await service.reward_cohort(cohort)
        known = any(reward is not None for reward in found.rewards)
        return SelectAnswer.model_construct(
            judge=about,
            best=first_drawn(cohort, found.best, seed=service.rules.seed) if known else None,
            rewards=list(found.rewards),
            num_comparisons=len(found.comparisons),
            num_failed=found.num_failed,
            num_tokens=found.num_tokens,
        )

    return routes
