"""Rewards of single responses from a server that `jurist serve` runs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from jurist.digest import canonical
from jurist.engines.chat_api import Json, MalformedReply, finite
from jurist.engines.chat_session import ChatSession
from jurist.engines.server import run_to_end
from jurist.errors import OutageError
from jurist.judges.served import JuristServer
from jurist.types import Conversation

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServedReward(JuristServer):
    """Asks `POST /v1/rewards`; see `ResponseReward`.

    The server holds a response against the reference that came with it, or one that it keeps, or
    the other responses to the same prompt that reach it within its window, from whatever process:
    so that a judge of pairs can reward what a training stack shows one by one.
    """

    def __call__(
        self,
        prompts: Sequence[Conversation],
        responses: Sequence[str],
        references: Sequence[str | None],
    ) -> list[float | None]:
        """Reward every response; see `ResponseReward`.

        What has no answer within its time (`Patience.item_seconds`) has no reward. Nor has what a
        server that answered before leaves unanswered when it is down for longer than
        `Patience.outage_seconds`: training goes on, and whoever trains says for how long
        (`jurist.adapters.TRLReward`).

        Raises:
            EngineError: The server was never reached, or refuses the caller.
            ValueError: If the lengths differ.
        """
        wanted = list(zip(prompts, responses, references, strict=True))
        found: list[float | None] = [None] * len(wanted)

        async def ask(session: ChatSession, place: int) -> None:
            item = wanted[place]
            found[place] = await session.ask(
                lambda: _body(item), _read, lambda: f"response {item[1]!r:.60}"
            )

        async def run() -> None:
            async with self.route("/v1/rewards").session() as session:
                await session.side_by_side(
                    (lambda place=place: ask(session, place)) for place in range(len(wanted))
                )

        try:
            run_to_end(run())
        except OutageError as outage:
            logger.warning("%d of %d without a reward: %s", found.count(None), len(found), outage)
        return found


def _body(item: tuple[Conversation, str, str | None]) -> bytes:
    prompt, response, reference = item
    asked = {"prompt": prompt, "response": response}
    if reference is not None:
        asked["reference"] = reference
    return canonical({"items": [asked]}).encode()


def _read(reply: Json) -> float | None:
    match reply:
        case {"rewards": [{"reward": None}]}:
            return None
        case {"rewards": [{"reward": reward}]} if (number := finite(reward)) is not None:
            return number
        case _:
            raise MalformedReply(f"expected one reward, found {reply!s:.80}")
