"""Connections that cost a server little: deadlines and bounds for whoever says little or nothing.

uvicorn waits without end for a request's head, holds as many connections as it gets and reads
headers without bound. Here a connection that waits for a head is closed after a deadline, or when
room is needed for another; one at which a request is being answered never is.
"""

import asyncio
import gc
import json
import resource
import socket
import sys
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES: Final = 2**16
"""Longest request line with headers."""

MAX_PIPELINED: Final = 16
"""Requests that may wait behind one that is being answered, at one connection."""

GRACEFUL_SECONDS: Final = 10
"""For requests to be answered once the server is told to stop; then they are dropped."""

TURNED_OUT_AT_ONCE: Final = 8
"""Connections without a request that are told so in a turn."""

TURN_SECONDS: Final = 0.005
"""From one turn to the next."""

GARBAGE_THRESHOLD: Final = (20_000, 20, 20)
"""For `gc.set_threshold`. A connection is some thirty objects, and thousands come at once."""

THREAD_TURN_SECONDS: Final = 0.0005
"""How long Python code of another thread, such as the judge's, goes on while a request waits. An
answer needs several turns."""

SPARE_FILES: Final = 256
"""Open files that are left to everything but connections."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionLimits:
    """How many connections a server holds, and for how long. Times are in seconds."""

    max_connections: int = 4096
    """More are let in by closing those that have waited longest for a request."""

    head_seconds: float = 10.0
    """From a connection, or the first byte of a request, to the end of its headers."""

    idle_seconds: int = 5
    """Between an answer and the next request. Whole, as uvicorn has it."""

    unread_seconds: float = 30.0
    """For a client to take what was sent to it, before it is hung up on."""


@dataclass(frozen=True, eq=False, slots=True)
class Door:
    """Who is in. Called by uvicorn for every connection, as if it were a protocol's class."""

    limits: ConnectionLimits
    refused: Callable[[int], None] = lambda status: None
    """Told the status of every request that is refused before it is one."""

    inside: set["Caller"] = field(default_factory=set["Caller"])
    waiting: dict["Caller", None] = field(default_factory=dict["Caller", None])
    """Those of whom no whole head has come, who have waited longest first."""

    late: deque["Caller"] = field(default_factory=deque["Caller"])
    """Those whose deadline is over and who have not been told."""

    def __call__(self, **given: Any) -> "Caller":  # noqa: ANN401 - uvicorn's own
        """The protocol of a new connection."""
        return Caller(self, **given)

    def enter(self, caller: "Caller") -> None:
        """Let a connection in, and if there is no room, out whoever has waited longest."""
        self.inside.add(caller)
        self.wait(caller)
        if len(self.inside) > self.limits.max_connections:
            longest = next(iter(self.waiting))
            self.leave(longest)
            longest.transport.abort()

    def wait(self, caller: "Caller") -> None:
        """Take note that a connection waits for a request, from now on."""
        self.waiting.pop(caller, None)
        self.waiting[caller] = None

    def work(self, caller: "Caller") -> None:
        """Take note that the head of a request has come."""
        self.waiting.pop(caller, None)

    def turn_out(self, caller: "Caller") -> None:
        """Tell one who is late, soon. Deadlines of thousands may end in one moment, and others are
        answered between some and the next."""
        self.late.append(caller)
        if len(self.late) == 1:
            caller.loop.call_soon(self._turn_out_some)

    def _turn_out_some(self) -> None:
        for _ in range(min(TURNED_OUT_AT_ONCE, len(self.late))):
            caller = self.late.popleft()
            caller.refuse_late()
            if not self.late:
                return
        self.late[0].loop.call_later(TURN_SECONDS, self._turn_out_some)

    def leave(self, caller: "Caller") -> None:
        """Take note that a connection is gone."""
        self.inside.discard(caller)
        self.waiting.pop(caller, None)


class FloodError(Exception):
    """More requests in a row than are answered. Ends the parsing of what was received."""


class Caller(HttpToolsProtocol):
    """One connection."""

    def __init__(self, door: Door, **given: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(**given)
        self._door = door
        self._head_bytes = 0
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._in_head = True
        self._head_begun = False
        self._head_came = False
        self._head_deadline: TimerHandle | None = None
        self._unread_deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._door.enter(self)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._door.leave(self)
        self._cancel_head_deadline()
        self._cancel_unread_deadline()
        # uvicorn tells the last request only, and what answers the others would write on.
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that is too long, or that never ends, is not waited for."""
        if self.transport.is_closing():
            return
        waited, self._head_came = self._in_head, False
        super().data_received(data)
        if not waited or self._head_came:
            return
        # Not every byte begins a request: empty lines do not, and are without end all the same.
        self._begin_head()
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, f"a request's head may have {MAX_HEAD_BYTES:,} bytes; send less")

    def on_message_begin(self) -> None:
        """Note the first byte of a request."""
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """Begin with a request."""
        self._in_head, self._head_came, self._head_begun = False, True, False
        self._head_bytes = 0
        self._door.work(self)
        # Not that of a client who does not read: to ask for more is not to take what was said.
        self._cancel_head_deadline()
        super().on_headers_complete()
        self._unanswered.append(self.cycle)
        if len(self.pipeline) > MAX_PIPELINED:
            self.transport.abort()
            raise FloodError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header. Those after a body say nothing that is needed, and may be without end."""
        if self._in_head:
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        """Expect the head of the next request."""
        super().on_message_complete()
        self._in_head = True

    def on_response_complete(self) -> None:
        """Wait for the next request, for a while."""
        super().on_response_complete()
        self._unanswered.popleft()
        # The pipeline may be empty and its last request begun a moment ago.
        if self._in_head and not self._unanswered:
            self._door.wait(self)
            if self._head_begun:
                self._await_head()

    def send_400_response(self, msg: str) -> None:
        """Say that it was not HTTP."""
        self._refuse(400, "expected an HTTP/1.1 request")

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not without end."""
        super().pause_writing()
        if self._unread_deadline is None:
            self._unread_deadline = self.loop.call_later(
                self._door.limits.unread_seconds, self.transport.abort
            )

    def resume_writing(self) -> None:
        """Take note that the client reads again."""
        super().resume_writing()
        self._cancel_unread_deadline()

    @property
    def _answering(self) -> bool:
        # There is none before the first request, though uvicorn's types do not say so.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _begin_head(self) -> None:
        self._head_begun = True
        self._await_head()

    def _await_head(self) -> None:
        if self._head_deadline is None and not self._answering:
            self._head_deadline = self.loop.call_later(
                self._door.limits.head_seconds, self._door.turn_out, self
            )

    def refuse_late(self) -> None:
        """Say that no request came in time, unless one has come in the last moment."""
        deadline = self._head_deadline
        # It may be that of the request after the one that came. Clocks of loops tick coarsely.
        if deadline is not None and deadline.when() <= self.loop.time() + TURN_SECONDS:
            self._refuse(408, f"no request within {self._door.limits.head_seconds:g} s")

    def _cancel_head_deadline(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _cancel_unread_deadline(self) -> None:
        if self._unread_deadline is not None:
            self._unread_deadline.cancel()
            self._unread_deadline = None

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        self._door.refused(status)
        # In the middle of another answer, a second one would be taken for part of it.
        if not self._answering:
            self.transport.write(_answer(status, message))
        self.transport.close()


_KINDS: Final = {400: "not_http", 408: "late", 431: "too_long"}
_PHRASES: Final = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
}


def _answer(status: int, message: str) -> bytes:
    content = json.dumps({"error": {"type": _KINDS[status], "message": message}}).encode()
    head = (
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + content


class _Server(uvicorn.Server):
    """A server whose collections of garbage are few and short, and whose threads take short turns.

    A full collection looks at all that was loaded, a tenth of a second in which nobody is answered,
    and connections by the hundred bring it on. What was loaded before it listens stays anyway.
    """

    _num_listening: ClassVar[int] = 0
    _before: ClassVar[tuple[int, int, int]]
    _turns_before: ClassVar[float]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        _Server._num_listening += 1
        if _Server._num_listening == 1:
            _Server._before = gc.get_threshold()
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GARBAGE_THRESHOLD)
            _Server._turns_before = sys.getswitchinterval()
            sys.setswitchinterval(THREAD_TURN_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and with the last server of the process leave it as it was."""
        await super().shutdown(sockets)
        _Server._num_listening -= 1
        if not _Server._num_listening:
            gc.set_threshold(*_Server._before)
            gc.unfreeze()
            sys.setswitchinterval(_Server._turns_before)


def make_server(
    app: ASGIApp,
    *,
    limits: ConnectionLimits | None = None,
    refused: Callable[[int], None] = lambda status: None,
) -> uvicorn.Server:
    """The server of an application.

    Args:
        app: What answers requests.
        limits: How many connections it holds, and for how long.
        refused: Told the status of what was refused before it was a request.
    """
    limits = limits or ConnectionLimits()
    door = Door(limits, refused)
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", door),
        ws="none",
        # Its own handlers would write tracebacks as they are, keys and control characters included.
        log_config=None,
        # Whoever sends what is not HTTP would write into the log at every try.
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    return _Server(config)


def raise_open_files(wanted: int) -> int:
    """Have the system allow more open files, if it does.

    Args:
        wanted: Connections to be held.

    Returns:
        Connections that can be held.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + SPARE_FILES:
        most = wanted + SPARE_FILES if hard == resource.RLIM_INFINITY else hard
        soft = max(soft, min(wanted + SPARE_FILES, most))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, soft - SPARE_FILES))
