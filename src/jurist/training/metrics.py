"""Metrics files: JSON Lines, one line per step, slash names.

`metrics.jsonl` holds what the same training gives again byte for byte; `timings.jsonl` beside it
holds what the clock says. Both are cut back to the step that a killed training goes on from, so
that every step stands in them once.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from jurist.storage import storing, write_bytes


class MetricsLog:
    """A metrics file that is being written."""

    def __init__(self, path: Path, *, after_step: int) -> None:
        """Open a file and keep of it the lines up to a step.

        A line torn by a kill is dropped, and so is all that follows it.

        Args:
            path: The file; it need not be there.
            after_step: Steps that are done and whose lines stay; 0 keeps none.

        Raises:
            StoreError: If the file cannot be written.
        """
        self.path = path
        with storing(path):
            write_bytes(path, _lines_up_to(path, after_step))
            self._file = path.open("ab", buffering=0)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add the line of a step.

        Raises:
            StoreError: If it cannot be written.
            ValueError: If a value is not finite.
        """
        line = json.dumps({"step": step, **values}, allow_nan=False)
        with storing(self.path):
            self._file.write(line.encode() + b"\n")

    def sync(self) -> None:
        """Make what was written survive a power cut.

        Raises:
            StoreError: If it cannot be written.
        """
        with storing(self.path):
            os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of a metrics file, without a torn last one. Nothing if there is no file."""
    lines: list[dict[str, float]] = []
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return lines
    for line in content.splitlines(keepends=True):
        try:
            values: Any = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n") or not isinstance(values, dict):
            break
        lines.append(values)
    return lines


def _lines_up_to(path: Path, step: int) -> bytes:
    kept = [values for values in read_metrics(path) if values["step"] <= step]
    return b"".join(json.dumps(values).encode() + b"\n" for values in kept)
