"""Asking a chat server over HTTP: connections, deadlines, retries, and which refusals are final.

A request goes over a connection that nobody else uses at the time, one that is open already if
there is one (`jurist.engines.connection`). When it may go, and how often, is for
`jurist.engines.restraint` to say.
"""

import asyncio
import logging
import os
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Final, Self, TypeVar, cast

import jurist
from jurist.engines.chat_api import (
    Dialect,
    Json,
    MalformedReply,
    about_context,
    error_message,
    parse_object,
)
from jurist.engines.connection import (
    Address,
    Broken,
    Connection,
    NoReply,
    Reply,
    TooLong,
    Unreachable,
    trusting_the_system,
)
from jurist.engines.patience import retry_after_seconds
from jurist.engines.restraint import Restraint
from jurist.errors import DataError, EngineError, OutageError
from jurist.showing import KEY, without_keys, without_secrets

MAX_REPLY_BYTES: Final = 16 * 2**20
"""Longest reply that is read; the connection is closed on a longer one."""

MAX_FAILURES_IN_A_ROW: Final = 16
"""After so many items without an answer, all their retries over and none answered between them, the
server is given up on: to go on would only spend the night on retries."""

RETRIES_BEFORE_ANY_ANSWER: Final = 2
"""Retries of a connection to a server that never answered: it is rather not there than busy."""

_RETRIED: Final = frozenset({408, 409, 425, 429})
_BUSY: Final = frozenset({429, 503, 529})
_FATAL: Final = frozenset({401, 402, 403, 404, 501})

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class _Retry(Exception):
    """This attempt failed; another may not."""

    def __init__(
        self,
        reason: str,
        *,
        wait: float | None = None,
        unreachable: bool = False,
        busy: bool = False,
        asked_for: bool = False,
    ) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds that the server wants to be left alone, if it says."""

        self.unreachable = unreachable
        """There was no connection, so that it cannot be for what was asked."""

        self.busy = busy
        """The server says that it has too much to do."""

        self.asked_for = asked_for
        """The server says to ask again."""


class _Failed(Exception):
    """This item has no answer, and there is no use in asking again."""


class _Stale(Exception):
    """A connection that had been used before ended without anything of a reply."""


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
        self._key_name = key_name
        self._dialect = dialect
        self._restraint = restraint
        self._patience = restraint.patience
        self._clock = restraint.clock
        self._max_concurrency = max_concurrency
        self._probing: asyncio.Event | None = None
        self._told_outage = False
        self._asked = 0
        self._in_a_row = 0
        self._failures: Counter[str] = Counter()
        key = os.environ.get(key_name, "")
        self._address = Address.parse(url)
        self._headers = [
            (b"User-Agent", f"jurist/{jurist.__version__}".encode()),
            (b"Accept", b"application/json"),
            (b"Content-Type", b"application/json"),
            # What is compressed can grow a thousandfold in memory.
            (b"Accept-Encoding", b"identity"),
            *([(b"Authorization", f"Bearer {key}".encode())] if key else []),
        ]
        # Made once, for to read the certificates takes longer than many a reply.
        self._tls = trusting_the_system() if self._address.tls else None
        self._idle: list[Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for connection in self._idle:
            connection.close()
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
        except _Failed as failed:
            reason = self._without_key(str(failed))
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
        failed: _Retry | None = None
        restraint.budget.num_requests += 1
        while True:
            booked = await self._turn(until, failed)
            sent = body()
            try:
                answer = read(await self._attempt(sent, subject, seconds=until - elapsed()))
            except (MalformedReply, RecursionError, _Retry) as error:
                failed = error if isinstance(error, _Retry) else _Retry(str(error))
                self._note(failed, booked)
            except _Failed:
                # It was refused, and so the server works.
                restraint.breaker.works()
                raise
            else:
                restraint.answered = (sent, read)
                restraint.breaker.answered()
                restraint.pace.answered()
                return answer
            retry += await self._until_retry(failed, retry, until)

    async def _turn(self, until: float, failed: _Retry | None) -> float:
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
                raise _Failed(f"no answer within {self._patience.item_seconds:g} s{why}")
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
            read(await self._attempt(body, lambda: "what was asked before", seconds=seconds))
        except (MalformedReply, RecursionError, _Retry) as error:
            self._note_outage(error)
        except _Failed:
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
        wait = error.wait if isinstance(error, _Retry) else None
        breaker.failed(now, wait or 0.0, probe=True)
        reason, seconds = self._without_key(str(error)), breaker.open_seconds(now)
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

    def _note(self, failed: _Retry, booked: float) -> None:
        """Let it be known how an attempt failed."""
        restraint, now, wait = self._restraint, self._clock.elapsed(), failed.wait or 0.0
        if failed.busy:
            restraint.pace.turned_away(booked, now, wait)
        restraint.breaker.failed(now, wait, probe=False)

    async def _until_retry(self, failed: _Retry, retry: int, until: float) -> int:
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
            raise _Failed(str(failed)) from failed
        budget = self._restraint.budget
        if not (breaker.is_open or failed.asked_for or budget.take()):
            raise _Failed(
                f"{failed}; not asked again, for {budget.num_retries} retries of "
                f"{budget.num_requests} requests are as many as may be"
            ) from failed
        await self._clock.sleep(wait)
        return 1

    async def _attempt(self, body: bytes, subject: Callable[[], str], *, seconds: float) -> Json:
        """One request and its whole reply, within so many seconds at most."""
        patience = self._patience
        seconds = min(seconds, patience.attempt_seconds)
        try:
            async with asyncio.timeout(seconds):
                try:
                    reply = await self._exchange(body, await self._connection())
                except _Stale:
                    # The server closed it as the request went out, which is no fault of either.
                    reply = await self._exchange(body, await self._connection(new=True))
        except Unreachable as error:
            raise _Retry(str(error), unreachable=True) from error
        except TimeoutError as error:
            raise _Retry(f"no whole reply within {round(seconds, 3):g} s") from error
        except Broken as error:
            raise _Retry(str(error)) from error
        except TooLong as error:
            raise _Failed(str(error)) from error
        self._restraint.reached = True
        encoding = reply.header(b"content-encoding") or "identity"
        if encoding.lower() != "identity":
            raise _Failed(f"the reply is compressed ({encoding}) though none was asked for")
        if reply.status == 200:
            return self._reply_without_key(reply.content)
        raise self._refusal(reply, body, subject)

    async def _exchange(self, body: bytes, connection: Connection) -> Reply:
        """Send a request over a connection and read the reply."""
        was_used = connection.num_replies > 0
        try:
            return await connection.ask(
                self._address,
                self._headers,
                body,
                max_bytes=MAX_REPLY_BYTES,
                silence_seconds=self._patience.silence_seconds,
            )
        except NoReply as error:
            if was_used:
                raise _Stale from error
            raise
        finally:
            self._put_back(connection)

    async def _connection(self, *, new: bool = False) -> Connection:
        """A connection that nobody uses, and that the server has not closed or spoken into."""
        while self._idle and not new:
            # The one used last is the likeliest to be open still.
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return await Connection.open(
            self._address, self._tls, seconds=self._patience.connect_seconds
        )

    def _put_back(self, connection: Connection) -> None:
        if connection.usable:
            self._idle.append(connection)
        else:
            connection.close()

    def _refusal(self, reply: Reply, body: bytes, subject: Callable[[], str]) -> Exception:
        """What a reply with another status than 200 means."""
        status = reply.status
        said = self._without_key(error_message(reply.content))
        shown = f"HTTP {status}" + (f" ({said})" if said else "")
        if 300 <= status < 400:
            target = self._without_key(reply.header(b"location") or "nowhere")
            return EngineError(
                f"{self._url}: {shown}: redirects to {target!r}, and is not followed; give the "
                f"final address as base_url"
            )
        if status in _FATAL or "insufficient_quota" in said:
            return EngineError(f"{self._url}: {shown}; {self._advice(status)}")
        if status in _RETRIED or status >= 500:
            wait = retry_after_seconds(reply.header(b"retry-after"), self._clock.now())
            busy = status in _BUSY
            return _Retry(shown, wait=wait, busy=busy, asked_for=status == 429 or wait is not None)
        if about_context(said):
            return DataError(
                f"{subject()} does not fit the model's context; {self._url} says: {said}; shorten "
                f"it, or ask for fewer tokens"
            )
        if self._dialect.learn(said, body):
            return _Retry(shown, wait=0.0, asked_for=True)
        return _Failed(shown)

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            if os.environ.get(self._key_name):
                return f"the key in the environment variable {self._key_name} is not accepted"
            return f"put a key into the environment variable {self._key_name}"
        if status == 404:
            return (
                "no such path or model there: base_url usually ends in /v1, and "
                "{base_url}/models lists the models"
            )
        if status == 501:
            return "the server, or the model on it, cannot do what is asked for"
        return "the account cannot pay for this request"

    def _reply_without_key(self, content: bytes) -> Json:
        """A reply as JSON, in which no text holds the key: some proxies send requests back."""
        reply = parse_object(content)
        key = os.environ.get(self._key_name, "")
        # In escapes the key may stand there too, and in nothing else.
        if key and (key.encode() in content or b"\\u" in content or b"\\/" in content):
            return cast(Json, _cleaned(reply, [key]))
        return reply

    def _without_key(self, text: str) -> str:
        text = without_secrets(without_keys(text, [os.environ.get(self._key_name, "")]))
        # Of a server's words, whatever begins as keys do: it may show a part of another key.
        return re.sub(r"\b(sk|hf)[-_][\w*.-]{6,}", KEY, text)


def _cleaned(value: object, keys: list[str]) -> object:
    if isinstance(value, str):
        return without_keys(value, keys)
    if isinstance(value, list):
        return [_cleaned(item, keys) for item in cast(list[object], value)]
    if isinstance(value, dict):
        return {
            without_keys(name, keys): _cleaned(item, keys)
            for name, item in cast(dict[str, object], value).items()
        }
    return value
