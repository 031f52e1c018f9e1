"""A judge behind `jurist serve`, asked over HTTP."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final, cast

from jurist.digest import canonical
from jurist.engines.chat_api import Json, MalformedReply, finite
from jurist.engines.chat_session import ChatSession
from jurist.engines.patience import Clock, Patience
from jurist.engines.restraint import Restraint
from jurist.engines.server import Server, run_to_end
from jurist.types import Comparison, Failure, Judgement, Verdict

PER_REQUEST: Final = 16
"""Comparisons of one request, at most."""


@dataclass(frozen=True, slots=True)
class JuristServer:
    """Where a server that `jurist serve` runs is, and how it is asked. It can be pickled.

    Raises:
        ConfigError: If `url` is not a plain http or https address, or what is in `api_key_env`
            cannot be a key.
        ValueError: If `max_concurrency` is not positive.
    """

    url: str
    """Where it is, such as http://127.0.0.1:8090."""

    _: KW_ONLY

    api_key_env: str = "JURIST_API_KEY"
    """Environment variable that holds the key. If it is not set, none is sent."""

    max_concurrency: int = 64
    """Requests in flight at once. At least as many as responses of a cohort, or they cannot come
    together there."""

    patience: Patience = Patience()
    """Deadlines and retries."""

    clock: Clock = Clock()
    """Time and chance, for waiting."""

    _restraint: Restraint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_restraint", Restraint(self.patience, self.clock))
        self.route("/v1/judge")

    def route(self, path: str) -> Server:
        """One of its routes."""
        return Server(
            self.url.strip().rstrip("/").removesuffix("/v1"),
            path,
            "jurist",
            api_key_env=self.api_key_env,
            max_concurrency=self.max_concurrency,
            restraint=self._restraint,
        )


@dataclass(frozen=True, slots=True)
class ServedJudge(JuristServer):
    """Asks a server that `jurist serve` runs; see `Judge`.

    A comparison that the server refuses or cannot answer is a failure, `Failure.ERROR`; the others
    of its request are asked again by themselves.
    """

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Judge every comparison, with all readings.

        Raises:
            EngineError: The server cannot be reached, refuses the caller, or fails all the time.
            OutageError: It answered before, and does so no longer.
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
            async with self.route("/v1/judge").session() as session:
                await session.side_by_side((lambda part=part: ask(session, part)) for part in parts)

        run_to_end(run())
        return [judgements for judgements in found if judgements is not None]


_UNANSWERED: Final = [Judgement(text="", outcome=Failure.ERROR)]


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
        found = [_judgement(one) for one in readings]
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedReply(f"expected readings, found {ballot!s:.80}") from error
    if not found:
        raise MalformedReply("expected at least one reading of each comparison, found none")
    return found


def _judgement(reading: dict[str, Any]) -> Judgement:
    """One reading, if it is what this package writes: a verdict or a failure, and numbers that can
    be.

    Raises:
        KeyError, TypeError, ValueError: If it is not.
    """
    text, failure, swapped = reading["text"], reading["failure"], reading["swapped"]
    counts = [reading["num_tokens"], reading["num_prompt_tokens"]]
    probability, strength = _known(reading["probability"]), _known(reading["strength"])
    if not isinstance(text, str) or not isinstance(swapped, bool):
        raise TypeError("text or swapped")
    if not all(type(count) is int and 0 <= count < 2**53 for count in counts):
        raise ValueError("num_tokens or num_prompt_tokens")
    if probability is not None and (failure is not None or not 0.0 <= probability <= 1.0):
        raise ValueError("probability")
    return Judgement(
        text=text,
        outcome=Verdict(reading["verdict"]) if failure is None else Failure(failure),
        probability=probability,
        strength=strength,
        swapped=swapped,
        num_tokens=counts[0],
        num_prompt_tokens=counts[1],
    )


def _known(value: object) -> float | None:
    """A number that may be missing."""
    number = finite(value)
    if number is None and value is not None:
        raise ValueError("a number that is none")
    return number
