"""Labelling that is killed and run again ends with the bytes of one that was not."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jurist.data import Candidate, Pool, write_preferences
from jurist.data.pools import pool_row
from jurist.worlds import BASE, preferences

ASKED = [
    *("--votes", "6", "--max-tokens", "48", "--min-confidence", "0.5", "--seed", "3"),
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


def num_stored(run: Path) -> int:
    """Readings that are kept: a chunk of 500 more whenever one is done."""
    try:
        with closing(
            sqlite3.connect(f"file:{run / 'completions.sqlite'}?mode=ro", uri=True)
        ) as store:
            return store.execute("SELECT count(*) FROM completions").fetchone()[0]
    except sqlite3.OperationalError:
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
    # 1,200 readings are kept in three chunks: before the first, after it, and after the second.
    for number, wanted in enumerate((0, 500, 1000), start=1):
        assert killed(
            tmp_path / "killed",
            lambda wanted=wanted: (
                (run / "completions.sqlite").exists() and num_stored(run) >= wanted
            ),
            draw.uniform(0, 0.3),
            *source,
        ), f"it had ended before kill {number}"
    output, _ = (process := start(tmp_path / "killed", *source)).communicate()
    assert process.returncode == 0, output
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
