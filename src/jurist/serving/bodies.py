"""Bodies of requests, read as strictly as files of data are."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, cast

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from jurist.data.objects import object_of
from jurist.errors import DataError

MAX_VALUES: Final = 20_000
"""Values that a body may hold: many small ones take longer to read than a few long ones."""

READ_AT_ONCE_BYTES: Final = 2**15
READ_AT_ONCE_VALUES: Final = 500
"""A body of more than either is read beside whatever else the server does, and what is wrong in it
is said without its place."""

SHARE: Final = 0.02
AT_ONCE_SECONDS: Final = 0.1
"""Of the processor's time, what long bodies may take to be read, besides so much in a row: while
Python reads, nobody is answered, whatever the body is made of."""

MOST_REST_SECONDS: Final = 0.5
PIECE_BYTES: Final = 2**15
"""Of a body, at a time: some of a millisecond."""


class LongBodies:
    """Reads bodies that are long, one after the other, in a thread of their own. Once they have
    taken some time, the next ones wait longer than they take."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jurist-bodies")
        self._spent = 0.0
        self._noted_at = 0.0

    async def read(self, body: bytes) -> object:
        """A body's value.

        Raises:
            DataError: If it is no JSON object as `jurist.data` reads it.
        """
        found: Future[object] = Future()
        self._thread.submit(self._read, body, found)
        return await asyncio.wrap_future(found)

    def _read(self, body: bytes, found: "Future[object]") -> None:
        if not found.set_running_or_notify_cancel():  # the client hung up
            return
        began = time.thread_time()
        try:
            # Nobody is answered while a regular expression goes over a long text.
            found.set_result(object_of(body, "the body", with_column=False))
        except Exception as error:  # noqa: BLE001 - it is raised where the body is awaited
            found.set_exception(error)
        # It was told already, and the next one waits.
        time.sleep(self._rest_after(time.thread_time() - began, now=time.monotonic()))

    def _rest_after(self, seconds: float, *, now: float) -> float:
        forgotten = SHARE * (now - self._noted_at)
        most = AT_ONCE_SECONDS + SHARE * MOST_REST_SECONDS
        self._spent = min(most, max(0.0, self._spent - forgotten) + seconds)
        self._noted_at = now
        return max(0.0, self._spent - AT_ONCE_SECONDS) / SHARE


class StrictRequest(Request):
    """A request whose JSON is refused where the standard library would let it through."""

    async def json(self) -> object:
        """The body's value.

        Raises:
            HTTPException: If it is not a JSON object in UTF-8, names a key twice, holds NaN, an
                infinity, half of a surrogate pair or too many values, or is nested too deeply:
                status 400.
        """
        body = await self.body()
        num_values = await _num_values(body)
        if num_values > MAX_VALUES:
            raise HTTPException(400, f"the body: more than {MAX_VALUES:,} values; send fewer")
        try:
            if len(body) <= READ_AT_ONCE_BYTES and num_values <= READ_AT_ONCE_VALUES:
                return object_of(body, "the body")
            return await cast(LongBodies, self.app.state.long_bodies).read(body)
        except DataError as error:
            raise HTTPException(400, str(error)[:300]) from None


async def _num_values(body: bytes) -> int:
    """How many values a body holds, give or take one; of too many, those of its first pieces.

    Others are answered between one piece and the next.
    """
    num, within, escaped = 0, False, False
    for start in range(0, len(body), PIECE_BYTES):
        if start:
            await asyncio.sleep(0)
        piece = body[start + escaped : start + PIECE_BYTES]
        escaped = bool((len(piece) - len(piece.rstrip(b"\\"))) % 2)
        # Texts may be full of commas and braces. Without escapes, quotes begin and end them.
        parts = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = b"".join(parts[within::2])
        within ^= not len(parts) % 2
        num += sum(outside.count(mark) for mark in (b",", b"[", b"{"))
        if num > MAX_VALUES:
            break
    return num


class StrictRoute(APIRoute):
    """A route whose requests are `StrictRequest`s."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict
