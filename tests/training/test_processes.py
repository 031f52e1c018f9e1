"""What only whole processes show: two of them training together."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jurist.data import write_preferences
from jurist.errors import ConfigError
from jurist.rationales import write_rows
from jurist.training.metrics import read_metrics
from jurist.training.processes import is_sharded, make_accelerator

PROCESS_JOB = Path(__file__).with_name("process_job.py")
SHARDED = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def run(*command: object, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        env={**ENVIRONMENT, **environment},
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    # through the launcher of several devices, and each finds that there is none.
    return run(
        *("-m", "accelerate.commands.launch", "--num_processes", 2),
        *(("--use_fsdp", "--fsdp_version", 2) if sharded else ("--multi_gpu",)),
        *("--num_machines", 1, "--mixed_precision", "no", "--dynamo_backend", "no"),
        *("--main_process_ip", "127.0.0.1", "--main_process_port", port),
        *command,
        GLOO_SOCKET_IFNAME="lo",
        **environment,
    )


# A whole recipe trains sharded in `tests/recipes/test_launch.py`, slow as well.
@pytest.mark.parametrize(
    "sharded",
    [
        pytest.param(False, id="whole"),
        pytest.param(True, id="sharded", marks=pytest.mark.slow),
    ],
)
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


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "use FSDP2, or no sharding"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "use FSDP2, or no sharding"),
        ({"ACCELERATE_USE_PARALLELISM_CONFIG": "true"}, "only data is shared out"),
        ({"ACCELERATE_MIXED_PRECISION": "bf16"}, "give jurist --bf16"),
        ({"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}, "--micro-batch-tokens"),
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP version 1 is not supported: set fsdp_version to 2"),
        ({**SHARDED, "FSDP_OFFLOAD_PARAMS": "true"}, "set it to false"),
        ({**SHARDED, "FSDP_ACTIVATION_CHECKPOINTING": "true"}, "--gradient-checkpointing"),
        ({**SHARDED, "FSDP_AUTO_WRAP_POLICY": "SIZE_BASED_WRAP"}, "as the model names them"),
        ({**SHARDED, "FSDP_IGNORED_MODULES": "lm_head"}, "all weights are sharded"),
    ],
    ids=lambda value: next(reversed(value)) if isinstance(value, dict) else "",
)
def test_what_a_launcher_asks_for_and_would_not_get_is_refused(monkeypatch, environment, said):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        make_accelerator()


def test_processes_that_do_not_find_one_another_are_refused(monkeypatch):
    make_accelerator()  # Or the next one would wait for the second process.
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ConfigError, match="2 processes were launched, and accelerate finds 1"):
        make_accelerator()


def test_fsdp_of_one_process_shards_nothing(monkeypatch):
    for name, value in SHARDED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "true")
    assert not is_sharded(make_accelerator())
    assert os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "false", "every process reads weights"
