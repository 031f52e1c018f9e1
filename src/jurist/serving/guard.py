"""What stands before every route: the key, the size of a body, and the count of requests."""

import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jurist.serving.metrics import Metrics

OPEN: Final = frozenset({"/healthz"})
"""Answered without a key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """Refuses who has no key and what is too long, and counts what is answered."""

    app: ASGIApp
    metrics: Metrics
    paths: frozenset[str]
    """Those that are counted by their name; others are counted together."""

    max_body_bytes: int
    key: str = ""
    """The key that callers show as a bearer token; empty: none is asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        path: str = scope["path"] if scope["path"] in self.paths else "other"
        status = 500
        read = 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async def answered(message: Message) -> None:
            # What the application makes of a body that was cut off is not said.
            if read <= self.max_body_bytes:
                await counted(message)

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.max_body_bytes:
                return {"type": "http.disconnect"}
            return message

        try:
            if not await self._refused(path, dict(scope["headers"]), counted):
                await self.app(scope, bounded, answered)
                if read > self.max_body_bytes:
                    await self._too_long(counted)
        finally:
            self.metrics.request(path, status, time.perf_counter() - started)

    async def _refused(self, path: str, headers: Mapping[bytes, bytes], send: Send) -> bool:
        """Whether a request was refused by its head."""
        if self.key and path not in OPEN and not self._may(headers):
            await _refuse(send, 401, "unauthorized", "expected a bearer token, the API key")
            return True
        if _length(headers) > self.max_body_bytes:
            await self._too_long(send)
            return True
        return False

    def _may(self, headers: Mapping[bytes, bytes]) -> bool:
        given = headers.get(b"authorization", b"")
        return hmac.compare_digest(given, b"Bearer " + self.key.encode())

    async def _too_long(self, send: Send) -> None:
        await _refuse(
            send, 413, "too_long", f"a body may have {self.max_body_bytes:,} bytes; send less"
        )


def _length(headers: Mapping[bytes, bytes]) -> int:
    given = headers.get(b"content-length", b"0")
    return int(given) if given.isdigit() else 0


async def _refuse(send: Send, status: int, kind: str, message: str) -> None:
    content = json.dumps({"error": {"type": kind, "message": message}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        # What is left of the body is not read.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
