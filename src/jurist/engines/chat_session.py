"""Asking a chat server over HTTP: connections, deadlines, retries, and which refusals are final.

A request goes over a connection that nobody else uses at the time, one that is open already if
there is one (`jurist.engines.connection`).
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
    Reply,
    TooLong,
    Unreachable,
    trusting_the_system,
)
from jurist.engines.patience import Clock, Patience, retry_after_seconds
from jurist.errors import DataError, EngineError
from jurist.showing import KEY, without_keys, without_secrets

MAX_REPLY_BYTES: Final = 16 * 2**20
"""Longest reply that is read; the connection is closed on a longer one."""

MAX_FAILURES_IN_A_ROW: Final = 16
"""After so many items without an answer, all their retries over and none answered between them, the
server is given up on: to go on would only spend the night on retries."""

RETRIES_BEFORE_ANY_ANSWER: Final = 2
"""Retries of a connection to a server that never answered: it is rather not there than busy."""

_RETRIED: Final = frozenset({408, 409, 425, 429})
_FATAL: Final = frozenset({401, 402, 403, 404, 501})

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class _Retry(Exception):
    """This attempt failed; another may not."""

    def __init__(
        self, reason: str, *, wait: float | None = None, unreachable: bool = False
    ) -> None:
        super().__init__(reason)
        self.wait = wait
        self.unreachable = unreachable


class _Failed(Exception):
    """This item has no answer, and there is no use in asking again."""


class ChatSession:
    """The connections of one call of an engine, and how it has gone so far.

    Args:
        url: Where every request goes.
        key_name: Environment variable that holds the key. The key itself is kept nowhere.
        dialect: What is known of how this server wants to be asked; learns from its refusals.
        patience: Deadlines and retries.
        clock: Time and chance.
        max_concurrency: Requests in flight at once.
    """

    def __init__(
        self,
        url: str,
        *,
        key_name: str,
        dialect: Dialect,
        patience: Patience,
        clock: Clock,
        max_concurrency: int,
    ) -> None:
        self._url = url
        self._key_name = key_name
        self._dialect = dialect
        self._patience = patience
        self._clock = clock
        self._max_concurrency = max_concurrency
        self._reached = False
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
        """
        self._asked += 1
        try:
            answer = await self._until_answered(body, read, subject)
        except _Failed as failed:
            reason = self._without_key(str(failed))
            self._failures[reason] += 1
            self._in_a_row += 1
            if self._in_a_row >= MAX_FAILURES_IN_A_ROW:
                raise EngineError(
                    f"{self._url}: {self._in_a_row} requests in a row got no answer, the last one "
                    f"because of: {reason}; look after the server, then run again to go on"
                ) from None
            return None
        self._in_a_row = 0
        return answer

    async def _until_answered(
        self, body: Callable[[], bytes], read: Callable[[Json], _T], subject: Callable[[], str]
    ) -> _T:
        patience = self._patience
        now = asyncio.get_running_loop().time
        started = now()
        retry = 0
        while True:
            try:
                return read(await self._attempt(body(), subject))
            except MalformedReply as malformed:
                failed = _Retry(str(malformed))
            except _Retry as problem:
                failed = problem
            most = patience.max_retries
            if failed.unreachable and not self._reached:
                most = min(most, RETRIES_BEFORE_ANY_ANSWER)
            wait = failed.wait
            if wait is None:
                wait = patience.wait_seconds(retry, self._clock.jitter())
            if retry >= most or now() - started + wait > patience.item_seconds:
                if failed.unreachable:
                    raise EngineError(
                        f"{self._url}: cannot reach the server: {failed}; is it running, and is "
                        f"the address right?"
                    ) from failed
                raise _Failed(str(failed)) from failed
            retry += 1
            await self._clock.sleep(wait)

    async def _attempt(self, body: bytes, subject: Callable[[], str]) -> Json:
        """One request and its whole reply."""
        patience = self._patience
        connection: Connection | None = None
        try:
            async with asyncio.timeout(patience.attempt_seconds):
                connection = await self._connection()
                reply = await connection.ask(
                    self._address,
                    self._headers,
                    body,
                    max_bytes=MAX_REPLY_BYTES,
                    silence_seconds=patience.silence_seconds,
                )
        except Unreachable as error:
            raise _Retry(str(error), unreachable=True) from error
        except TimeoutError as error:
            raise _Retry(f"no whole reply within {patience.attempt_seconds:g} s") from error
        except Broken as error:
            raise _Retry(str(error)) from error
        except TooLong as error:
            raise _Failed(str(error)) from error
        finally:
            if connection is not None:
                self._put_back(connection)
        self._reached = True
        encoding = reply.header(b"content-encoding") or "identity"
        if encoding.lower() != "identity":
            raise _Failed(f"the reply is compressed ({encoding}) though none was asked for")
        if reply.status == 200:
            return self._reply_without_key(reply.content)
        raise self._refusal(reply, body, subject)

    async def _connection(self) -> Connection:
        """A connection that nobody uses, and that the server has not closed or spoken into."""
        while self._idle:
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
            header = reply.header(b"retry-after")
            return _Retry(shown, wait=retry_after_seconds(header, self._clock.now()))
        if about_context(said):
            return DataError(
                f"{subject()} does not fit the model's context; {self._url} says: {said}; shorten "
                f"it, or ask for fewer tokens"
            )
        if self._dialect.learn(said, body):
            return _Retry(shown, wait=0.0)
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
