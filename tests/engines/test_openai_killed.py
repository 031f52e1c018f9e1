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
from pathlib import Path

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


def test_killed_again_and_again_it_loses_only_what_was_in_flight(loopback, tmp_path):
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


def stored(run: Path) -> list[tuple[bytes, bytes]]:
    with sqlite3.connect(run / "completions.sqlite") as kept:
        return kept.execute("SELECT key, text FROM completions ORDER BY key").fetchall()


def test_a_killed_run_of_judge_comes_out_as_one_that_was_not(loopback, tmp_path):
    num_pairs = 60
    pairs = tmp_path / "pairs.jsonl"
    write_preferences(pairs, preferences("in_distribution", "test", num=num_pairs, seed=0))
    answered: Counter[tuple[str, int]] = Counter()

    def script(request):
        asked = request.body["messages"][0]["content"], request.body["seed"]
        answered[asked] += 1
        return loopback.chat(f"Because.\n[[{'AAB'[asked[1] % 3]}]]")

    served = loopback.serve(script)
    with judging(served.url, pairs, tmp_path / "whole") as process:
        _, said = process.communicate()
    assert process.returncode == 0, said
    num = len(answered)
    assert num == num_pairs * 2 * 3 == len(stored(tmp_path / "whole"))
    answered.clear()
    run = tmp_path / "killed"
    for share in (0.3, 0.7):
        with judging(served.url, pairs, run) as process:
            while sum(answered.values()) < share * num and process.poll() is None:
                time.sleep(0.001)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert not (run / "verdicts.jsonl").exists()
    with judging(served.url, pairs, run) as process:
        _, said = process.communicate()
    assert process.returncode == 0, said
    assert stored(run) == stored(tmp_path / "whole")
    assert sum(answered.values()) - num <= 2 * IN_FLIGHT
    for name in ("verdicts.jsonl", "judgements/pairs.jsonl.gz"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
