"""What rewards responses one by one: the interface that adapters for training stacks take."""

import math
from collections.abc import Sequence
from typing import Protocol

from jurist.types import Conversation


class ResponseReward(Protocol):
    """Rewards single responses: by a score, against a reference, or by asking a server."""

    def __call__(
        self,
        prompts: Sequence[Conversation],
        responses: Sequence[str],
        references: Sequence[str | None],
    ) -> list[float | None]:
        """Reward every response.

        Args:
            prompts: Length N.
            responses: One to each prompt. Length N.
            references: What each is held against, or None where there is nothing. Length N.

        Returns:
            For each response its reward in nats, or None if it has none. Length N.

        Raises:
            DataError: A response cannot be shown to the judge, or lacks a reference that it needs.
            EngineError: The model behind it could not be reached.
            ValueError: If the lengths differ.
        """
        ...


def win_probability(reward: float) -> float:
    """The probability of winning that a reward in nats stands for, `1 / (1 + exp(-reward))`: of
    beating the reference, or an average response of the cohort (Bradley and Terry 1952).

    Example:
        >>> win_probability(0.0), win_probability(-1e9)
        (0.5, 0.0)
    """
    return 1.0 / (1.0 + math.exp(-reward)) if reward >= 0.0 else 1.0 - win_probability(-reward)
