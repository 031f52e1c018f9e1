"""Actors of a Ray cluster, each with a model of its own, as one engine.

Plain actors, and not a Ray Data pipeline: its pool of actors, and with it the models, would be made
anew for every call. And every completion is kept once by the one store above (`Cached`), under a
name made of its content. So there are no output shards to be written by many, renamed and put
together, no need for a file system that all machines see, and a run that is run again asks for what
is missing, whichever machines it has then.
"""

import importlib
import os
from typing import Any, Literal

from jurist.engines.base import Engine
from jurist.engines.crew import JOB_SIZE, Death, Job, Spread
from jurist.engines.workers import (
    EngineFactory,
    python_path,
    share_of_threads,
    thread_settings,
)
from jurist.errors import ConfigError, EngineError
from jurist.extras import refuse_missing
from jurist.progress import silence
from jurist.types import StoppingRule


def open_actors(
    make_engine: EngineFactory,
    num: int,
    *,
    threads: int = 0,
    num_gpus: float = 0.0,
    job_size: int = JOB_SIZE,
) -> Spread:
    """Start actors that each make an engine, and spread work over them.

    In the cluster that this process is connected to, or that `RAY_ADDRESS` names; else in one
    started on this machine, which ends with the actors. `jurist` and the model must be on every
    machine of the cluster. An actor that dies is noticed and replaced, and its job is done again.

    Args:
        make_engine: Called in each actor.
        num: Actors; positive.
        threads: Of each actor, and the processors it asks the cluster for; 0 gives each an equal
            share of this machine's.
        num_gpus: GPUs that each asks the cluster for.
        job_size: Completions, or continuations, of one job.

    Returns:
        An engine, and a context manager that ends the actors.

    Raises:
        JuristError: What `make_engine` raised.
        ConfigError: If Ray is not installed, or its cluster cannot be reached.
        EngineError: If an actor died, or the engines are not the same.
        ValueError: If `num` is not positive.
    """
    crew = Actors(make_engine, num, threads=threads or share_of_threads(num), num_gpus=num_gpus)
    return Spread(crew, job_size=job_size)


class Holder:
    """What an actor is made of: an engine, and what is asked of it."""

    def __init__(self, make_engine: EngineFactory) -> None:
        silence()
        self._make_engine = make_engine
        self._engine: Engine | None = None

    def fingerprint(self) -> str:
        """Make the engine and say which it is. Not in `__init__`, whose errors lose their type."""
        self._engine = self._make_engine()
        return self._engine.fingerprint

    def do(self, job: Job, rule: StoppingRule | None) -> list[Any]:
        """Do a job."""
        assert self._engine is not None
        return job.done_by(self._engine, rule)


class Actors:
    """A crew in a Ray cluster; see `open_actors`."""

    def __init__(
        self, make_engine: EngineFactory, num: int, *, threads: int, num_gpus: float
    ) -> None:
        if num < 1:
            raise ValueError(f"num must be at least 1, got {num}")
        self._ray = _ray()
        self._make_engine = make_engine
        self._cluster = _connect(self._ray, num * threads)
        # Another machine has its packages in places of its own.
        path = {"PYTHONPATH": python_path()} if self._cluster == "started" else {}
        self._holder = self._ray.remote(Holder).options(
            num_cpus=threads,
            num_gpus=num_gpus,
            runtime_env={"env_vars": {**thread_settings(threads), **path}},
        )
        self._actors: list[Any] = [None] * num
        self._busy: dict[Any, int] = {}
        self._fingerprint = ""
        try:
            greetings = [self._start(place) for place in range(num)]
            for greeting in greetings:
                self._greet(greeting)
        except BaseException:
            self.close()
            raise

    @property
    def num(self) -> int:
        """How many actors there are."""
        return len(self._actors)

    @property
    def fingerprint(self) -> str:
        """The engine's."""
        return self._fingerprint

    def begin(self, place: int, job: Job, rule: StoppingRule | None) -> None:
        """Give an actor a job; see `Crew.begin`."""
        if self._actors[place] is None:
            self._greet(self._start(place))
        self._busy[self._actors[place].do.remote(job, rule)] = place

    def wait(self) -> tuple[int, list[Any] | Exception | Death]:
        """Wait for the first to be done."""
        (done, *_), _ = self._ray.wait(list(self._busy), num_returns=1)
        place = self._busy.pop(done)
        outcome = self._outcome(done)
        if isinstance(outcome, Death):
            self._drop(place)
        return place, outcome

    def abandon(self) -> None:
        """End the actors that have a job."""
        for place in self._busy.values():
            self._drop(place)
        self._busy.clear()

    def close(self) -> None:
        """End all actors, and the cluster if it was started for them, or leave it if joined."""
        self._busy.clear()
        for place in range(len(self._actors)):
            self._drop(place)
        if self._cluster != "held":
            self._cluster = "held"
            self._ray.shutdown()

    def _start(self, place: int) -> Any:  # noqa: ANN401 - Ray's reference to a string
        actor = self._actors[place] = self._holder.remote(self._make_engine)
        return actor.fingerprint.remote()

    def _greet(self, greeting: Any) -> None:  # noqa: ANN401
        """Wait until an actor has made its engine."""
        said = self._outcome(greeting)
        if isinstance(said, Death):
            raise EngineError(
                f"an actor died before it was ready ({said.how}); is there memory for {self.num} "
                f"of them? run again with fewer"
            )
        if isinstance(said, Exception):
            raise said
        if self._fingerprint not in ("", said):
            raise EngineError(
                f"two actors made unlike engines: {self._fingerprint} and {said}; do all machines "
                f"hold the same weights?"
            )
        self._fingerprint = said

    def _outcome(self, reference: Any) -> Any:  # noqa: ANN401 - what the actor's method returned
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            cause = error.cause
            return cause if isinstance(cause, Exception) else EngineError(str(error))
        except errors.RayError as error:
            # The first line says what happened, the others where to look for logs.
            return Death(str(error).partition("\n")[0])

    def _drop(self, place: int) -> None:
        actor, self._actors[place] = self._actors[place], None
        if actor is not None:
            self._ray.kill(actor)


def _ray() -> Any:  # noqa: ANN401 - a module that need not be installed
    refuse_missing("ray")
    return importlib.import_module("ray")


_Cluster = Literal["held", "joined", "started"]
"""One that this process was in before, one that it joined, or one of its own."""


def _connect(ray: Any, num_cpus: int) -> _Cluster:  # noqa: ANN401
    """Be in a cluster."""
    if ray.is_initialized():
        return "held"
    if os.environ.get("RAY_ADDRESS"):
        try:
            ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError) as error:
            raise ConfigError(
                f"no Ray cluster at RAY_ADDRESS={os.environ['RAY_ADDRESS']}: {error}"
            ) from error
        return "joined"
    # Ray would otherwise tell its makers how it is used.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        address="local",
        num_cpus=max(num_cpus, os.cpu_count() or 1),
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    return "started"
