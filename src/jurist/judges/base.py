"""The interfaces that everything which prefers one response to another comes down to."""

from collections.abc import Callable, Sequence
from typing import Protocol

from jurist.types import Comparison, Conversation, Judgement


class Judge(Protocol):
    """Reads comparisons. How it comes by its judgements is its own business."""

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Judge every comparison.

        Args:
            comparisons: What to judge. Length N.

        Returns:
            For each comparison, in the order given, at least one judgement, in terms of that
            comparison: its first response is the first, whatever order the judge read it in. A
            reading without a verdict is a judgement with a `Failure`, never left out.

        Raises:
            DataError: A comparison cannot be shown to this judge.
            EngineError: The model behind the judge could not be reached.
        """
        ...


class SamplingJudge(Judge, Protocol):
    """A judge whose judgements are numbered samples, so that it can be asked for some of them."""

    @property
    def num_samples(self) -> int:
        """How many judgements of a comparison there are, at most, when all are asked for."""
        ...

    def sample(
        self, comparisons: Sequence[Comparison], *, first_index: int, num_samples: int
    ) -> list[list[Judgement]]:
        """Judge every comparison, giving some of its judgements.

        Args:
            comparisons: What to judge. Length N.
            first_index: The first judgement wanted, counted from 0.
            num_samples: How many are wanted of each comparison.

        Returns:
            For each comparison, in the order given, judgements `first_index` to `first_index` +
            `num_samples` - 1: the same ones, however many are asked for at a time.

        Raises:
            DataError: A comparison cannot be shown to this judge.
            EngineError: The model behind the judge could not be reached.
        """
        ...

    def sample_groups(
        self,
        groups: Sequence[Sequence[Comparison]],
        more: Callable[[Sequence[Sequence[Judgement]]], int],
    ) -> list[list[list[Judgement]]]:
        """Judge comparisons that go together, as often as the judgements themselves call for.

        Args:
            groups: What to judge, as many comparisons in each group.
            more: Told the first judgements of each comparison of a group, as many of each and none
                at first: how many more of each are wanted; see `StoppingRule`. It can be pickled,
                and depends on nothing else.

        Returns:
            For each group, and each of its comparisons, the first judgements: those after which
            `more` wanted no others, or `num_samples`.

        Raises:
            DataError: A comparison cannot be shown to this judge.
            EngineError: The model behind the judge could not be reached.
            ValueError: The groups are of unlike sizes.
        """
        ...


class Comparer(Protocol):
    """Gives a comparison one number: a head that reads both responses at once."""

    def __call__(self, comparisons: Sequence[Comparison]) -> list[float]:
        """Say of every comparison by how much the first response is better.

        Args:
            comparisons: Length N.

        Returns:
            For each comparison the log-odds, in nats, that the first response is better. One that
            is not finite means that the comparer has no answer.

        Raises:
            DataError: A comparison does not fit the model's context.
        """
        ...


class Scorer(Protocol):
    """Gives single responses a number: a reward model with a scalar head, or a rule."""

    def __call__(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        """Score every response.

        Args:
            prompts: What is replied to. Length N.
            responses: One reply to each. Length N.

        Returns:
            One score per response, in the order given; the difference of two scores is the
            log-odds that the first response is better. One that is not finite means that the
            scorer has no answer.

        Raises:
            DataError: A prompt and its response do not fit the model's context.
        """
        ...
