"""Bodies of requests, read as strictly as files of data are."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from jurist.data.objects import object_of
from jurist.errors import DataError

MAX_VALUES: Final = 20_000
"""Values that a body may hold. Nobody else is answered while it is read, and many small ones take
longer than a few long ones."""

READ_AT_ONCE_BYTES: Final = 2**16
"""A longer body is read beside whatever else the server does. To find where it is wrong may take a
second."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


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
        if _num_values(body) > MAX_VALUES:
            raise HTTPException(400, f"the body: more than {MAX_VALUES:,} values; send fewer")
        try:
            if len(body) <= READ_AT_ONCE_BYTES:
                return object_of(body, "the body")
            return await asyncio.to_thread(object_of, body, "the body")
        except DataError as error:
            raise HTTPException(400, str(error)[:300]) from None


def _num_values(body: bytes) -> int:
    """At most so many values a body holds, give or take one."""
    num = _num_marks(body)
    # Texts may be full of commas and braces; only then are they looked for.
    return num if num <= MAX_VALUES else _num_marks(_STRING.sub(b"", body))


def _num_marks(body: bytes) -> int:
    return sum(body.count(mark) for mark in (b",", b"[", b"{"))


class StrictRoute(APIRoute):
    """A route whose requests are `StrictRequest`s."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict
