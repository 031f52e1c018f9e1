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


def repeated(folder: Path) -> int:
    """Check the side files of a run and its kills; say how many samples were asked twice."""
    kept = (folder / "kept").read_text().split()
    assert len(kept) == len(set(kept)), "what was acknowledged was asked again"
    assert len(contents(folder / "store.sqlite")) >= len(kept)
    asked = (folder / "asked").read_text().split()
    return len(asked) - len(set(asked))


def test_killing_it_at_random_moments_loses_nothing_and_repeats_at_most_a_chunk(tmp_path: Path):
    whole = tmp_path / "whole"
    whole.mkdir()
    assert worker(whole).communicate()[0] == b"ready\ndone\n"
    moments = random.Random(7)
    kills = runs = 0
    while kills < 20:
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
            assert repeated(folder) <= killed * CHUNK
        assert contents(folder / "store.sqlite") == contents(whole / "store.sqlite")
        assert len(set((folder / "asked").read_text().split())) == 240
        kills += killed
