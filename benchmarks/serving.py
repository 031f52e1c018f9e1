"""What a server costs: requests a second, how long they take, and what micro-batching gains.

    python -m benchmarks.serving

First a judge that answers at once, so that what is left is the server: how many requests a second
it sustains, and the time of each at a steady half of the asked load, sent on time whether or not
earlier ones have been answered. Then the base that ships, two votes in each order, with batches as
large as they come against batches of one. Server and clients are processes of their own; each
request is one comparison, `POST /v1/judge`, over connections that are kept.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import tyro

READY = "ready "


@dataclass(frozen=True, kw_only=True, slots=True)
class ServingConfig:
    """One benchmark."""

    rate: float = 1000.0
    """Requests a second that the server is to sustain."""

    seconds: float = 60.0
    """How long."""

    connections: int = 64
    num_comparisons: int = 96
    """Comparisons for the tiny judge, each a request."""

    repeats: int = 3
    """Of the tiny judge, one by one and in batches in turns."""

    part: Literal["both", "instant", "tiny"] = "both"


def main(config: ServingConfig) -> None:
    """Run it and say what came out."""
    if config.part != "tiny":
        with served("instant", max_batch=256) as port:
            body = [_body("Name a prime.", f"Seven {n}.", "Eight.") for n in range(997)]
            asyncio.run(_open_loop(port, body, config.rate, 3.0, config.connections))  # warm up
            for rate in (config.rate, config.rate / 2.0):
                print(
                    asyncio.run(_open_loop(port, body, rate, config.seconds, config.connections)),
                    flush=True,
                )
            print(asyncio.run(_closed_loop(port, body, 10.0, config.connections)), flush=True)
    if config.part != "instant":
        from jurist.worlds import preferences

        pairs = preferences("in_distribution", "test", config.num_comparisons, seed=0)
        body = [_body(p.prompt[-1].content, p.chosen, p.rejected) for p in pairs]
        taken: dict[int, list[float]] = {1: [], 256: []}
        for _ in range(config.repeats):
            for max_batch, seconds in taken.items():
                with served("tiny", max_batch=max_batch) as port:
                    asyncio.run(_all_of(port, body[:4]))  # warm up
                    started = time.perf_counter()
                    asyncio.run(_all_of(port, body[4:]))
                    seconds.append(time.perf_counter() - started)
        num = len(body) - 4
        for max_batch, seconds in taken.items():
            each = sorted(num / one for one in seconds)
            print(
                f"tiny judge, batches of at most {max_batch}: median "
                f"{statistics.median(each):.1f} requests/s ({each[0]:.1f} to {each[-1]:.1f})"
            )
        ratios = sorted(a / b for a, b in zip(taken[1], taken[256], strict=True))
        print(
            f"ratio: median {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
        )


@contextmanager
def served(judge: str, *, max_batch: int) -> Generator[int]:
    """A server in a process of its own; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving_process", judge, str(max_batch)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith(READY):
            raise SystemExit(f"the server did not come up: {line!r}")
        yield int(line.removeprefix(READY))
    finally:
        process.terminate()
        process.wait()


def _body(prompt: str, first: str, second: str) -> bytes:
    asked = json.dumps({"comparisons": [{"prompt": prompt, "first": first, "second": second}]})
    content = asked.encode()
    head = (
        "POST /v1/judge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class _Connection:
    """One connection that is kept; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> bytes:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"answered with {head.splitlines()[0]!r}")
        place = head.lower().index(b"content-length:") + 15
        return await self._reader.readexactly(int(head[place:].split(b"\r\n", 1)[0]))


async def _connections(port: int, num: int) -> list[_Connection]:
    return [_Connection(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(num)]


async def _open_loop(
    port: int, bodies: Sequence[bytes], rate: float, seconds: float, connections: int
) -> str:
    """Send at a steady rate; the time of a request counts from when it was due."""
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for connection in await _connections(port, connections):
        free.put_nowait(connection)
    taken: list[float] = []
    clock = time.perf_counter
    tasks: set[asyncio.Task[None]] = set()

    async def one(due: float, body: bytes) -> None:
        connection = await free.get()
        await connection.ask(body)
        taken.append(clock() - due)
        free.put_nowait(connection)

    started = clock()
    total = int(rate * seconds)
    sent = 0
    while sent < total:
        due = started + sent / rate
        wait = due - clock()
        if wait > 0:
            await asyncio.sleep(wait)
        while sent < total and started + sent / rate <= clock():
            task = asyncio.create_task(one(started + sent / rate, bodies[sent % len(bodies)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
    await asyncio.gather(*tasks)
    spent = clock() - started
    taken.sort()
    p50, p99, p999 = (1000 * taken[int(share * (len(taken) - 1))] for share in (0.5, 0.99, 0.999))
    return (
        f"{rate:g} requests/s asked for {seconds:g} s: {total / spent:.0f} answered a second, p50 "
        f"{p50:.1f} ms, p99 {p99:.1f} ms, p99.9 {p999:.1f} ms, longest {1000 * taken[-1]:.0f} ms"
    )


async def _closed_loop(port: int, bodies: Sequence[bytes], seconds: float, connections: int) -> str:
    """As fast as the connections allow, each asking again once answered."""
    done = 0
    end = time.perf_counter() + seconds

    async def client(connection: _Connection, number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await connection.ask(bodies[(number + done) % len(bodies)])
            done += 1

    opened = await _connections(port, connections)
    await asyncio.gather(*(client(one, number) for number, one in enumerate(opened)))
    return f"{connections} connections as fast as they can: {done / seconds:.0f} requests/s"


async def _all_of(port: int, bodies: Sequence[bytes]) -> None:
    """All at once, each over a connection of its own."""
    opened = await _connections(port, len(bodies))
    await asyncio.gather(
        *(connection.ask(body) for connection, body in zip(opened, bodies, strict=True))
    )


if __name__ == "__main__":
    main(tyro.cli(ServingConfig, config=(tyro.conf.OmitArgPrefixes,)))
