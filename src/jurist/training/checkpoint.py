"""Folders that are whole or not there: written aside, listed with their digests, then renamed.

A folder's `manifest.json` is written last and names every file with its size and SHA-256. A folder
without one that fits is not whole, whatever else is in it, and is never trained on from.
"""

import json
import logging
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from jurist.digest import file_digest
from jurist.errors import ConfigError, StoreError
from jurist.manifest import MANIFEST, UNLISTED, verify
from jurist.storage import make_directory, storing, sync_directory, write_json

logger = logging.getLogger(__name__)

KEPT = 2
"""Step checkpoints that stay: the newest, and one to fall back on."""


@contextmanager
def writing(folder: Path, facts: Mapping[str, object]) -> Generator[Path, None, None]:
    """Write a folder whole or not at all.

    Args:
        folder: Where it is to be. What is there already is replaced, at the very end.
        facts: Noted in the manifest. JSON values.

    Yields:
        A folder beside it to write the files into.

    Raises:
        StoreError: If something cannot be written, as when the disk is full. What was at `folder`
            is then still there.
    """
    make_directory(folder.parent)
    aside = folder.with_name(f".{folder.name}.tmp")
    with storing(aside):
        _remove(aside)
        aside.mkdir()
    try:
        yield aside
        _seal(aside, facts)
        verify(aside)
        with storing(folder):
            _remove(folder)
            os.replace(aside, folder)
            sync_directory(folder.parent)
    except BaseException as error:
        shutil.rmtree(aside, ignore_errors=True)
        # safetensors and tokenizers have errors of their own for what the system refuses.
        if isinstance(error, (OSError, SafetensorError)) or "os error" in str(error):
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{folder}: cannot write: {error}") from error
        raise


def _seal(folder: Path, facts: Mapping[str, object]) -> None:
    files: dict[str, dict[str, object]] = {}
    for path in sorted(folder.iterdir()):
        # Some libraries write through private temporary files; people may read these.
        path.chmod(0o666 & ~_umask())
        with path.open("rb") as file:
            os.fsync(file.fileno())
        if path.name not in UNLISTED:
            files[path.name] = {"bytes": path.stat().st_size, "sha256": file_digest(path)}
    write_json(folder / MANIFEST, {"files": files, **facts})


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def refuse_other_inputs(
    folder: Path, manifest: Mapping[str, Any], inputs: Mapping[str, object]
) -> None:
    """Refuse a folder that was made of something else.

    Args:
        folder: Where it lies.
        manifest: Its manifest.
        inputs: What it should have been made of.

    Raises:
        ConfigError: If it was not; the message names the first input that differs.
    """
    held: dict[str, object] = manifest.get("inputs", {})
    for name in sorted({*held, *inputs}):
        # Through JSON, where a tuple is a list.
        wanted = json.loads(json.dumps(inputs.get(name)))
        if held.get(name) != wanted:
            raise ConfigError(
                f"{folder}: made with {name} = {held.get(name)!r}, asked for {wanted!r}; "
                f"give another output, or delete this one"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Where a training stands after a step."""

    step: int
    """Optimizer steps done."""

    weights: dict[str, Tensor]
    """Trained parameters by name."""

    optimizer: dict[str, Tensor]
    """The optimizer's state."""


def step_folder(work: Path, step: int) -> Path:
    """Where the checkpoint after a step lies."""
    return work / f"step-{step:08d}"


def write_checkpoint(work: Path, checkpoint: Checkpoint, *, inputs: Mapping[str, object]) -> None:
    """Write a checkpoint, check it, and only then delete those that are older than the last two.

    Args:
        work: Folder of a training's checkpoints.
        checkpoint: What to write.
        inputs: What the training depends on, noted in the manifest.

    Raises:
        StoreError: If it cannot be written. Older checkpoints are then still there.
    """
    facts = {"step": checkpoint.step, "inputs": dict(inputs)}
    with writing(step_folder(work, checkpoint.step), facts) as folder:
        save_file(checkpoint.weights, folder / "weights.safetensors")
        save_file(checkpoint.optimizer, folder / "optimizer.safetensors")
    for old in _step_folders(work)[KEPT:]:
        with storing(old):
            shutil.rmtree(old)


def read_checkpoint(folder: Path, *, inputs: Mapping[str, object]) -> Checkpoint:
    """Read a checkpoint that `newest_whole` found.

    Args:
        folder: The checkpoint.
        inputs: What the training that goes on from it depends on.

    Raises:
        ConfigError: If it was written by a training that depends on something else.
        StoreError: If it is not whole.
    """
    manifest = verify(folder)
    refuse_other_inputs(folder, manifest, inputs)
    return Checkpoint(
        step=int(manifest["step"]),
        weights=load_file(folder / "weights.safetensors"),
        optimizer=load_file(folder / "optimizer.safetensors"),
    )


def newest_whole(work: Path) -> Path | None:
    """The newest checkpoint that is whole. Each newer one that is not is logged, with the reason.

    Returns:
        Its folder, or None if no checkpoint was ever finished.

    Raises:
        StoreError: If there are checkpoints and none is whole.
    """
    faults: list[str] = []
    for folder in _step_folders(work):
        try:
            verify(folder)
        except StoreError as error:
            logger.warning("skipped checkpoint %s: %s", folder.name, error)
            faults.append(str(error))
            continue
        return folder
    if faults:
        raise StoreError(
            f"{work}: no whole checkpoint to go on from: {'; '.join(faults)}. "
            f"Delete this folder to train from the start"
        )
    return None


def _step_folders(work: Path) -> list[Path]:
    return sorted(work.glob("step-*"), key=lambda path: path.name, reverse=True)
