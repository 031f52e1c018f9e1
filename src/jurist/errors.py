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
