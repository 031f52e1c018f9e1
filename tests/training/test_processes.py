"""What only whole processes show: kills, and two of them training together."""

import importlib.util
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jurist.data import write_preferences
from jurist.rationales import write_rows
from jurist.training.metrics import read_metrics

PROCESS_JOB = Path(__file__).with_name("process_job.py")
JOB = Path(__file__).with_name("training_job.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory, pair_rows) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl.gz"
    write_rows(path, pair_rows)
    return path


def run(*command: object, stdin: str = "", **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**ENVIRONMENT, **environment},
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tiny, rows) -> Path:
    output = tmp_path_factory.mktemp("whole") / "model"
    run(JOB, "train", tiny, rows, output)
    return output


def test_a_training_killed_again_and_again_ends_in_the_same_bytes(
    uninterrupted, tiny, rows, tmp_path
):
    rng = random.Random(7)
    # Twenty steps; checkpoints are being written after the even ones. Kills early on hit the
    # reference pass and the first steps, kills after 20 lines the writing of the final model.
    moments = [(0, 5 * rng.random()), *((rng.randrange(1, 20), rng.random()) for _ in range(8))]
    moments += [(20, rng.random() / 2) for _ in range(3)]
    output = tmp_path / "model"
    killed = run(
        JOB,
        "kill",
        tiny,
        rows,
        output,
        stdin="".join(f"{lines} {part}\n" for lines, part in moments),
        PYTHONHASHSEED="123",
        TZ="Asia/Tokyo",
    )
    assert int(killed) >= 5
    assert {path.name for path in output.iterdir()} == {
        path.name for path in uninterrupted.iterdir()
    }
    for path in sorted(uninterrupted.iterdir()):
        if path.name != "timings.jsonl":
            assert (output / path.name).read_bytes() == path.read_bytes(), path.name
    assert [path.name for path in tmp_path.iterdir()] == ["model"], "nothing is left beside it"


@pytest.fixture(scope="module")
def every_row(tmp_path_factory, supervised_rows, verdict_rows, pair_rows, preferences) -> Path:
    """Rows of every method, as `process_job.py` reads them."""
    folder = tmp_path_factory.mktemp("rows")
    write_rows(folder / "replies.jsonl.gz", supervised_rows)
    write_rows(folder / "verdicts.jsonl.gz", verdict_rows)
    write_rows(folder / "pairs.jsonl.gz", pair_rows)
    write_preferences(folder / "preferences.jsonl", preferences)
    return folder


@pytest.fixture(scope="module")
def of_one_process(tmp_path_factory, tiny, every_row) -> Path:
    output = tmp_path_factory.mktemp("one")
    spec = importlib.util.spec_from_file_location("process_job", PROCESS_JOB)
    job = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)
    for case in job.CASES:
        job.train(case, tiny, every_row, output / case)
    return output


def launch(*command: object, sharded: bool, **environment: str) -> str:
    """Run in two processes that the launcher starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # `accelerate launch --cpu` starts one process whatever it is asked for; this starts two of them
    # through the launcher of several devices, and each finds that it is to use the CPU.
    return run(
        *("-m", "accelerate.commands.launch", "--num_processes", 2),
        *(("--use_fsdp", "--fsdp_version", 2) if sharded else ("--multi_gpu",)),
        *("--num_machines", 1, "--mixed_precision", "no", "--dynamo_backend", "no"),
        *("--main_process_ip", "127.0.0.1", "--main_process_port", port),
        *command,
        ACCELERATE_USE_CPU="true",
        GLOO_SOCKET_IFNAME="lo",
        **environment,
    )


@pytest.mark.parametrize("sharded", [False, True], ids=["whole", "sharded"])
def test_two_processes_train_as_one(sharded, of_one_process, tiny, every_row, tmp_path):
    told = launch(PROCESS_JOB, tiny, every_row, tmp_path, sharded=sharded)
    cases = {path.name for path in of_one_process.iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == cases, "and no checkpoints are left"
    assert set(told.splitlines()) == {"holds 0.5" if sharded else "holds 1.0"}
    for case in cases:
        expect_same(case, of_one_process / case, tmp_path / case)


def expect_same(case: str, one: Path, two: Path) -> None:
    # bfloat16 has 8 bits: sums in another order come to other last bits.
    relative, of_weights = (5e-3, 1e-4) if case == "bf16" else (2e-5, 5e-6)
    ours, theirs = (read_metrics(folder / "metrics.jsonl") for folder in (two, one))
    assert [line["step"] for line in ours] == [line["step"] for line in theirs]
    for name in ("train/loss", "train/grad_norm"):
        torch.testing.assert_close(
            torch.tensor([line[name] for line in ours]),
            torch.tensor([line[name] for line in theirs]),
            rtol=relative,
            atol=0,
            msg=lambda text, name=name: f"{case}, {name}: {text}",
        )
    weights = load_file(one / "model.safetensors")
    found = load_file(two / "model.safetensors")
    assert found.keys() == weights.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(
            tensor,
            weights[name],
            rtol=0,
            atol=of_weights,
            msg=lambda text, name=name: f"{case}, {name}: {text}",
        )
