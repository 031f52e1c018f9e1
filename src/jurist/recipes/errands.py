"""Runs of recipes side by side, each in a process of its own.

One process is one run directory, so what is known of a single run holds for each of them: it goes
on where it was, and nobody else works in its directory.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jurist.engines.workers import share_of_threads, thread_settings
from jurist.errors import (
    ConfigError,
    DataError,
    EngineError,
    JuristError,
    StoreError,
    TrainingError,
)
from jurist.progress import progress
from jurist.recipes.run import RecipeConfig, from_json, read_run_config, to_json
from jurist.storage import make_directory, write_json

_LOOK_SECONDS: Final = 0.2
_ENDING_SECONDS: Final = 5.0
_TOLD_LINES: Final = 8
_ERRORS: Final[dict[int, type[JuristError]]] = {
    kind.exit_code: kind for kind in (ConfigError, DataError, EngineError, StoreError)
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Errand:
    """One run of one recipe."""

    name: str
    """Of its log; unique among those that are sent out together."""

    recipe: str
    """As on the command line."""

    config: RecipeConfig

    @property
    def done(self) -> bool:
        """Whether the run has ended, with these settings."""
        output = self.config.output
        if not (output / "results.json").exists():
            return False
        return read_run_config(output / "config.json") == self.asked

    @property
    def asked(self) -> dict[str, Any]:
        """What the run's `config.json` says."""
        return {"recipe": self.recipe, "config": to_json(self.config)}


def run_errands(errands: Sequence[Errand], *, logs: Path, jobs: int) -> None:
    """Run recipes, some at a time, until all have ended; those that had are not run again.

    A run that fails ends the others, which go on where they were when asked for again. If this
    process is killed, they end too.

    Args:
        errands: What to run; they may be started in any order.
        logs: Folder that gets, for each, what it was asked and what it said.
        jobs: How many at a time, with an equal share of the cores each; positive.

    Raises:
        JuristError: If a run failed, of the kind that it ended with.
    """
    waiting = [errand for errand in errands if not errand.done]
    make_directory(logs)
    environment = {**os.environ, **thread_settings(share_of_threads(jobs))}
    running: dict[str, subprocess.Popen[bytes]] = {}
    with progress("runs", len(errands), "runs") as advance, ExitStack() as stack:
        stack.callback(_end, running)
        advance(len(errands) - len(waiting))
        while waiting or running:
            while waiting and len(running) < jobs:
                errand = waiting.pop(0)
                write_json(logs / f"{errand.name}.json", errand.asked)
                with (logs / f"{errand.name}.log").open("wb") as log:
                    running[errand.name] = subprocess.Popen(
                        [sys.executable, "-m", __name__, str(logs / f"{errand.name}.json")],
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env=environment,
                    )
            for name, process in list(running.items()):
                status = process.poll()
                if status is not None:
                    _close(running.pop(name))
                    if status != 0:
                        raise _failure(name, status, logs / f"{name}.log")
                    advance(1)
            time.sleep(_LOOK_SECONDS)


def _end(running: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in running.values():
        process.terminate()
    for process in running.values():
        try:
            process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _failure(name: str, status: int, log: Path) -> JuristError:
    said = log.read_text("utf-8", "replace").splitlines()[-_TOLD_LINES:]
    kind = _ERRORS.get(status, TrainingError)
    return kind(
        f"{name} ended with exit code {status}; what it said is in {log}, last:\n" + "\n".join(said)
    )


def do_errand(path: Path) -> int:
    """Run what a file asks for, and say how it ended as the command line does."""
    # Here, because the recipe that sends errands is one of those that can be run again.
    from jurist.recipes.rerun import RECIPES

    asked = json.loads(path.read_text("utf-8"))
    kind, run = RECIPES[asked["recipe"]]
    try:
        return run(from_json(kind, asked["config"])) or 0
    except JuristError as error:
        sys.stderr.write(f"jurist: {error}\n")
        return error.exit_code


def _watch() -> None:
    """End with whoever sent this process, whose end of the line closes."""
    # A plain read: a buffered one would hold a lock that the interpreter wants when it ends.
    while os.read(0, 1):
        pass
    os._exit(TrainingError.exit_code)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    threading.Thread(target=_watch, daemon=True).start()
    sys.exit(do_errand(Path(sys.argv[1])))
