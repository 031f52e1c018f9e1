"""A run directory: one recipe, one config, one process at a time; run again, it goes on or is done.

NAME/
  config.json        the recipe's name and every setting
  environment.json   versions, hardware, git revision
  run.lock           held while a process works in the directory
"""

import dataclasses
import logging
import math
import os
import time
import types
import typing
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import jurist
from jurist.data.objects import read_object
from jurist.digest import came_later
from jurist.engines.server import refuse_secret_in
from jurist.errors import ConfigError, DataError, StoreError
from jurist.extras import release
from jurist.recipes.environment import environment
from jurist.rehearsal import begin_work, rehearsal
from jurist.storage import locked, make_directory, write_json
from jurist.tracking import TrackerName, refuse_unready

logger = logging.getLogger(__name__)


class RecipeConfig(Protocol):
    """What every recipe's config has."""

    @property
    def output(self) -> Path:
        """The run's directory."""
        ...


BEFORE_WORK = frozenset({"config.json", "environment.json", "run.lock", "rejects"})
"""What a run's directory holds before anything was sampled, trained or judged."""

ConfigT = TypeVar("ConfigT")


@contextmanager
def open_run(recipe: str, config: RecipeConfig) -> Generator[Path]:
    """Hold the run's directory and note what is run in it.

    Yields:
        The directory.

    Raises:
        ConfigError: If another process works in it, or it holds work of another run: the message
            names the first setting that differs. If a tracker that is asked for is not ready.
        StoreError: If it cannot be written.
    """
    settings = to_json(config)
    asked = {"recipe": recipe, "config": settings}
    _refuse_secrets(settings)
    refuse_unready(_asked_trackers(config))
    if (dry := rehearsal()) is not None:
        dry.recipe, dry.config = recipe, config
        dry.output = _looked_at(config.output, asked)
        yield config.output
        return
    output = make_directory(config.output)
    with locked(output / "run.lock"):
        _sweep(output)
        path = output / "config.json"
        held = read_run_config(path) if path.exists() else None
        if held is not None and _holds_work(output):
            refuse_later(output)
            _refuse_other(path, held, asked)
        elif held != asked:
            # The config last: killed between the two, a run that is run again writes both.
            write_json(output / "environment.json", environment())
            write_json(path, asked)
        yield output


def _refuse_secrets(config: dict[str, Any]) -> None:
    """Refuse an address that may hold a secret, before it is kept in `config.json`."""
    for name, value in _settings(config).items():
        if isinstance(value, str) and name.endswith("_url"):
            refuse_secret_in(value, name=name.rpartition(".")[2])


def _looked_at(output: Path, asked: dict[str, Any]) -> str:
    """What a directory holds, for a dry run; refused as it would be if it were worked in."""
    if not output.exists():
        above = next(folder for folder in output.absolute().parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise StoreError(f"{output}: cannot write: {above} is no folder to write in")
        return f"{output}: new"
    if not output.is_dir() or not os.access(output, os.W_OK):
        raise StoreError(f"{output}: cannot write: no folder to write in")
    path = output / "config.json"
    held = read_run_config(path) if path.exists() else None
    if held is not None and _holds_work(output):
        refuse_later(output)
        _refuse_other(path, held, asked)
    there = sorted(entry.name for entry in output.iterdir() if entry.name not in BEFORE_WORK)
    if not there:
        return f"{output}: there, no work in it yet"
    done = "the run has ended" if "results.json" in there else "it would go on"
    return f"{output}: {done if held else 'there'}; holds {', '.join(there)}"


def _asked_trackers(config: object) -> tuple[TrackerName, ...]:
    training = getattr(config, "training", None)
    return getattr(config, "track", ()) or getattr(training, "track", ())


def _sweep(folder: Path) -> None:
    """Delete what a killed process had begun to write: nobody else writes here now."""
    for entry in folder.iterdir():
        if entry.is_symlink():
            continue
        if entry.is_dir():
            # A folder with a lock of its own is another run, which sweeps for itself.
            if not (entry / "run.lock").exists():
                _sweep(entry)
        elif entry.name.startswith(".") and entry.name.endswith(".tmp"):
            entry.unlink()


def _holds_work(output: Path) -> bool:
    """Whether a run came further than its settings: one that did not may be asked for anew.

    A mistyped model or file is found out after the settings are noted; putting it right must not
    need another directory.
    """
    return any(entry.name not in BEFORE_WORK for entry in output.iterdir())


def read_run_config(path: Path) -> dict[str, Any]:
    """The content of a run's `config.json`.

    Raises:
        ConfigError: If there is none.
        StoreError: If it is damaged.
    """
    try:
        content = read_object(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; a run's directory has a config.json") from None
    except DataError as error:
        raise StoreError(f"{error}; delete the run and start it again") from None
    match content:
        case {"recipe": str(), "config": dict(), **others} if not others:
            return content
        case _:
            raise StoreError(f"{path}: not a run's config; expected an object of recipe and config")


def refuse_later(run: Path) -> None:
    """Refuse a run that a later version has worked on: what it means by its files is not known.

    Raises:
        ConfigError: If its `environment.json` names a later version than this one.
        StoreError: If that file is damaged.
    """
    path = run / "environment.json"
    try:
        version = str(read_object(path)["jurist"])
    except FileNotFoundError:
        return
    except DataError as error:
        raise StoreError(f"{error}; delete it and run again") from None
    except KeyError:
        raise StoreError(f"{path}: names no version of jurist; delete it and run again") from None
    if release(version) > release(jurist.__version__):
        raise ConfigError(
            f"{run}: a run of jurist {version}, a later version than this one "
            f"({jurist.__version__}); upgrade jurist, or give another --output"
        )


def _refuse_other(path: Path, held: dict[str, Any], asked: dict[str, Any]) -> None:
    if held["recipe"] != asked["recipe"]:
        raise ConfigError(
            f"{path.parent}: holds a run of {held['recipe']}, not of {asked['recipe']}; "
            f"give another --output"
        )
    now = _settings(asked["config"])
    was = {
        name: _moved(value, held["config"].get("output"), asked["config"].get("output"))
        for name, value in _settings(held["config"]).items()
    }
    for name in sorted({**was, **now}):
        differs = was.get(name, _UNKNOWN) != now.get(name, _UNKNOWN)
        if differs and name.rpartition(".")[2] not in _HOW:
            raise ConfigError(
                f"{path.parent}: holds a run with {name} = {was.get(name, _UNKNOWN)!r}, "
                f"asked for {now.get(name, _UNKNOWN)!r}; "
                f"give another --output, or the same settings to go on with it"
            )


def _moved(value: object, was: object, now: object) -> object:
    """A setting as it would be, had its run always lain where it lies now.

    What a setting names in the folder around the run (a quickstart's data) moved with that folder.
    """
    if isinstance(value, list):
        return [_moved(item, was, now) for item in cast(list[object], value)]
    if not (isinstance(value, str) and isinstance(was, str) and isinstance(now, str)):
        return value
    around, name, path = Path(was).parent, *_name_and_path(value)
    if around == Path() or not Path(path).is_relative_to(around):
        return value
    return name + str(Path(now).parent / Path(path).relative_to(around))


def _name_and_path(source: str) -> tuple[str, str]:
    """NAME= and PATH of a source, the first empty if it has no name."""
    name, separator, path = source.rpartition("=")
    return name + separator, path


_UNKNOWN = "no such setting"
_HOW = frozenset(
    {
        "output",
        "max_concurrency",
        "reply_seconds",
        "outage_seconds",
        "retry_share",
        "workers",
        "ray",
        "jobs",
        "explorer_megabytes",
        "track",
        "guard",
    }
)
"""Settings of where and how fast, of how long a server is waited for, of how much a page holds, and
of what stops a run, which may change from one part of it to the next: they do not change what comes
out. The directory may have been moved."""


def _settings(config: dict[str, Any], prefix: str = "") -> dict[str, object]:
    """Every setting by its dotted name."""
    found: dict[str, object] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found |= _settings(cast(dict[str, Any], value), f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def to_json(config: object) -> dict[str, Any]:
    """A config dataclass as JSON values; paths as text, nested configs as objects.

    Raises:
        ConfigError: If a number is not finite, which JSON has no word for.
    """

    def plain(value: object, name: str) -> object:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [one for one in dataclasses.fields(value) if not _left_out(one, value)]
            return {field.name: plain(getattr(value, field.name), field.name) for field in fields}
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, tuple):
            return [plain(item, name) for item in cast(tuple[object, ...], value)]
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"--{name.replace('_', '-')} must be finite, got {value}")
        return value

    return cast(dict[str, Any], plain(config, ""))


def _left_out(field: dataclasses.Field[Any], config: object) -> bool:
    """Whether a field that came later has its default: older settings go without it."""
    return came_later(field) and getattr(config, field.name) == field.default


def from_json(kind: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """The config that `to_json` gave `values` for.

    Raises:
        ConfigError: If a field is missing or unknown, as from another version of the package.
    """
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(cast(Any, kind))
    known = {field.name for field in fields}
    needed = {field.name for field in fields if not came_later(field)}
    if unknown := sorted(set(values) - known):
        raise ConfigError(
            f"{kind.__name__} has no {', '.join(unknown)}; was the run made by another version?"
        )
    if missing := sorted(needed - set(values)):
        raise ConfigError(
            f"{kind.__name__} needs {', '.join(missing)}; was the run made by another version?"
        )
    try:
        return kind(**{name: _typed(hints[name], value) for name, value in values.items()})
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"cannot rebuild {kind.__name__}: {error}") from error


def _typed(hint: Any, value: Any) -> Any:  # noqa: ANN401 - any field of any config
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise TypeError(f"expected an object of settings, found {value!r}")
        return from_json(cast(Any, hint), cast(dict[str, Any], value))
    if isinstance(hint, types.UnionType):
        inner = [arm for arm in typing.get_args(hint) if arm is not types.NoneType]
        return None if value is None else _typed(inner[0], value)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list, found {value!r}")
        return tuple(_typed(typing.get_args(hint)[0], item) for item in value)
    if typing.get_origin(hint) is typing.Literal and value not in typing.get_args(hint):
        raise TypeError(f"expected one of {', '.join(map(str, typing.get_args(hint)))}: {value!r}")
    kinds = _JSON_KINDS.get(hint)
    if kinds is not None and type(value) not in kinds:
        raise TypeError(f"expected {' or '.join(one.__name__ for one in kinds)}, found {value!r}")
    return hint(value) if hint in (Path, float) else value


_JSON_KINDS: Mapping[object, tuple[type, ...]] = {
    int: (int,),
    float: (float, int),
    bool: (bool,),
    str: (str,),
    Path: (str,),
}
"""What a field of a type is in JSON. True is a whole number to Python, and to nobody else."""


@contextmanager
def stopwatch(run: Path, stage: str) -> Generator[Callable[[], None]]:
    """Add the time of the block to the run's `timings.json`, if the block ends well.

    A stage that was killed and run again has the time of the run that ended it, no more; one that
    was done, and is merely found done, keeps the time it took. Times have a file of their own so
    that everything else in a run directory is the same in every run.

    Yields:
        Notes the time before the block ends. To be called just before the file appears by which
        the stage is known to be done: one that is killed after that is never run again.
    """
    begin_work()
    started = time.monotonic()

    def note() -> None:
        seconds = round(time.monotonic() - started, 3)
        # What was there stays: to load the libraries may take longer than the stage did.
        write_json(run / "timings.json", {stage: seconds, **_timings(run)})

    yield note
    if stage not in _timings(run):
        note()


def seconds_spent(run: Path, stage: str) -> float | None:
    """Time of a stage and of all stages within it (`stage/...`), or None if none has ended."""
    found = [
        seconds
        for name, seconds in _timings(run).items()
        if name == stage or name.startswith(f"{stage}/")
    ]
    return sum(found) if found else None


def _timings(run: Path) -> dict[str, float]:
    path = run / "timings.json"
    try:
        held = read_object(path)
    except FileNotFoundError:
        return {}
    except DataError as error:
        raise StoreError(f"{error}; delete it") from None
    for stage, seconds in held.items():
        if type(seconds) not in (float, int):
            raise StoreError(
                f"{path}: expected seconds of {stage}, found {seconds!r:.80}; delete it"
            )
    return cast(dict[str, float], held)
