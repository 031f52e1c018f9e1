"""The HTTP engine at 100,000 comparisons, before a server that answers at once.

    make bench ONLY=http-100k                            all of it: minutes
    python -m benchmarks.http_100k --num-pairs 5000

1. Rates, in turn, in this process: the engine's `generate`, against the same requests with as many
   in flight, bytes ready: over the connections that it uses, and through `httpx2`, its transports
   alone, `aiohttp` and `openai`, as far as they are installed. The roof is the same bytes over bare
   sockets, whose replies nobody reads.
2. `jurist judge` over all pairs in both orders, timed, its memory looked at twice a second.
3. The same killed with SIGKILL halfway and run again: what did the server see twice, is everything
   there once, are the verdicts the same bytes.

The last line is the result as JSON. Seconds of the processor stand beside those of the clock, for
on a machine that others use too only they tell what the work takes.
"""

import asyncio
import importlib.util
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import tyro

from benchmarks.harness import Result, machine
from jurist.engines.base import sample_seed
from jurist.engines.chat_api import request_body
from jurist.engines.connection import Address, Connection
from jurist.engines.openai import OpenAIEngine
from jurist.formats import make_format
from jurist.types import Comparison, Conversation, Sampling, user

SAMPLING = Sampling(num_samples=1, top_p=0.95, max_tokens=64)


@dataclass(frozen=True, kw_only=True, slots=True)
class HTTPConfig:
    """What is measured."""

    num_pairs: int = 100_000
    in_flight: int = 64
    num_requests: int = 3_000
    """Requests of each client in each round of the comparison of clients."""

    rounds: int = 5


@contextmanager
def instant_server() -> Iterator[tuple[str, int]]:
    """A server in a process of its own: its address, and its process id."""
    command = [sys.executable, "-m", "benchmarks.instant_server", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1", server.pid
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def counts(url: str) -> dict[str, int]:
    """How many requests the server saw, and how many were unlike."""
    with urllib.request.urlopen(f"{url}/counts") as reply:
        return json.load(reply)


def processor_seconds(pid: int) -> float:
    """Time on the processor of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory of a process that is in RAM."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def comparison(number: int) -> Comparison:
    """A comparison of about the length of a short chat, unlike every other."""
    return Comparison(
        prompt=user(f"Question {number}: why is the sky blue, and the grass green? " * 4),
        first=f"Answer {number}: because light is scattered, the short waves most. " * 10,
        second=f"Answer {number}: nobody can say, but many have tried to find out. " * 10,
    )


Ask = Callable[[int], Awaitable[None]]
"""Asks request 0, 1, ... and reads the reply."""


@asynccontextmanager
async def own_connections(url: str, bodies: Sequence[bytes], in_flight: int) -> AsyncIterator[Ask]:
    """The engine's own connections, without the engine."""
    address = Address.parse(url)
    idle = [await Connection.open(address, None, seconds=5.0) for _ in range(in_flight)]

    async def ask(number: int) -> None:
        connection = idle.pop()
        reply = await connection.ask(
            address, [], bodies[number], max_bytes=2**20, silence_seconds=60.0
        )
        assert json.loads(reply.content)
        idle.append(connection)

    yield ask
    for connection in idle:
        connection.close()


@asynccontextmanager
async def httpx2_client(url: str, bodies: Sequence[bytes], in_flight: int) -> AsyncIterator[Ask]:
    """httpx2's client, as it is meant to be used."""
    import httpx2

    limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    headers = {"Content-Type": "application/json"}
    async with httpx2.AsyncClient(limits=limits, headers=headers, trust_env=False) as client:

        async def ask(number: int) -> None:
            reply = await client.post(url, content=bodies[number])
            assert json.loads(reply.content)

        yield ask


@asynccontextmanager
async def httpx2_transports(
    url: str, bodies: Sequence[bytes], in_flight: int
) -> AsyncIterator[Ask]:
    """httpx2's transports without the client, each with a pool of one connection."""
    import httpx2

    tls = httpx2.create_ssl_context()
    limits = httpx2.Limits(max_connections=1, max_keepalive_connections=1)
    idle = [httpx2.AsyncHTTPTransport(verify=tls, limits=limits) for _ in range(in_flight)]
    address = httpx2.URL(url)
    headers = httpx2.Headers({"Host": address.netloc.decode(), "Content-Type": "application/json"})

    async def ask(number: int) -> None:
        transport = idle.pop()
        request = httpx2.Request("POST", address, headers=headers, content=bodies[number])
        reply = await transport.handle_async_request(request)
        assert json.loads(await reply.aread())
        await reply.aclose()
        idle.append(transport)

    yield ask
    for transport in idle:
        await transport.aclose()


@asynccontextmanager
async def with_aiohttp(url: str, bodies: Sequence[bytes], in_flight: int) -> AsyncIterator[Ask]:
    """aiohttp's client."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=in_flight)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as client:

        async def ask(number: int) -> None:
            async with client.post(url, data=bodies[number]) as reply:
                assert json.loads(await reply.read())

        yield ask


@asynccontextmanager
async def with_openai(url: str, bodies: Sequence[bytes], in_flight: int) -> AsyncIterator[Ask]:
    """openai's client, which makes the bytes itself."""
    import openai

    base_url = url.removesuffix("/chat/completions")
    rows = [json.loads(body) for body in bodies]
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:

        async def ask(number: int) -> None:
            reply = await client.chat.completions.create(**rows[number])
            assert reply.choices[0].message.content

        yield ask


@asynccontextmanager
async def bare(url: str, bodies: Sequence[bytes], in_flight: int) -> AsyncIterator[Ask]:
    """Bytes over sockets, the replies unread."""
    address = Address.parse(url)
    head = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    requests = [head % (address.path, len(body)) + body for body in bodies]
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(Bare, address.host, address.port) for _ in range(in_flight)
    ]
    idle = [socket for _, socket in opened]

    async def ask(number: int) -> None:
        socket = idle.pop()
        assert await socket.ask(requests[number])
        idle.append(socket)

    yield ask
    for socket in idle:
        socket.transport.close()


class Bare(asyncio.Protocol):
    """A socket that is sent a request, and takes whatever comes next for the reply."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request."""
        self._reply = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._reply

    def data_received(self, data: bytes) -> None:
        """Take the reply."""
        self._reply.set_result(data)


Client = Callable[[str, Sequence[bytes], int], AbstractAsyncContextManager[Ask]]
RIVALS: dict[str, tuple[str, Client]] = {
    "httpx2 client": ("httpx2", httpx2_client),
    "httpx2 transports": ("httpx2", httpx2_transports),
    "aiohttp": ("aiohttp", with_aiohttp),
    "openai": ("openai", with_openai),
}
"""By name, each with the package it needs."""

CLIENTS: dict[str, Client] = {
    "own connections": own_connections,
    **{name: way for name, (needed, way) in RIVALS.items() if importlib.util.find_spec(needed)},
    "bare sockets": bare,
}


async def ask_all(client: Client, url: str, bodies: Sequence[bytes], in_flight: int) -> None:
    """Send every body once, so many at a time."""
    async with client(url, bodies, in_flight) as ask:
        left = iter(range(len(bodies)))

        async def work() -> None:
            for number in left:
                await ask(number)

        await asyncio.gather(*(work() for _ in range(in_flight)))


def ways_to_ask(
    url: str, prompts: Sequence[Conversation], in_flight: int
) -> dict[str, Callable[[], None]]:
    """Ways to have one reply to each prompt."""
    bodies = [
        request_body(
            "instant",
            prompt,
            sampling=SAMPLING,
            seed=sample_seed(0, prompt, 0) % 2**31,
            limit_name="max_tokens",
        )
        for prompt in prompts
    ]

    def with_engine() -> None:
        engine = OpenAIEngine(url, "instant", max_concurrency=in_flight)
        assert all(reply.num_tokens for (reply,) in engine.generate(prompts, SAMPLING))

    def with_client(client: Client) -> None:
        asyncio.run(ask_all(client, f"{url}/chat/completions", bodies, in_flight))

    return {
        "engine": with_engine,
        **{name: partial(with_client, client) for name, client in CLIENTS.items()},
    }


def compare_clients(config: HTTPConfig) -> dict[str, dict[str, object]]:
    """Requests a second of each client, by the clock and by the processor, in alternation."""
    form = make_format("pairwise", seed=0)
    prompts = [form.render(comparison(number)) for number in range(config.num_requests)]
    found: dict[str, list[tuple[float, float]]] = {}
    with instant_server() as (url, _):
        ways = ways_to_ask(url, prompts, config.in_flight)
        for _ in range(config.rounds):
            for name, way in ways.items():
                wall, busy = time.perf_counter(), time.process_time()
                way()
                wall, busy = time.perf_counter() - wall, time.process_time() - busy
                found.setdefault(name, []).append((len(prompts) / wall, len(prompts) / busy))
    return {
        name: {
            "per_second": round(statistics.median(wall for wall, _ in rates)),
            "per_processor_second": round(statistics.median(busy for _, busy in rates)),
            "spread": [round(min(busy for _, busy in rates)), round(max(b for _, b in rates))],
        }
        for name, rates in found.items()
    }


@dataclass(slots=True)
class Judged:
    """What a run of `jurist judge` took, as seen from outside."""

    seconds: float = 0.0
    processor_seconds: float = 0.0
    server_processor_seconds: float = 0.0
    memory_mb: tuple[tuple[int, float], ...] = ()
    """Requests seen by the server, and memory of the client then."""

    status: int = 0


def judge(
    pairs: Path,
    output: Path,
    url: str,
    server: int,
    *,
    in_flight: int,
    kill_at: int | None = None,
) -> Judged:
    """Run `jurist judge`, and kill it once the server has seen `kill_at` requests."""
    options = {
        "--model": "instant",
        "--base-url": url,
        "--pairs": pairs,
        "--output": output,
        "--votes": 1,
        "--max-tokens": 64,
        "--max-concurrency": in_flight,
    }
    command = [sys.executable, "-m", "jurist", "judge"]
    command += [str(part) for option in options.items() for part in option]
    found = Judged()
    memory: list[tuple[int, float]] = []
    began, server_began = time.monotonic(), processor_seconds(server)
    seen_before = counts(url)["requests"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as process:
        while process.poll() is None:
            try:
                found.processor_seconds = processor_seconds(process.pid)
                seen = counts(url)["requests"]
                memory.append((seen - seen_before, resident_mb(process.pid)))
            except (FileNotFoundError, IndexError, ProcessLookupError):
                break
            if kill_at is not None and seen >= kill_at:
                process.kill()
                break
            time.sleep(0.02 if kill_at else 0.5)
        found.status = process.wait()
    found.seconds = time.monotonic() - began
    found.server_processor_seconds = processor_seconds(server) - server_began
    found.memory_mb = tuple(memory)
    return found


def stored(run: Path) -> tuple[int, int]:
    """Completions in a run's store, and how many of them have a key of their own."""
    with sqlite3.connect(run / "completions.sqlite") as store:
        (found,) = store.execute("SELECT count(*), count(DISTINCT key) FROM completions").fetchall()
    return found


def memory_growth(readings: Sequence[tuple[int, float]], num_requests: int) -> dict[str, float]:
    """Memory in the second and in the last fifth of the judging, in MB: medians."""
    early = [mb for seen, mb in readings if 0.2 <= seen / num_requests < 0.4]
    late = [mb for seen, mb in readings if seen / num_requests >= 0.8]
    found = {"peak": max(mb for _, mb in readings)}
    if early and late:
        found |= {"early": statistics.median(early), "late": statistics.median(late)}
    return {name: round(mb, 1) for name, mb in found.items()}


def main(config: HTTPConfig) -> None:
    """Measure and print."""
    rates = compare_clients(config)
    for name, rate in rates.items():
        print(f"{name:18} {rate}", flush=True)
    num = 2 * config.num_pairs
    with tempfile.TemporaryDirectory() as folder:
        pairs = Path(folder) / "pairs.jsonl"
        with pairs.open("w") as file:
            for number in range(config.num_pairs):
                one = comparison(number)
                row = {"prompt": one.prompt[0].content, "chosen": one.first, "rejected": one.second}
                file.write(json.dumps(row) + "\n")
        whole_run, killed_run = Path(folder) / "whole", Path(folder) / "killed"
        with instant_server() as (url, server):
            whole = judge(pairs, whole_run, url, server, in_flight=config.in_flight)
            assert counts(url) == {"requests": num, "unlike": num}, counts(url)
        print(f"judged in {whole.seconds:.0f} s: {memory_growth(whole.memory_mb, num)}", flush=True)
        with instant_server() as (url, server):
            first = judge(
                pairs,
                killed_run,
                url,
                server,
                in_flight=config.in_flight,
                kill_at=num * 9 // 20 + 137,
            )
            kept, _ = stored(killed_run)
            again = judge(pairs, killed_run, url, server, in_flight=config.in_flight)
            seen = counts(url)
        verdicts = [(run / "verdicts.jsonl").read_bytes() for run in (whole_run, killed_run)]
        crash = {
            "killed_by_signal": -first.status,
            "kept_when_killed": kept,
            "asked_twice": seen["requests"] - seen["unlike"],
            "at_most": config.in_flight,
            "stored": stored(killed_run)[0],
            "stored_unlike": stored(killed_run)[1],
            "verdicts_same_bytes": verdicts[0] == verdicts[1],
        }
    print(f"killed and run again: {crash}", flush=True)
    assert whole.status == again.status == 0
    assert crash["stored"] == crash["stored_unlike"] == num
    assert crash["asked_twice"] <= config.in_flight and crash["verdicts_same_bytes"]
    client, server_time = whole.processor_seconds, whole.server_processor_seconds
    ours = rates.pop("engine")
    roof = rates.pop("bare sockets")
    key = "per_processor_second"
    installed = {"h11"} | {needed for name, (needed, _) in RIVALS.items() if name in rates}
    Result(
        name="http-100k",
        ours={
            "judgements_per_second": round(num / whole.seconds),
            "judgements": num,
            "seconds": round(whole.seconds, 1),
            "processor_seconds": {"client": round(client, 1), "server": round(server_time, 1)},
            "judgements_per_second_on_two_idle_cores": round(num / max(client, server_time)),
            "memory_mb": memory_growth(whole.memory_mb, num),
            "crash": crash,
            "engine_alone": ours,
        },
        rivals=rates,
        ratios={name: round(ours[key] / rate[key], 2) for name, rate in rates.items()},
        roofline_fraction=round(ours[key] / roof[key], 3),
        unit="judgements per second; rivals: requests, by clock and by processor",
        runs=config.rounds,
        machine=machine(threads=1) | {name: version(name) for name in sorted(installed)},
    ).print()


if __name__ == "__main__":
    main(tyro.cli(HTTPConfig))
