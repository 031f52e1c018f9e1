"""What rewards responses one by one: the interface that adapters for training stacks take."""

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
