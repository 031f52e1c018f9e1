"""Several processes on one machine, each with a model of its own, as one engine."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from jurist.engines.base import Engine
from jurist.engines.crew import JOB_SIZE, Death, Job, Spread
from jurist.errors import ConfigError, EngineError
from jurist.types import StoppingRule

EngineFactory = Callable[[], Engine]
"""Makes the engine, in the process that is to hold it."""

SILENT_SECONDS: Final = 120.0
"""A process that was silent for so long is stopped, or waits for itself; it is ended."""

_LISTENING_SECONDS: Final = 1.0
_ENDING_SECONDS: Final = 5.0
_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def open_workers(
    make_engine: EngineFactory,
    num: int,
    *,
    threads: int = 0,
    gpus: Sequence[str] = (),
    job_size: int = JOB_SIZE,
    silent_seconds: float = SILENT_SECONDS,
) -> Spread:
    """Start processes that each make an engine, and spread work over them.

    The engine of every process is the same, so an answer is the same whichever process gives it. A
    process that is killed or stopped is noticed and replaced, and its job is done again (`Spread`
    says how often); one that outlives this process ends by itself.

    Args:
        make_engine: Called in each process. It is pickled, so it is a function that can be
            imported, or `functools.partial` of one.
        num: Processes; positive.
        threads: Of each process; 0 gives each an equal share of the cores this process may use, but
            no more than `OMP_NUM_THREADS` says.
        gpus: As CUDA_VISIBLE_DEVICES names them: each process sees one of them, in turn. If empty,
            all see what this process sees.
        job_size: Completions, or continuations, of one job.
        silent_seconds: A process that says nothing for so long is ended, as if it had died. It
            says that it is alive every second, also in the middle of a job and while it loads.

    Returns:
        An engine, and a context manager that ends the processes.

    Raises:
        JuristError: What `make_engine` raised.
        ConfigError: If `make_engine` cannot be pickled.
        EngineError: If a process died, or the engines are not the same.
        ValueError: If `num` is not positive.
    """
    processes = Processes(
        make_engine, num, threads=threads, gpus=gpus, silent_seconds=silent_seconds
    )
    return Spread(processes, job_size=job_size)


def share_of_threads(num: int) -> int:
    """Threads for each of `num` processes, so that together they fill the cores and no more."""
    share = max(1, len(os.sched_getaffinity(0)) // num)
    said = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(said)) if said.isdigit() and int(said) else share


def thread_settings(threads: int) -> dict[str, str]:
    """Environment variables that hold a process to so many threads."""
    # Two processes that spin while they wait slow each other down many times.
    return {**dict.fromkeys(_THREADS, str(threads)), "OMP_WAIT_POLICY": "PASSIVE"}


class _Worker:
    """One process, and the line to it."""

    def __init__(self, factory: bytes, environment: dict[str, str]) -> None:
        here, there = socket.socketpair()
        self.line = Connection(here.detach())
        try:
            # Not multiprocessing: that would run the main module of whoever uses this once more.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jurist.engines.worker_process", str(there.fileno())],
                pass_fds=[there.fileno()],
                env={**os.environ, **environment, "PYTHONPATH": python_path()},
                stdin=subprocess.DEVNULL,
                # What a library prints must not come between what this process prints.
                stdout=sys.stderr.fileno() if _has_descriptor(sys.stderr) else None,
            )
        except OSError as error:
            self.line.close()
            raise EngineError(f"cannot start a worker: {error.strerror or error}") from error
        finally:
            there.close()
        self.rule: StoppingRule | None = None
        self.silence = 0.0
        """Seconds of waiting in which nothing was heard."""

        self.send(factory)

    def send(self, message: object) -> None:
        """Send a message; that the process is dead shows when its answer is waited for."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.line.send(message)

    def receive(self) -> Any:  # noqa: ANN401 - one of the messages of worker_process
        """The next message, or how the process died."""
        try:
            return self.line.recv()
        except (EOFError, ConnectionResetError):
            return Death(self.cause_of_death())

    def cause_of_death(self) -> str:
        """How the process ended; it is ended now if its line was cut and it was not."""
        try:
            status = self.process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if status >= 0:
            return f"exit status {status}"
        if status == -signal.SIGKILL:
            return "SIGKILL, as the system does when memory is short"
        try:
            return signal.Signals(-status).name
        except ValueError:
            # Of the real-time signals only the first and the last have names.
            return f"signal {-status}"

    def end(self) -> None:
        """End the process."""
        self.line.close()
        self.process.kill()
        self.process.wait()


class Processes:
    """A crew on this machine; see `open_workers`."""

    def __init__(
        self,
        make_engine: EngineFactory,
        num: int,
        *,
        threads: int = 0,
        gpus: Sequence[str] = (),
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._silent_seconds = silent_seconds
        if num < 1:
            raise ValueError(f"num must be at least 1, got {num}")
        try:
            self._factory = pickle.dumps(make_engine)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ConfigError(
                f"an engine's factory goes to other processes, so it must be a function that can "
                f"be imported, or functools.partial of one: {error}"
            ) from error
        settings = thread_settings(threads or share_of_threads(num))
        self._environments = [
            settings | ({"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {})
            for place in range(num)
        ]
        self._workers: list[_Worker | None] = [None] * num
        self._busy: dict[int, _Worker] = {}
        self._fingerprint = ""
        try:
            # All at once: to load a model takes its time.
            started = [self._start(place) for place in range(num)]
            for worker in started:
                self._greet(worker)
        except BaseException:
            self.close()
            raise

    @property
    def num(self) -> int:
        """How many processes there are."""
        return len(self._workers)

    @property
    def fingerprint(self) -> str:
        """The engine's."""
        return self._fingerprint

    @property
    def process_ids(self) -> list[int]:
        """Of the processes that are there now."""
        return [worker.process.pid for worker in self._workers if worker is not None]

    def begin(self, place: int, job: Job, rule: StoppingRule | None) -> None:
        """Give a process a job; see `Crew.begin`."""
        worker = self._workers[place]
        if worker is None:
            worker = self._start(place)
            try:
                self._greet(worker)
            except BaseException:
                # Whoever asks again must not be answered by one that was refused.
                self._drop(place)
                raise
        worker.rule = rule
        worker.send((job, rule and rule.group_size))
        self._busy[place] = worker

    def wait(self) -> tuple[int, list[Any] | Exception | Death]:
        """Wait for the first to be done, and answer those that ask how many more are wanted."""
        while True:
            ready = self._heard(list(self._busy.values()))
            for place, worker in list(self._busy.items()):
                if worker.silence >= self._silent_seconds:
                    self._drop(place)
                    return place, self._silent(worker)
                if worker not in ready:
                    continue
                match worker.receive():
                    case ("alive",):
                        pass
                    case ("more", samples):
                        assert worker.rule is not None
                        worker.send(worker.rule.more(samples))
                    case ("done" | "raised", outcome):
                        del self._busy[place]
                        return place, outcome
                    case death:
                        assert isinstance(death, Death)
                        self._drop(place)
                        return place, death

    def abandon(self) -> None:
        """End the processes that have a job."""
        for place in list(self._busy):
            self._drop(place)

    def close(self) -> None:
        """End all processes."""
        for place in range(len(self._workers)):
            self._drop(place)

    def _start(self, place: int) -> _Worker:
        worker = self._workers[place] = _Worker(self._factory, self._environments[place])
        return worker

    def _greet(self, worker: _Worker) -> None:
        """Wait until a process has made its engine."""
        match self._first_word(worker):
            case ("ready", str() as fingerprint):
                if self._fingerprint not in ("", fingerprint):
                    raise EngineError(
                        f"two workers made unlike engines: {self._fingerprint} and {fingerprint}; "
                        f"were the weights changed meanwhile? run again"
                    )
                self._fingerprint = fingerprint
            case ("raised", Exception() as error):
                raise error
            case death:
                assert isinstance(death, Death)
                raise EngineError(
                    f"a worker died before it was ready ({death.how}); is there memory for "
                    f"{self.num} of them? run again with fewer"
                )

    def _first_word(self, worker: _Worker) -> Any:  # noqa: ANN401 - one of the messages
        while True:
            if self._heard([worker]) and (said := worker.receive()) != ("alive",):
                return said
            if worker.silence >= self._silent_seconds:
                worker.end()
                return self._silent(worker)

    def _heard(self, workers: Sequence[_Worker]) -> list[_Worker]:
        """Those of whom something is to be received, waiting up to a second for it.

        If this process itself is stopped for an hour, nobody else was silent for it.
        """
        began = time.monotonic()
        ready = wait([worker.line for worker in workers], timeout=_LISTENING_SECONDS)
        seconds = min(time.monotonic() - began, 2 * _LISTENING_SECONDS)
        heard = [worker for worker in workers if worker.line in ready]
        for worker in workers:
            worker.silence = 0.0 if worker in heard else worker.silence + seconds
        return heard

    def _silent(self, worker: _Worker) -> Death:
        return Death(f"stopped: nothing was heard of process {worker.process.pid} for too long")

    def _drop(self, place: int) -> None:
        worker = self._workers[place]
        self._workers[place] = None
        self._busy.pop(place, None)
        if worker is not None:
            worker.end()


def python_path() -> str:
    """Where this process imports from, for another to import the same."""
    return os.pathsep.join(path or os.getcwd() for path in sys.path)


def _has_descriptor(stream: Any) -> bool:  # noqa: ANN401 - whatever stands in for standard error
    try:
        return isinstance(stream.fileno(), int)
    except (AttributeError, OSError, ValueError):
        return False
