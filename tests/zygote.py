"""Runs commands of the package and kills them: real processes, real SIGKILL, little time.

What takes seconds to import is imported once. Every line of JSON on standard input asks for one
process, which is forked from this one, runs what it is asked to as a process of its own would, and
is killed from outside; a line of JSON answers. See `Order` and `Answer`.

The instant of a kill is so many changes of the run's directory (a file opened to be written,
renamed or removed; a folder made or removed) after a certain file has appeared there, and some
seconds more. Python tells the process of every change just before it is made. Without seconds the
process stands still there until it is killed: exactly before the change.
"""

import json
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

PRELOADED = (
    "accelerate",
    "jurist.cli",
    "jurist.engines.openai",
    "jurist.engines.transformers",
    "jurist.models.load",
    "jurist.recipes.cards",
    "jurist.recipes.reporting",
    "jurist.reports.figures",
    "jurist.training",
    "safetensors.torch",
    "transformers.models.llama",
)
POLL_SECONDS = 0.003
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
UNTOLD = ("config.json", "environment.json", "timings.json", "run.lock")
"""Files that show no work that was done."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to run, and when to kill it."""

    arguments: list[str]
    """Of `jurist`."""

    folder: str
    """Where it runs. Its run's directory is `run` in there, or all of it."""

    log: str
    """Gets what it writes."""

    errors: str = ""
    """Gets what it writes to its standard error, if that is to be kept apart."""

    after: str = ""
    """Path in the folder; the kill comes after it has appeared, or soon if it is there already.
    Empty: soon."""

    changes: int = 0
    """Changes after that which still happen."""

    seconds: float | None = 0.0
    """Time after those, in which it runs on. None: it is not killed."""

    signal: int = signal.SIGKILL
    """What it is killed with. Any other is sent, and its end waited for."""

    watched: bool = True
    """Whether to look for what is kept in the folder."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How it went."""

    killed: bool
    """Not if it had ended before."""

    status: int
    """Exit status, -9 if it was killed."""

    process: int
    """Its number, and that of its session."""

    seconds: float
    """From the fork to the end."""

    working_seconds: float | None
    """From the fork until something new was kept, or None if nothing was."""

    changes: list[tuple[float, str]]
    """Changes after `after`, to the trigger of the kill or to the end: seconds from the fork, and
    the path in the folder."""


def main() -> None:
    """Answer until standard input ends."""
    for name in PRELOADED:
        import_module(name)
    from jurist.models.load import load_causal
    from jurist.worlds import BASE

    load_causal(str(BASE))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("{}", file=answers, flush=True)
    while line := sys.stdin.readline():
        print(json.dumps(asdict(obeyed(Order(**json.loads(line))))), file=answers, flush=True)


def obeyed(order: Order) -> Answer:
    """Run one process, and kill it."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        run(order, writing)
    os.close(writing)
    watch = Watch(Path(order.folder)) if order.watched else None
    changes: list[tuple[float, str]] = []
    at, told = None, b""
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            if at is not None and now >= at:
                os.kill(child, order.signal)
                if order.signal == signal.SIGKILL:
                    break
                at = None
            wait = POLL_SECONDS if at is None else min(POLL_SECONDS, at - now)
            if selector.select(wait):
                if not (more := os.read(reading, 65536)):
                    break
                *lines, told = (told + more).split(b"\n")
                now = time.monotonic()
                changes += [(now - began, line.decode()) for line in lines if line]
                if b"" in lines and order.seconds is not None:
                    at = now + order.seconds
            if watch is not None:
                watch.look()
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if watch is not None:
        watch.look()
    code = os.waitstatus_to_exitcode(status)
    return Answer(
        killed=code == -signal.SIGKILL,
        status=code,
        process=child,
        seconds=time.monotonic() - began,
        working_seconds=None if watch is None or watch.seen is None else watch.seen - began,
        changes=changes,
    )


class Watch:
    """Sees when something new is kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: float | None = None
        self.least = dict(self._sizes())

    def look(self) -> None:
        """Look once."""
        if self.seen is not None:
            return
        for name, size in self._sizes():
            if name not in self.least or size > self.least[name]:
                self.seen = time.monotonic()
                return
            self.least[name] = size

    def _sizes(self) -> Iterator[tuple[str, int]]:
        pending = [os.fspath(self.folder)]
        while pending:
            try:
                with os.scandir(pending.pop()) as entries:
                    for entry in entries:
                        if entry.name in UNTOLD or entry.name.endswith((".tmp", "-shm", ".lock")):
                            continue
                        if entry.is_dir():
                            pending.append(entry.path)
                        elif entry.name.endswith("-wal"):
                            # Written over from its start once its pages are in the file.
                            yield entry.path, entry.stat().st_mtime_ns
                        else:
                            yield entry.path, entry.stat().st_size
            except FileNotFoundError:
                continue


def run(order: Order, telling: int) -> NoReturn:
    """The life of one process."""
    os.setsid()
    for descriptor, path in ((1, order.log), (2, order.errors or order.log)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(order.folder)
    sys.addaudithook(hook(order, telling))
    status = 1
    try:
        from jurist.cli import main

        sys.argv = ["jurist", *order.arguments]
        main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except Exception:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def hook(order: Order, telling: int) -> Callable[[str, tuple[Any, ...]], None]:
    """Tell of changes a line each, and of the one that the kill hangs on by an empty line more."""
    folder = os.path.realpath(order.folder)
    after = os.path.join(folder, order.after)
    armed = not order.after or os.path.exists(after)
    left = order.changes
    if armed and not left:
        os.write(telling, b"\n")
        left = -1

    def notice(event: str, values: tuple[Any, ...]) -> None:
        nonlocal armed, left
        path = None if left < 0 else changed(event, values)
        if path is None or not path.startswith(folder):
            return
        armed = armed or path == after
        if armed:
            left -= 1
            os.write(telling, f"{path[len(folder) + 1 :]}\n{'' if left >= 0 else chr(10)}".encode())
            if left < 0 and order.seconds == 0:
                signal.pause()

    return notice


def changed(event: str, values: tuple[Any, ...]) -> str | None:
    """What an event of Python's is going to change: a path, or None if it changes nothing."""
    match event:
        case "open":
            path, _, flags = values
            if not (isinstance(flags, int) and flags & WRITING):
                return None
        case "os.rename":
            path = values[1]
        case "os.remove" | "os.mkdir" | "os.rmdir":
            path = values[0]
            # Beneath a folder that is being removed, names are relative to a descriptor.
            if values[-1] != -1:
                above = os.readlink(f"/proc/self/fd/{values[-1]}")
                path = os.path.join(above, os.fspath(path))
        case _:
            return None
    if not isinstance(path, (str, os.PathLike)):
        return None
    return os.path.abspath(os.fspath(path))


if __name__ == "__main__":
    main()
