"""Bodies of requests, read as strictly as files of data are."""

import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from jurist.data.lines import DECODER, lone_surrogate

MAX_VALUES: Final = 20_000
"""Values that a body may hold. Nobody else is answered while it is read, and many small ones take
longer than a few long ones."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


class StrictRequest(Request):
    """A request whose JSON is refused where the standard library would let it through."""

    async def json(self) -> object:
        """The body's value.

        Raises:
            HTTPException: If it is not JSON in UTF-8, names a key twice, holds NaN, an infinity or
                half of a surrogate pair, too many values, or is nested too deeply: status 400.
        """
        body = await self.body()
        if _num_values(body) > MAX_VALUES:
            raise HTTPException(400, f"the body: more than {MAX_VALUES:,} values; send fewer")
        try:
            value: object = DECODER.decode(body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, f"the body: expected JSON: {error}"[:300]) from None
        if reason := lone_surrogate(value, body):
            raise HTTPException(400, f"the body: {reason}")
        return value


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
