"""The application: every route of a server, its health and its metrics."""

from typing import Any

from fastapi import FastAPI, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

import jurist
from jurist.data.stack_texts import StackTexts
from jurist.serving.bodies import LongBodies
from jurist.serving.decisions import decision_routes
from jurist.serving.guard import Guard, RequestLimits
from jurist.serving.native import native_routes
from jurist.serving.refusals import add_refusals
from jurist.serving.service import Service
from jurist.serving.stacks import Labels, stack_routes
from jurist.serving.vllm_routes import vllm_routes
from jurist.serving.wire import ErrorAnswer

_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The body is not JSON, read strictly."},
    401: {"model": ErrorAnswer, "description": "No key, or another one."},
    408: {"model": ErrorAnswer, "description": "The request did not come in time."},
    413: {"model": ErrorAnswer, "description": "The body is too long."},
    422: {"model": ErrorAnswer, "description": "The body is not what the route takes."},
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
    limits: RequestLimits | None = None,
) -> ASGIApp:
    """The application that serves a judge.

    Args:
        service: What answers.
        texts: How prompts and responses are told apart where they are one text.
        labels: What labels are that come with a response.
        key: What callers must show as a bearer token; empty: nothing.
        limits: What requests may cost.
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
    app.state.long_bodies = LongBodies()
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

    _ = health, metrics
    methods: dict[str, set[str]] = {
        path: {"GET"} for path in ("/healthz", "/metrics", "/openapi.json")
    }
    for route in (route for part in parts for route in part.routes):
        if isinstance(route, APIRoute):
            methods.setdefault(route.path, set()).update(route.methods or ())
    add_refusals(app, methods)
    return Guard(
        app=app,
        metrics=service.metrics,
        paths=frozenset(methods),
        limits=limits or RequestLimits(),
        key=key,
    )
