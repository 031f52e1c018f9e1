"""The interfaces between this package and whatever runs a model."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from jurist.digest import Written, canonical, derive_seed
from jurist.types import Completion, Conversation, Enough, Sampling


class Engine(Protocol):
    """Samples replies. Everything else about a model is the engine's own business."""

    @property
    def fingerprint(self) -> str:
        """What the replies depend on besides prompt and sampling: model, weights, adapter, dtype.

        Never a host, a batch size, a key or a retry count: a cache is keyed by it.
        """
        ...

    def generate(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        enough: Enough | None = None,
    ) -> list[list[Completion]]:
        """Sample replies to each prompt.

        Args:
            prompts: What to reply to.
            sampling: How many, how, and from which seed.
            enough: Asked with one prompt's completions so far; True means that no more are wanted
                for it. It is asked with the first sample, then the first two, and so on in the
                order of their indices, each run once and as soon as all of it is there, until it
                says True. It must say the same of the same completions.

        Returns:
            One list per prompt, in the order given; in it the completions by sample index:
            `sampling.num_samples` of them, or with `enough` the shortest run from the first on of
            which it said True. So the outcome does not depend on what was decoded together, or
            ahead of need: samples after that run are dropped, finished or not. A prompt that the
            engine could not answer has completions with finish_reason "error" or "refused".

        Raises:
            DataError: A prompt does not fit the model's context.
            EngineError: The model could not be reached. Retries are over by then.
        """
        ...


@runtime_checkable
class LogprobEngine(Protocol):
    """An engine that can say how likely given continuations are."""

    @property
    def fingerprint(self) -> str:
        """As in `Engine`."""
        ...

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Log-probability of each continuation as the beginning of the reply to its prompt.

        Args:
            prompts: What is replied to. Length N.
            continuations: For each prompt, the texts to score. Length N.

        Returns:
            For each prompt one number per continuation, in nats, summed over its tokens; NaN where
            the engine could not answer this one prompt.

        Raises:
            DataError: A prompt does not fit the model's context.
            EngineError: The model could not be reached, or does not tell log-probabilities.
        """
        ...


class Delivery(NamedTuple):
    """One completion on its way from an engine to whoever asked."""

    item: int
    """Which of the call's prompts it replies to."""

    sample: int
    """Index of the sample."""

    completion: Completion


Deliver: TypeAlias = Callable[[Sequence[Delivery]], None]
"""Takes completions as they are done, in any order. What it raises ends the call."""

DeliverScores: TypeAlias = Callable[[Sequence[tuple[int, list[float]]]], None]
"""Takes items of a call with their scores as they are done, in any order."""


@runtime_checkable
class StreamingEngine(Protocol):
    """An engine that hands its answers over one by one, so that a crash loses those in flight only.

    Only for one whose answers do not depend on what else is asked in the call, such as a server's:
    after a crash the call for what is missing is another call. A model that decodes what is asked
    together as a batch is no such engine: on some machines a batch changes the last digits.

    Each of the two methods does what its namesake in `Engine` and `LogprobEngine` does, with the
    same errors, and returns when everything was handed over.
    """

    @property
    def fingerprint(self) -> str:
        """As in `Engine`."""
        ...

    def stream(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        enough: Enough | None,
        deliver: Deliver,
    ) -> None:
        """Sample replies to each prompt, and deliver each as soon as it is there."""
        ...

    def stream_scores(
        self,
        prompts: Sequence[Conversation],
        continuations: Sequence[Sequence[str]],
        deliver: DeliverScores,
    ) -> None:
        """Score the continuations of each prompt, and deliver those of a prompt together."""
        ...


def gathered(
    engine: StreamingEngine,
    prompts: Sequence[Conversation],
    sampling: Sampling,
    enough: Enough | None,
) -> list[list[Completion]]:
    """What `Engine.generate` returns, of an engine that streams."""
    found: list[dict[int, Completion]] = [{} for _ in prompts]

    def deliver(deliveries: Sequence[Delivery]) -> None:
        for item, index, completion in deliveries:
            found[item][index] = completion

    engine.stream(prompts, sampling, enough, deliver)
    return [[samples[index] for index in sorted(samples)] for samples in found]


def gathered_scores(
    engine: StreamingEngine,
    prompts: Sequence[Conversation],
    continuations: Sequence[Sequence[str]],
) -> list[list[float]]:
    """What `LogprobEngine.score` returns, of an engine that streams."""
    found: list[list[float]] = [[] for _ in prompts]

    def deliver(scored: Sequence[tuple[int, list[float]]]) -> None:
        for item, logps in scored:
            found[item] = logps

    engine.stream_scores(prompts, continuations, deliver)
    return found


def sample_seed(seed: int, prompt: Conversation, index: int) -> int:
    """The seed of one sample: a function of the run's seed, the prompt and the sample's index."""
    return derive_seed("sample", seed, _written(prompt), index)


# The samples of a prompt are asked for one after the other, and most of the work is to write it.
@lru_cache(maxsize=64)
def _written(prompt: Conversation) -> Written:
    return Written(canonical(prompt))
