"""A server killed under load and started again: its clients ask again, and hear the same."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jurist.engines.patience import Patience
from jurist.judges import ballots
from jurist.judges.served import ServedJudge
from jurist.types import Comparison
from jurist.worlds import BASE, preferences

COMPARISONS = [
    Comparison(prompt=pair.prompt, first=pair.chosen, second=pair.rejected)
    for pair in preferences("in_distribution", "test", 32, seed=5)
]
NUM_CLIENTS = 4


def started(port: int, store: Path) -> subprocess.Popen[bytes]:
    """`jurist serve`, once it listens."""
    command = [sys.executable, "-m", "jurist", "serve", "--model", str(BASE), "--port", str(port)]
    command += ["--votes", "2", "--max-tokens", "48", "--store", str(store)]
    log = store.with_suffix(".log")
    with log.open("w") as file:
        server = subprocess.Popen(command, stderr=file, env={**os.environ})
    while server.poll() is None:
        if re.search(r"http://127\.0\.0\.1:\d+", log.read_text("utf-8")):
            return server
        time.sleep(0.05)
    raise AssertionError(f"the server did not come up: {log.read_text('utf-8')}")


def stop(server: subprocess.Popen[bytes], how: signal.Signals) -> None:
    server.send_signal(how)
    server.wait(60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts servers, all at one port; none outlives the test."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    servers: list[subprocess.Popen[bytes]] = []

    def start(store: str) -> subprocess.Popen[bytes]:
        servers.append(started(port, tmp_path / store))
        return servers[-1]

    start.port = port
    yield start
    for server in servers:
        if server.poll() is None:
            stop(server, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.fault(24, "restart")
@pytest.mark.fault(1, "server")
def test_a_server_killed_under_load_answers_the_same_when_it_is_back(start, size, figure):
    """What is answered before a kill, across it and after it is what it is without one."""
    patience = Patience(max_retries=60, first_wait_seconds=0.2, item_seconds=240.0)
    judge = ServedJudge(f"http://127.0.0.1:{start.port}", max_concurrency=4, patience=patience)

    undisturbed = start("other.sqlite")
    expected = judge(COMPARISONS)
    stop(undisturbed, signal.SIGTERM)

    server = start("served.sqlite")
    shares = [COMPARISONS[number::NUM_CLIENTS] for number in range(NUM_CLIENTS)]
    done: list[int] = []

    def client(share):
        found = []
        for one in share:
            found += judge([one])
            done.append(1)
        return found

    with ThreadPoolExecutor(NUM_CLIENTS) as threads:
        asked = [threads.submit(client, share) for share in shares]

        def wait_for(num: int) -> None:
            while len(done) < num:
                for each in asked:
                    assert not each.done() or each.result()
                time.sleep(0.01)

        for number in range(1, size(1, 2) + 1):
            wait_for(number * len(COMPARISONS) // 5)
            stop(server, signal.SIGKILL)
            before, killed = len(done), time.monotonic()
            figure("kills", 1)
            server = start("served.sqlite")
            wait_for(before + 1)
            figure("recovery_seconds", time.monotonic() - killed)
        answered = [each.result(timeout=240) for each in asked]
    by_place = [answered[n % NUM_CLIENTS][n // NUM_CLIENTS] for n in range(len(COMPARISONS))]
    assert by_place == expected
    assert judge(COMPARISONS) == expected
    assert all(ballot.judgements for ballot in ballots(judge, COMPARISONS))
    stop(server, signal.SIGTERM)
