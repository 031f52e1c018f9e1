"""How long an engine behind a network waits, and how often it asks again."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

RETRY_AFTER_CAP_SECONDS: Final = 120.0
"""Longest time that a server may ask to be left alone."""

BACKOFF_CAP_SECONDS: Final = 60.0
"""Longest time between two attempts that the server did not ask for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """Deadlines and retries of one request. Times are in seconds."""

    connect_seconds: float = 5.0
    """Until a connection stands."""

    silence_seconds: float = 60.0
    """Between two parts of a reply that has begun. Until it begins, only the attempt's own deadline
    counts: a server that does not stream says nothing while the model writes."""

    attempt_seconds: float = 180.0
    """For one attempt, from the first byte sent to the last one read. A slow model with long
    replies needs more."""

    item_seconds: float = 900.0
    """For one sample: all its attempts and the waits between them."""

    max_retries: int = 6
    """Attempts after the first."""

    first_wait_seconds: float = 1.0
    """Wait before the first retry; it doubles from one to the next, up to a minute."""

    def __post_init__(self) -> None:
        for name in (
            "connect_seconds",
            "silence_seconds",
            "attempt_seconds",
            "item_seconds",
            "first_wait_seconds",
        ):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")
        if self.max_retries < 0:
            raise ValueError(f"max_retries must not be negative, got {self.max_retries}")

    def wait_seconds(self, retry: int, jitter: float) -> float:
        """How long to wait before a retry that the server set no time for.

        Args:
            retry: Which retry, from 0.
            jitter: Drawn from [0, 1), so that many clients do not come back at one moment.

        Returns:
            Between half of the full wait and the full wait, in seconds.

        Example:
            >>> [Patience().wait_seconds(retry, jitter=0.0) for retry in (0, 1, 2, 40)]
            [0.5, 1.0, 2.0, 30.0]
        """
        full = min(self.first_wait_seconds * 2.0 ** min(retry, 60), BACKOFF_CAP_SECONDS)
        return full * (0.5 + 0.5 * jitter)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """Time and chance, as far as waiting needs them."""

    now: Callable[[], float] = time.time
    """The present, in seconds since 1970: a server may name a date to come back at."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits so many seconds."""

    jitter: Callable[[], float] = random.random
    """A number from [0, 1)."""


def retry_after_seconds(header: str | None, now: float) -> float | None:
    """What a Retry-After header asks for (RFC 9110, section 10.2.3).

    Args:
        header: Its value: a number of seconds, or an HTTP date. None if there is none.
        now: The present, in seconds since 1970.

    Returns:
        Seconds to wait, at least 0 and at most two minutes; None if the header says nothing that
        can be understood.

    Example:
        >>> retry_after_seconds("3", now=0.0)
        3.0
        >>> retry_after_seconds("Thu, 01 Jan 1970 00:00:30 GMT", now=10.0)
        20.0
        >>> retry_after_seconds("soon", now=0.0)
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now
        except (ValueError, OverflowError):
            return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_CAP_SECONDS)
