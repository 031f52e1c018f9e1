"""What stands before every route: the key, the body, deadlines, and the count of requests."""

import asyncio
import contextlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jurist.serving.metrics import Metrics

OPEN: Final = frozenset({"/healthz"})
"""Answered without a key."""

MAX_BODY_BYTES: Final = 4 * 2**20
"""Longest body of a request, unless another bound is given."""

AT_ONCE_BYTES: Final = 2**18
BYTES_PER_SECOND: Final = 32 * 2**20
"""How fast what is longer than `AT_ONCE_BYTES` is read, of all bodies together: senders that pump
as fast as they can would otherwise take the processor from everybody else, many of them more."""

MOST_BEHIND_SECONDS: Final = 2.0
"""How long who reads more than a little waits for all others at most, each time."""

_TURN_SECONDS: Final = 0.002
"""Between two bodies that are told to be late."""

_LINGER_SECONDS: Final = 1.0
_LINGER_BYTES: Final = 2**18
"""For a client to finish what it sends after it was refused. Hung up on at once, it would see a
broken connection and not the answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestLimits:
    """What one request, and all together, may cost. Times are in seconds."""

    max_body_bytes: int = MAX_BODY_BYTES
    max_held_bytes: int = 256 * 2**20
    """Bodies of all requests that are being answered."""

    body_seconds: float = 30.0
    """From the head of a request to the end of its body."""

    request_seconds: float = 600.0
    """From the head of a request to the end of its answer."""


class _Refused(Exception):
    """A request that no route sees."""

    def __init__(self, status: int, kind: str, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.again = again
        """Whether to come back."""


class _Gone(Exception):
    """The client hung up."""


@dataclass(slots=True)
class _Held:
    """Bytes of bodies that are in memory."""

    num_bytes: int = 0


@dataclass(slots=True)
class _Body:
    """What has come of a body, in parts: to grow one buffer would copy it again and again."""

    parts: list[bytes] = field(default_factory=list[bytes])
    num_bytes: int = 0

    def add(self, part: bytes) -> None:
        """Keep what came next."""
        self.parts.append(part)
        self.num_bytes += len(part)


@dataclass(slots=True)
class Pace:
    """When who reads more than a little may read on, one after the other."""

    free_at: float = 0.0

    async def wait(self, num_bytes: int) -> None:
        """Wait until what was read has had its time. Others are served meanwhile, and the sender is
        told to wait too."""
        now = asyncio.get_running_loop().time()
        # Those who come, send and go leave their time behind, and it must not add up.
        behind = min(max(0.0, self.free_at - now), MOST_BEHIND_SECONDS)
        self.free_at = now + behind + num_bytes / BYTES_PER_SECOND
        await asyncio.sleep(self.free_at - now)


@dataclass(slots=True)
class _Said:
    """How far an answer has come."""

    status: int = 499
    """As logs of servers have it for a client that hung up before it was answered."""

    begun: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """Refuses who has no key, says too much or takes too long, and counts what is answered.

    A route is called when the body of a request is there, and called off when the client hangs up.
    Every answer has an `x-request-id`.
    """

    app: ASGIApp
    metrics: Metrics
    paths: frozenset[str]
    """Those that are counted by their name; others are counted together."""

    limits: RequestLimits = field(default_factory=RequestLimits)
    key: str = ""
    """The key that callers show as a bearer token; empty: none is asked for."""

    held: _Held = field(default_factory=_Held, init=False)
    pace: Pace = field(default_factory=Pace, init=False)
    let_go: Pace = field(default_factory=Pace, init=False)
    """Of what refused clients still send: who has no key does not hold up who has one."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    """Of those whose body is late. Deadlines of hundreds may end in one moment, and good requests
    are answered between one refusal and the next."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        path: str = scope["path"] if scope["path"] in self.paths else "other"
        said = _Said()
        request_id = secrets.token_hex(8)
        named = (b"x-request-id", request_id.encode())

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                said.begun, said.status = True, message["status"]
                message = {**message, "headers": [*message.get("headers", ()), named]}
            await send(message)

        scope.setdefault("state", {})["request_id"] = request_id
        body = _Body()
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                self._admit(path, dict(scope["headers"]))
                await self._read(receive, into=body)
                await self._answer(scope, b"".join(body.parts), receive, counted)
        except _Refused as refusal:
            await self._refuse(refusal, receive, counted)
        except TimeoutError:
            if said.begun:
                raise
            late = f"no answer within {self.limits.request_seconds:g} s"
            await self._refuse(_Refused(503, "late", late, again=True), receive, counted)
        except _Gone:
            pass
        finally:
            self.held.num_bytes -= body.num_bytes
            self.metrics.request(path, said.status, time.perf_counter() - started)

    def _admit(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Refuse a request by its head, if need be."""
        if self.key and path not in OPEN:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self.key.encode()):
                raise _Refused(401, "unauthorized", "expected a bearer token, the API key")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self.limits.max_body_bytes:
            raise self._too_long()

    async def _read(self, receive: Receive, *, into: _Body) -> None:
        """Read the body of a request, as long as it may be, within its time."""
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    part: bytes = message.get("body", b"")
                    into.add(part)
                    self.held.num_bytes += len(part)
                    if into.num_bytes > self.limits.max_body_bytes:
                        raise self._too_long()
                    if self.held.num_bytes > self.limits.max_held_bytes:
                        raise _Refused(
                            429, "crowded", "other requests take all the room", again=True
                        )
                    more = message.get("more_body", False)
                    if more and into.num_bytes > AT_ONCE_BYTES:
                        await self.pace.wait(len(part))
        except TimeoutError:
            async with self.turn:
                await asyncio.sleep(_TURN_SECONDS)
            late = f"the body did not come to its end within {self.limits.body_seconds:g} s"
            raise _Refused(408, "late", late) from None

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Call the route; call it off if the client hangs up."""
        unread = [body]

        async def replayed() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return await receive()

        work = asyncio.ensure_future(self.app(scope, replayed, send))
        # The body has come to its end, so what else comes is the end of the connection.
        gone = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise _Gone
            work.result()
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait((work,))

    def _too_long(self) -> _Refused:
        most = self.limits.max_body_bytes
        return _Refused(413, "too_long", f"a body may have {most:,} bytes; send less")

    async def _refuse(self, refusal: _Refused, receive: Receive, send: Send) -> None:
        content = json.dumps({"error": {"type": refusal.kind, "message": str(refusal)}}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        if refusal.again:
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await self._linger(receive)
        await send({"type": "http.response.body", "body": b""})

    async def _linger(self, receive: Receive) -> None:
        """Let go by what the client still sends, for a while."""
        read = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while read <= _LINGER_BYTES:
                    message = await receive()
                    part = len(message.get("body", b""))
                    read += part
                    await self.let_go.wait(part)
                    if not message.get("more_body", False):
                        return
