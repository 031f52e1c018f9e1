"""Two processes on one run directory: one works, the other is told who does."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Timer

import pytest

from jurist.engines.store import AnswerStore
from jurist.errors import ConfigError
from jurist.storage import locked

HOST = socket.gethostname()


class Silent:
    """A server that takes connections when it is told to, and never says a word."""

    def __init__(self, listening: socket.socket):
        self.listening = listening
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        self.taken: list[socket.socket] = []

    def wait(self) -> None:
        """Until somebody asks."""
        self.listening.settimeout(120)
        self.taken.append(self.listening.accept()[0])

    def forget(self) -> None:
        """All who have asked."""
        self.listening.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                self.taken.append(self.listening.accept()[0])


@pytest.fixture
def silent() -> Iterator[Silent]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = Silent(listening)
        yield silent
        for connection in silent.taken:
            connection.close()


@pytest.fixture
def judging(silent, pairs, tmp_path, forking):
    """Starts `jurist judge` before the silent server, all in one directory."""
    command = [sys.executable, "-m", "jurist", "judge", "--pairs", str(pairs / "test.jsonl")]
    command += ["--base-url", silent.url, "--model", "m"]
    command += ["--output", str(tmp_path / "run")]
    with ExitStack() as started:

        def start() -> subprocess.Popen[str]:
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=forking.ENVIRONMENT,
            )
            started.callback(process.communicate)
            started.callback(process.kill)
            return process

        yield start


def holder(path: Path) -> str:
    """Who a lock's file names."""
    return path.read_text()


@pytest.mark.fault(6, "second process", "killed holder")
def test_the_second_is_refused_by_name_and_the_lock_goes_with_a_killed_holder(
    judging, silent, tmp_path, figure
):
    run = tmp_path / "run"
    first = judging()
    silent.wait()
    second = judging()
    _, said = second.communicate(timeout=120)
    assert second.returncode == 2
    assert f"{run}: in use by process {first.pid} on {HOST}" in said
    assert "Traceback" not in said
    with pytest.raises(ConfigError, match=rf"in use by process {first.pid} on {re.escape(HOST)}"):
        AnswerStore(run / "completions.sqlite")
    assert first.poll() is None, "the first was not disturbed"
    first.send_signal(signal.SIGKILL)
    assert first.wait(timeout=60) == -signal.SIGKILL
    figure("kills", 1)
    AnswerStore(run / "completions.sqlite").close()
    silent.forget()
    third = judging()
    silent.wait()
    assert third.poll() is None
    for lock in ("run.lock", "completions.sqlite.lock"):
        assert holder(run / lock) == f"process {third.pid} on {HOST}"


@pytest.mark.fault(6, "second process")
def test_whoever_comes_second_at_whatever_instant_is_told_a_name(tmp_path, forking, size):
    seconds = size(1, 5)
    program = Path(__file__).with_name("fighting.py")
    fighters = [
        subprocess.Popen(
            [sys.executable, str(program), str(tmp_path / "run.lock"), str(seconds)],
            stdout=subprocess.PIPE,
            text=True,
            env=forking.ENVIRONMENT,
        )
        for _ in range(3)
    ]
    counts = Counter[str]()
    for fighter in fighters:
        output, _ = fighter.communicate(timeout=120)
        counts.update(json.loads(output))
    assert counts.keys() <= {"held", "refused"}, counts
    assert min(counts["held"], counts["refused"]) > 10, counts


@pytest.mark.fault(6, "killed holder")
def test_the_name_of_a_killed_holder_is_told_to_nobody(tmp_path):
    lock = tmp_path / "run.lock"
    killed = subprocess.Popen(["sleep", "60"])
    killed.kill()
    killed.wait()
    # The instant in which the next one has the lock, and has not written its name.
    with lock.open("w") as file:
        file.write(f"process {killed.pid} on {HOST}")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        writing = Timer(0.1, lambda: lock.write_text(f"process {os.getpid()} on {HOST}"))
        writing.start()
        with pytest.raises(ConfigError, match=rf"in use by process {os.getpid()} on"), locked(lock):
            pass
        writing.join()
