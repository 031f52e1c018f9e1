"""Work spread over a crew of processes that each hold the same engine.

What is asked in one call is cut into jobs, each a few prompts of like length; whichever process is
free takes the next. So the crew is one engine to everyone above it, and whoever keeps the answers
(`Cached`) stays their only writer.

A call is cut by a rule that knows nothing of how many processes there are or how fast they are: the
same call is always the same jobs, and a run that is interrupted and goes on decodes the same
batches as one that is not.

A process that dies over its job is replaced, and the job tried again. If that dies too, its prompts
are tried one by one, so that one which no process survives costs no other its answer; that one has
replies with finish_reason "error".
"""

import logging
import math
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar, cast

from jurist.engines.base import LogprobEngine, groups_of, num_at_first, num_more
from jurist.errors import EngineError
from jurist.progress import progress
from jurist.types import Completion, Conversation, Sampling, StoppingRule

JOB_SIZE: Final = 128
"""Completions, or continuations to score, of one job: enough for a model to work on together, and
few enough that all processes end at about the same time. With a stopping rule those count that it
wants at first."""

MAX_TRIES: Final = 2
"""So often a job is begun, if processes die over it. Then its prompts are tried alone, once more
each, and what a process dies over even so is failed."""

MAX_DEATHS: Final = 5
"""So many processes may die with no job done in between; the last of them ends the call."""

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

    def part(self, start: int, end: int) -> "SampleJob":
        """Some of its prompts, as a job."""
        return replace(self, items=self.items[start:end], prompts=self.prompts[start:end])

    def failed(self, why: str, rule: StoppingRule | None) -> list[list[Completion]]:
        """Replies that say that there are none. The prompts are one group."""
        error = Completion(text=why, finish_reason="error")
        count = 0
        while more := num_more(
            rule, [[error] * count] * len(self.prompts), self.sampling.num_samples
        ):
            count += more
        return [[error] * count for _ in self.prompts]


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

    def part(self, start: int, end: int) -> "ScoreJob":
        """Some of its prompts, as a job."""
        return replace(
            self,
            items=self.items[start:end],
            prompts=self.prompts[start:end],
            continuations=self.continuations[start:end],
        )

    def failed(self, why: str, rule: StoppingRule | None) -> list[list[float]]:
        """Scores that say that there are none."""
        return [[math.nan] * len(texts) for texts in self.continuations]


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
        self._deaths_in_a_row = 0

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
            EngineError: Process after process died.
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
            EngineError: The engine tells no log-probabilities, or process after process died.
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
        tries: Counter[tuple[int, ...]] = Counter()
        group_size = 1 if rule is None else rule.group_size
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
                        self._deaths_in_a_row += 1
                        _refuse_more_deaths(job, outcome, self._deaths_in_a_row)
                        again = _tried_again(job, outcome, tries, group_size)
                        left.extendleft(reversed(again))
                        if again:
                            continue
                        outcome = job.failed(f"a worker died over it ({outcome.how})", rule)
                    else:
                        self._deaths_in_a_row = 0
                    if len(outcome) != len(job.prompts):
                        raise ValueError(
                            f"{self.fingerprint}: the engine was asked {len(job.prompts)} prompts "
                            f"and answered {len(outcome)}; an engine gives one list per prompt"
                        )
                    for item, answers in zip(job.items, outcome, strict=True):
                        found[item] = cast(list[_Answer], answers)
                    advance(len(job.items))
        except BaseException:
            crew.abandon()
            raise


def _refuse_more_deaths(job: Job, death: Death, in_a_row: int) -> None:
    if in_a_row >= MAX_DEATHS:
        raise EngineError(
            f"{_said(job, death)}, like {in_a_row - 1} before it; is there memory for so many "
            f"workers? run again with fewer to go on"
        )


def _tried_again(
    job: Job, death: Death, tries: Counter[tuple[int, ...]], group_size: int
) -> list[Job]:
    """What to do in place of a job over which a process died; nothing if it is to be failed.

    Args:
        job: The job.
        death: Of the process.
        tries: So often each job died already, by its items; it is counted on.
        group_size: Prompts that are asked together, and are not to be parted.
    """
    said = _said(job, death)
    tries[job.items] += 1
    if tries[job.items] < MAX_TRIES:
        logger.warning("%s; another one takes them over", said)
        return [job]
    if len(job.items) == group_size:
        logger.warning("%s once more; they have no answer", said)
        return []
    logger.warning("%s once more; they are tried one by one", said)
    starts = range(0, len(job.items), group_size)
    alone = [job.part(start, start + group_size) for start in starts]
    tries.update({one.items: MAX_TRIES - 1 for one in alone})
    return alone


def _said(job: Job, death: Death) -> str:
    return f"a worker died ({death.how}) over {len(job.items)} prompts"
