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
    """Deadlines and retries, of one request and of all of them. Times are in seconds."""

    connect_seconds: float = 5.0
    """Until a connection stands."""

    silence_seconds: float = 60.0
    """Between two parts of a reply that has begun. Until it begins, only the attempt's own deadline
    counts: a server that does not stream says nothing while the model writes."""

    attempt_seconds: float = 180.0
    """For one attempt, from the first byte sent to the last one read. A slow model with long
    replies needs more."""

    item_seconds: float = 1200.0
    """For one sample: all its attempts and the waits between them, an outage of the server too."""

    max_retries: int = 6
    """Attempts after the first."""

    first_wait_seconds: float = 1.0
    """Wait before the first retry; it doubles from one to the next, up to a minute."""

    retry_share: float = 0.1
    """Retries for each request, over everything that the server is asked. When they are spent,
    what fails is not asked again, unless the server itself asks for that (429, Retry-After)."""

    free_retries: int = 20
    """Retries beyond that share, so that a short run has some."""

    outage_failures: int = 6
    """At so many failed attempts in a row, of whatever samples, a server that has answered before
    counts as down. Then one request at a time is sent, at intervals that grow up to a minute,
    until it answers."""

    outage_seconds: float = 900.0
    """How long a server may be down before it is given up on."""

    def __post_init__(self) -> None:
        for name in (
            "connect_seconds",
            "silence_seconds",
            "attempt_seconds",
            "item_seconds",
            "first_wait_seconds",
            "outage_seconds",
        ):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")
        for name in ("max_retries", "free_retries"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0.0 <= self.retry_share < math.inf:
            raise ValueError(f"retry_share must be at least 0, got {self.retry_share}")
        if self.outage_failures < 1:
            raise ValueError(f"outage_failures must be at least 1, got {self.outage_failures}")

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

    elapsed: Callable[[], float] = time.monotonic
    """Seconds since whenever, by a clock that is never set back."""

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
