"""The HTTP engine and its store under kill -9: no reply that came is ever asked for again."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from jurist.data import write_preferences
from jurist.worlds import preferences

NUM_PROMPTS = 300
IN_FLIGHT = 8

WORKER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from jurist.engines import Cached
    from jurist.engines.openai import OpenAIEngine
    from jurist.types import Sampling, user

    url, store, num_prompts, in_flight = sys.argv[1:]
    engine = OpenAIEngine(url, "m", max_concurrency=int(in_flight))
    with Cached(engine, Path(store)) as cached:
        prompts = [user(f"p{number}") for number in range(int(num_prompts))]
        cached.generate(prompts, Sampling(num_samples=2))
    print("done")
    """
)


def worker(url: str, store: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(store), str(NUM_PROMPTS), str(IN_FLIGHT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


@pytest.mark.fault(1, "store")
def test_killed_again_and_again_it_loses_only_what_was_in_flight(loopback, tmp_path, figure):
    answered: Counter[tuple[str, int]] = Counter()

    def script(request):
        asked = request.body["messages"][0]["content"], request.body["seed"]
        answered[asked] += 1
        return loopback.chat(f"to {asked}")

    served = loopback.serve(script)
    store = tmp_path / "store.sqlite"
    moments = random.Random(3)
    kills = 0
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        wanted = int(share * 2 * NUM_PROMPTS) + moments.randrange(20)
        with worker(served.url, store) as process:
            while sum(answered.values()) < wanted and process.poll() is None:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
    with worker(served.url, store) as process:
        output, _ = process.communicate()
    assert output == "done\n"
    assert kills >= 3
    figure("kills", kills)
    figure("asked_again", sum(answered.values()) - len(answered))
    assert len(answered) == 2 * NUM_PROMPTS
    assert sum(answered.values()) - len(answered) <= kills * IN_FLIGHT
    with sqlite3.connect(store) as kept:
        texts = [text.decode() for (text,) in kept.execute("SELECT text FROM completions")]
    assert sorted(texts) == sorted(f"to {asked}" for asked in answered)


def judging(url: str, pairs: Path, run: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jurist", "judge", "--base-url", url, "--model", "m"]
    command += ["--pairs", str(pairs), "--output", str(run), "--votes", "3"]
    command += ["--max-concurrency", str(IN_FLIGHT)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def stored(run: Path) -> dict[str, tuple[object, ...]]:
    """Rows of a run's store by their text, which is another for every request."""
    path = run / "completions.sqlite"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as kept:
        assert kept.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not kept.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return {}
        return {row[1].decode(): row for row in kept.execute("SELECT * FROM completions")}


class Asked:
    """What a server was asked, told by its answers: another for every request."""

    def __init__(self, loopback):
        self.loopback = loopback
        self.answers: list[str] = []
        self.first_at = 0.0

    def script(self, request):
        if not self.answers:
            self.first_at = time.monotonic()
        seed = request.body["seed"]
        words = f"{request.body['messages'][0]['content']} {seed}"
        self.answers.append(f"{sha256(words.encode()).hexdigest()}\n[[{'AAB'[seed % 3]}]]")
        return self.loopback.chat(self.answers[-1])

    def during(self, process: subprocess.Popen[str], wanted: int, delay: float | None) -> list[str]:
        """Answers to a process that is killed some time after so many, or never."""
        self.answers.clear()
        with process:
            while delay is not None and len(self.answers) < wanted and process.poll() is None:
                time.sleep(0.001)
            if delay is not None:
                time.sleep(delay)
                process.kill()
            _, said = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), said
        return self.answers[:]


@pytest.mark.fault(1, "judging")
def test_a_killed_run_of_judge_comes_out_as_one_that_was_not(loopback, tmp_path, size, figure):
    pairs = tmp_path / "pairs.jsonl"
    write_preferences(pairs, preferences("in_distribution", "test", num=60, seed=0))
    asked = Asked(loopback)
    url = loopback.serve(asked.script).url
    num = len(asked.during(judging(url, pairs, tmp_path / "whole"), 0, None))
    whole = stored(tmp_path / "whole")
    assert num == 60 * 2 * 3 == len(whole)

    moments = random.Random(5)
    kills = lives = num_lost = num_again = 0
    while kills < size(3, 20):
        lives += 1
        run = tmp_path / str(lives)
        kept: dict[str, tuple[object, ...]] = {}
        num_asked = kills_here = 0
        most = moments.randint(2, 5)
        while not (run / "verdicts.jsonl").exists():
            # In the start of the interpreter, amid the answers, or after the last of them.
            wanted = moments.choice((0, moments.randrange(num), num - num_asked))
            delay = moments.uniform(0.0, 0.03 if wanted else 0.6) if kills_here < most else None
            started = time.monotonic()
            process = judging(url, pairs, run)
            answers = asked.during(process, wanted, delay)
            if answers and kills_here:
                figure("recovery_seconds", asked.first_at - started)
            elif kills_here and process.returncode == 0:
                # Nothing was left to ask.
                figure("recovery_seconds", time.monotonic() - started)
            kills_here += process.returncode == -signal.SIGKILL
            num_again += len(kept.keys() & set(answers))
            num_asked += len(answers)
            now = stored(run)
            num_lost += sum(now.get(text) != row for text, row in kept.items())
            kept = now
        kills += kills_here
        assert kept == whole
        assert num_asked - num <= kills_here * IN_FLIGHT
        figure("asked_again", num_asked - num)
        for name in ("verdicts.jsonl", "judgements/pairs.jsonl.gz"):
            assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    figure("kills", kills)
    figure("lost_judgements", num_lost)
    assert num_lost == 0
    assert num_again == 0, "what was kept was asked for again"
