"""How long a training run goes on while its judge is away."""

import logging
from typing import Final

from jurist.errors import EngineError, OutageError

MAX_WITHOUT_REWARD: Final = 0.5
"""Share of a batch without a reward beyond which a batch counts as lost."""

MAX_LOST_BATCHES: Final = 10
"""Lost batches in a row at which training is stopped."""

logger = logging.getLogger(__name__)


class Tolerance:
    """Counts batches that are lost one after the other, and stops at too many of them.

    Args:
        name: What the reward is called in an error.
        max_without_reward: Share of a batch that may be without a reward. In [0, 1].
        max_lost_batches: At so many lost ones in a row training is stopped. Positive.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, name: str, max_without_reward: float, max_lost_batches: int) -> None:
        if not 0.0 <= max_without_reward <= 1.0:
            raise ValueError(f"max_without_reward must be in [0, 1], got {max_without_reward}")
        if max_lost_batches < 1:
            raise ValueError(f"max_lost_batches must be at least 1, got {max_lost_batches}")
        self._name = name
        self._max_without_reward = max_without_reward
        self._max_lost_batches = max_lost_batches
        self._in_a_row = 0

    def note(self, num_without: int, num: int, outage: OutageError | None = None) -> None:
        """Take note of a batch.

        Args:
            num_without: Its completions without a reward.
            num: Its completions.
            outage: Why there is none for any of them, if that is known.

        Raises:
            EngineError: If too many batches in a row were lost.
        """
        if num_without <= self._max_without_reward * num:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        why = f"; {outage}" if outage else ""
        if self._in_a_row >= self._max_lost_batches:
            raise EngineError(
                f"{self._name}: {self._in_a_row} batches in a row were left without rewards for "
                f"over {self._max_without_reward:.0%} of their completions, {num_without} of {num} "
                f"in the last one{why}; see to the judge, then train on from the last checkpoint"
            ) from outage
        logger.warning(
            "%s: %d of %d completions have no reward, for %d batches in a row now; training "
            "stops at %d%s",
            self._name,
            num_without,
            num,
            self._in_a_row,
            self._max_lost_batches,
            why,
        )
