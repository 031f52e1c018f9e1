"""A server on loopback that answers, byte by byte, whatever a test tells it to."""

import asyncio
import importlib
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jurist.engines.openai import OpenAIEngine
from jurist.engines.patience import Clock, Patience
from jurist.engines.workers import open_workers


@dataclass
class Request:
    """One request as it arrived."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict


Write = Callable[[asyncio.StreamWriter], Awaitable[None]]
Script = Callable[[Request], "bytes | Write"]


@dataclass
class Served:
    """A server that is running."""

    url: str
    requests: list[Request] = field(default_factory=list)
    most_at_once: int = 0
    num_connections: int = 0


class Loopback:
    """Starts servers on loopback, and writes replies for them."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def serve(self, script: Script, tls: ssl.SSLContext | None = None) -> Served:
        """Answer every request with what the script returns, or let it write for itself."""
        served = Served(url="")
        busy = 0

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal busy
            served.num_connections += 1
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    lines = head.decode().split("\r\n")
                    pairs = (line.split(": ", 1) for line in lines[1:] if line)
                    headers = {name.lower(): value for name, value in pairs}
                    body = json.loads(await reader.readexactly(int(headers["content-length"])))
                    request = Request(len(served.requests), lines[0].split()[1], headers, body)
                    served.requests.append(request)
                    busy += 1
                    served.most_at_once = max(served.most_at_once, busy)
                    # Other requests get a chance to arrive, or none would ever be side by side.
                    await asyncio.sleep(0.002)
                    answer = script(request)
                    if isinstance(answer, bytes):
                        writer.write(answer)
                        await writer.drain()
                    else:
                        await answer(writer)
                    busy -= 1
                    if writer.is_closing():
                        break
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        async def start() -> int:
            server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
            self._servers.append(server)
            return server.sockets[0].getsockname()[1]

        port = asyncio.run_coroutine_threadsafe(start(), self._loop).result()
        served.url = f"http{'s' if tls else ''}://127.0.0.1:{port}/v1"
        return served

    def stop(self) -> None:
        async def cancel() -> None:
            for server in self._servers:
                server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # A closed connection lets go of its socket on the loop's next turn.
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(cancel(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    def raw(status: int, content: bytes, **headers: str) -> bytes:
        """A whole reply. Header names are written with underscores for hyphens."""
        named = {"Content_Length": str(len(content)), **headers}
        lines = [f"HTTP/1.1 {status} Said"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
        return "\r\n".join([*lines, "", ""]).encode() + content

    @classmethod
    def reply(cls, status: int, value: object, **headers: str) -> bytes:
        """A whole reply of JSON."""
        return cls.raw(status, json.dumps(value).encode(), **headers)

    @classmethod
    def chat(
        cls, content: object = "Fine.", finish_reason: object = "stop", **extra: object
    ) -> bytes:
        """A good chat completion. `message` and `choice` update those parts, the rest the whole."""
        message = {"role": "assistant", "content": content, **extra.pop("message", {})}
        choice = {"index": 0, "message": message, "finish_reason": finish_reason}
        choice |= extra.pop("choice", {})
        usage = {"prompt_tokens": 5, "completion_tokens": 3}
        return cls.reply(200, {"model": "m", "choices": [choice], "usage": usage, **extra})


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    loopback = Loopback()
    yield loopback
    loopback.stop()


class Waits:
    """A clock that notes how long it was asked to wait, and does not wait."""

    def __init__(self):
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: 1_000_000.0, sleep=self.sleep, jitter=lambda: 0.0)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    return "canary-0123456789"


@pytest.fixture
def engine_for(loopback: Loopback, waits: Waits, key: str):
    """An engine before a script, and the server that plays it."""

    def make(script, patience: Patience | None = None, **settings):
        served = loopback.serve(script)
        patience = patience or Patience(attempt_seconds=20.0)
        engine = OpenAIEngine(served.url, "m", patience=patience, clock=waits.clock, **settings)
        return engine, served

    return make


@pytest.fixture(scope="session")
def worker_engines():
    """The module of engines that both this process and its workers import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        yield importlib.import_module("worker_engines")


@pytest.fixture(scope="session")
def two_workers(worker_engines):
    """Two processes with a scripted engine each; jobs are small, so that both have work."""
    with open_workers(worker_engines.scripted, 2, job_size=4) as workers:
        yield workers
