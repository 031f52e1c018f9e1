"""What all benchmarks against rivals share: the machine and what it can do, workers, the report.

A worker is a process that does one piece of work for each line it reads. Workers take turns within
one run, so that whatever else the machine does meets all of them; the ratio of two of them means
more than either number. Seconds of the processor are the fairer ones on a machine that others use.
"""

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

GIB = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What one piece of work took."""

    wall: float
    """Seconds."""

    busy: float
    """Seconds of the processor."""

    peak: int
    """Most memory of the process so far, in bytes."""


class Worker:
    """A process that says `ready`, reads a line, works, and says what that took.

    Every line it writes is JSON: `{"ready": true}` before each piece, `Taken` after it.
    """

    def __init__(
        self, command: Sequence[str], settings: Mapping[str, object], *, threads: int
    ) -> None:
        """Start it.

        Args:
            command: What to run; the path of a JSON file with the settings is added.
            settings: What the worker is told.
            threads: Threads of its matrix products.
        """
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "settings.json"
        path.write_text(json.dumps({**settings, "threads": threads}), "utf-8")
        self._log = (Path(self._folder.name) / "log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [*command, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"},
        )
        self.notes: dict[str, Any] = {}
        """What the worker says of itself when it is ready for the first time."""

    def __enter__(self) -> Self:
        self.notes = self._read()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()

    def work(self) -> Taken:
        """One piece."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        taken = Taken(**self._read())
        self._read()
        return taken

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        # Libraries print to the same place.
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self._log.seek(0)
        raise SystemExit(f"a worker ended before its work:\n{self._log.read()[-3000:]}")


def take_turns(
    workers: Mapping[str, Worker], *, repeats: int, warmup: int = 1
) -> dict[str, list[Taken]]:
    """Have workers work in turn. Pieces of the warm-up are not counted."""
    found: dict[str, list[Taken]] = {name: [] for name in workers}
    for repeat in range(warmup + repeats):
        for name, worker in workers.items():
            taken = worker.work()
            if repeat >= warmup:
                found[name].append(taken)
    return found


def summary(taken: Sequence[Taken], *, units: float) -> dict[str, float]:
    """Units per second, by the processor's clock and the wall's: medians, least and most.

    Args:
        taken: What each piece took.
        units: Units of work in a piece.
    """
    busy = [units / each.busy for each in taken]
    return {
        "per_processor_second": round(statistics.median(busy), 4),
        "least": round(min(busy), 4),
        "most": round(max(busy), 4),
        "per_wall_second": round(statistics.median(units / each.wall for each in taken), 4),
        "peak_gib": round(max(each.peak for each in taken) / GIB, 2),
    }


def matrix_rate(dtype: torch.dtype, *, threads: int, size: int = 1536) -> float:
    """Measured operations per second of matrix products, the best of ten."""
    torch.set_num_threads(threads)
    left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
    return max(2 * size**3 / seconds for seconds in _timed(lambda: left @ right))


def memory_bandwidth(*, threads: int, num_bytes: int = GIB // 2) -> float:
    """Measured bytes per second of a copy, read and written, the best of ten."""
    torch.set_num_threads(threads)
    source = torch.zeros(num_bytes // 4)
    target = torch.empty_like(source)
    return max(2 * num_bytes / seconds for seconds in _timed(lambda: target.copy_(source)))


def _timed(work: Any) -> list[float]:  # noqa: ANN401 - any function
    work()
    found: list[float] = []
    for _ in range(10):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return found


def machine(*, threads: int) -> dict[str, object]:
    """What was measured on, and how busy it was."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_average": round(os.getloadavg()[0], 1),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "transformers")},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    family = ".".join(named.get(key, "?") for key in ("cpu family", "model", "stepping"))
    return f"{named.get('model name', platform.processor())} ({family})"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One claim, measured."""

    name: str
    ours: Mapping[str, object]
    rivals: Mapping[str, object]
    ratios: Mapping[str, float]
    """Ours over each rival's, more is better."""

    roofline_fraction: float
    """Share of the time taken that the operations and bytes of the work need at measured rates."""

    unit: str
    runs: int
    machine: Mapping[str, object]

    def print(self) -> None:
        """One JSON object, on the last line."""
        print(json.dumps(asdict(self)), flush=True)
