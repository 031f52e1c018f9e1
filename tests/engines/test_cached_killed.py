"""The cache under kill -9: a real process, killed at random moments, and run again."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

# Every call is written to a side file before it is answered, and every answered call after it was
# committed, so the test knows what was asked twice and what may not be lost.
WORKER = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from jurist.engines import Cached, ScriptedEngine
    from jurist.types import Sampling, user

    folder = Path(sys.argv[1])
    asked = os.open(folder / "asked", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    kept = os.open(folder / "kept", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def reply(prompt, index):
        os.write(asked, f"{prompt[0].content}/{index}\\n".encode())
        time.sleep(0.001)
        return f"{prompt[0].content} {index} " * 50

    class Acknowledging(Cached):
        def _ask(self, asked, wanted, rule):
            super()._ask(asked, wanted, rule)
            for one in asked:
                for index in range(wanted.first_index, wanted.first_index + wanted.num_samples):
                    os.write(kept, f"{one.prompt[0].content}/{index}\\n".encode())

    prompts = [user(f"p{number}") for number in range(60)]
    with Acknowledging(ScriptedEngine(reply), folder / "store.sqlite", chunk_size=8) as cached:
        os.write(1, b"ready\\n")
        cached.generate(prompts, Sampling(num_samples=4, max_tokens=10**6))
    os.write(1, b"done\\n")
    """
)
CHUNK = 8


def worker(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def contents(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT * FROM completions ORDER BY key").fetchall()
    connection.close()
    return rows


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return found


def lost(folder: Path) -> int:
    """Answers that were acknowledged, and that the store does not have."""
    acknowledged = (folder / "kept").read_text().split()
    assert len(acknowledged) == len(set(acknowledged)), "what was acknowledged was asked again"
    texts = (row[1].decode() for row in contents(folder / "store.sqlite"))
    stored = {"/".join(text.split()[:2]) for text in texts}
    return len(set(acknowledged) - stored)


def repeated(folder: Path) -> int:
    """Answers that were asked for twice."""
    asked = (folder / "asked").read_text().split()
    return len(asked) - len(set(asked))


@pytest.mark.fault(1, "store")
def test_killing_it_at_random_moments_loses_nothing_and_repeats_at_most_a_chunk(
    tmp_path: Path, size, figure
):
    whole = tmp_path / "whole"
    whole.mkdir()
    assert worker(whole).communicate()[0] == b"ready\ndone\n"
    moments = random.Random(7)
    kills = runs = num_lost = num_repeated = 0
    while kills < size(15, 80):
        runs += 1
        folder = tmp_path / str(runs)
        folder.mkdir()
        killed = 0
        done = False
        while not done:
            with worker(folder) as process:
                assert process.stdout is not None
                process.stdout.readline()
                # 240 samples of a millisecond: every run is killed a few times on its way.
                time.sleep(moments.uniform(0.0, 0.12))
                process.send_signal(signal.SIGKILL)
                done = b"done" in process.stdout.read()
            killed += not done
            assert integrity(folder / "store.sqlite") == "ok"
            num_lost += lost(folder)
            assert repeated(folder) <= killed * CHUNK
        assert contents(folder / "store.sqlite") == contents(whole / "store.sqlite")
        assert len(set((folder / "asked").read_text().split())) == 240
        kills += killed
        num_repeated += repeated(folder)
    figure("kills", kills)
    figure("lost_judgements", num_lost)
    figure("asked_again", num_repeated)
    assert num_lost == 0
