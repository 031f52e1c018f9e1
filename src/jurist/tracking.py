"""A run's numbers passed on to the experiment trackers that are installed, and to none unasked.

The numbers themselves stand in `metrics.jsonl` and `results.json`, always; a tracker gets a copy.
Each part of a run (the training of one checkpoint, the evaluation) is one run of the tracker, in
the group of its run directory. What a tracker has been sent is noted in the directory's `tracking/`
before it is sent, and trackers that can tell are asked what they hold, so that a step is never
there twice, whatever is killed and run again.

A tracker that fails is told of once and left alone: what it lacks is sent when the same command is
run again. Accelerate's own trackers are not used: they come with torch, which judging needs not,
start anew after a kill, and end a training when they fail.
"""

import importlib.util
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

from jurist.errors import ConfigError
from jurist.storage import make_directory

logger = logging.getLogger(__name__)

TrackerName = Literal["tensorboard", "wandb", "mlflow", "trackio"]
"""Trackers that can be asked for, by the name of their package."""

PROJECT: Final = "jurist"
"""Project or experiment in a tracker, where its own environment variable names no other."""


Told: TypeAlias = Callable[[int, Mapping[str, float]], None]
"""Gets the number of every step, from 1 and rising, and its values."""


class _Tracker(Protocol):
    last_step: int
    """The last step that it holds of this part already, or 0."""

    def log(self, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """What a tracker calls one run."""

    group: str
    """The run directory's name."""

    name: str
    """Of the group and the part, such as star-dpo/round-1."""

    id: str
    """Drawn when the part is first tracked, the same when it goes on."""

    last_step: int
    """The last step that was sent, or 0: a tracker that takes what it is sent at once holds it."""

    settings: Mapping[str, Any]
    folder: Path
    """Where a tracker may write what it would else write into the working directory."""


def refuse_unready(names: Iterable[TrackerName]) -> None:
    """Refuse trackers that cannot be used, before any work.

    Raises:
        ConfigError: If a tracker's package is not installed, or it wants a login that is not there.
    """
    for name in dict.fromkeys(names):
        if importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"--track {name}: {name} is not installed; pip install {name}, or leave it out: "
                f"the numbers are kept in the run's directory either way"
            )
        if name == "wandb":
            _refuse_without_login()


def _refuse_without_login() -> None:
    if os.environ.get("WANDB_MODE", "online") in ("offline", "disabled", "dryrun"):
        return
    wandb: Any = import_module("wandb")
    with redirect_stdout(sys.stderr):
        # Asked later, wandb would wait for a key to be typed, hours into a run.
        known = wandb.setup().settings.mode != "online" or wandb.login(prompt=False, verify=False)
    if not known:
        raise ConfigError(
            "--track wandb: nobody is logged in to Weights & Biases; run `wandb login`, set "
            "WANDB_API_KEY, or set WANDB_MODE=offline to keep its files here"
        )


@contextmanager
def tracking(
    names: Iterable[TrackerName], *, run: Path, part: str, settings: Mapping[str, object]
) -> Generator[Told]:
    """Pass the numbers of a part of a run on to trackers.

    Args:
        names: The trackers; none, and nothing is done or imported.
        run: Run directory; its `tracking/` keeps what was sent, and what trackers write to disk.
        part: What the part is called within the run.
        settings: Shown beside the numbers. Nested objects are told by dotted names.

    Yields:
        What to call with every step and its values. It passes on what a tracker was not sent yet,
        in the main process only, and raises nothing that a tracker raises.
    """
    # The other processes of a launcher train the same thing.
    asked = () if os.environ.get("RANK", "0") != "0" else dict.fromkeys(names)
    mirrors = [_Mirror(name, run=run, part=part, settings=settings) for name in asked]

    def log(step: int, values: Mapping[str, float]) -> None:
        for mirror in mirrors:
            mirror.log(step, values)

    try:
        yield log
    finally:
        for mirror in mirrors:
            mirror.close()


class _Mirror:
    """One tracker, opened when there is something to send; its failures end here."""

    def __init__(
        self, name: TrackerName, *, run: Path, part: str, settings: Mapping[str, object]
    ) -> None:
        self.name: TrackerName = name
        self.run = run
        self.part = part
        self.settings = settings
        self.path = run / "tracking" / f"{part.replace('/', '-')}.{name}"
        self.noted = _Noted.read(self.path)
        self.held: list[tuple[int, Mapping[str, float]]] = []
        self.tracker: _Tracker | None = None
        self.failed = False

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if self.failed:
            return
        self.held.append((step, values))
        if self.tracker is None and self.noted.closed and step <= self.noted.step:
            return
        with self._guarded():
            if self.tracker is None:
                self.tracker = self._opened()
            while self.held:
                step, values = self.held.pop(0)
                if step > self.noted.step:
                    self._send(self.tracker, step, values)

    def _send(self, tracker: _Tracker, step: int, values: Mapping[str, float]) -> None:
        # Noted first: killed in between, a tracker lacks a step, and never has one twice.
        before = self.noted
        self._note(replace(before, step=step))
        try:
            tracker.log(step, values)
        except Exception:
            self._note(before)
            raise

    def _opened(self) -> _Tracker:
        make_directory(self.path.parent)
        group = self.run.absolute().name
        part = _Part(
            group=group,
            name=f"{group}/{self.part}",
            id=self.noted.id or secrets.token_hex(4),
            last_step=self.noted.step,
            settings=flattened(self.settings),
            folder=self.path.parent,
        )
        tracker = _OPENERS[self.name](part)
        self._note(_Noted(id=part.id, step=tracker.last_step, closed=False))
        logger.info("%s: %s goes to %s", group, self.part, self.name)
        return tracker

    def close(self) -> None:
        if self.tracker is not None:
            with self._guarded():
                self.tracker.close()
                self._note(replace(self.noted, closed=True))

    def _note(self, noted: "_Noted") -> None:
        self.noted = noted
        noted.write(self.path)

    @contextmanager
    def _guarded(self) -> Generator[None]:
        try:
            # What trackers say is no part of what the run says.
            with redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # noqa: BLE001 - other people's code, which may raise anything
            self.failed = True
            logger.warning(
                "tracker %s failed after step %d (%s: %s); the run goes on without it. "
                "metrics.jsonl and results.json have all numbers, and the same command run again "
                "sends what is missing",
                self.name,
                self.noted.step,
                type(error).__name__,
                _first_line(error),
            )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Noted:
    """What a tracker was sent of a part, as noted on disk."""

    id: str
    """Empty if nothing was ever sent."""

    step: int
    """The last that was sent, or 0."""

    closed: bool
    """Whether the tracker was closed in peace. One that was not may have lost what it was sent."""

    @classmethod
    def read(cls, path: Path) -> "_Noted":
        try:
            identifier, step, state = path.read_text("ascii").split()
            return cls(id=identifier, step=int(step), closed=state == "closed")
        except (OSError, ValueError):
            return cls(id="", step=0, closed=True)

    def write(self, path: Path) -> None:
        # One write of the same length every time, so that a kill leaves the old line or the new.
        line = f"{self.id} {self.step:012d} {'closed' if self.closed else 'opened'}\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, line.encode("ascii"), 0)
        finally:
            os.close(descriptor)


def run_of(output: Path) -> tuple[Path, str]:
    """The run directory that a folder belongs to, and what the folder is called in it.

    A folder that is in no run, as of a call from Python, is a run of its own.
    """
    for above in output.absolute().parents:
        if (above / "run.lock").exists():
            return above, output.absolute().relative_to(above).as_posix()
    return output.with_name(f"{output.name}.tracked"), output.name


def flattened(settings: Mapping[str, object], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names, sequences as text.

    Example:
        >>> flattened({"data": {"train": "a.jsonl"}, "betas": [0.9, 0.95]})
        {'data.train': 'a.jsonl', 'betas': '0.9, 0.95'}
    """
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= flattened(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, list | tuple):
            found[prefix + name] = ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType]
        else:
            found[prefix + name] = value
    return found


class _TensorBoard:
    """Event files in the run's directory, written without torch or TensorFlow."""

    def __init__(self, part: _Part) -> None:
        protos = "tensorboard.compat.proto"
        summaries: Any = import_module(f"{protos}.summary_pb2")
        tensors: Any = import_module(f"{protos}.tensor_pb2")
        types: Any = import_module(f"{protos}.types_pb2")
        writers: Any = import_module("tensorboard.summary.writer.event_file_writer")
        self._event: Any = import_module(f"{protos}.event_pb2").Event
        self._summary: Any = summaries.Summary
        folder = part.folder / "tensorboard" / part.name.partition("/")[2].replace("/", "-")
        self._writer: Any = writers.EventFileWriter(str(folder))
        self.last_step = part.last_step
        if not part.last_step:
            rows = "\n".join(f"| {name} | {value} |" for name, value in part.settings.items())
            value = self._summary.Value(
                tag="settings",
                metadata=summaries.SummaryMetadata(
                    plugin_data=summaries.SummaryMetadata.PluginData(plugin_name="text")
                ),
                tensor=tensors.TensorProto(
                    dtype=types.DT_STRING,
                    string_val=[f"| setting | value |\n|---|---|\n{rows}".encode()],
                ),
            )
            event = self._event(wall_time=time.time(), summary=self._summary(value=[value]))
            self._writer.add_event(event)
            self._writer.flush()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        found = [self._summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        event = self._event(wall_time=time.time(), step=step, summary=self._summary(value=found))
        self._writer.add_event(event)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _WandB:
    def __init__(self, part: _Part) -> None:
        wandb: Any = import_module("wandb")
        offline = wandb.setup().settings.mode in ("offline", "dryrun")
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            group=part.group,
            name=part.name,
            # Offline it cannot know what an older process left, of which nothing may have come to
            # the disk: the part is written anew and whole, as a run of its own.
            id=secrets.token_hex(4) if offline else part.id,
            resume="allow",
            # A program that calls a recipe may have a run of its own.
            reinit="create_new",
            dir=os.environ.get("WANDB_DIR", part.folder),
            config=dict(part.settings),
        )
        # The server says which step it expects next.
        self.last_step = max(0, self._run.starting_step - 1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        # Committed at once: it would else wait for the next step.
        self._run.log(dict(values), step=step, commit=True)

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    """By its client: the active run of a program that calls a recipe is not touched."""

    def __init__(self, part: _Part) -> None:
        entities: Any = import_module("mlflow.entities")
        self.last_step = part.last_step
        self._metric: Any = entities.Metric
        self._client: Any = import_module("mlflow").MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self._client.get_experiment_by_name(name)
        where = (
            self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        )
        tag = "jurist.id"
        found = self._client.search_runs([where], filter_string=f"tags.`{tag}` = '{part.id}'")
        if found:
            self._id = found[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
            return
        tags = {tag: part.id, "jurist.run": part.group}
        self._id = self._client.create_run(where, run_name=part.name, tags=tags).info.run_id
        limit = 6000  # characters of a value, of MLflow's database
        params = [entities.Param(key, str(value)[:limit]) for key, value in part.settings.items()]
        for start in range(0, len(params), 100):  # as many as one request may carry
            self._client.log_batch(self._id, params=params[start : start + 100])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        metrics = [self._metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def close(self) -> None:
        self._client.set_terminated(self._id)


class _Trackio:
    def __init__(self, part: _Part) -> None:
        self._run: Any = import_module("trackio").init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            group=part.group,
            # By its name it goes on, so the name is to be no other run's.
            name=f"{part.name.replace('/', '-')}-{part.id}",
            config=dict(part.settings),
            resume="allow",
            embed=False,
        )
        # It keeps what it is sent for a while, which a kill takes along, and is asked what it has.
        self.last_step = max(0, self._run._next_step - 1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


_OPENERS: dict[str, Callable[[_Part], _Tracker]] = {
    "tensorboard": _TensorBoard,
    "wandb": _WandB,
    "mlflow": _MLflow,
    "trackio": _Trackio,
}
