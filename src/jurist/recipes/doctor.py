"""Look at the machine, or at a run, and say what is in order, what is not, and what to do about it.

jurist doctor
jurist doctor runs/star-dpo
"""

import importlib.util
import os
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import tyro
from rich.table import Table
from rich.text import Text

import jurist
from jurist.engines.salvage import save_rows
from jurist.engines.store import log_of
from jurist.errors import ConfigError, StoreError
from jurist.extras import EXTRAS, installed_version, unfit_versions
from jurist.recipes.environment import PACKAGES
from jurist.recipes.examine_run import LEAST_FREE_BYTES, Finding, examine_path
from jurist.showing import Console
from jurist.tracking import TrackerName
from jurist.worlds import BASE

SQLITE_SOUND = (3, 51, 3)
"""SQLite 3.7.0 to 3.51.2 can damage a WAL file that two connections checkpoint at one moment. The
store writes through one connection under a lock, so it is not exposed; other programs may be."""

NEEDED_BY_A_FLAG = {"ray": "--ray", "vllm": "--engine vllm"}
"""Extras that one flag needs and nothing else. That one is missing is no fault of a machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DoctorConfig:
    """What to look at."""

    path: tyro.conf.Positional[Path | None] = None
    """A run's directory, a checkpoint or a store: is everything in it as it was written, who works
    with it, and what is to be done? Nothing is changed, and somebody may be at work there. Default:
    the machine."""

    recover_to: Path | None = None
    """Of a damaged store: where to write a new one, of every row that is still as it was kept."""

    def __post_init__(self) -> None:
        if self.recover_to is not None and self.path is None:
            raise ConfigError("--recover-to needs the store that is to be recovered")


def run_doctor(config: DoctorConfig) -> int:
    """Say what works on this machine, or whether a run, a checkpoint or a store is whole.

    Returns:
        0 if everything is in order, 1 if something needs doing, 5 if something is damaged.
    """
    if config.path is not None:
        if config.recover_to is not None:
            return _recover(config.path, config.recover_to)
        return _report_on(config.path)
    findings = list(examine())
    # Text, not markup: "[train]" is the name of an extra, no style.
    table = Table("", "found", "what to do", title=f"jurist {jurist.__version__}")
    for finding in findings:
        table.add_row(*map(Text, (finding.what, finding.found, finding.advice)))
    Console().print(table)
    return 1 if any(finding.advice for finding in findings) else 0


def _report_on(path: Path) -> int:
    console = Console()
    damaged = needed = False
    for finding in examine_path(path):
        damaged |= finding.damaged
        needed |= bool(finding.advice)
        mark = "!" if finding.damaged or finding.advice else " "
        line = f"{mark} {finding.what:<12} {finding.found}"
        # No table: paths and commands are to be copied as they stand.
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        if finding.advice:
            console.print(f"  {'':<12} {finding.advice}", markup=False, soft_wrap=True)
    return StoreError.exit_code if damaged else int(needed)


def _recover(path: Path, to: Path) -> int:
    saved = save_rows(path, to)
    unchecked = f", {saved.num_unchecked:,} of them unchecked" if saved.num_unchecked else ""
    Console().print(
        f"{saved.num_completions:,} completions and {saved.num_scores:,} scores{unchecked}: {to}. "
        f"To go on with them, delete {path}, {log_of(path).name} and {path.name}-shm, and "
        f"move {to.name} there",
        markup=False,
        soft_wrap=True,
    )
    return 0


def examine() -> Iterator[Finding]:
    """Everything that `jurist doctor` looks at on a machine."""
    yield Finding(what="python", found=platform.python_version())
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        unfit = unfit_versions(extra)
        lacks = [f"without {', '.join(missing)}"] if missing else []
        found = "\n".join([*lacks, *unfit]) or "installed"
        command = f"pip install 'jurist[{extra}]'" if missing or unfit else ""
        if missing and not unfit and extra in NEEDED_BY_A_FLAG:
            found, command = f"{found}; for {NEEDED_BY_A_FLAG[extra]}: {command}", ""
        yield Finding(what=f"extra [{extra}]", found=found, advice=command)
    if unfit := unfit_versions(""):
        advice = "pip install --upgrade jurist"
        yield Finding(what="always needed", found="\n".join(unfit), advice=advice)
    yield _trackers()
    versions = {name: installed_version(name) for name in PACKAGES}
    yield Finding(
        what="versions",
        found="\n".join(f"{name} {version}" for name, version in versions.items() if version),
    )
    yield _sqlite()
    yield _disk()
    yield Finding(
        what="cores",
        found=f"{os.cpu_count()}, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}",
    )
    yield _accelerator()
    yield _base_model()


def _trackers() -> Finding:
    """Which experiment trackers are installed. That one is missing is no fault of a machine."""
    there = [name for name in get_args(TrackerName) if importlib.util.find_spec(name) is not None]
    found = ", ".join(there) or "none; pip install tensorboard, wandb, mlflow or trackio"
    return Finding(what="trackers for --track", found=found)


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version_info
    note = "" if version >= SQLITE_SOUND else " (has the WAL-reset bug; jurist's stores avoid it)"
    return Finding(what="sqlite", found=sqlite3.sqlite_version + note)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            writable = True
    except OSError:
        writable = False
    return Finding(
        what="this folder",
        found=f"{free / 2**30:.1f} GiB free" + ("" if writable else ", not writable"),
        advice=(
            "run from a folder you may write to"
            if not writable
            else "make room: a run of a small model takes 2 GiB"
            if free < LEAST_FREE_BYTES
            else ""
        ),
    )


def _accelerator() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding(what="accelerator", found="not looked for: no torch")
    if unfit_versions("train"):
        return Finding(what="accelerator", found="not looked for: no version that fits")
    from jurist.models.accelerator import accelerator_name

    return Finding(what="accelerator", found=accelerator_name())


def _base_model() -> Finding:
    whole = (BASE / "model.safetensors").exists()
    return Finding(
        what="tiny base model",
        found="ships" if whole else "missing",
        advice="" if whole else "install the package again: its files are not complete",
    )
