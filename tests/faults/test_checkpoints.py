"""Damaged checkpoints by the commands: skipped for the newest whole one, or said; never used."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jurist.data import write_preferences
from jurist.worlds import BASE, preferences

pytestmark = pytest.mark.timeout(900)
"""Many processes each, one after the other, on a machine that may be busy."""

TRAIN = [
    *("bradley-terry", "--model", BASE, "--train", "train.jsonl", "--test", "pairs.jsonl"),
    *("--batch-size", "2", "--epochs", "2", "--checkpoint-every", "1", "--output", "run"),
]


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip_one_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut_to_nothing(file: Path) -> None:
    os.truncate(file, 0)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "bit flipped": flip_one_bit,
    "truncated": truncate,
    "missing": Path.unlink,
    "empty file": cut_to_nothing,
}


@pytest.mark.fault(2, "bit flipped", "truncated", "missing", "empty file", "empty newer folder")
@pytest.mark.fault(2, "killed between files")
def test_a_training_goes_on_from_the_newest_whole_checkpoint_or_says_that_there_is_none(
    make_work, forked, bytes_of, assert_told, size
):
    whole, killed = make_work("whole"), make_work("killed")
    for one in (whole, killed):
        pairs = preferences("in_distribution", "train", num=12, seed=0)
        write_preferences(one.folder / "train.jsonl", pairs)
    done = forked(whole.folder, *TRAIN)
    assert done.returncode == 0, done.stderr
    wanted = bytes_of(whole.run)

    steps = killed.run / "checkpoint.training"
    ended = forked(killed.folder, *TRAIN, after=steps / "step-00000003", changes=1)
    assert ended.returncode == -9, "it ended before it was killed"
    left = killed.folder / "left"
    killed.run.rename(left)

    for name in list(DAMAGES)[: size(1, 4)]:
        shutil.rmtree(killed.run, ignore_errors=True)
        shutil.copytree(left, killed.run)
        newest = max(path.name for path in steps.glob("step-*"))
        DAMAGES[name](steps / newest / "weights.safetensors")
        (steps / "step-99999999").mkdir()
        done = forked(killed.folder, *TRAIN)
        assert done.returncode == 0, done.stderr
        said = " ".join(done.stderr.split())
        assert "skipped checkpoint step-99999999: " in said
        assert f"skipped checkpoint {newest}: " in said
        assert bytes_of(killed.run) == wanted

    shutil.rmtree(killed.run)
    shutil.copytree(left, killed.run)
    # Of one that was about to be deleted when the kill came, not all may be there.
    for path in steps.glob("step-*/optimizer.safetensors"):
        flip_one_bit(path)
    before = {path: path.read_bytes() for path in steps.rglob("*.safetensors")}
    done = forked(killed.folder, *TRAIN)
    assert_told(done, 5, "no whole checkpoint to go on from", "Delete this folder to train from")
    assert {path: path.read_bytes() for path in steps.rglob("*.safetensors")} == before
    if size(0, 1):
        shutil.rmtree(steps)
        done = forked(killed.folder, *TRAIN)
        assert done.returncode == 0, done.stderr
        assert bytes_of(killed.run) == wanted

    # And of the model that came of it: it is not judged with, as if nothing were.
    checkpoint = whole.run / "checkpoint"
    flip_one_bit(checkpoint / "model.safetensors")
    asked: tuple[tuple[object, ...], ...] = (
        ("judge", "--model", "run", "--pairs", "pairs.jsonl", "--output", "judged"),
        ("evaluate", "--model", "run/checkpoint", "--test", "pairs.jsonl", "--output", "told"),
        ("serve", "--model", "run", "--port", "0"),
        TRAIN,
    )
    for arguments in asked[: size(1, 4)]:
        done = forked(whole.folder, *arguments)
        assert_told(done, 5, "model.safetensors: its SHA-256 is not the one in manifest.json")
    looked: subprocess.CompletedProcess[str] = whole.ended("doctor", "run")
    assert looked.returncode == 5
    assert "model.safetensors: its SHA-256" in looked.stdout
