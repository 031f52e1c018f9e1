"""Signs that a policy has found what fools a judge, or that a judge has nothing left to tell it.

Such a policy is rewarded ever higher: for the same few words to every prompt, or for hardly any
words. Answers of some hundred tokens came down to a few, nearly all one string, when a judge could
be fooled by an empty opening (Zhao et al. 2025, *One Token to Fool LLM-as-a-Judge*). The reward
does not show it; what is rewarded does.
"""

import logging
import math
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median, pstdev
from typing import Literal

from jurist.errors import ConfigError, TrainingError

logger = logging.getLogger(__name__)

SAME_REWARD = 1e-9
"""Standard deviation, in the reward's unit, below which rewards are one number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedBatch:
    """What one call of a reward shows."""

    reward_std: float | None
    """Standard deviation of the rewards that are known; None if there are fewer than two."""

    median_characters: float
    """Length of a response."""

    one_text_rate: float
    """Share of the commonest response among those of the last calls."""


@dataclass(kw_only=True, slots=True)
class RewardWatch:
    """Looks at every batch that is rewarded, and stops at the first that is broken.

    It holds what it saw, so each training needs one of its own, and so does each process of one.
    """

    num_calls: int = 10
    """Calls that a sign must last for: so many at the start are what lengths are held against, and
    so many at the end are looked at together. A call is a step of the policy's training."""

    shorter: float = 0.2
    """Share of the starting length that the median response must have."""

    one_text: float = 0.8
    """Share of the responses of the last calls that may be one text, where there are at least
    `least_prompts` prompts among them."""

    least_prompts: int = 8
    least_characters: int = 100
    """Starting length below which there is nothing to shorten."""

    guard: Literal["stop", "warn"] = "stop"
    """Raise an error, or log a warning for each kind of sign and go on."""

    _calls: int = field(default=0, init=False)
    _constant: int = field(default=0, init=False)
    _first: list[float] = field(default_factory=list[float], init=False)
    _lengths: deque[float] = field(default_factory=deque[float], init=False)
    _texts: deque[list[tuple[object, str]]] = field(
        default_factory=deque[list[tuple[object, str]]], init=False
    )
    _warned: set[str] = field(default_factory=set[str], init=False)

    def __post_init__(self) -> None:
        if self.num_calls < 2:
            raise ConfigError(f"num_calls must be at least 2, got {self.num_calls}")
        if not 0.0 < self.shorter < 1.0 or not 0.0 < self.one_text < 1.0:
            raise ConfigError(
                f"shorter and one_text are shares between 0 and 1, got {self.shorter} and "
                f"{self.one_text}"
            )
        if self.guard not in ("stop", "warn"):
            raise ConfigError(f'guard is "stop" or "warn", got {self.guard!r}')

    def look(
        self,
        prompts: Sequence[object],
        responses: Sequence[str],
        rewards: Sequence[float | None],
    ) -> WatchedBatch:
        """Look at one batch, after it was rewarded.

        Args:
            prompts: Hashable; which responses are of one prompt. Length N.
            responses: Length N, at least 1.
            rewards: None or NaN where there is none. Length N.

        Raises:
            TrainingError: If a reward is infinite; if all rewards of `num_calls` calls in a row
                were the same within each call; if responses have become short or one text; unless
                `guard` is "warn".
            ValueError: If the lengths differ or are zero.
        """
        if not len(prompts) == len(responses) == len(rewards) or not responses:
            raise ValueError(
                f"got {len(prompts)} prompts, {len(responses)} responses and {len(rewards)} rewards"
            )
        self._calls += 1
        known = [reward for reward in rewards if reward is not None and math.isfinite(reward)]
        std = pstdev(known) if len(known) > 1 else None
        # A call without rewards tells nothing, and is not a judge that calls all the same.
        if std is not None:
            self._constant = self._constant + 1 if std < SAME_REWARD else 0
        length = float(median(map(len, responses)))
        if len(self._first) < self.num_calls:
            self._first.append(length)
        self._lengths.append(length)
        self._texts.append(list(zip(prompts, responses, strict=True)))
        while len(self._lengths) > self.num_calls:
            self._lengths.popleft()
            self._texts.popleft()
        if num_infinite := sum(reward is not None and math.isinf(reward) for reward in rewards):
            self._stop("infinite", f"{num_infinite} of {len(rewards)} rewards are infinite")
        counts = Counter(text for call in self._texts for _, text in call)
        found = WatchedBatch(
            reward_std=std,
            median_characters=length,
            one_text_rate=counts.most_common(1)[0][1] / counts.total(),
        )
        for signal, what in self._signs(found):
            self._stop(signal, what)
        return found

    def _signs(self, batch: WatchedBatch) -> Iterator[tuple[str, str]]:
        if self._constant >= self.num_calls:
            yield (
                "constant",
                f"all rewards within each of the last {self._constant} calls are the same "
                f"(standard deviation below {SAME_REWARD:g}): there is nothing to learn from",
            )
        if self._calls < self.num_calls:
            return
        prompts = {prompt for call in self._texts for prompt, _ in call}
        if len(prompts) >= self.least_prompts and batch.one_text_rate > self.one_text:
            yield (
                "one text",
                f"{batch.one_text_rate:.0%} of the responses of the last {self.num_calls} calls, "
                f"to {len(prompts)} prompts, are one text, limit {self.one_text:.0%}: the policy "
                f"may have found what fools the judge",
            )
        start, now = median(self._first), median(self._lengths)
        if start >= self.least_characters and now < self.shorter * start:
            yield (
                "length",
                f"the median response of the last {self.num_calls} calls has {now:g} characters, "
                f"{start:g} at the start, limit {self.shorter:.0%} of that: the policy may have "
                f"found what fools the judge",
            )

    def _stop(self, signal: str, what: str) -> None:
        said = f"call {self._calls} of the reward: {what}"
        if self.guard == "stop":
            raise TrainingError(
                f"{said}. Read some responses, and go on from a checkpoint that the trainer saved "
                f'before; guard="warn" goes on in spite of it'
            )
        if signal not in self._warned:
            self._warned.add(signal)
            logger.warning('%s; going on, as guard="warn" has it', said)
