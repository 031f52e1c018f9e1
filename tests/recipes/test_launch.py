"""Recipes in two processes of one launcher: one runs the recipe, the other helps it train."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.recipes.star_dpo import StarDPOConfig, star_dpo
from jurist.training.config import TrainingConfig
from jurist.training.metrics import read_metrics
from jurist.worlds import BASE

ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "GLOO_SOCKET_IFNAME": "lo",
    "COLUMNS": "200",
}

Launch = Callable[..., "subprocess.Popen[str]"]


def launched(*arguments: object, sharded: bool) -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kind = ("--use_fsdp", "--fsdp_version", 2) if sharded else ("--multi_gpu",)
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch", "--num_processes", 2, *kind),
        *("--num_machines", 1, "--mixed_precision", "no", "--dynamo_backend", "no"),
        *("--main_process_ip", "127.0.0.1", "--main_process_port", port),
        *("-m", "jurist", *arguments),
    ]
    return [str(word) for word in command]


@pytest.fixture
def start(request) -> Launch:
    """Start a command; whatever it started is gone when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def run(command: list[str], folder: Path) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        kill(process)
        process.stdout.close()


def kill(process: "subprocess.Popen[str]") -> None:
    """Kill a launcher, and what it started: its children are in sessions of their own."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for pid in [*children.read_text().split(), process.pid] if process.poll() is None else []:
        os.kill(int(pid), signal.SIGKILL)
    process.wait()


def end(process: "subprocess.Popen[str]", status: int = 0) -> str:
    output, _ = process.communicate(timeout=280)
    assert process.returncode == status, output
    return output


def arguments(world: Path, epochs: int) -> list[object]:
    return [
        *("star-dpo", "--model", BASE, "--train", world / "train.jsonl"),
        *("--test", world / "test.jsonl", "--output", "run", "--rounds", 2, "--num-samples", 4),
        *("--votes", 2, "--max-tokens", 64, "--epochs", epochs, "--batch-size", 3),
        *("--learning-rate", 3e-5, "--checkpoint-every", 2, "--seed", 3),
    ]


def completions(run: Path) -> list[tuple[object, ...]]:
    """What was sampled. Neither keys, which name weights to the bit, nor log-probabilities."""
    with sqlite3.connect(run / "completions.sqlite") as store:
        rows = store.execute("SELECT * FROM completions").fetchall()
    return sorted(row[1:5] for row in rows)


def expect_same_run(one: Path, other: Path, *, of_weights: float) -> None:
    """That two runs sampled and judged the same, and trained the same up to rounding.

    AdamW divides by the size of gradients, so that in many steps the rounding of those near 0 may
    come to a few learning rates in a weight.
    """
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
    assert completions(one) == completions(other)
    for name in ("round-1", "round-2"):
        for file in ("rows.jsonl.gz", "traces.json"):
            assert (one / name / file).read_bytes() == (other / name / file).read_bytes()
        folders = [run / name / "checkpoint" for run in (one, other)]
        lines = [read_metrics(folder / "metrics.jsonl") for folder in folders]
        assert [line["step"] for line in lines[0]] == [line["step"] for line in lines[1]]
        for metric in ("train/loss", "train/grad_norm"):
            torch.testing.assert_close(
                *(torch.tensor([line[metric] for line in found]) for found in lines),
                rtol=1e-4,
                atol=1e-6,
            )
        weights = [load_file(folder / "model.safetensors") for folder in folders]
        for key, tensor in weights[0].items():
            torch.testing.assert_close(tensor, weights[1][key], rtol=0, atol=of_weights)


def run_alone(world: Path, run: Path, epochs: int) -> None:
    """The run of `arguments`, in this process."""
    star_dpo(
        StarDPOConfig(
            model=str(BASE),
            output=run,
            data=DataConfig(train=str(world / "train.jsonl"), test=(str(world / "test.jsonl"),)),
            star=StarConfig(rounds=2, num_samples=4),
            training=TrainingConfig(
                epochs=epochs, batch_size=3, learning_rate=3e-5, checkpoint_every=2
            ),
            voting=VotingConfig(votes=2, max_tokens=64),
            seed=3,
        )
    )


@pytest.mark.slow
def test_star_dpo_in_two_processes_samples_once_and_trains_as_in_one(start, world, tmp_path):
    run_alone(world, tmp_path / "one", epochs=2)
    said = end(start(launched(*arguments(world, epochs=2), sharded=True), tmp_path))
    assert said.count("report: ") == 1
    expect_same_run(tmp_path / "run", tmp_path / "one", of_weights=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sharded_run_that_is_killed_goes_on_in_two_processes_or_in_one(start, world, tmp_path):
    # Enough steps that the kill comes in the middle of them.
    run_alone(world, tmp_path / "one", epochs=20)
    two, alone = tmp_path / "two", tmp_path / "alone"
    two.mkdir()
    killed = start(launched(*arguments(world, epochs=20), sharded=True), two)
    while killed.poll() is None and not list(two.glob("run/round-*/checkpoint.training/step-*")):
        time.sleep(0.002)
    kill(killed)
    assert list(two.glob("run/round-*/checkpoint.training/step-*")), "killed while it trained"
    shutil.copytree(two, alone)
    said = end(start(launched(*arguments(world, epochs=20), sharded=True), two))
    assert "going on after step" in said
    expect_same_run(two / "run", tmp_path / "one", of_weights=1e-4)
    said = end(
        start([sys.executable, "-m", "jurist", *map(str, arguments(world, epochs=20))], alone)
    )
    assert "going on after step" in said
    expect_same_run(alone / "run", tmp_path / "one", of_weights=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("--train", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--max-length", 3), "Raise --max-length"),
    ],
    ids=["before", "while-training"],
)
def test_an_error_ends_both_processes_and_is_told_once(start, world, tmp_path, changes, said):
    command = ["genrm", "--model", BASE, "--train", world / "train.jsonl", "--output", "run"]
    command += ["--test", world / "test.jsonl"]
    told = end(start(launched(*command, *changes, sharded=False), tmp_path), status=1)
    assert told.count("jurist: ") == 1, told
    assert said in told


@pytest.mark.slow
def test_helpers_wait_for_longer_than_any_sampling_takes(start, tmp_path):
    job = tmp_path / "job.py"
    job.write_text(
        "import torch\n"
        "from jurist.recipes import launch\n"
        "group = launch._meet()\n"
        "print(group._get_backend(torch.device('cpu')).options._timeout.days)\n",
        "utf-8",
    )
    command = launched(sharded=False)
    told = end(start([*command[:-2], str(job)], tmp_path))
    assert told.split() == ["365", "365"], told
