"""A judge in one line of Python: `jurist.load_judge("runs/star-dpo")`."""

import atexit
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from jurist.data.turns import prompt_of
from jurist.errors import DataError
from jurist.judges import Ballot, Scorer, ballots
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.judge_identity import JudgeIdentity, judge_identity
from jurist.recipes.open_judge import OpenJudge, open_judge
from jurist.recipes.patience_config import PatienceConfig
from jurist.types import Comparison, Judgement

if TYPE_CHECKING:
    from jurist.search import Choice

_T = TypeVar("_T")

_USUAL: Final = PatienceConfig()

_OF_PARENTS: list[object] = []


class LoadedJudge:
    """A judge of a checkpoint or a model behind an API, opened at its first use; see `Judge`.

    It may be called from any thread, lives in one of its own, and can be pickled: whoever unpickles
    it opens it again, and so does a fork. Use it as a context manager, or call `close`, to let go
    of the model early.

    Args:
        config: Which judge.
        seed: Of sampling, and of the fences around what is judged.
        store: SQLite file that keeps completions from one process to the next. None: they are kept
            as long as this judge is open.
    """

    def __init__(self, config: JudgeConfig, *, seed: int = 0, store: Path | None = None) -> None:
        self.config = config
        """Which judge."""

        self._seed = seed
        self._store = store
        self._lock = Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._opened: OpenJudge | None = None
        self._stack = ExitStack()
        self._process_id = os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.config, self._seed, self._store)

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
        """Let go of the model and of the file. The next call opens them again."""
        self._leave_to_parent()
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                atexit.unregister(self.close)
                thread.submit(self._stack.close).result()
                thread.shutdown()
                self._opened = None

    @property
    def thread(self) -> Executor:
        """The thread that the judge lives in; opens it, if it is not open.

        Raises:
            ConfigError: If there is no such model, or it cannot be asked as the config says.
        """
        self._leave_to_parent()
        with self._lock:
            if self._thread is None:
                thread = ThreadPoolExecutor(1, thread_name_prefix="jurist-judge")
                try:
                    # The whole life of an SQLite connection, and of some models, is in one thread.
                    self._opened = thread.submit(self._open).result()
                except BaseException:
                    thread.submit(self._stack.close).result()
                    thread.shutdown()
                    raise
                self._thread = thread
                atexit.register(self.close)
            return self._thread

    @property
    def opened(self) -> OpenJudge:
        """What it is; to be called in `thread` alone."""
        _ = self.thread
        assert self._opened is not None
        return self._opened

    @property
    def identity(self) -> JudgeIdentity:
        """Its fingerprint, and what that is made of."""
        return judge_identity(self.config, self.opened)

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Judge every comparison in both orders; see `Judge`."""
        return self._do(lambda opened: opened.judge(comparisons))

    def compare(self, prompt: object, first: str, second: str) -> Ballot:
        """Compare two responses to a prompt in both orders.

        Args:
            prompt: A text, or a list of messages with role and content.
            first: One response.
            second: The other.

        Raises:
            DataError: If the prompt is neither, or cannot be shown to the judge.
            EngineError: The model behind the judge could not be reached.
        """
        asked = Comparison(prompt=prompt_of(prompt), first=first, second=second)
        return self._do(
            lambda opened: ballots(opened.judge, [asked], num_possible=opened.num_possible)[0]
        )

    def rewards(
        self, prompt: object, responses: Sequence[str], *, num_opponents: int | None = None
    ) -> list[float | None]:
        """Rewards of the responses to a prompt, in nats, their mean 0; None where there is none.

        Args:
            prompt: A text, or a list of messages with role and content.
            responses: At least two.
            num_opponents: Others that each is compared with, at most. None: all.

        Raises:
            DataError: If there are fewer than two responses, or as `compare`.
            EngineError: The model behind the judge could not be reached.
        """
        return list(self._chosen(prompt, responses, num_opponents).rewards)

    def select(
        self, prompt: object, responses: Sequence[str], *, num_opponents: int | None = None
    ) -> int:
        """The place of the best of the responses to a prompt; see `rewards`.

        Of several as good, the one that is drawn first (`jurist.search.best_of_n`).

        Raises:
            DataError: If no response has a reward, or as `rewards`.
            EngineError: The model behind the judge could not be reached.
        """
        choice = self._chosen(prompt, responses, num_opponents)
        if all(reward is None for reward in choice.rewards):
            raise DataError(
                f"the judge came to no verdict on any of the {len(responses)} responses"
            )
        return choice.place

    @property
    def scorer(self) -> Scorer | None:
        """Its scores of single responses; None of a judge of pairs."""
        scorer = self.opened.scorer
        if scorer is None:
            return None
        return lambda prompts, responses: self.thread.submit(scorer, prompts, responses).result()

    def _chosen(
        self, prompt: object, responses: Sequence[str], num_opponents: int | None
    ) -> "Choice":
        # Late: numpy, which a judge alone does without.
        from jurist.rewards import Cohort, PairwiseReward, PointwiseReward
        from jurist.search import best_of_n

        if len(responses) < 2:
            raise DataError(f"expected at least two responses, got {len(responses)}")
        scorer = self.scorer
        reward = (
            PairwiseReward(judge=self, num_opponents=num_opponents, seed=self._seed)
            if scorer is None
            else PointwiseReward(scorer=scorer)
        )
        cohort = Cohort(prompt=prompt_of(prompt), responses=tuple(responses))
        (choice,) = best_of_n(reward, [cohort], seed=self._seed)
        return choice

    def _do(self, work: Callable[[OpenJudge], _T]) -> _T:
        opened = self.opened
        return self.thread.submit(work, opened).result()

    def _leave_to_parent(self) -> None:
        """In a fork, begin anew: the thread was not forked along, and the file is the parent's."""
        if self._process_id != os.getpid():
            # Kept, or they would be closed here, under the hands of the parent.
            _OF_PARENTS.append((self._thread, self._opened, self._stack))
            self._process_id = os.getpid()
            self._lock = Lock()
            self._thread, self._opened, self._stack = None, None, ExitStack()

    def _open(self) -> OpenJudge:
        store = self._store
        if store is None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="jurist-"))
            store = Path(folder) / "completions.sqlite"
        return self._stack.enter_context(open_judge(self.config, seed=self._seed, store=store))


def load_judge(
    model: str,
    *,
    base_url: str = "",
    format: str = "auto",
    votes: int = 8,
    max_tokens: int = 1024,
    stop_at: float | None = None,
    gate: int = 0,
    reply_seconds: float = _USUAL.reply_seconds,
    outage_seconds: float = _USUAL.outage_seconds,
    seed: int = 0,
    store: Path | None = None,
) -> LoadedJudge:
    """A judge, ready to compare, to choose, and to be called by anything that takes a `Judge`.

    Args:
        model: Checkpoint folder, run directory, hub id, or the name of a served model.
        base_url: Address of an OpenAI-compatible server that runs it. Empty: it runs here.
        format: How the model is asked; auto: as it was trained.
        votes: Readings of each comparison in each of its two orders.
        max_tokens: Longest reading.
        stop_at: Stop voting on a pair once all votes would give another verdict with at most this
            probability.
        gate: Fewest informative words that a response must have for the model to be asked; one
            with fewer, or that only repeats the prompt, loses to one with more. 0: no gate.
        reply_seconds: Longest time that one reply of a server may take before it is asked again.
        outage_seconds: How long a server that has answered before may be away until `OutageError`.
        seed: Of sampling.
        store: SQLite file that keeps completions from one process to the next.

    Raises:
        ConfigError: If the settings do not go together. That the model is there is seen at its
            first use.

    Example:
        ```python
        judge = jurist.load_judge("runs/star-dpo", votes=4)
        judge.compare("Name a prime.", "Seven.", "Eight.").probability
        judge.select("Name a prime.", ["Six.", "Seven.", "Eight."])
        ```
    """
    voting = VotingConfig(votes=votes, max_tokens=max_tokens, stop_at=stop_at)
    # Any: a name that is none of the formats is refused, with their list, where it is looked up.
    asked: Any = format
    config = JudgeConfig(
        model=model,
        base_url=base_url,
        format=asked,
        voting=voting,
        gate=gate,
        patience=PatienceConfig(reply_seconds=reply_seconds, outage_seconds=outage_seconds),
    )
    return LoadedJudge(config, seed=seed, store=store)


def _again(config: JudgeConfig, seed: int, store: Path | None) -> LoadedJudge:
    return LoadedJudge(config, seed=seed, store=store)
