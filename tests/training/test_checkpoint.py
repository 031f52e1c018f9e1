import json
import logging
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from jurist.errors import ConfigError, StoreError
from jurist.training.checkpoint import (
    Checkpoint,
    newest_whole,
    read_checkpoint,
    step_folder,
    verify,
    write_checkpoint,
    writing,
)

INPUTS = {"seed": 0, "betas": (0.9, 0.95)}


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        step=step,
        weights={"w": torch.full((20, 20), float(step))},
        optimizer={"w/exp_avg": torch.full((20, 20), step / 2)},
    )


@pytest.fixture
def work(tmp_path) -> Path:
    """Two whole checkpoints, of steps 2 and 4."""
    for step in (2, 4):
        write_checkpoint(tmp_path / "work", checkpoint(step), inputs=INPUTS)
    return tmp_path / "work"


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip_one_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def test_what_is_written_is_read_back_bit_for_bit(work):
    found = newest_whole(work)
    assert found == step_folder(work, 4)
    read = read_checkpoint(found, inputs=INPUTS)
    assert read.step == 4
    assert torch.equal(read.weights["w"], checkpoint(4).weights["w"])
    assert torch.equal(read.optimizer["w/exp_avg"], checkpoint(4).optimizer["w/exp_avg"])


def test_no_file_of_a_checkpoint_is_a_pickle(work):
    names = {path.name for path in step_folder(work, 4).iterdir()}
    assert names == {"weights.safetensors", "optimizer.safetensors", "manifest.json"}


@pytest.mark.fault(2, "truncated", "missing", "bit flipped", "empty file")
@pytest.mark.parametrize("damage", [truncate, flip_one_bit, empty, Path.unlink])
@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "manifest.json"])
def test_a_damaged_checkpoint_is_named_and_skipped(work, caplog, name, damage):
    damage(step_folder(work, 4) / name)
    assert newest_whole(work) == step_folder(work, 2)
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert "skipped checkpoint step-00000004" in warning.getMessage()
    assert name in warning.getMessage()


@pytest.mark.fault(2, "empty newer folder")
def test_an_empty_newer_folder_is_skipped(work, caplog):
    step_folder(work, 6).mkdir()
    assert newest_whole(work) == step_folder(work, 4)
    assert "no manifest.json" in caplog.text


@pytest.mark.fault(2, "truncated")
def test_no_whole_checkpoint_among_several_is_an_error_that_says_what_to_do(work):
    for step in (2, 4):
        truncate(step_folder(work, step) / "weights.safetensors")
    with pytest.raises(StoreError, match=r"(?s)step-00000004.*step-00000002.*Delete this folder"):
        newest_whole(work)


def test_no_checkpoint_at_all_is_none(tmp_path):
    assert newest_whole(tmp_path / "nothing") is None


def test_a_folder_left_aside_by_a_kill_is_no_checkpoint_and_is_replaced(tmp_path):
    aside = tmp_path / "work" / ".step-00000002.tmp"
    aside.mkdir(parents=True)
    (aside / "weights.safetensors").write_bytes(b"half")
    assert newest_whole(tmp_path / "work") is None
    write_checkpoint(tmp_path / "work", checkpoint(2), inputs=INPUTS)
    assert newest_whole(tmp_path / "work") == step_folder(tmp_path / "work", 2)
    assert not aside.exists()


@pytest.mark.fault(2, "killed between files")
def test_killed_while_it_writes_the_newest_whole_checkpoint_is_the_one_before(
    tmp_path, size, figure
):
    work = tmp_path / "work"
    large = Checkpoint(
        step=4,
        weights={"w": torch.full((900, 900), 4.0)},
        optimizer={name: torch.full((900, 900), 2.0) for name in ("w/exp_avg", "w/exp_avg_sq")},
    )
    draw, between = random.Random(3), 0
    begun = time.monotonic()
    write_checkpoint(tmp_path / "timed", large, inputs=INPUTS)
    seconds = time.monotonic() - begun
    num_kills = size(10, 60)
    for _ in range(num_kills):
        shutil.rmtree(work, ignore_errors=True)
        write_checkpoint(work, checkpoint(2), inputs=INPUTS)
        child = os.fork()
        if child == 0:
            write_checkpoint(work, large, inputs=INPUTS)
            os._exit(0)
        time.sleep(draw.uniform(0, 1.2) * seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        between += (work / ".step-00000004.tmp").exists()
        found = newest_whole(work)
        assert found in (step_folder(work, 2), step_folder(work, 4))
        wanted = large if found.name.endswith("4") else checkpoint(2)
        read = read_checkpoint(found, inputs=INPUTS)
        assert all(torch.equal(read.weights[name], one) for name, one in wanted.weights.items())
        # It is written all the same, over what the kill has left.
        write_checkpoint(work, large, inputs=INPUTS)
        assert newest_whole(work) == step_folder(work, 4)
        assert not list(work.glob(".*"))
    assert between >= 1
    figure("kills", num_kills)


@pytest.mark.fault(25, "checkpoint")
def test_a_checkpoint_of_the_first_release_is_read(tmp_path):
    golden = Path(__file__).parents[1] / "golden" / "0.1.0"
    shutil.copytree(golden / "training", tmp_path / "work")
    found = newest_whole(tmp_path / "work")
    assert found == step_folder(tmp_path / "work", 2)
    read = read_checkpoint(found, inputs={"seed": 0})
    assert read.step == 2
    assert read.weights["w"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert torch.equal(read.optimizer["w/exp_avg"], -read.weights["w"])
    assert verify(golden / "trained" / "checkpoint")["files"]


@pytest.mark.fault(25, "checkpoint")
def test_a_checkpoint_of_a_later_release_is_refused_by_its_version(work):
    path = step_folder(work, 4) / "manifest.json"
    path.write_text(json.dumps({"manifest": 2, **json.loads(path.read_text())}))
    with pytest.raises(StoreError, match=r"written by a later jurist \(manifest version 2, "):
        verify(step_folder(work, 4))
    assert newest_whole(work) == step_folder(work, 2)


def test_the_last_two_checkpoints_are_kept(work):
    write_checkpoint(work, checkpoint(6), inputs=INPUTS)
    assert sorted(path.name for path in work.iterdir()) == ["step-00000004", "step-00000006"]


def test_a_training_on_other_inputs_is_refused_by_the_first_that_differs(work):
    with pytest.raises(ConfigError, match=r"step-00000004: made with seed = 0, asked for 1;"):
        read_checkpoint(step_folder(work, 4), inputs={**INPUTS, "seed": 1})
    with pytest.raises(ConfigError, match=r"beta = None, asked for 1.0"):
        read_checkpoint(step_folder(work, 4), inputs={**INPUTS, "beta": 1.0})


def test_an_error_while_writing_leaves_nothing_and_passes_through(tmp_path):
    with pytest.raises(KeyError, match="mine"), writing(tmp_path / "folder", {}) as folder:
        (folder / "file").write_text("half")
        raise KeyError("mine")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_known_in_the_words_of_any_library(tmp_path):
    # What tokenizers raises is a bare Exception.
    with (
        pytest.raises(StoreError, match=r"folder: cannot write: No space left"),
        writing(tmp_path / "folder", {}),
    ):
        raise Exception("No space left on device (os error 28)")


def test_a_replaced_folder_stays_until_the_new_one_is_whole(tmp_path):
    with writing(tmp_path / "folder", {"version": 1}) as folder:
        (folder / "file").write_text("one")
    with pytest.raises(KeyError), writing(tmp_path / "folder", {"version": 2}):
        raise KeyError
    assert verify(tmp_path / "folder")["version"] == 1
    with writing(tmp_path / "folder", {"version": 2}) as folder:
        (folder / "file").write_text("two")
    assert verify(tmp_path / "folder")["version"] == 2


def test_people_may_edit_the_readme_of_a_folder(tmp_path):
    with writing(tmp_path / "folder", {}) as folder:
        (folder / "README.md").write_text("one")
    (tmp_path / "folder" / "README.md").write_text("two")
    verify(tmp_path / "folder")


@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_files_have_the_permissions_that_the_umask_gives(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_checkpoint(tmp_path, checkpoint(1), inputs={})
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in step_folder(tmp_path, 1).iterdir()}
    assert modes == {0o666 & ~umask}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"files": 3}', '{"files": {"a": 1}}', "\x00\x01", "[" * 100_000]
)
def test_a_manifest_that_is_none_is_damage(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match=r"manifest\.json: damaged"):
        verify(tmp_path)


def test_a_file_that_cannot_be_read_is_told_as_one_that_is_not_whole(tmp_path):
    # A file to look at, of no bytes, which nobody may read at its beginning.
    (tmp_path / "weights").symlink_to("/proc/self/mem")
    listed = {"weights": {"bytes": 0, "sha256": "0" * 64}}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": listed}))
    with pytest.raises(StoreError, match="weights: cannot read: Input/output error"):
        verify(tmp_path)


def test_the_manifest_lists_every_file_with_size_and_digest(work):
    manifest = json.loads((step_folder(work, 4) / "manifest.json").read_text())
    assert sorted(manifest["files"]) == ["optimizer.safetensors", "weights.safetensors"]
    assert all(set(entry) == {"bytes", "sha256"} for entry in manifest["files"].values())


@pytest.mark.fault(4, "full disk")
def test_a_full_disk_is_told_and_the_checkpoint_before_it_is_kept(small_disk):
    work = small_disk / "work"
    write_checkpoint(work, checkpoint(1), inputs=INPUTS)
    large = Checkpoint(step=2, weights={"w": torch.zeros(250, 250)}, optimizer={})
    with pytest.raises(StoreError, match=r"step-00000002: cannot write"):
        write_checkpoint(work, large, inputs=INPUTS)
    assert newest_whole(work) == step_folder(work, 1)
    assert [path.name for path in work.iterdir()] == ["step-00000001"]
    assert read_checkpoint(step_folder(work, 1), inputs=INPUTS).step == 1
    # Once there is room, it goes on.
    write_checkpoint(work, checkpoint(2), inputs=INPUTS)
    assert newest_whole(work) == step_folder(work, 2)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_checkpoint(tmp_path / "file", checkpoint(1), inputs={})


def test_a_failing_rename_leaves_the_older_checkpoints(work, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("jurist.training.checkpoint.os.replace", fail)
    with pytest.raises(StoreError, match="Input/output error"):
        write_checkpoint(work, checkpoint(6), inputs=INPUTS)
    monkeypatch.undo()
    assert newest_whole(work) == step_folder(work, 4)
    assert not list(work.glob(".*"))
    shutil.rmtree(work)
