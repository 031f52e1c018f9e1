"""One request to a chat server and its reply: connections, deadlines, and what a refusal means.

A request goes over a connection that nobody else uses at the time, one that is open already if
there is one (`jurist.engines.connection`). Whether it is sent again is for
`jurist.engines.chat_session` to say.
"""

import asyncio
import os
import re
from collections.abc import Callable
from typing import Final, cast

import jurist
from jurist.engines.chat_api import Dialect, Json, about_context, error_message, parse_object
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
from jurist.errors import DataError, EngineError
from jurist.showing import KEY, without_keys, without_secrets

MAX_REPLY_BYTES: Final = 16 * 2**20
"""Longest reply that is read; the connection is closed on a longer one."""

_RETRIED: Final = frozenset({408, 409, 425, 429})
_BUSY: Final = frozenset({429, 503, 529})
_FATAL: Final = frozenset({401, 402, 403, 404, 501})


class Retry(Exception):
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


class Failed(Exception):
    """This item has no answer, and there is no use in asking again."""


class _Stale(Exception):
    """A connection that had been used before ended without anything of a reply."""


class Transport:
    """Sends requests to one address, over connections that are used again.

    Args:
        url: Where every request goes.
        key_name: Environment variable that holds the key. The key itself is kept nowhere.
        dialect: What is known of how this server wants to be asked; learns from its refusals.
        restraint: Deadlines, the clock, and whether any reply has come, which it notes.
    """

    def __init__(self, url: str, *, key_name: str, dialect: Dialect, restraint: Restraint) -> None:
        self._url = url
        self._key_name = key_name
        self._dialect = dialect
        self._restraint = restraint
        self._patience = restraint.patience
        self._clock = restraint.clock
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

    def close(self) -> None:
        """Close the connections that are open."""
        for connection in self._idle:
            connection.close()

    async def send(self, body: bytes, subject: Callable[[], str], *, seconds: float) -> Json:
        """One request and its whole reply.

        Args:
            body: What is asked.
            subject: Says what the request is about, for an error.
            seconds: Longest time that it may take, if that is less than an attempt's deadline.

        Raises:
            Retry: It failed; another may not.
            Failed: It failed, and there is no use in asking again.
            DataError: The prompt does not fit the model's context.
            EngineError: The server refuses the caller, whatever is asked.
        """
        seconds = min(seconds, self._patience.attempt_seconds)
        try:
            async with asyncio.timeout(seconds):
                try:
                    reply = await self._exchange(body, await self._connection())
                except _Stale:
                    # The server closed it as the request went out, which is no fault of either.
                    reply = await self._exchange(body, await self._connection(new=True))
        except Unreachable as error:
            raise Retry(str(error), unreachable=True) from error
        except TimeoutError as error:
            raise Retry(f"no whole reply within {round(seconds, 3):g} s") from error
        except Broken as error:
            raise Retry(str(error)) from error
        except TooLong as error:
            raise Failed(str(error)) from error
        self._restraint.reached = True
        encoding = reply.header(b"content-encoding") or "identity"
        if encoding.lower() != "identity":
            raise Failed(f"the reply is compressed ({encoding}) though none was asked for")
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
        said = self.without_key(error_message(reply.content))
        shown = f"HTTP {status}" + (f" ({said})" if said else "")
        if 300 <= status < 400:
            target = self.without_key(reply.header(b"location") or "nowhere")
            return EngineError(
                f"{self._url}: {shown}: redirects to {target!r}, and is not followed; give the "
                f"final address as base_url"
            )
        if status in _FATAL or "insufficient_quota" in said:
            return EngineError(f"{self._url}: {shown}; {self._advice(status)}")
        if status in _RETRIED or status >= 500:
            wait = retry_after_seconds(reply.header(b"retry-after"), self._clock.now())
            busy = status in _BUSY
            return Retry(shown, wait=wait, busy=busy, asked_for=status == 429 or wait is not None)
        if about_context(said):
            return DataError(
                f"{subject()} does not fit the model's context; {self._url} says: {said}; shorten "
                f"it, or ask for fewer tokens"
            )
        if self._dialect.learn(said, body):
            return Retry(shown, wait=0.0, asked_for=True)
        return Failed(shown)

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

    def without_key(self, text: str) -> str:
        """A server's words, in which no key is shown."""
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
