"""`jurist doctor RUN` finds what is damaged, says what to do, and changes nothing."""

import fcntl
import os
import shlex
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import torch

from jurist.engines.store import AnswerStore
from jurist.errors import ConfigError
from jurist.recipes.doctor import DoctorConfig, run_doctor
from jurist.recipes.examine_run import examine_path
from jurist.training.checkpoint import Checkpoint, write_checkpoint
from jurist.types import Completion

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"


@pytest.fixture
def labelled(tmp_path) -> Path:
    run = tmp_path / "it's a run"
    shutil.copytree(GOLDEN / "labelled", run)
    (run / "run.lock").touch()
    return run


@pytest.fixture
def trained(tmp_path) -> Path:
    run = tmp_path / "trained"
    shutil.copytree(GOLDEN / "trained", run)
    shutil.copytree(GOLDEN / "training", run / "round-2" / "checkpoint.training")
    (run / "run.lock").touch()
    return run


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def said_of(path: Path, capsys) -> tuple[int, str]:
    before = contents(path if path.is_dir() else path.parent)
    code = run_doctor(DoctorConfig(path=path))
    assert contents(path if path.is_dir() else path.parent) == before
    return code, capsys.readouterr().out


@pytest.fixture
def room(monkeypatch):
    """As much room on the disk as anybody wants, however little there is here."""
    monkeypatch.setattr("jurist.recipes.examine_run.LEAST_FREE_BYTES", 0)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(
    "part",
    ["labelled", "trained", "trained/checkpoint", "training", "labelled/completions.sqlite"],
)
def test_what_is_whole_is_said_to_be(part, tmp_path, capsys):
    shutil.copytree(GOLDEN, tmp_path / "golden")
    part = "training/step-00000002" if part == "training" else part
    code, said = said_of(tmp_path / "golden" / part, capsys)
    assert code == 0, said
    assert "!" not in said


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)


def nest(path: Path) -> None:
    path.write_bytes(b"[" * 100_000 + b"\n")


def overwrite_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("config.json", truncate, ("config.json:", "expected JSON", "delete the run")),
        ("environment.json", truncate, ("environment.json:", "expected JSON")),
        ("labels.json", truncate, ("labels.json: damaged", "run the command again")),
        ("labels.json", nest, ("labels.json: damaged", "run the command again")),
        ("labelled.jsonl", nest, ("labelled.jsonl: damaged", "run the command again")),
        ("labelled.jsonl", truncate, ("labelled.jsonl: damaged: line", "run the command again")),
        ("judgements/pairs.jsonl.gz", flip, ("pairs.jsonl.gz: damaged", "run again")),
        ("judgements/pairs.jsonl.gz", truncate, ("pairs.jsonl.gz: damaged", "run again")),
        ("completions.sqlite", overwrite_a_page, ("damaged", "--recover-to")),
        ("completions.sqlite", truncate, ("damaged", "--recover-to")),
        ("completions.sqlite", lambda path: os.truncate(path, 0), ("nothing is in it",)),
    ],
)
def test_what_is_damaged_is_named_with_what_to_do(labelled, capsys, name, damage, words):
    damage(labelled / name)
    code, said = said_of(labelled, capsys)
    assert code == 5
    (line,) = (line for line in said.splitlines() if line.startswith("!"))
    assert all(word in said for word in (str(labelled / name), *words)), line


@pytest.mark.usefixtures("room")
def test_a_labelled_file_with_fewer_rows_than_it_should_have_is_found(labelled, capsys):
    path = labelled / "labelled.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    code, said = said_of(labelled, capsys)
    assert code == 5
    assert "3 rows, and labels.json says 4" in said


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: flip(run / "checkpoint" / "model.safetensors"), "its SHA-256 is not the one"),
        (lambda run: (run / "checkpoint" / "manifest.json").unlink(), "no manifest.json"),
        (lambda run: (run / "checkpoint" / "config.json").unlink(), "missing, though"),
        (
            lambda run: (
                run / "round-2/checkpoint.training/step-00000002/weights.safetensors"
            ).unlink(),
            "weights.safetensors: missing",
        ),
        (
            lambda run: (run / "round-2/checkpoint.training/step-00000004").mkdir(),
            "step-00000004: not whole",
        ),
    ],
)
def test_every_checkpoint_is_held_to_its_manifest(
    trained, capsys, damage: Callable[[Path], object], words
):
    damage(trained)
    code, said = said_of(trained, capsys)
    assert code == 5
    assert words in said


@pytest.mark.usefixtures("room")
def test_a_run_of_a_later_version_is_said_to_be_that(labelled, capsys):
    path = labelled / "environment.json"
    path.write_text(path.read_text().replace('"0.1.0"', '"0.10.0"'))
    code, said = said_of(labelled, capsys)
    assert code == 5
    assert "a run of jurist 0.10.0, a later version than this one" in said


@pytest.mark.usefixtures("room")
def test_a_setting_that_is_not_known_is_named(labelled, capsys):
    path = labelled / "config.json"
    path.write_text(path.read_text().replace('"seed"', '"sede"'))
    code, said = said_of(labelled, capsys)
    assert code == 5
    assert "LabelConfig has no sede" in said


@pytest.mark.usefixtures("room")
def test_a_run_that_was_killed_is_whole_and_what_it_left_is_told(labelled, capsys):
    """Half of the store in the log, and no index of it."""
    store = labelled / "completions.sqlite"
    with closing(AnswerStore(store)) as opened:
        opened.keep_completions([(bytes(32), Completion(text="late", finish_reason="stop"))])
        shutil.copytree(labelled, labelled.parent / "killed")
    killed = labelled.parent / "killed"
    (killed / "completions.sqlite-shm").unlink()
    (killed / ".labels.json.12.tmp").touch()
    code, said = said_of(killed, capsys)
    assert code == 0, said
    assert "17 completions" in said
    assert "begun and not ended" in said


@pytest.mark.usefixtures("room")
def test_a_run_that_somebody_holds_is_looked_at_all_the_same(labelled, capsys):
    store = labelled / "completions.sqlite"
    with (labelled / "run.lock").open("r+") as lock, closing(AnswerStore(store)) as opened:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        opened.keep_completions([(bytes(32), Completion(text="late", finish_reason="stop"))])
        before = {path.name for path in labelled.iterdir()}
        assert run_doctor(DoctorConfig(path=labelled)) == 0
        assert {path.name for path in labelled.iterdir()} == before
        said = capsys.readouterr().out
        assert f"in use       by process {os.getpid()} on" in said
        assert "17 completions" in said
        # And the one who works there is not disturbed.
        opened.keep_completions([(b"1" * 32, Completion(text="later", finish_reason="stop"))])
    assert run_doctor(DoctorConfig(path=labelled)) == 0
    assert "18 completions" in capsys.readouterr().out


@pytest.mark.usefixtures("room")
def test_what_is_deleted_while_it_is_looked_at_ends_nothing(trained):
    """As the checkpoints of a training are, by whoever trains."""
    folder, ended = trained / "round-2" / "inner", threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            (folder / "inner").mkdir(parents=True)
            shutil.rmtree(folder)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(30):
            assert not any(finding.damaged for finding in examine_path(trained))
    finally:
        ended.set()
        thread.join()


@pytest.mark.usefixtures("room")
def test_checkpoints_that_a_training_deletes_are_not_called_damaged(trained):
    """And one that is damaged is, whoever works there."""
    work, ended = trained / "round-2" / "checkpoint.training", threading.Event()

    def train() -> None:
        tensors = {"w": torch.zeros(100, 100)}
        step = 2
        while not ended.is_set():
            step += 1
            checkpoint = Checkpoint(step=step, weights=tensors, optimizer=tensors)
            write_checkpoint(work, checkpoint, inputs={})

    thread = threading.Thread(target=train)
    with (trained / "run.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread.start()
        try:
            for _ in range(200):
                assert not [found for found in examine_path(trained) if found.damaged]
        finally:
            ended.set()
            thread.join()
        flip(trained / "checkpoint" / "model.safetensors")
        (damaged,) = (found for found in examine_path(trained) if found.damaged)
        assert "its SHA-256 is not the one" in damaged.found


def test_what_is_none_of_these_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="found nothing"):
        list(examine_path(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="found a folder with none of them"):
        list(examine_path(tmp_path))
    with pytest.raises(ConfigError, match="--recover-to needs the store"):
        DoctorConfig(recover_to=tmp_path / "to")


@pytest.mark.fault(7, "flipped page")
def test_the_command_that_a_damaged_store_is_told_with_works(jurist, labelled, tmp_path):
    """As a user would: run, be told, do what was told, run again."""
    store = labelled / "completions.sqlite"
    with closing(AnswerStore(store)) as opened:
        rows = [
            (number.to_bytes(32, "big"), Completion(text="word " * number, finish_reason="stop"))
            for number in range(300)
        ]
        opened.keep_completions(rows)
    overwrite_a_page(store)
    told = jurist("doctor", labelled)
    assert told.returncode == 5
    saved = store.with_name(store.name + ".saved")
    assert f"--recover-to '{saved}'" not in told.stdout  # a quote in the path is quoted itself
    command = told.stdout.partition("with: ")[2].partition("; then put")[0]
    assert command.startswith("jurist doctor ")
    recovered = jurist(*shlex.split(command)[1:])
    assert recovered.returncode == 0, recovered.stderr
    assert "To go on with them, delete" in recovered.stdout
    for name in ("", "-wal", "-shm"):
        store.with_name(store.name + name).unlink(missing_ok=True)
    saved.rename(store)
    with closing(AnswerStore(store)) as opened:
        found = [opened.completion(name) for name, _ in rows]
    assert [one for one in found if one is not None] == [
        row for (_, row), one in zip(rows, found, strict=True) if one is not None
    ]
    assert sum(one is not None for one in found) > 200
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
