"""Which samples are decoded next: a budget of memory, and an order. No torch, no model.

Work comes as prompts, each with samples to draw. A prompt takes its tokens in memory from its first
sample's start to its last one's end, and a sample in flight takes as many as it may grow to. What
ends makes room for what waits.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

LEAN_ROWS = 32
"""Samples in flight that cost hardly more than one: a step reads every weight anyway."""

WAVE_SHARE = 8
"""New samples start once they are this part of those in flight: many small starts slow all down."""


class Start(NamedTuple):
    """A sample to start."""

    prompt: int
    sample: int


@dataclass(slots=True)
class _Open:
    """A prompt with samples in flight or still to start, whose keys and values are held."""

    started: int = 0
    ended: int = 0
    in_flight: set[int] = field(default_factory=set[int])


class Schedule:
    """Hands out samples to start as memory allows, the longest prompts first.

    What is in flight, in tokens, is the sum of the lengths of the prompts held and of the sizes of
    the samples started and not ended. It stays within `max_tokens`, save that a single sample of a
    single prompt is started whatever it takes.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        sizes: Sequence[Sequence[int]],
        *,
        max_tokens: int,
        max_rows: int,
        cautious: bool = False,
    ) -> None:
        """Plan samples of N prompts.

        Args:
            lengths: Tokens that holding each prompt takes. Length N.
            sizes: Of each prompt, the most tokens of each of its samples. Length N.
            max_tokens: Budget of tokens in flight.
            max_rows: Most samples in flight.
            cautious: Samples may turn out not to be wanted (`stop`), so a prompt starts one, and
                then no more than twice those that ended, unless the batch would be lean.
        """
        self._lengths = lengths
        self._sizes = sizes
        self._max_tokens = max_tokens
        self._max_rows = max_rows
        self._cautious = cautious
        # Longest first, so that what does not fit shows at the start.
        order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
        self._waiting = deque(i for i in order if sizes[i])
        self._open: dict[int, _Open] = {}
        self.rows = 0
        """Samples in flight."""

        self.tokens = 0
        """Tokens in flight, by the formula above."""

    def starts(self) -> list[Start]:
        """Samples to start now, counted as in flight from here on; none if it is better to wait."""
        picked, tokens = self._picked()
        if not picked or len(picked) * WAVE_SHARE < self.rows:
            return []
        for prompt, sample in picked:
            if prompt not in self._open:
                self._waiting.popleft()
            one = self._open.setdefault(prompt, _Open())
            one.started = sample + 1
            one.in_flight.add(sample)
        self.rows += len(picked)
        self.tokens = tokens
        return picked

    def held(self, prompt: int) -> bool:
        """Whether a prompt's keys and values are in memory, or to be."""
        return prompt in self._open

    def wanted(self, prompt: int, sample: int) -> bool:
        """Whether a sample is in flight."""
        return prompt in self._open and sample in self._open[prompt].in_flight

    def end(self, prompt: int, sample: int) -> None:
        """A sample in flight has ended."""
        one = self._open[prompt]
        one.in_flight.remove(sample)
        one.ended += 1
        self.rows -= 1
        self.tokens -= self._sizes[prompt][sample]
        if not one.in_flight and one.started == len(self._sizes[prompt]):
            self._close(prompt)

    def stop(self, prompt: int) -> None:
        """No more samples of a prompt are wanted, those in flight included."""
        if prompt in self._open:
            for sample in self._open[prompt].in_flight:
                self.rows -= 1
                self.tokens -= self._sizes[prompt][sample]
            self._close(prompt)

    def _close(self, prompt: int) -> None:
        del self._open[prompt]
        self.tokens -= self._lengths[prompt]

    def _picked(self) -> tuple[list[Start], int]:
        """What there is room for, and the tokens then in flight."""
        picked: list[Start] = []
        ahead = {prompt: one.started for prompt, one in self._open.items()}
        tokens = self.tokens
        for prompt in ahead:
            tokens = self._pick(tokens, ahead, prompt, picked)
        for prompt in self._waiting:
            if not self._fits(tokens + self._lengths[prompt] + self._sizes[prompt][0], picked):
                break
            ahead[prompt] = 0
            tokens = self._pick(tokens + self._lengths[prompt], ahead, prompt, picked)
        if self._cautious:
            tokens = self._pick_more(tokens, ahead, picked)
        return picked, tokens

    def _pick(self, tokens: int, ahead: dict[int, int], prompt: int, picked: list[Start]) -> int:
        """Add samples of a prompt from its place in `ahead` on; the tokens then in flight."""
        sizes = self._sizes[prompt]
        last = len(sizes)
        if self._cautious:
            ended = self._open[prompt].ended if prompt in self._open else 0
            last = min(last, max(1, 2 * ended))
        while ahead[prompt] < last and self._fits(tokens + sizes[ahead[prompt]], picked):
            tokens += sizes[ahead[prompt]]
            picked.append(Start(prompt, ahead[prompt]))
            ahead[prompt] += 1
        return tokens

    def _pick_more(self, tokens: int, ahead: dict[int, int], picked: list[Start]) -> int:
        """Add samples that may not be wanted while they are nearly free, one a prompt in turn."""
        going_on = True
        while going_on:
            going_on = False
            for prompt, sample in ahead.items():
                sizes = self._sizes[prompt]
                lean = self.rows + len(picked) < LEAN_ROWS
                if lean and sample < len(sizes) and self._fits(tokens + sizes[sample], picked):
                    tokens += sizes[sample]
                    picked.append(Start(prompt, sample))
                    ahead[prompt] += 1
                    going_on = True
        return tokens

    def _fits(self, tokens: int, picked: list[Start]) -> bool:
        rows = self.rows + len(picked)
        return rows == 0 or (tokens <= self._max_tokens and rows < self._max_rows)
