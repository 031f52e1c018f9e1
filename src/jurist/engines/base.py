"""The interfaces between this package and whatever runs a model."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from jurist.digest import Written, canonical, derive_seed
from jurist.types import Completion, Conversation, Sampling, StoppingRule


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
        rule: StoppingRule | None = None,
    ) -> list[list[Completion]]:
        """Sample replies to each prompt.

        Args:
            prompts: What to reply to.
            sampling: How many, how, and from which seed.
            rule: Says how many completions of each prompt are wanted. `sampling.num_samples` are
                the most, and all of them are if it is None.

        Returns:
            One list per prompt, in the order given; in it the completions by sample index, from the
            first on: `sampling.num_samples` of them, or as many as the rule wanted, as many of each
            prompt of a group. The rule sees samples by their indices alone, so the outcome does not
            depend on what was decoded together, or ahead of need. A prompt that the engine could
            not answer has completions with finish_reason "error" or "refused".

        Raises:
            ValueError: The prompts are no whole groups, or the rule wants a negative number.
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
        rule: StoppingRule | None,
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


def groups_of(num_prompts: int, rule: StoppingRule | None) -> list[range]:
    """The prompts of a call that are asked together; each by itself without a rule.

    Raises:
        ValueError: If they are no whole groups.
    """
    size = 1 if rule is None else rule.group_size
    if num_prompts % size:
        raise ValueError(
            f"a stopping rule for groups of {size} prompts was given {num_prompts} prompts; the "
            f"prompts of a call must be whole groups"
        )
    return [range(first, first + size) for first in range(0, num_prompts, size)]


def num_more(
    rule: StoppingRule | None, samples: Sequence[Sequence[Completion]], num_samples: int
) -> int:
    """How many more completions of each prompt of a group are wanted.

    Args:
        rule: Says so; all if None.
        samples: The first completions of each prompt, as many of each.
        num_samples: The most of each, those included.

    Raises:
        ValueError: If the rule wants a negative number.
    """
    left = num_samples - len(samples[0])
    if rule is None or not left:
        return left
    more = rule.more(samples)
    if more < 0:
        raise ValueError(f"a stopping rule wanted {more} more completions; 0 is the least")
    return min(more, left)


def num_at_first(rule: StoppingRule | None, num_samples: int) -> int:
    """How many completions of each prompt are wanted before there are any: so many at least."""
    return num_more(rule, [()] * (1 if rule is None else rule.group_size), num_samples)


def gathered(
    engine: StreamingEngine,
    prompts: Sequence[Conversation],
    sampling: Sampling,
    rule: StoppingRule | None,
) -> list[list[Completion]]:
    """What `Engine.generate` returns, of an engine that streams."""
    found: list[dict[int, Completion]] = [{} for _ in prompts]

    def deliver(deliveries: Sequence[Delivery]) -> None:
        for item, index, completion in deliveries:
            found[item][index] = completion

    engine.stream(prompts, sampling, rule, deliver)
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
