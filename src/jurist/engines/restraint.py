"""How a server in trouble is spared: a budget of retries, a pace, and a circuit breaker.

Counts and times only; `jurist.engines.chat_session` asks and waits. Times are in seconds, by one
clock that is never set back.
"""

import math
from collections.abc import Callable
from typing import Final

from jurist.engines.chat_api import Json
from jurist.engines.patience import BACKOFF_CAP_SECONDS, Clock, Patience

_FIRST_PROBE_SECONDS: Final = 1.0
_FIRST_GAP_SECONDS: Final = 0.01
_NO_GAP_SECONDS: Final = 1e-4
_LEAST_EASING_SHARE: Final = 0.01


class RetryBudget:
    """Bounds retries by a share of the requests: a server that fails is not asked twice as much.

    At any time there were at most `free + share * num_requests` retries.

    Args:
        share: Retries for each request. At least 0.
        free: Retries that are there before any request. At least 0.
    """

    def __init__(self, share: float, free: int) -> None:
        self._share = share
        self._free = free
        self.num_requests = 0
        """First attempts so far."""

        self.num_retries = 0
        """Retries so far."""

    def take(self) -> bool:
        """Take one retry; False if none is left."""
        if self.num_retries + 1 > self._free + self._share * self.num_requests:
            return False
        self.num_retries += 1
        return True


class Pace:
    """When the next request may begin: at once, until a server says that it has too much to do.

    Then requests begin a gap apart. It doubles whenever one booked since is turned away, and
    every answer makes it smaller. Where the two hold the balance, about one request in `2 / share`
    is turned away, whatever it is that the server can bear so much of: the retries stay within the
    share.

    Args:
        share: Retries for each request that are not too many. At least 0; below 0.01 it counts as
            that, or a gap would outlast what it is there for.
    """

    def __init__(self, share: float) -> None:
        self._easing = 2.0 ** (-max(share, _LEAST_EASING_SHARE) / 2.0)
        self._gap = 0.0
        self._next = -math.inf
        self._alone_until = -math.inf
        self._slowed = -math.inf

    def booked(self, now: float) -> float:
        """When the next request may begin, which is then taken."""
        at = max(now, self._next)
        self._next = at + self._gap
        return at

    def stands(self, at: float, booked: float) -> bool:
        """Whether a request may begin as it was booked: the server may have turned others away
        since.

        Args:
            at: When it is to begin.
            booked: When it was booked.
        """
        return at >= self._alone_until and booked > self._slowed

    def turned_away(self, booked: float, now: float, wait: float) -> None:
        """Take note that a request was turned away.

        Args:
            booked: When it was booked. What was before the pace was slowed down the last time says
                nothing of the pace since.
            now: The present.
            wait: How long the server wants to be left alone.
        """
        self._alone_until = max(self._alone_until, now + wait)
        if booked > self._slowed:
            self._slowed = now
            gap = max(2.0 * self._gap, _FIRST_GAP_SECONDS)
            self._gap = min(gap, BACKOFF_CAP_SECONDS)
            # Nothing stands that was booked before.
            self._next = now + self._gap
        self._next = max(self._next, self._alone_until)

    def answered(self) -> None:
        """Take note of an answer."""
        eased = self._gap * self._easing
        self._gap = eased if eased >= _NO_GAP_SECONDS else 0.0


class Breaker:
    """Opens when a server that has answered before fails all the time, whatever it is asked.

    While it is open nothing is sent but a probe, at growing intervals, to find out whether the
    server is there again. A server that never answered is another matter: it is rather not there,
    or cannot do what is asked, and to wait would help neither.

    Args:
        num_failures: It opens at so many failed attempts in a row, those of all items counted.
        max_interval: Longest time between two probes.
    """

    def __init__(self, num_failures: int, max_interval: float) -> None:
        self._num_failures = num_failures
        self._max_interval = max_interval
        self._in_a_row = 0
        self._interval = 0.0
        self._opened: float | None = None
        self.next_probe = 0.0
        """When to try again, while it is open."""

        self.ever_answered = False
        """Whether the server has answered at all."""

    @property
    def is_open(self) -> bool:
        """Whether nothing but a probe may be sent."""
        return self._opened is not None

    def open_seconds(self, now: float) -> float:
        """For how long it has been open."""
        return 0.0 if self._opened is None else now - self._opened

    def probe(self, now: float) -> None:
        """Take note that a probe is sent."""
        self._interval = min(2.0 * self._interval, self._max_interval)
        self.next_probe = now + self._interval

    def works(self) -> None:
        """Take note that the server works: it answered a probe, or refused what was asked."""
        self._in_a_row = 0
        self._opened = None

    def answered(self) -> None:
        """Take note of an answer."""
        self.ever_answered = True
        self.works()

    def failed(self, now: float, wait: float, *, probe: bool) -> None:
        """Take note of an attempt that failed.

        Args:
            now: The present.
            wait: How long the server wants to be left alone.
            probe: Whether it was sent to find out. What was on its way when the breaker opened
                says nothing new.
        """
        self._in_a_row += 1
        if self.is_open:
            least = self._interval if probe else 0.0
            self.next_probe = max(self.next_probe, now + max(least, wait))
        elif self.ever_answered and self._in_a_row >= self._num_failures:
            self._opened = now
            self._interval = min(_FIRST_PROBE_SECONDS, self._max_interval)
            self.next_probe = now + max(self._interval, wait)


class Restraint:
    """What is known of how a server copes, over all calls that ask it. A copy knows nothing."""

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self.patience = patience
        """How long to wait, and how often to ask again."""

        self.clock = clock
        """Time and chance."""

        self.reached = False
        """Whether any reply has come, of whatever kind."""

        self.answered: tuple[bytes, Callable[[Json], object]] | None = None
        """The body of a request that was answered, and how the answer is read: what can be asked
        again to find out whether the server works."""

        self.budget = RetryBudget(patience.retry_share, patience.free_retries)
        """Retries that may be made."""

        self.pace = Pace(patience.retry_share)
        """When the next request may begin."""

        # Whoever is asked about for a short time only has a probe in that time.
        self.breaker = Breaker(
            patience.outage_failures, min(BACKOFF_CAP_SECONDS, patience.item_seconds / 2.0)
        )
        """Whether the server is down."""

    def __reduce__(self) -> tuple[type["Restraint"], tuple[Patience, Clock]]:
        """Other processes have another clock, and may be nearer to the server."""
        return Restraint, (self.patience, self.clock)
