"""Progress of long work on standard error: a bar with rate and time left, or plain lines."""

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from jurist.showing import Console, fit_to_show

PLAIN_INTERVAL_SECONDS = 15.0
"""How often a log that is not a terminal gets a line."""

_DUMB = ("dumb", "unknown")
"""Terminals that cannot go back to the start of a line, by their name in TERM."""


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} {task.fields['unit']}/s")


_bars: Progress | None = None
_silent = False


def silence() -> None:
    """Show nothing from now on: for a process whose work another one shows."""
    global _silent
    _silent = True


@contextmanager
def progress(description: str, total: int, unit: str) -> Generator[Callable[[int], None]]:
    """Show how far a piece of work has come.

    Args:
        description: What is being done, a few words.
        total: How many units there are.
        unit: What is counted, in the plural.

    Yields:
        A function to call with the number of units just finished. Blocks may be nested.
    """
    if _silent:
        yield lambda count: None
    elif sys.stderr.isatty() and os.environ.get("TERM") not in _DUMB:
        yield from _bar(description, total, unit)
    else:
        yield from _lines(description, total, unit)


def _bar(description: str, total: int, unit: str) -> Generator[Callable[[int], None]]:
    global _bars
    outermost = _bars is None
    if _bars is None:
        _bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
        )
        _bars.start()
    bars = _bars
    task = bars.add_task(description, total=total, unit=unit)
    try:
        yield lambda count: bars.advance(task, count)
    finally:
        if outermost:
            bars.stop()
            _bars = None
        else:
            bars.remove_task(task)


def _lines(description: str, total: int, unit: str) -> Generator[Callable[[int], None]]:
    started = last = time.monotonic()
    done = 0

    def line(now: float) -> None:
        rate = done / max(now - started, 1e-9)
        left = (total - done) / rate if rate else 0.0
        print(  # noqa: T201 - standard error is where progress goes
            f"{fit_to_show(description)}: {done}/{total} {unit}, {rate:,.1f} {unit}/s, "
            f"{left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= PLAIN_INTERVAL_SECONDS:
            last = now
            line(now)

    yield advance
