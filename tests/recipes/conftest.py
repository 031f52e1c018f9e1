import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jurist.data import write_preferences
from jurist.worlds import BASE, preferences


@pytest.fixture(autouse=True)
def _undrawn(undrawn):
    """Figures have tests of their own."""


@pytest.fixture
def jurist(forked):
    """Run the command line in a process of its own, on one thread."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        if not environment:
            return forked(Path.cwd(), *arguments)
        return subprocess.run(
            [sys.executable, "-m", "jurist", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=280,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "OMP_WAIT_POLICY": "PASSIVE",
                "HF_HUB_OFFLINE": "1",
                "COLUMNS": "200",
                **environment,
            },
        )

    return run


@pytest.fixture
def world(tmp_path):
    """Files of a few preferences of the world that ships: train.jsonl and test.jsonl."""
    folder = tmp_path / "world"
    write_preferences(
        folder / "train.jsonl", preferences("in_distribution", "train", num=12, seed=0)
    )
    write_preferences(folder / "test.jsonl", preferences("in_distribution", "test", num=4, seed=0))
    return folder


@pytest.fixture
def write_rows(tmp_path):
    """Write rows as a JSON Lines file and give its path."""

    def write(*rows: object, name: str = "pairs.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A Bradley-Terry run on a few pairs of the world that ships: read it, write nothing in it."""
    folder = tmp_path_factory.mktemp("trained")
    for name, num in (("train", 12), ("test", 4)):
        pairs = preferences("in_distribution", name, num=num, seed=0)
        write_preferences(folder / f"{name}.jsonl", pairs)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "jurist", "bradley-terry", "--model", BASE),
            *("--train", folder / "train.jsonl", "--test", folder / "test.jsonl"),
            *("--output", folder / "run", "--batch-size", "8"),
        ],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"
