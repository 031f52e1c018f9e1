"""A dry run: everything that is read and checked before work, and then an end.

Within `rehearsal` a command runs as ever until it would first write a file, load a model or ask a
server: each of these says so with `begin_work`, which then ends the run. What was read on the way
was noted, for whoever shows it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


class WorkBegins(Exception):
    """A rehearsal has come to its end. No error: whoever began the rehearsal waits for it."""


@dataclass(slots=True)
class Rehearsal:
    """What a dry run came by."""

    recipe: str = ""
    """Of the run that was opened, if one was."""

    config: object = None
    """Its settings."""

    output: str = ""
    """What is to be said of its directory."""

    sets: dict[str, str] = field(default_factory=dict[str, str])
    """What was read, by name."""


_rehearsal: Rehearsal | None = None


@contextmanager
def rehearsing() -> Generator[Rehearsal]:
    """Run the block up to where it would begin to work.

    Yields:
        What it came by. The block ends there, or at its end if it has no work to do.
    """
    global _rehearsal
    _rehearsal = Rehearsal()
    try:
        yield _rehearsal
    except WorkBegins:
        pass
    finally:
        _rehearsal = None


def rehearsal() -> Rehearsal | None:
    """The dry run that is under way, or None: then things are done."""
    return _rehearsal


def begin_work() -> None:
    """Called before anything is written, loaded or asked.

    Raises:
        WorkBegins: In a dry run.
    """
    if _rehearsal is not None:
        raise WorkBegins


def note_set(name: str, what: str) -> None:
    """Note what was read, if somebody wants to know."""
    if _rehearsal is not None:
        _rehearsal.sets[name] = what
