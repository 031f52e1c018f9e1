"""What trackers are sent: every step once, whatever is killed, and nothing unasked."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from jurist import tracking as module
from jurist.errors import ConfigError
from jurist.tracking import flattened, refuse_unready, run_of, tracking

TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")
SETTINGS = {"model": "tiny", "training": {"betas": (0.9, 0.95), "lora_rank": 0}}


class Remembering:
    """A tracker that keeps what it is sent, and fails at the steps it is told to."""

    sent: ClassVar[list[tuple[str, str, int, dict[str, float]]]]
    opened: ClassVar[list[tuple[str, int]]]
    fails_at: ClassVar[set[int]]

    def __init__(self, part):
        self.part = part
        self.last_step = part.last_step
        self.opened.append((part.id, part.last_step))

    def log(self, step, values):
        if step in self.fails_at:
            raise OSError("the server\nhas gone away")
        self.sent.append((self.part.name, self.part.id, step, dict(values)))

    def close(self):
        self.sent.append((self.part.name, self.part.id, -1, {}))


@pytest.fixture
def tracker(monkeypatch):
    kind = type("Fresh", (Remembering,), {"sent": [], "opened": [], "fails_at": set()})
    monkeypatch.setitem(module._OPENERS, "tensorboard", kind)
    return kind


def send(run: Path, steps, part="checkpoint"):
    with tracking(["tensorboard"], run=run, part=part, settings=SETTINGS) as told:
        for step in steps:
            told(step, {"train/loss": 1 / step})


def test_every_step_is_sent_once_though_steps_are_done_again(tracker, tmp_path):
    send(tmp_path / "run", [1, 2, 3])
    send(tmp_path / "run", [1, 2, 3, 4, 5])  # went on from a checkpoint, and told of it all
    steps = [step for _, _, step, _ in tracker.sent if step > 0]
    assert steps == [1, 2, 3, 4, 5]
    (first, held), (again, held_again) = tracker.opened
    assert first == again
    assert (held, held_again) == (0, 3)


def test_a_tracker_that_lost_what_it_was_sent_is_sent_it_again(tracker, tmp_path, monkeypatch):
    send(tmp_path / "run", [1, 2, 3])
    init = tracker.__init__

    def forgetful(self, part):
        init(self, part)
        self.last_step = 1

    monkeypatch.setattr(tracker, "__init__", forgetful)
    send(tmp_path / "run", [1, 2, 3, 4])
    assert [step for _, _, step, _ in tracker.sent if step > 0] == [1, 2, 3, 2, 3, 4]


def test_a_tracker_that_was_not_closed_is_asked_again_though_all_was_sent(tracker, tmp_path):
    with (
        pytest.raises(KeyboardInterrupt),
        tracking(["tensorboard"], run=tmp_path / "run", part="p", settings={}) as told,
    ):
        told(1, {})
        tracker.close = lambda self: (_ for _ in ()).throw(OSError("cannot flush"))
        raise KeyboardInterrupt
    del tracker.close
    with tracking(["tensorboard"], run=tmp_path / "run", part="p", settings={}) as told:
        told(1, {})
    assert len(tracker.opened) == 2


def test_a_run_that_has_nothing_new_opens_no_tracker(tracker, tmp_path):
    send(tmp_path / "run", [1, 2])
    send(tmp_path / "run", [1, 2])
    assert len(tracker.opened) == 1


def test_parts_of_a_run_are_runs_of_their_own(tracker, tmp_path):
    send(tmp_path / "run", [1], part="round-1/checkpoint")
    send(tmp_path / "run", [1], part="round-2/checkpoint")
    names = [name for name, _, step, _ in tracker.sent if step == 1]
    assert names == ["run/round-1/checkpoint", "run/round-2/checkpoint"]
    assert tracker.opened[0][0] != tracker.opened[1][0]


def test_a_tracker_that_fails_is_told_of_once_and_gets_the_rest_later(tracker, tmp_path, caplog):
    tracker.fails_at = {3}
    with caplog.at_level(logging.WARNING):
        send(tmp_path / "run", [1, 2, 3, 4])
    (warning,) = caplog.records
    assert "tensorboard failed after step 2 (OSError: the server)" in warning.getMessage()
    assert [step for _, _, step, _ in tracker.sent if step > 0] == [1, 2]
    tracker.fails_at = set()
    send(tmp_path / "run", [1, 2, 3, 4])
    assert [step for _, _, step, _ in tracker.sent if step > 0] == [1, 2, 3, 4]


def test_a_tracker_that_cannot_be_opened_ends_nothing(monkeypatch, tmp_path, caplog):
    def refuses(part):
        raise RuntimeError("no such server")

    monkeypatch.setitem(module._OPENERS, "tensorboard", refuses)
    send(tmp_path / "run", [1, 2])
    assert "no such server" in caplog.text
    assert caplog.text.count("failed") == 1


def test_helpers_of_a_launcher_send_nothing(tracker, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    send(tmp_path / "run", [1])
    assert tracker.opened == []
    assert not (tmp_path / "run").exists()


def test_without_trackers_nothing_is_imported_or_written(tmp_path):
    code = f"""
import sys
from pathlib import Path
from jurist.tracking import tracking, refuse_unready
refuse_unready(())
with tracking((), run=Path({str(tmp_path / "run")!r}), part="p", settings={{}}) as told:
    told(1, {{"a": 1.0}})
assert not set(sys.modules) & {{*{TRACKERS!r}, "torch"}}, sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_refused_with_the_command(name, monkeypatch):
    real = module.importlib.util.find_spec
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda one: None if one == name else real(one)
    )
    with pytest.raises(ConfigError, match=f"pip install {name}"):
        refuse_unready([name])


def test_a_folder_belongs_to_the_run_above_it(tmp_path):
    run = tmp_path / "runs" / "star"
    (run / "round-1").mkdir(parents=True)
    (run / "run.lock").touch()
    assert run_of(run / "round-1" / "checkpoint") == (run, "round-1/checkpoint")
    assert run_of(tmp_path / "alone") == (tmp_path / "alone.tracked", "alone")


def test_settings_are_told_by_dotted_names():
    assert flattened(SETTINGS) == {
        "model": "tiny",
        "training.betas": "0.9, 0.95",
        "training.lora_rank": 0,
    }


# The real packages, where they are installed.

SENDS = """
import os, sys
from pathlib import Path
from jurist.tracking import tracking
name, run, last, die = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "die"
settings = {"model": "tiny", "n": {"a": 1}}
with tracking([name], run=run, part="round-1/checkpoint", settings=settings) as told:
    for step in range(1, last + 1):
        told(step, {"train/loss": 1 / step, "train/rows": 4.0})
    if die:
        os.kill(os.getpid(), 9)
"""


def send_and_die_and_go_on(name: str, tmp_path: Path, **environment: str) -> Path:
    """Steps 1 to 4 by a process that is killed, then 1 to 6 by one that goes on."""
    run = tmp_path / "star"
    for last, end in ((4, "die"), (6, "live")):
        done = subprocess.run(
            [sys.executable, "-c", SENDS, name, run, str(last), end],
            capture_output=True,
            text=True,
            timeout=200,
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), **environment},
        )
        assert done.returncode == (-9 if end == "die" else 0), done.stderr
        # Trackio says goodbye when the process ends, where it likes.
        assert done.stdout == "" or name == "trackio"
        assert "failed" not in done.stderr
    return run


def test_tensorboard_has_every_step_once_after_a_kill(tmp_path):
    pytest.importorskip("tensorboard")
    run = send_and_die_and_go_on("tensorboard", tmp_path)
    read = """
import sys, json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]); events.Reload()
print(json.dumps([[e.step, e.value] for e in events.Tensors("train/loss")] if "train/loss" in
    events.Tags()["tensors"] else [[e.step, e.value] for e in events.Scalars("train/loss")]))
print(events.Tags())
"""
    folder = run / "tracking" / "tensorboard" / "round-1-checkpoint"
    done = subprocess.run(
        [sys.executable, "-c", read, folder], capture_output=True, text=True, check=True
    )
    points = json.loads(done.stdout.splitlines()[0])
    assert [step for step, _ in points] == [1, 2, 3, 4, 5, 6]
    assert [value for _, value in points] == pytest.approx([1 / step for step in range(1, 7)])
    assert "settings" in done.stdout


def test_mlflow_has_every_step_once_after_a_kill(tmp_path):
    pytest.importorskip("mlflow")
    store = f"sqlite:///{tmp_path}/mlflow.db"
    send_and_die_and_go_on("mlflow", tmp_path, MLFLOW_TRACKING_URI=store)
    read = """
import json
from mlflow import MlflowClient
client = MlflowClient()
(experiment,) = [e for e in client.search_experiments() if e.name == "jurist"]
(run,) = client.search_runs([experiment.experiment_id])
history = client.get_metric_history(run.info.run_id, "train/loss")
print(json.dumps([run.info.status, run.data.params, [m.step for m in history]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", read],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MLFLOW_TRACKING_URI": store},
    )
    status, params, steps = json.loads(done.stdout.splitlines()[-1])
    assert status == "FINISHED"
    assert params == {"model": "tiny", "n.a": "1"}
    assert sorted(steps) == [1, 2, 3, 4, 5, 6]


def test_trackio_has_every_step_once_after_a_kill(tmp_path):
    pytest.importorskip("trackio")
    send_and_die_and_go_on("trackio", tmp_path, TRACKIO_DIR=str(tmp_path / "trackio"))
    read = """
import json
from trackio.sqlite_storage import SQLiteStorage
(run,) = SQLiteStorage.get_runs("jurist")
print(json.dumps([line["step"] for line in SQLiteStorage.get_logs("jurist", run)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", read],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio")},
    )
    assert sorted(json.loads(done.stdout.splitlines()[-1])) == [1, 2, 3, 4, 5, 6]


def test_wandb_has_every_step_once_after_a_kill_and_no_key_in_the_run(tmp_path):
    pytest.importorskip("wandb")
    key = "0123456789abcdef" * 2 + "01234567"
    run = send_and_die_and_go_on("wandb", tmp_path, WANDB_MODE="offline", WANDB_API_KEY=key)
    files = [path for path in run.rglob("*") if path.is_file()]
    assert not [path for path in files if key.encode() in path.read_bytes()]
    read = """
import json, sys
from pathlib import Path
from wandb.proto import wandb_internal_pb2 as pb
steps = []
for path in sys.argv[1:]:
    # LevelDB's log: 7 bytes about the file, then blocks of 32 KiB, of records in parts, each after
    # a checksum (4 bytes), a length (2) and a type (1: whole, 2: first, 3: middle, 4: last).
    data, at, parts = Path(path).read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts = (b"" if kind in (1, 2) else parts) + data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = pb.Record.FromString(parts)
            if record.WhichOneof("record_type") == "history":
                steps.append(record.history.step.num)
print(json.dumps(steps))
"""
    (newest,) = (run / "tracking" / "wandb" / "latest-run").glob("*.wandb")
    done = subprocess.run(
        [sys.executable, "-c", read, newest], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(done.stdout)) == [1, 2, 3, 4, 5, 6]


def test_wandb_without_a_login_is_refused_before_any_work(tmp_path):
    pytest.importorskip("wandb")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("WANDB_")
    }
    done = subprocess.run(
        [sys.executable, "-c", "from jurist.tracking import *; refuse_unready(['wandb'])"],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env={**environment, "HOME": str(tmp_path), "NETRC": str(tmp_path / "none")},
    )
    assert "ConfigError: --track wandb: nobody is logged in" in done.stderr
