"""How long a run waits for a server, and how much it asks again. Imports nothing heavy."""

from dataclasses import dataclass
from typing import Final

from jurist.engines.patience import RETRY_AFTER_CAP_SECONDS, Patience
from jurist.errors import ConfigError

_USUAL: Final = Patience()
_MOST_SECONDS: Final = 7 * 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PatienceConfig:
    """How long a server is waited for. May be changed from one part of a run to the next."""

    reply_seconds: float = _USUAL.attempt_seconds
    """Longest time that one reply may take, from the first byte sent to the last one read; then it
    is asked for again. A slow model with long replies needs more."""

    outage_seconds: float = _USUAL.outage_seconds
    """How long a server that has answered before may be away until the run ends with exit code 4.
    The same command goes on."""

    retry_share: float = _USUAL.retry_share
    """Retries for each request, over all of them, besides twenty. When they are spent, what fails
    is a failure, unless the server itself says when to ask again."""

    def __post_init__(self) -> None:
        for flag, seconds in (
            ("reply-seconds", self.reply_seconds),
            ("outage-seconds", self.outage_seconds),
        ):
            if not 0.0 < seconds <= _MOST_SECONDS:
                raise ConfigError(f"--{flag} must be positive and at most a week, got {seconds}")
        if not 0.0 <= self.retry_share <= 1.0:
            raise ConfigError(f"--retry-share is a share, from 0 to 1; got {self.retry_share}")

    def patience(self) -> Patience:
        """The engine's settings.

        An item has the time of a reply, of the longest wait that a server may ask for, and of an
        outage or a second reply, so that it does not fail while the server is waited for. It never
        has less than it has without settings.
        """
        item_seconds = (
            self.reply_seconds
            + RETRY_AFTER_CAP_SECONDS
            + max(self.outage_seconds, self.reply_seconds)
        )
        return Patience(
            attempt_seconds=self.reply_seconds,
            item_seconds=max(_USUAL.item_seconds, item_seconds),
            retry_share=self.retry_share,
            outage_seconds=self.outage_seconds,
        )
