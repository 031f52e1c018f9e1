"""A run that is killed and run again ends with the bytes of one that was not."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jurist.worlds import BASE

RUN = [
    *("--rounds", "2", "--num-samples", "4", "--votes", "2", "--max-tokens", "64"),
    *("--epochs", "1", "--batch-size", "8", "--learning-rate", "3e-4"),
    *("--checkpoint-every", "2", "--seed", "3"),
]

UNLIKE = {"timings.jsonl", "timings.json", "environment.json", "run.lock", "manifest.json"}
"""Clocks, machines and processes; the manifest holds the digest of the clocks."""


def command(world: Path) -> list[str]:
    arguments = ["star-dpo", "--model", BASE, "--train", world / "train.jsonl"]
    arguments += ["--test", world / "test.jsonl", "--output", "run"]
    return [sys.executable, "-m", "jurist", *map(str, arguments), *RUN]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def contents(run: Path) -> dict[str, bytes]:
    """What a run left, but for clocks, the store's pages and the report's mention of its times."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file()
        and path.name not in UNLIKE
        and not path.name.startswith(("completions.sqlite", "results.json", "report."))
    }


def completions(run: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(run / "completions.sqlite") as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return sorted(store.execute("SELECT * FROM completions").fetchall())


REACHED = (
    "completions.sqlite",
    "round-1/rows.jsonl.gz",
    "round-1/checkpoint.training",
    "round-1/checkpoint",
    "round-2/rows.jsonl.gz",
    "round-2/checkpoint.training",
    "judgements",
)
"""What a run has in its directory as it gets on. A kill follows each, at a random moment soon."""


def killed_soon_after(path: Path, process: subprocess.Popen[str], delay_seconds: float) -> bool:
    """Kill a process once `path` is there; whether it had not ended by itself."""
    while process.poll() is None and not path.exists():
        time.sleep(0.005)
    time.sleep(delay_seconds)
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return alive


@pytest.mark.timeout(600)
def test_killed_at_random_moments_star_dpo_ends_with_the_same_bytes(world, tmp_path):
    # Relative outputs, so that the configs of both runs are the same text.
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    whole, killed = tmp_path / "whole" / "run", tmp_path / "killed" / "run"

    def start(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(world),
            cwd=folder.parent,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    uninterrupted = start(whole)
    output, _ = uninterrupted.communicate()
    assert uninterrupted.returncode == 0, output
    draw = random.Random()
    kills = sum(
        killed_soon_after(killed / reached, start(killed), draw.uniform(0.0, 0.3))
        for reached in REACHED
    )
    last = start(killed)
    output, _ = last.communicate()
    assert last.returncode == 0, output
    assert kills >= 4
    assert contents(killed) == contents(whole)
    assert completions(killed) == completions(whole)


def test_a_finished_run_does_nothing_when_run_again(world, tmp_path):
    run = tmp_path / "run"
    subprocess.run(
        command(world),
        cwd=tmp_path,
        env=environment(),
        check=True,
        capture_output=True,
        timeout=280,
    )
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}
    rows = completions(run)
    shutil.copytree(run, tmp_path / "copy")
    again = subprocess.run(
        command(world),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=280,
        text=True,
    )
    assert again.returncode == 0, again.stderr
    assert "sampling" not in again.stderr and "training" not in again.stderr
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")} == before
    assert contents(run) == contents(tmp_path / "copy")
    assert completions(run) == rows
