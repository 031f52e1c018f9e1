"""Good clients of a server while bad ones attack it: server, attackers and clients are processes of
their own."""

import asyncio
import json
import resource
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BODY = b'{"comparisons": [{"prompt": "Q", "first": "aa", "second": "b"}]}'
ASKED = (
    b"POST /v1/judge HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
) + BODY
PER_SECOND = 60
"""Good requests."""

# How many attack at once, few and many, and what they may come to see.
ATTACKS = [
    ("idle", 400, 10_000, {"closed", "reset", "408"}),
    ("slow-head", 100, 400, {"408", "closed", "reset"}),
    ("slow-body", 100, 400, {"408"}),
    ("long-body", 2, 16, {"413", "reset"}),
    ("deep-json", 2, 2, {"400"}),
    ("wide-json", 2, 2, {"400"}),
    ("many-texts", 2, 2, {"400"}),
    ("many-objects", 2, 2, {"422"}),
    ("disconnect", 5, 10, {"hung up"}),
    ("pipelined", 2, 4, {"200", "closed", "reset"}),
]


class Server:
    """A server, by its port and its process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    @property
    def resident_mib(self) -> float:
        """Its memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1])
        return pages * resource.getpagesize() / 2**20

    def health(self) -> str:
        """What it says of itself."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=30) as reply:
            return json.load(reply)["status"]


@pytest.fixture(scope="module")
def server(size) -> Iterator[Server]:
    if not Path("/proc/self/statm").exists():
        pytest.skip("memory of other processes is read off /proc")
    command = [sys.executable, str(HERE / "attacked_server.py"), str(size(2, 10))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield Server(process)
    finally:
        process.terminate()
        process.communicate(timeout=30)


class Attack:
    """What attackers saw."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.begun = threading.Event()

    def listen(self, process: subprocess.Popen[str]) -> None:
        """Take in what they print."""
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            self.begun.set()
            if "begun" not in said:
                self.seen = said


@contextmanager
def attacked(kind: str, port: int, num: int) -> Iterator[Attack]:
    """While the block runs, a server is attacked."""
    command = [sys.executable, str(HERE / "attacker.py"), kind, str(port), str(num)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    attack = Attack()
    listening = threading.Thread(target=attack.listen, args=[process])
    listening.start()
    try:
        assert attack.begun.wait(60)
        yield attack
    finally:
        process.kill()
        listening.join()
        process.communicate()


async def good_traffic(port: int, seconds: float) -> list[float]:
    """Ask at a steady rate, in time whether or not earlier requests have been answered.

    Returns:
        Milliseconds of each. Every one was answered well.
    """
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(due: float) -> float:
        await asyncio.sleep(due - time.perf_counter())
        # A connection that has long been spare may have been closed to make room.
        while free and free[-1][0].at_eof():
            free.pop()[1].close()
        reader, writer = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASKED)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        answer = json.loads(await reader.readexactly(length))
        assert answer["results"][0]["verdict"] == "first"
        free.append((reader, writer))
        return (time.perf_counter() - due) * 1000.0

    start = time.perf_counter() + 0.05
    num = int(seconds * PER_SECOND)
    found = await asyncio.gather(*(ask(start + n / PER_SECOND) for n in range(num)))
    for _, writer in free:
        writer.close()
    return found


def p99(milliseconds: list[float]) -> float:
    return sorted(milliseconds)[int(0.99 * len(milliseconds))]


@pytest.mark.alone
@pytest.mark.fault(23, "under attack")
@pytest.mark.parametrize(("kind", "few", "many", "expected"), ATTACKS, ids=[a[0] for a in ATTACKS])
def test_good_clients_are_answered_while_bad_ones_attack(
    server, kind, few, many, expected, size, figure
):
    """At full size, in turns with and without the attack: no more than twice as long."""
    num, rounds = size(few, many), size(1, 5)
    asyncio.run(good_traffic(server.port, 0.5))
    before = server.resident_mib
    quiet: list[float] = []
    under: list[float] = []
    for number in range(rounds):
        quiet += asyncio.run(good_traffic(server.port, size(1, 2)))
        with attacked(kind, server.port, num) as attack:
            under += asyncio.run(good_traffic(server.port, size(1, 2)))
            assert server.health() == "ok"
            grown = server.resident_mib - before
            # What becomes of them takes up to a deadline, which is waited for once.
            deadline = time.monotonic() + 60 * (number == rounds - 1)
            while not attack.seen and time.monotonic() < deadline:
                time.sleep(0.1)
        assert set(attack.seen) <= expected, attack.seen
        assert grown < 300, f"{grown:.0f} MiB more"
        figure("server_growth_mib", grown)
    assert attack.seen
    ratio = p99(under) / p99(quiet)
    figure("attacked_p99_milliseconds", p99(under))
    figure("attacked_p99_ratio", ratio)
    # How long a few requests take beside whatever else a machine does says nothing.
    assert rounds == 1 or ratio < 2.0
