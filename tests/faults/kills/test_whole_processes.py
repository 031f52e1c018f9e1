"""Kills of processes that were started as users start them, the interpreter's start included."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jurist.worlds import BASE

ARGUMENTS = (
    *("star-dpo", "--model", BASE, "--rounds", 2, "--num-samples", 8, "--per-prompt", 1),
    *("--max-tokens", 48, "--votes", 2, "--seed", 3),
    *("--batch-size", 4, "--learning-rate", 3e-4, "--checkpoint-every", 2),
)


@pytest.fixture(scope="module")
def uninterrupted(killing, zygote, pairs, tmp_path_factory):
    """A run that came to its end in a process that was forked, not started."""
    data = ("--train", pairs / "train.jsonl", "--test", pairs / "test.jsonl")
    return killing.Killing(zygote, [*ARGUMENTS, *data], tmp_path_factory.mktemp("runs"))


def started(arguments: list[str], folder: Path, environment: dict[str, str]):
    return subprocess.Popen(
        [sys.executable, "-m", "jurist", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.fault(1, "sampling", "DPO", "evaluation", "report")
@pytest.mark.timeout(900)
def test_star_dpo_killed_at_random_moments_ends_with_the_same_bytes(
    uninterrupted, killing, forking, watch, tmp_path, size, figure
):
    folder = tmp_path / "killed" / "whole"
    folder.mkdir(parents=True)
    draw = random.Random(11)
    made = [name for _, name in uninterrupted.trace["changes"] if not name.endswith(".tmp")]
    # In the start of the interpreter; then soon after this or that has appeared.
    reached = [0, *sorted(draw.sample(range(10, len(made)), size(1, 5)))]
    kills = 0
    for number, place in enumerate(reached, 1):
        new = watch(folder)
        began = time.monotonic()
        with started(uninterrupted.arguments, folder, forking.ENVIRONMENT) as process:
            while place and process.poll() is None and not (folder / made[place]).exists():
                new.look()
                time.sleep(0.005)
            time.sleep(draw.uniform(0.0, 0.3 if place else 1.0))
            new.look()
            process.kill()
            process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        if number > 1 and new.seen is not None:
            figure("recovery_seconds", new.seen - began)
    with started(uninterrupted.arguments, folder, forking.ENVIRONMENT) as process:
        _, said = process.communicate()
    assert process.returncode == 0, said
    found = killing.differences(uninterrupted.whole / "run", folder / "run")
    figure("kills", kills)
    figure("differing_bytes", sum(found.values()))
    assert kills == len(reached) or kills > 4
    assert not found


def test_a_finished_run_does_nothing_when_it_is_run_again(uninterrupted, killing, tmp_path):
    run = uninterrupted.whole / "run"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}
    copy = tmp_path / "copy" / "run"
    shutil.copytree(run, copy)
    log = uninterrupted.whole.with_name("whole.log")
    log.unlink()
    uninterrupted.obey(uninterrupted.whole)
    assert "sampling" not in log.read_text() and "training" not in log.read_text()
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")} == before
    assert killing.differences(copy, run) == {}
    assert killing.same(copy / "report.html", run / "report.html")
