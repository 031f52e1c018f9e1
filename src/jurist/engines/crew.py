"""Work spread over a crew of processes that each hold the same engine.

What is asked in one call is cut into jobs, each a few prompts of like length; whichever process is
free takes the next. So the crew is one engine to everyone above it, and whoever keeps the answers
(`Cached`) stays their only writer.

A call is cut by a rule that knows nothing of how many processes there are or how fast they are: the
same call is always the same jobs, and a run that is interrupted and goes on decodes the same
batches as one that is not.
"""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from jurist.engines.base import LogprobEngine, groups_of, num_at_first
from jurist.errors import EngineError
from jurist.progress import progress
from jurist.types import Completion, Conversation, Sampling, StoppingRule

JOB_SIZE: Final = 128
"""Completions, or continuations to score, of one job: enough for a model to work on together, and
few enough that all processes end at about the same time. With a stopping rule those count that it
wants at first."""

MAX_DEATHS: Final = 2
"""So many processes may die over one job; the last of them ends the call."""

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleJob:
    """Prompts to sample replies to."""

    items: tuple[int, ...]
    """Which of the call's prompts they are."""

    prompts: tuple[Conversation, ...]
    sampling: Sampling

    def done_by(self, engine: Any, rule: StoppingRule | None) -> list[list[Completion]]:  # noqa: ANN401
        """The replies of an engine."""
        return engine.generate(self.prompts, self.sampling, rule)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreJob:
    """Prompts with continuations to score."""

    items: tuple[int, ...]
    """Which of the call's prompts they are."""

    prompts: tuple[Conversation, ...]
    continuations: tuple[tuple[str, ...], ...]

    def done_by(self, engine: Any, rule: StoppingRule | None) -> list[list[float]]:  # noqa: ANN401
        """The scores of an engine."""
        if not isinstance(engine, LogprobEngine):
            raise EngineError(f"{engine.fingerprint}: this engine tells no log-probabilities")
        return engine.score(self.prompts, self.continuations)


Job = SampleJob | ScoreJob


@dataclass(frozen=True, slots=True)
class Death:
    """A process ended in the middle of a job."""

    how: str
    """Of what, as far as can be told."""


class Crew(Protocol):
    """Processes that each hold the same engine; a process is known by its place, from 0."""

    @property
    def num(self) -> int:
        """How many there are."""
        ...

    @property
    def fingerprint(self) -> str:
        """The engine's."""
        ...

    def begin(self, place: int, job: Job, rule: StoppingRule | None) -> None:
        """Give a process that has none a job; a process that died is replaced first.

        Raises:
            JuristError: The engine cannot be loaded.
        """
        ...

    def wait(self) -> tuple[int, "list[Any] | Exception | Death"]:
        """Wait until a process that has a job is done with it.

        Returns:
            Which one, and what came of it: what the engine returned or raised, or its death.
        """
        ...

    def abandon(self) -> None:
        """End the processes that have a job: nobody waits for what comes of it."""
        ...

    def close(self) -> None:
        """End all processes."""
        ...


class Spread:
    """A crew as an engine; a context manager, whose end is the crew's.

    A stopping rule is asked inside the call's own process or in a worker, as the crew sees fit, so
    it must depend on nothing but the completions it is told of.

    Args:
        crew: Who does the work.
        job_size: Completions, or continuations, of one job; positive.

    Raises:
        ValueError: If `job_size` is not positive.
    """

    def __init__(self, crew: Crew, *, job_size: int = JOB_SIZE) -> None:
        if job_size < 1:
            crew.close()
            raise ValueError(f"job_size must be at least 1, got {job_size}")
        self._crew = crew
        self._job_size = job_size

    @property
    def fingerprint(self) -> str:
        """The engine's that every process holds."""
        return self._crew.fingerprint

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        self._crew.close()

    def generate(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        rule: StoppingRule | None = None,
    ) -> list[list[Completion]]:
        """Sample replies to each prompt; see `Engine.generate`.

        Raises:
            DataError: A prompt does not fit the model's context.
            EngineError: Process after process died over one job.
        """
        jobs = [
            SampleJob(
                items=items, prompts=tuple(prompts[item] for item in items), sampling=sampling
            )
            for items in self._cut(
                prompts,
                groups_of(len(prompts), rule),
                num_at_first(rule, sampling.num_samples),
            )
        ]
        found: list[list[Completion]] = [[] for _ in prompts]
        self._do(jobs, rule, found)
        return found

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Log-probability of each continuation; see `LogprobEngine.score`.

        Raises:
            DataError: A prompt does not fit the model's context.
            EngineError: The engine tells no log-probabilities, or process after process died over
                one job.
        """
        asked = list(zip(prompts, continuations, strict=True))
        most = max((len(texts) for texts in continuations), default=0)
        jobs = [
            ScoreJob(
                items=items,
                prompts=tuple(asked[item][0] for item in items),
                continuations=tuple(tuple(asked[item][1]) for item in items),
            )
            for items in self._cut(prompts, groups_of(len(prompts), None), most)
        ]
        found: list[list[float]] = [[] for _ in prompts]
        self._do(jobs, None, found)
        return found

    def _cut(
        self, prompts: Sequence[Conversation], groups: Sequence[range], answers_each: int
    ) -> Iterator[tuple[int, ...]]:
        """Cut a call into jobs, the longest prompts first: the last jobs, for which some processes
        have to wait, are then the quickest."""
        lengths = [sum(len(message.content) for message in prompt) for prompt in prompts]
        by_length = sorted(
            groups, key=lambda group: (-max(lengths[item] for item in group), group.start)
        )
        each = max(map(len, groups), default=1) * max(1, answers_each)
        size = max(1, self._job_size // each)
        for start in range(0, len(by_length), size):
            yield tuple(item for group in by_length[start : start + size] for item in group)

    def _do(
        self, jobs: Sequence[Job], rule: StoppingRule | None, found: list[list[_Answer]]
    ) -> None:
        """Have all jobs done, and put the answers where they belong."""
        crew = self._crew
        left = deque(jobs)
        free = deque(range(crew.num))
        busy: dict[int, Job] = {}
        deaths: Counter[tuple[int, ...]] = Counter()
        try:
            with progress(f"asking {crew.num} workers", len(found), "prompts") as advance:
                while left or busy:
                    while left and free:
                        place = free.popleft()
                        busy[place] = left.popleft()
                        crew.begin(place, busy[place], rule)
                    place, outcome = crew.wait()
                    job = busy.pop(place)
                    free.append(place)
                    if isinstance(outcome, Exception):
                        raise outcome
                    if isinstance(outcome, Death):
                        deaths[job.items] += 1
                        _check_deaths(job, outcome, deaths[job.items])
                        left.appendleft(job)
                        continue
                    if len(outcome) != len(job.prompts):
                        raise ValueError(
                            f"{self.fingerprint}: the engine was asked {len(job.prompts)} prompts "
                            f"and answered {len(outcome)}; an engine gives one list per prompt"
                        )
                    for item, answers in zip(job.items, outcome, strict=True):
                        found[item] = answers
                    advance(len(job.items))
        except BaseException:
            crew.abandon()
            raise


def _check_deaths(job: Job, death: Death, num_deaths: int) -> None:
    said = f"a worker died ({death.how}) over {len(job.items)} prompts"
    if num_deaths >= MAX_DEATHS:
        raise EngineError(
            f"{said}, like {num_deaths - 1} before it; is there memory for so many workers? run "
            f"again with fewer to go on"
        )
    logger.warning("%s; another one takes them over", said)
