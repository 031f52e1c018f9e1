"""The errors a caller may want to catch. Anything else that escapes is a bug.

    JuristError
    ├── ConfigError      what was asked for cannot be run as asked
    ├── DataError        a file or a row is not what it should be
    ├── EngineError      a model or a server did not answer
    │   └── OutageError  a server that had answered before
    ├── StoreError       a disk, a store or a checkpoint is full, locked, damaged or unwritable
    └── TrainingError    training stopped itself, keeping the last whole checkpoint

Each class carries the exit code that the command line ends with. A bad *judgement* is data
(`jurist.types.Failure`), never one of these.
"""

from collections.abc import Iterator
from typing import ClassVar


class JuristError(Exception):
    """Base class of every error this package raises on purpose."""

    exit_code: ClassVar[int] = 1
    """What the process exits with when the error reaches the command line."""


class ConfigError(JuristError, ValueError):
    """A setting, a model name or a combination of settings cannot be run."""

    exit_code = 2


class DataError(JuristError, ValueError):
    """A file or a row that the caller supplied is not what it should be."""

    exit_code = 3


class EngineError(JuristError, RuntimeError):
    """The model behind an engine could not be reached, or refused the caller."""

    exit_code = 4


class OutageError(EngineError):
    """A server that has answered before does so no longer, for as long as it was waited for."""


class StoreError(JuristError, OSError):
    """Something could not be written, or what was written is damaged or in use."""

    exit_code = 5


class TrainingError(JuristError, RuntimeError):
    """Training stopped itself: a loss was not finite, or something exploded, stood still or
    collapsed."""

    exit_code = 1


_OUT_OF_MEMORY = (
    *("can't allocate memory", "std::bad_alloc", "not enough memory", "cannot allocate"),
    *("failed to map segment", "can't start new thread"),
)
"""What libraries say in errors of their own."""

_LEAST_BYTES = 2**26
"""Less than this is no room to work in."""

_NOT_OF_MEMORY = "static tls block"
"""Of a library that is loaded too late, whatever memory there is."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, whoever raised it, is that there is no memory, or was caused by that."""
    return any(map(_is_of_memory, with_causes(error)))


def with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it came of, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _memory_is_short() -> bool:
    try:
        bytearray(_LEAST_BYTES)
    except MemoryError:
        return True
    return False


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, SystemError):
        # The interpreter lost an error of its own, as it does when there is no room for one.
        return _memory_is_short()
    said = str(error).lower()
    return (
        isinstance(error, RuntimeError | OSError | ImportError)
        and any(words in said for words in _OUT_OF_MEMORY)
        and _NOT_OF_MEMORY not in said
    )
