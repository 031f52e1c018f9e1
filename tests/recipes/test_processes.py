"""Judging in several processes: the same verdicts, and nothing lost when the run is killed."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jurist.data import write_preferences
from jurist.engines.cached import CHUNK_SIZE
from jurist.errors import ConfigError
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_engine import ProcessesConfig, visible_gpus
from jurist.recipes.open_judge import open_judge
from jurist.worlds import BASE, preferences

ARGUMENTS = ("--votes", "4", "--max-tokens", "64")


def verdicts(run: Path) -> bytes:
    return (run / "verdicts.jsonl").read_bytes()


def assert_same(run: Path, expected: Path) -> None:
    """Same verdicts, and same completions but for the last digits of a log-probability, which a
    batch may change."""
    assert verdicts(run) == verdicts(expected)
    (found, logps), (wanted, like) = stored(run), stored(expected)
    assert found == wanted
    assert logps == pytest.approx(like, abs=1e-4)


def stored(run: Path) -> tuple[list[tuple[object, ...]], list[float]]:
    with sqlite3.connect(run / "completions.sqlite") as store:
        query = "SELECT key, text, finish_reason, num_tokens, logp FROM completions ORDER BY key"
        rows = store.execute(query).fetchall()
    return [row[:-1] for row in rows], [row[-1] for row in rows]


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    write_preferences(path, preferences("in_distribution", "test", num=40, seed=0))
    return path


SMALL_CHUNKS = """
from jurist.recipes import open_engine
open_engine.CHUNK_SIZE = 40
from jurist.cli import main
main()
"""


def judging(pairs: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    arguments = ["judge", "--model", BASE, "--pairs", pairs, "--output", output, *ARGUMENTS, *more]
    return subprocess.Popen(
        [sys.executable, "-c", SMALL_CHUNKS, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def judged(pairs: Path, output: Path, *more: str) -> Path:
    with judging(pairs, output, *more) as process:
        _, said = process.communicate()
    assert process.returncode == 0, said
    return output


@pytest.mark.slow
def test_two_workers_judge_as_one_process_does_and_so_does_a_run_that_was_killed(tmp_path, pairs):
    alone = judged(pairs, tmp_path / "alone")
    workers = judged(pairs, tmp_path / "workers", "--workers", "2")
    assert_same(workers, alone)

    killed = tmp_path / "killed"
    with judging(pairs, killed, "--workers", "2") as process:
        while process.poll() is None and num_kept(killed) == 0:
            time.sleep(0.005)
        process.kill()
    # One of four chunks, or a little more: it was killed in the middle.
    assert 0 < num_kept(killed) < 40 * 2 * 4
    shutil.copytree(killed, tmp_path / "alone after")
    # What is decoded together is the same as if it had not been killed, so every digit is.
    assert stored(judged(pairs, killed, "--workers", "2")) == stored(workers)
    assert verdicts(killed) == verdicts(workers)
    # How many workers there are is no part of what was asked for: one may go on alone.
    assert_same(judged(pairs, tmp_path / "alone after"), alone)


def num_kept(run: Path) -> int:
    try:
        with sqlite3.connect(f"file:{run / 'completions.sqlite'}?mode=ro", uri=True) as store:
            return store.execute("SELECT count(*) FROM completions").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.mark.slow
def test_actors_judge_as_one_process_does(tmp_path, pairs, jurist):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'jurist[ray]'")
    for name, more in (("alone", ()), ("actors", ("--ray", "--workers", "2"))):
        done = jurist(
            *("judge", "--model", BASE, "--pairs", pairs, "--output", tmp_path / name),
            *ARGUMENTS,
            *more,
        )
        assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "actors", tmp_path / "alone")


def open_with(config: JudgeConfig, tmp_path: Path):
    return open_judge(config, seed=0, store=tmp_path / "completions.sqlite")


def test_settings_that_would_do_nothing_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="--workers must be at least 1"):
        ProcessesConfig(workers=0)
    with pytest.raises(ConfigError, match="--max-concurrency must be at least 1"):
        JudgeConfig(model="m", max_concurrency=0)
    for processes in (ProcessesConfig(workers=2), ProcessesConfig(ray=True)):
        with pytest.raises(ConfigError, match=r"--workers and --ray are for a model that runs"):
            JudgeConfig(model="m", base_url="http://h/v1", processes=processes)
        (tmp_path / "jurist.json").write_text('{"kind": "scalar"}')
        config = JudgeConfig(model=str(tmp_path), processes=processes)
        with (
            pytest.raises(ConfigError, match="a reward model with a head runs in this process"),
            open_with(config, tmp_path),
        ):
            pass


def test_more_workers_are_given_more_to_do_at_a_time():
    sizes = [ProcessesConfig(workers=num).chunk_size for num in (1, 2, 5)]
    assert sizes == [CHUNK_SIZE, 2 * CHUNK_SIZE, 5 * CHUNK_SIZE]


@pytest.mark.parametrize(
    ("named", "num", "visible"),
    [("", 0, []), ("", 2, ["0", "1"]), ("3,5", 2, ["3", "5"]), ("3,5", 1, ["3"])],
)
def test_gpus_are_named_as_they_are_to_this_process(monkeypatch, named, num, visible):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: num)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == visible
