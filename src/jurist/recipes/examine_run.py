"""A look at a run's directory, a checkpoint or a store: what is whole, what is not, what to do."""

import fcntl
import gzip
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jurist
from jurist.engines.inspection import contents
from jurist.errors import ConfigError, JuristError, StoreError
from jurist.manifest import MANIFEST, verify
from jurist.recipes.readings import check_readings
from jurist.recipes.run import from_json, read_run_config, refuse_later

LEAST_FREE_BYTES: Final = 2 * 2**30

_AGAIN = "delete it and run the command again: it is made anew"

_DELETING_SECONDS: Final = 2.0
"""For who works in a run to delete a folder. What looks damaged for longer is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    found: str
    advice: str = ""
    """What to do; empty if nothing need be done."""

    damaged: bool = False
    """Whether it is not as it was written."""


def examine_path(path: Path) -> Iterator[Finding]:
    """Everything that `jurist doctor PATH` looks at. Nothing is changed, whoever works there now.

    Args:
        path: A run's directory, a folder with a manifest, such as a checkpoint, or a store.

    Raises:
        ConfigError: If it is none of these.
    """
    if path.is_file():
        yield _store(path, in_use=_holder(path.with_name(path.name + ".lock")) is not None)
    elif (path / "config.json").exists() and _is_run(path):
        yield from _run(path)
    elif (path / MANIFEST).exists():
        yield _checkpoint(path)
    else:
        raise ConfigError(
            f"{path}: expected a run's directory, a checkpoint with its {MANIFEST}, or a store, "
            f"found {'a folder with none of them' if path.is_dir() else 'nothing'}"
        )
    yield _room(path if path.is_dir() else path.absolute().parent)


def _is_run(path: Path) -> bool:
    """Whether a folder with a `config.json` is a run; of a model there is another file so named."""
    return (path / "run.lock").exists() or (path / "environment.json").exists()


def _run(run: Path) -> Iterator[Finding]:
    holder = _holder(run / "run.lock")
    yield _looked_at("settings", run / "config.json", _settings)
    yield _looked_at("made by", run / "environment.json", _made_by)
    if holder is None:
        yield Finding(what="in use", found="by nobody")
    else:
        yield Finding(what="in use", found=f"by {holder}; what it writes now is not whole yet")
    for folder in _folders(run):
        held = _held_to_manifest(folder)
        patience = time.monotonic() + (_DELETING_SECONDS if holder is not None else 0.0)
        while held is not None and held.damaged and time.monotonic() < patience:
            # Older checkpoints of a training are deleted, file by file.
            time.sleep(0.02)
            held = _held_to_manifest(folder)
        if held is not None:
            yield held
        if (folder / MANIFEST).exists():
            continue
        for path in filter(Path.is_file, _entries(folder)):
            for finding in _file(path, in_use=holder is not None):
                if path.exists():
                    yield finding
    yield from _labels(run)


def _held_to_manifest(folder: Path) -> Finding | None:
    """What there is to say of a folder that has or should have a manifest; None of others."""
    if (folder / MANIFEST).exists():
        return _checkpoint(folder)
    if not folder.is_dir() or not _is_to_have_a_manifest(folder):
        return None
    return Finding(
        what="checkpoint",
        found=f"{folder}: not whole: no {MANIFEST}",
        advice=_AGAIN,
        damaged=True,
    )


def _folders(run: Path) -> Iterator[Path]:
    """The folders of a run, but those inside others with a manifest, and other runs."""
    yield run
    for entry in _entries(run):
        if entry.is_dir() and not entry.is_symlink() and not (entry / "run.lock").exists():
            yield from [entry] if (entry / MANIFEST).exists() else _folders(entry)


def _entries(folder: Path) -> list[Path]:
    """What a folder holds; nothing if it is gone by now, as where somebody works it may be."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _is_to_have_a_manifest(folder: Path) -> bool:
    # What is being written lies aside, under a name with a dot.
    within_training = folder.parent.name.endswith(".training")
    return folder.name == "checkpoint" or (within_training and not folder.name.startswith("."))


def _file(path: Path, *, in_use: bool) -> Iterator[Finding]:
    name = path.name
    if name.startswith(".") and name.endswith(".tmp"):
        gone = "being written" if in_use else "begun and not ended; the next command sweeps it away"
        yield Finding(what="unfinished", found=f"{path}: {gone}")
    elif name.endswith(".sqlite"):
        yield _store(path, in_use=in_use)
    elif path.parent.name == "judgements" and name.endswith(".jsonl.gz"):
        yield _looked_at("judgements", path, lambda path: f"of {check_readings(path):,}")
    elif name in ("config.json", "environment.json"):
        return
    elif name.endswith(".json"):
        yield _looked_at("JSON", path, _json)
    elif name.endswith((".jsonl", ".jsonl.gz")):
        yield _looked_at("rows", path, lambda path: f"{_num_rows(path):,}")


def _looked_at(what: str, path: Path, look: Callable[[Path], str]) -> Finding:
    try:
        found = look(path)
    except JuristError as error:
        return Finding(
            what=what,
            found=str(error),
            advice="" if isinstance(error, StoreError) else "use that version, or start anew",
            damaged=True,
        )
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        return Finding(what=what, found=f"{path}: damaged: {error}", advice=_AGAIN, damaged=True)
    return Finding(what=what, found=f"{path}: {found}" if found else str(path))


def _settings(path: Path) -> str:
    # Late: every recipe, which `jurist doctor` alone need not wait for.
    from jurist.recipes.rerun import RECIPES

    held = read_run_config(path)
    recipe = held["recipe"]
    if recipe not in RECIPES:
        raise ConfigError(f"{path}: of the recipe {recipe}, which this version has not")
    from_json(RECIPES[recipe][0], held["config"])
    return f"a run of {recipe}, every setting known"


def _made_by(path: Path) -> str:
    refuse_later(path.parent)
    version = json.loads(path.read_text("utf-8"))["jurist"]
    return f"jurist {version}" + (
        "" if version == jurist.__version__ else f"; this is {jurist.__version__}, which goes on"
    )


def _checkpoint(folder: Path) -> Finding:
    try:
        files = verify(folder)["files"]
    except StoreError as error:
        advice = "get the file as it was, or delete the folder and run the command again"
        return Finding(what="checkpoint", found=str(error), advice=advice, damaged=True)
    found = f"{folder}: all {len(files)} files as they were written"
    return Finding(what="checkpoint", found=found)


def _store(path: Path, *, in_use: bool) -> Finding:
    try:
        held = contents(path, in_use=in_use)
    except StoreError as error:
        # What to do about it is part of what it says.
        return Finding(what="store", found=str(error), damaged=True)
    except OSError as error:
        return Finding(
            what="store", found=f"{path}: {error.strerror}", advice="mend its rights", damaged=True
        )
    how = "each as it was kept" if held.version > 1 else "whole pages; of rows it had no checksums"
    found = f"{path}: {held.num_completions:,} completions and {held.num_scores:,} scores, {how}"
    return Finding(what="store", found=found)


def _json(path: Path) -> str:
    json.loads(path.read_text("utf-8"))
    return "whole"


def _num_rows(path: Path) -> int:
    open_file: Any = gzip.open if path.suffix == ".gz" else open
    num = 0
    with open_file(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                raise ValueError(f"line {num + 1} has no end")
            json.loads(line.decode("utf-8", "surrogatepass"))
            num += 1
    return num


def _labels(run: Path) -> Iterator[Finding]:
    """Whether a labelled run has as many rows as it says."""
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        said: dict[str, int] = json.loads((run / "labels.json").read_text("utf-8"))["rows"]
        for name, num in said.items():
            path = run / name
            if path.suffix != ".jsonl":
                continue
            there = _num_rows(path) if path.exists() else 0
            if there != num:
                yield Finding(
                    what="labels",
                    found=f"{path}: {there:,} rows, and labels.json says {num:,}",
                    advice=_AGAIN,
                    damaged=True,
                )


def _holder(lock: Path) -> str | None:
    """Who holds a lock, or None."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return None
    try:
        # Shared, and for a moment: one who wants it for himself tries again.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip() or "another process"
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    return Finding(
        what="disk",
        found=f"{free / 2**30:.1f} GiB free",
        advice="make room: a run of a small model takes 2 GiB" if free < LEAST_FREE_BYTES else "",
    )
