"""A judge behind `jurist serve`, asked over HTTP."""

from collections.abc import Sequence
from typing import Any, Final, cast

from jurist.digest import canonical
from jurist.engines.chat_api import Json, MalformedReply
from jurist.engines.chat_session import ChatSession
from jurist.engines.patience import Clock, Patience
from jurist.engines.server import Server, run_to_end
from jurist.types import Comparison, Failure, Judgement, Verdict

PER_REQUEST: Final = 16
"""Comparisons of one request, at most."""


class ServedJudge:
    """Asks a server that `jurist serve` runs; see `Judge`. It can be pickled.

    A comparison that the server refuses or cannot answer is a failure, `Failure.ERROR`; the others
    of its request are asked again by themselves.

    Args:
        url: Where the server is, such as http://127.0.0.1:8000.
        api_key_env: Environment variable that holds the key. If it is not set, none is sent.
        max_concurrency: Requests in flight at once.
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
        max_concurrency: int = 8,
        patience: Patience | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._arguments = (url, api_key_env, max_concurrency, patience, clock)
        self._server = server_at(
            url,
            "/v1/judge",
            api_key_env=api_key_env,
            max_concurrency=max_concurrency,
            patience=patience,
            clock=clock,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, self._arguments

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Judge every comparison, with all readings.

        Raises:
            EngineError: The server cannot be reached, refuses the caller, or fails all the time.
        """
        found: list[list[Judgement] | None] = [None] * len(comparisons)

        async def ask(session: ChatSession, places: Sequence[int]) -> None:
            asked = [comparisons[place] for place in places]
            answers = await session.ask(
                lambda: _judge_body(asked),
                lambda reply: _read(reply, len(asked)),
                lambda: _what(asked),
            )
            if answers is None and len(places) > 1:
                for place in places:
                    await ask(session, [place])
                return
            for place, answer in zip(places, answers or [_UNANSWERED], strict=True):
                found[place] = answer

        async def run() -> None:
            parts = [
                range(start, min(start + PER_REQUEST, len(comparisons)))
                for start in range(0, len(comparisons), PER_REQUEST)
            ]
            async with self._server.session() as session:
                await session.side_by_side((lambda part=part: ask(session, part)) for part in parts)

        run_to_end(run())
        return [judgements for judgements in found if judgements is not None]


def server_at(
    url: str,
    path: str,
    *,
    api_key_env: str,
    max_concurrency: int,
    patience: Patience | None,
    clock: Clock | None,
) -> Server:
    """A route of a server that `jurist serve` runs, by the server's address."""
    return Server(
        url.strip().rstrip("/").removesuffix("/v1"),
        path,
        "jurist",
        api_key_env=api_key_env,
        max_concurrency=max_concurrency,
        patience=patience,
        clock=clock,
    )


_UNANSWERED: Final = [Judgement(text="", outcome=Failure.ERROR)]


def _again(
    url: str, api_key_env: str, max_concurrency: int, patience: Patience | None, clock: Clock | None
) -> ServedJudge:
    return ServedJudge(
        url,
        api_key_env=api_key_env,
        max_concurrency=max_concurrency,
        patience=patience,
        clock=clock,
    )


def _judge_body(comparisons: Sequence[Comparison]) -> bytes:
    return canonical({"comparisons": list(comparisons), "readings": True}).encode()


def _what(comparisons: Sequence[Comparison]) -> str:
    return f"{len(comparisons)} comparisons, the first of {comparisons[0].first!r:.60}"


def _read(reply: Json, num: int) -> list[list[Judgement]]:
    match reply:
        case {"results": list() as results} if len(cast("list[object]", results)) == num:
            return [_judgements(one) for one in cast("list[object]", results)]
        case _:
            raise MalformedReply(f"expected results of {num} comparisons, found {reply!s:.80}")


def _judgements(ballot: object) -> list[Judgement]:
    try:
        readings = cast("dict[str, list[dict[str, Any]]]", ballot)["readings"]
        found = [
            Judgement(
                text=one["text"],
                outcome=Failure(one["failure"]) if one["failure"] else Verdict(one["verdict"]),
                probability=one["probability"],
                strength=one["strength"],
                swapped=one["swapped"],
                num_tokens=one["num_tokens"],
                num_prompt_tokens=one["num_prompt_tokens"],
            )
            for one in readings
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedReply(f"expected readings, found {ballot!s:.80}") from error
    if not found:
        raise MalformedReply("expected at least one reading of each comparison, found none")
    return found
