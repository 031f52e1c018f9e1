"""What only whole processes show: kills, and two of them training together."""

import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jurist.rationales import write_rows
from jurist.training.metrics import read_metrics

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


def test_two_processes_train_as_one(uninterrupted, tiny, rows, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = tmp_path / "model"
    # `accelerate launch --cpu` starts one process whatever it is asked for; this starts two of them
    # through the launcher of several devices, and each finds that it is to use the CPU.
    run(
        *("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", 2),
        *("--num_machines", 1, "--mixed_precision", "no", "--dynamo_backend", "no"),
        *("--main_process_ip", "127.0.0.1", "--main_process_port", port),
        *(JOB, "train", tiny, rows, output),
        ACCELERATE_USE_CPU="true",
        GLOO_SOCKET_IFNAME="lo",
    )
    one, two = (read_metrics(folder / "metrics.jsonl") for folder in (uninterrupted, output))
    assert [line["step"] for line in one] == [line["step"] for line in two]
    for name in ("train/loss", "train/grad_norm"):
        torch.testing.assert_close(
            torch.tensor([line[name] for line in two]),
            torch.tensor([line[name] for line in one]),
            rtol=1e-4,
            atol=1e-5,
        )
    weights = load_file(uninterrupted / "model.safetensors")
    for name, tensor in load_file(output / "model.safetensors").items():
        torch.testing.assert_close(tensor, weights[name], rtol=0, atol=1e-5)
    assert two != one, "two processes add in another order, so the last digits differ"
