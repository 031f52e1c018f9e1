"""Rewards of single responses from a server that `jurist serve` runs."""

from collections.abc import Sequence
from typing import Any

from jurist.digest import canonical
from jurist.engines.chat_api import Json, MalformedReply
from jurist.engines.chat_session import ChatSession
from jurist.engines.patience import Clock, Patience
from jurist.engines.server import run_to_end
from jurist.judges.served import server_at
from jurist.types import Conversation


class ServedReward:
    """Asks `POST /v1/rewards`; see `ResponseReward`. It can be pickled.

    The server holds a response against the reference that came with it, or one that it keeps, or
    the other responses to the same prompt that reach it within its window, from whatever process:
    so that a judge of pairs can reward what a training stack shows one by one.

    Args:
        url: Where the server is, such as http://127.0.0.1:8090.
        api_key_env: Environment variable that holds the key. If it is not set, none is sent.
        max_concurrency: Requests in flight at once. At least as many as responses of a cohort, or
            none of them can come together.
        patience: Deadlines and retries.
        clock: Time and chance, for waiting.

    Raises:
        ConfigError: If `url` is not a plain http or https address, or what is in `api_key_env`
            cannot be a key.
        ValueError: If `max_concurrency` is not positive.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key_env: str = "JURIST_API_KEY",
        max_concurrency: int = 64,
        patience: Patience | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._arguments = (url, api_key_env, max_concurrency, patience, clock)
        self._server = server_at(
            url,
            "/v1/rewards",
            api_key_env=api_key_env,
            max_concurrency=max_concurrency,
            patience=patience,
            clock=clock,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, self._arguments

    def __call__(
        self,
        prompts: Sequence[Conversation],
        responses: Sequence[str],
        references: Sequence[str | None],
    ) -> list[float | None]:
        """Reward every response; see `ResponseReward`.

        Raises:
            EngineError: The server cannot be reached, refuses the caller, or fails all the time.
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
            async with self._server.session() as session:
                await session.side_by_side(
                    (lambda place=place: ask(session, place)) for place in range(len(wanted))
                )

        run_to_end(run())
        return found


def _again(
    url: str, api_key_env: str, max_concurrency: int, patience: Patience | None, clock: Clock | None
) -> ServedReward:
    return ServedReward(
        url,
        api_key_env=api_key_env,
        max_concurrency=max_concurrency,
        patience=patience,
        clock=clock,
    )


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
        case {"rewards": [{"reward": int() | float() as reward}]}:
            return float(reward)
        case _:
            raise MalformedReply(f"expected one reward, found {reply!s:.80}")
