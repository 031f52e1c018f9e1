"""The application: every route of a server, its errors, its health and its metrics."""

import logging
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

import jurist
from jurist.data.stack_texts import StackTexts
from jurist.errors import ConfigError, DataError, JuristError
from jurist.serving.batching import Crowded
from jurist.serving.decisions import decision_routes
from jurist.serving.guard import Guard
from jurist.serving.native import native_routes
from jurist.serving.service import Service
from jurist.serving.stacks import Labels, Unrewarded, stack_routes
from jurist.serving.vllm_routes import vllm_routes
from jurist.serving.wire import ErrorAnswer

MAX_BODY_BYTES: Final = 8 * 2**20

logger = logging.getLogger(__name__)

_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "No key, or another one."},
    413: {"model": ErrorAnswer, "description": "The body is too long."},
    429: {"model": ErrorAnswer, "description": "Too much is waiting; ask again later."},
    503: {
        "model": ErrorAnswer,
        "description": "The judge's model does not answer, or came to no verdict and the answer "
        "has no word for that.",
    },
}


def make_app(
    service: Service,
    *,
    texts: StackTexts | None = None,
    labels: Labels = "ignored",
    key: str = "",
    max_body_bytes: int = MAX_BODY_BYTES,
) -> ASGIApp:
    """The application that serves a judge.

    Args:
        service: What answers.
        texts: How prompts and responses are told apart where they are one text.
        labels: What labels are that come with a response.
        key: What callers must show as a bearer token; empty: nothing.
        max_body_bytes: Longest body of a request.
    """
    # Its own pages of documentation load scripts from elsewhere; /openapi.json needs none.
    app = FastAPI(
        title="jurist",
        version=jurist.__version__,
        summary="A judge, as a reward for any training stack.",
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
    )
    parts = [
        native_routes(service),
        stack_routes(service, texts or StackTexts(), labels=labels),
        vllm_routes(service, texts or StackTexts()),
        decision_routes(service),
    ]
    for part in parts:
        app.include_router(part)

    @app.get("/healthz", tags=["operation"])
    async def health() -> dict[str, str]:
        """Say that the server is up, and with which judge."""
        return {"status": "ok", "judge": service.about.fingerprint}

    @app.get("/metrics", tags=["operation"], response_class=Response)
    async def metrics() -> Response:
        """Numbers for Prometheus."""
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4")

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

    _ = health, metrics, refused, unrewarded, crowded
    paths = {str(getattr(route, "path", "")) for part in parts for route in part.routes}
    return Guard(
        app=app,
        metrics=service.metrics,
        paths=frozenset(paths | {"/healthz", "/metrics", "/openapi.json"}),
        max_body_bytes=max_body_bytes,
        key=key,
    )


def _error(
    status: int, kind: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": {"type": kind, "message": message}}, status, headers)
