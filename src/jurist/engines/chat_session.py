"""Asking a chat server until it answers: retries, waits, and when to give an item or a server up.

One request and what its reply means is `jurist.engines.transport`. When a request may go, and how
often, is for `jurist.engines.restraint` to say.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Final, Self, TypeVar

from jurist.engines.chat_api import Dialect, Json, MalformedReply
from jurist.engines.restraint import Restraint
from jurist.engines.transport import Failed, Retry, Transport
from jurist.errors import EngineError, OutageError

MAX_FAILURES_IN_A_ROW: Final = 16
"""After so many items without an answer, all their retries over and none answered between them, the
server is given up on: to go on would only spend the night on retries."""

RETRIES_BEFORE_ANY_ANSWER: Final = 2
"""Retries of a connection to a server that never answered: it is rather not there than busy."""

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class ChatSession:
    """The connections of one call of an engine, and how it has gone so far.

    Args:
        url: Where every request goes.
        key_name: Environment variable that holds the key. The key itself is kept nowhere.
        dialect: What is known of how this server wants to be asked; learns from its refusals.
        restraint: How the server has coped so far, and what it is spared; learns more.
        max_concurrency: Requests in flight at once.
    """

    def __init__(
        self,
        url: str,
        *,
        key_name: str,
        dialect: Dialect,
        restraint: Restraint,
        max_concurrency: int,
    ) -> None:
        self._url = url
        self._restraint = restraint
        self._patience = restraint.patience
        self._clock = restraint.clock
        self._max_concurrency = max_concurrency
        self._probing: asyncio.Event | None = None
        self._told_outage = False
        self._asked = 0
        self._in_a_row = 0
        self._failures: Counter[str] = Counter()
        self._transport = Transport(url, key_name=key_name, dialect=dialect, restraint=restraint)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._transport.close()
        if self._failures:
            logger.warning(
                "%s: %d of %d requests got no answer: %s",
                self._url,
                self._failures.total(),
                self._asked,
                "; ".join(f"{count} x {why}" for why, count in self._failures.most_common(5)),
            )

    async def side_by_side(self, jobs: Iterable[Callable[[], Awaitable[None]]]) -> None:
        """Do jobs, `max_concurrency` of them at a time. The first error ends the others."""
        waiting = iter(jobs)

        async def work() -> None:
            for job in waiting:
                await job()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._max_concurrency):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def ask(
        self, body: Callable[[], bytes], read: Callable[[Json], _T], subject: Callable[[], str]
    ) -> _T | None:
        """Send one request until it is answered or the patience is over.

        Args:
            body: Makes the request's body, in the dialect as it is known by then.
            read: Reads the answer; a `MalformedReply` counts as a failed attempt.
            subject: Says what the request is about, for an error.

        Returns:
            What `read` returned, or None if there is no answer.

        Raises:
            DataError: The prompt does not fit the model's context.
            EngineError: The server cannot be reached, refuses the caller, or fails all the time.
            OutageError: It answered before, and does so no longer.
        """
        self._asked += 1
        try:
            answer = await self._until_answered(body, read, subject)
        except Failed as failed:
            reason = self._transport.without_key(str(failed))
            self._failures[reason] += 1
            self._in_a_row += 1
            if self._in_a_row >= MAX_FAILURES_IN_A_ROW:
                answered = self._restraint.breaker.ever_answered
                raise (OutageError if answered else EngineError)(
                    f"{self._url}: {self._in_a_row} requests in a row got no answer, the last one "
                    f"because of: {reason}; look after the server, then run again to go on"
                ) from None
            return None
        self._in_a_row = 0
        return answer

    async def _until_answered(
        self, body: Callable[[], bytes], read: Callable[[Json], _T], subject: Callable[[], str]
    ) -> _T:
        patience, restraint, elapsed = self._patience, self._restraint, self._clock.elapsed
        until = elapsed() + patience.item_seconds
        retry = 0
        failed: Retry | None = None
        restraint.budget.num_requests += 1
        while True:
            booked = await self._turn(until, failed)
            sent = body()
            try:
                answer = read(await self._transport.send(sent, subject, seconds=until - elapsed()))
            except (MalformedReply, RecursionError, Retry) as error:
                failed = error if isinstance(error, Retry) else Retry(str(error))
                self._note(failed, booked)
            except Failed:
                # It was refused, and so the server works.
                restraint.breaker.works()
                raise
            else:
                restraint.answered = (sent, read)
                restraint.breaker.answered()
                restraint.pace.answered()
                return answer
            retry += await self._until_retry(failed, retry, until)

    async def _turn(self, until: float, failed: Retry | None) -> float:
        """Wait until a request may be sent; when that was settled.

        Args:
            until: When the item's time is over.
            failed: How its last attempt failed, if there was one.
        """
        restraint, sleep, elapsed = self._restraint, self._clock.sleep, self._clock.elapsed
        breaker = restraint.breaker
        while True:
            left = until - elapsed()
            if left <= 0.0:
                why = f": {failed}" if failed else ", for the server is down"
                raise Failed(f"no answer within {self._patience.item_seconds:g} s{why}")
            if not breaker.is_open:
                now = elapsed()
                at = restraint.pace.booked(now)
                if (wait := at - now) <= 0.0:
                    return now
                await sleep(min(wait, left))
                if wait <= left and not breaker.is_open and restraint.pace.stands(at, now):
                    return now
            elif self._probing is not None:
                try:
                    async with asyncio.timeout(left):
                        await self._probing.wait()
                except TimeoutError:
                    continue
            elif (wait := breaker.next_probe - elapsed()) > 0.0:
                await sleep(min(wait, left))
            else:
                await self._probe(left)

    async def _probe(self, seconds: float) -> None:
        """Ask again what was answered before, to find out whether the server is back.

        An item that has no answer yet would not tell: it may be one that no server can answer.

        Raises:
            OutageError: The server has been down for too long.
        """
        breaker, elapsed = self._restraint.breaker, self._clock.elapsed
        assert self._restraint.answered is not None
        body, read = self._restraint.answered
        began = elapsed()
        since = began - breaker.open_seconds(began)
        breaker.probe(began)
        self._probing = asyncio.Event()
        try:
            read(await self._transport.send(body, lambda: "what was asked before", seconds=seconds))
        except (MalformedReply, RecursionError, Retry) as error:
            self._note_outage(error)
        except Failed:
            breaker.works()
        else:
            breaker.works()
            if self._told_outage:
                self._told_outage = False
                logger.warning(
                    "%s: the server answers again, after %.0f s", self._url, elapsed() - since
                )
        finally:
            self._probing.set()
            self._probing = None

    def _note_outage(self, error: Exception) -> None:
        """Let it be known how a probe failed.

        Raises:
            OutageError: The server has been down for too long.
        """
        breaker, now, most = self._restraint.breaker, self._clock.elapsed(), self._patience
        wait = error.wait if isinstance(error, Retry) else None
        breaker.failed(now, wait or 0.0, probe=True)
        reason, seconds = self._transport.without_key(str(error)), breaker.open_seconds(now)
        if seconds >= most.outage_seconds:
            raise OutageError(
                f"{self._url}: the server has not answered for {seconds:.0f} s, the last time "
                f"because of: {reason}; look after it, then run again to go on"
            ) from error
        if not self._told_outage:
            self._told_outage = True
            logger.warning(
                "%s: the server answers nothing any more (%s); it is given %g s to come back, and "
                "nothing is lost",
                self._url,
                reason,
                most.outage_seconds,
            )

    def _note(self, failed: Retry, booked: float) -> None:
        """Let it be known how an attempt failed."""
        restraint, now, wait = self._restraint, self._clock.elapsed(), failed.wait or 0.0
        if failed.busy:
            restraint.pace.turned_away(booked, now, wait)
        restraint.breaker.failed(now, wait, probe=False)

    async def _until_retry(self, failed: Retry, retry: int, until: float) -> int:
        """Wait until an item may be tried again, if it may; whether that is one of its retries."""
        patience, breaker, elapsed = self._patience, self._restraint.breaker, self._clock.elapsed
        if failed.unreachable and breaker.ever_answered:
            # That there is no connection cannot be for what was asked.
            if not breaker.is_open:
                wait = patience.wait_seconds(retry, self._clock.jitter())
                await self._clock.sleep(min(wait, until - elapsed()))
            return 0
        most = patience.max_retries
        if failed.unreachable and not self._restraint.reached:
            most = min(most, RETRIES_BEFORE_ANY_ANSWER)
        wait = failed.wait
        if breaker.is_open:
            wait = 0.0  # The breaker says when.
        elif wait is None:
            wait = patience.wait_seconds(retry, self._clock.jitter())
        if retry >= most or elapsed() + wait > until:
            if failed.unreachable:
                raise EngineError(
                    f"{self._url}: cannot reach the server: {failed}; is it running, and is "
                    f"the address right?"
                ) from failed
            raise Failed(str(failed)) from failed
        budget = self._restraint.budget
        if not (breaker.is_open or failed.asked_for or budget.take()):
            raise Failed(
                f"{failed}; not asked again, for {budget.num_retries} retries of "
                f"{budget.num_requests} requests are as many as may be"
            ) from failed
        await self._clock.sleep(wait)
        return 1
