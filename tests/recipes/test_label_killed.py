"""Labelling that is killed and run again ends with the bytes of one that was not."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jurist.data import Candidate, Pool, write_preferences
from jurist.data.pools import pool_row
from jurist.worlds import BASE, preferences

ASKED = [
    *("--votes", "4", "--max-tokens", "48", "--min-confidence", "0.5", "--seed", "3"),
    *("--layouts", "jurist", "trl", "datasets"),
]
UNLIKE = {"timings.json", "environment.json", "run.lock", "completions.sqlite.lock"}
"""Clocks, machines and processes."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "jurist", "label", "--model", str(BASE), *arguments, *ASKED]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command(*arguments), "--output", "run"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def contents(run: Path) -> dict[str, bytes]:
    """What a run left, but for clocks and the store's pages."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file()
        and path.name not in UNLIKE
        and not path.name.startswith("completions.sqlite")
    }


def stored(run: Path) -> int:
    """Bytes of the store's log, which grows by every chunk that is judged."""
    try:
        return (run / "completions.sqlite-wal").stat().st_size
    except FileNotFoundError:
        return 0


def killed(
    folder: Path, reached: Callable[[], bool], delay_seconds: float, *arguments: str
) -> bool:
    """Kill a run soon after it has come so far; whether it had not ended by itself."""
    process = start(folder, *arguments)
    while process.poll() is None and not reached():
        time.sleep(0.005)
    time.sleep(delay_seconds)
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return alive


@pytest.mark.timeout(600)
def test_100_pairs_killed_three_times_and_finished_are_the_same_bytes(tmp_path):
    pairs = preferences("in_distribution", "train", num=100, seed=1)
    write_preferences(tmp_path / "pairs.jsonl", pairs)
    source = ("--pairs", str(tmp_path / "pairs.jsonl"))
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    output, _ = (process := start(tmp_path / "whole", *source)).communicate()
    assert process.returncode == 0, output
    whole, run = tmp_path / "whole" / "run", tmp_path / "killed" / "run"
    draw = random.Random()
    before = 0

    def a_chunk_more() -> bool:
        return stored(run) > before

    # 800 readings are kept in two chunks: before the first, after it, and when all were judged.
    kills = killed(tmp_path / "killed", (run / "completions.sqlite").exists, 0.2, *source)
    before = stored(run)
    kills += killed(tmp_path / "killed", a_chunk_more, draw.uniform(0, 0.3), *source)
    kills += killed(
        tmp_path / "killed",
        lambda: (run / "judgements" / "pairs").exists(),
        draw.uniform(0, 0.02),
        *source,
    )
    output, _ = (process := start(tmp_path / "killed", *source)).communicate()
    assert process.returncode == 0, output
    assert kills >= 2
    assert contents(run) == contents(whole)
    counts = json.loads((run / "labels.json").read_text())
    assert counts["labelled"] > 10
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(
        str(run / "datasets"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.num_rows == counts["preferred"]


@pytest.mark.timeout(600)
def test_prompts_killed_while_responses_are_sampled_end_with_the_same_bytes(tmp_path):
    with (tmp_path / "prompts.jsonl").open("w") as file:
        for one in preferences("in_distribution", "train", num=12, seed=2):
            row = pool_row(
                Pool(id=one.id, prompt=one.prompt, candidates=(Candidate(text=""),), group="g")
            )
            file.write(json.dumps({name: row[name] for name in ("id", "prompt")}) + "\n")
    source = ("--prompts", str(tmp_path / "prompts.jsonl"), "--policy", str(BASE))
    source += ("--max-response-tokens", "64", "--num-responses", "8")
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    output, _ = (process := start(tmp_path / "whole", *source)).communicate()
    assert process.returncode == 0, output
    whole, run = tmp_path / "whole" / "run", tmp_path / "killed" / "run"
    assert killed(tmp_path / "killed", (run / "completions.sqlite").exists, 0.1, *source)
    killed(tmp_path / "killed", (run / "responses.json").exists, 0.0, *source)
    output, _ = (process := start(tmp_path / "killed", *source)).communicate()
    assert process.returncode == 0, output
    assert contents(run) == contents(whole)
