"""Cohorts out of single requests: responses to one prompt that come within a window.

Training stacks hand a reward model one response at a time, and a judge of pairs has nothing to say
of one. So a response waits for others to the same prompt: until there are as many as a cohort has,
or until the window is over.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from jurist.rewards import Cohort, CohortRewards
from jurist.types import Conversation

Rewarding: TypeAlias = Callable[[Cohort], Awaitable[CohortRewards]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """A response's place in the cohort that it was gathered into."""

    place: int
    cohort: CohortRewards | None
    """None if nobody else came."""

    size: int
    """Responses of the cohort, equal ones each counted."""


@dataclass(slots=True)
class _Gathering:
    closed: "asyncio.Future[CohortRewards | None]"
    timer: asyncio.TimerHandle
    responses: list[str] = field(default_factory=list[str])


class Gatherer:
    """Gathers responses into cohorts, and has each cohort rewarded once.

    Args:
        reward: Rewards a whole cohort of at least two responses.
        window_seconds: How long the first of a cohort waits for the others, at most; positive.
        size: Responses after which a cohort is whole and waits no longer. None: it is never.
    """

    def __init__(self, reward: Rewarding, *, window_seconds: float, size: int | None) -> None:
        if not 0.0 < window_seconds < float("inf"):
            raise ValueError(f"window_seconds must be positive and finite, got {window_seconds}")
        if size is not None and size < 2:
            raise ValueError(f"size must be at least 2, or nobody is compared; got {size}")
        self._reward = reward
        self._window_seconds = window_seconds
        self._size = size
        self._open: dict[tuple[str, Conversation], _Gathering] = {}
        self._rewarding: set[asyncio.Task[None]] = set()

    @property
    def num_open(self) -> int:
        """Cohorts that still wait for somebody."""
        return len(self._open)

    async def __call__(self, prompt: Conversation, response: str, *, group: str = "") -> Gathered:
        """Put a response into the open cohort of its prompt, and wait for what comes of it.

        Args:
            prompt: What is replied to.
            response: The reply.
            group: Keeps apart what has the same prompt, such as two rounds of training.

        Raises:
            JuristError: What rewarding the cohort raised.
        """
        key = (group, prompt)
        gathering = self._open.get(key)
        if gathering is None:
            loop = asyncio.get_running_loop()
            gathering = _Gathering(
                closed=loop.create_future(),
                timer=loop.call_later(self._window_seconds, self._close, key),
            )
            self._open[key] = gathering
        place = len(gathering.responses)
        gathering.responses.append(response)
        if len(gathering.responses) == self._size:
            self._close(key)
        # Shielded: the others go on if this one hangs up. Its response stays in the cohort.
        cohort = await asyncio.shield(gathering.closed)
        return Gathered(place=place, cohort=cohort, size=len(gathering.responses))

    def _close(self, key: tuple[str, Conversation]) -> None:
        gathering = self._open.pop(key)
        gathering.timer.cancel()
        if len(gathering.responses) < 2:
            gathering.closed.set_result(None)
            return
        cohort = Cohort(prompt=key[1], responses=tuple(gathering.responses))
        task = asyncio.get_running_loop().create_task(self._settle(gathering, cohort))
        # Kept: the loop itself holds a task weakly.
        self._rewarding.add(task)
        task.add_done_callback(self._rewarding.discard)

    async def _settle(self, gathering: _Gathering, cohort: Cohort) -> None:
        try:
            gathering.closed.set_result(await self._reward(cohort))
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked, who raise it
            gathering.closed.set_exception(error)
            # Seen, even if all who waited have hung up.
            gathering.closed.exception()
