"""What a request is told that has no answer: always the same shape, and nothing of what it held."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from jurist.errors import ConfigError, DataError, JuristError
from jurist.serving.batching import Crowded
from jurist.serving.stacks import Unrewarded

MAX_FAULTS_SAID: Final = 20
"""Fields of one request that are said to be wrong; of more, how many there are."""

_KINDS: Final = {400: "not_json", 404: "no_such_route", 405: "no_such_method"}

logger = logging.getLogger(__name__)


def add_refusals(app: FastAPI, methods: Mapping[str, Collection[str]]) -> None:
    """Have an application answer every error as `jurist.serving.wire.ErrorAnswer` says.

    Args:
        app: The application.
        methods: Of each of its paths.
    """

    @app.exception_handler(JuristError)
    async def refused(request: Request, error: JuristError) -> JSONResponse:
        if isinstance(error, DataError | ConfigError):
            return _error(422, "bad_request", str(error))
        logger.error("%s: %s", request.url.path, error)
        return _error(503, "unavailable", str(error))

    @app.exception_handler(Unrewarded)
    async def unrewarded(request: Request, error: Unrewarded) -> JSONResponse:
        return _error(503, "no_reward", str(error))

    @app.exception_handler(Crowded)
    async def crowded(request: Request, error: Crowded) -> JSONResponse:
        return _error(429, "crowded", str(error), {"Retry-After": "1"})

    @app.exception_handler(RequestValidationError)
    async def misshapen(request: Request, error: RequestValidationError) -> JSONResponse:
        return _misshapen(error.errors())

    @app.exception_handler(HTTPException)
    async def unanswerable(request: Request, error: HTTPException) -> JSONResponse:
        kind = _KINDS.get(error.status_code, "bad_request")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            # Each route knows its own methods only.
            headers["Allow"] = ", ".join(sorted(methods.get(request.url.path, ())))
        return _error(error.status_code, kind, str(error.detail), headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        # The error itself goes into the log after this, and nowhere else.
        number = request.scope["state"]["request_id"]
        logger.error("request %s failed:", number)
        return _error(500, "internal", f"a fault of the server: its log has more, at {number}")

    _ = refused, unrewarded, crowded, misshapen, unanswerable, broken


def _error(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": {"type": kind, "message": message}}, status, headers)


def _misshapen(found: Sequence[Any]) -> JSONResponse:
    """What is wrong with a body, field by field."""
    fields = [
        {"path": _path(fault["loc"]), "message": fault["msg"]} for fault in found[:MAX_FAULTS_SAID]
    ]
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    message = f"{fields[0]['path']}: {fields[0]['message']}{more}"
    error = {"type": "bad_request", "message": message, "fields": fields}
    return JSONResponse({"error": error}, 422)


def _path(location: Sequence[object]) -> str:
    """A field as its path, such as `comparisons[3].first`."""
    names = location[1:] if location[:1] == ("body",) else location
    parts = [
        # A key that is not known is the client's own, whatever is in it.
        f"[{name}]" if isinstance(name, int) else f".{ascii(str(name)[:80])[1:-1]}"
        for name in names
    ]
    return "".join(parts).removeprefix(".") or "body"
