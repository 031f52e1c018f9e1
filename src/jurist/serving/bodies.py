"""Bodies of requests, read as strictly as files of data are."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from jurist.data.lines import DECODER, lone_surrogate


class StrictRequest(Request):
    """A request whose JSON is refused where the standard library would let it through."""

    async def json(self) -> object:
        """The body's value.

        Raises:
            HTTPException: If it is not JSON in UTF-8, names a key twice, holds NaN, an infinity or
                half of a surrogate pair, or is nested too deeply: status 400.
        """
        body = await self.body()
        try:
            value: object = DECODER.decode(body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, f"the body: expected JSON: {error}"[:300]) from None
        if reason := lone_surrogate(value, body):
            raise HTTPException(400, f"the body: {reason}")
        return value


class StrictRoute(APIRoute):
    """A route whose requests are `StrictRequest`s."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict
