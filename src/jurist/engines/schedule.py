"""Which samples are decoded next: a budget of memory, and an order. No torch, no model.

Work comes as prompts, each with samples to draw. A prompt takes its tokens in memory from its first
sample's start until no more samples of it can be wanted, and a sample in flight takes as many as it
may grow to. What ends makes room for what waits.
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
    """A prompt whose keys and values are held, or will be."""

    started: int = 0
    in_flight: set[int] = field(default_factory=set[int])


class Schedule:
    """Hands out samples to start as memory allows, the longest prompts first.

    Prompts are opened in groups, for what is wanted of one may depend on what another said. What is
    in flight, in tokens, is the sum of the lengths of the prompts held and of the sizes of the
    samples started and not ended. It stays within `max_tokens`, save that when nothing is in flight
    a group is opened, and a single sample of it started, whatever that takes.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        sizes: Sequence[Sequence[int]],
        *,
        max_tokens: int,
        max_rows: int,
        groups: Sequence[range] | None = None,
        lean_rows: int = LEAN_ROWS,
        ahead: int = 1,
    ) -> None:
        """Plan samples of N prompts, all of which are wanted unless `want` or `stop` says else.

        Args:
            lengths: Tokens that holding each prompt takes. Length N.
            sizes: Of each prompt, the most tokens of each of its samples. Length N.
            max_tokens: Budget of tokens in flight.
            max_rows: Most samples in flight.
            groups: Prompts that are opened together; each by itself if None.
            lean_rows: With fewer in flight, samples are started that may not be wanted.
            ahead: When more of a prompt are wanted, so many times as many are started.
        """
        self._lengths = lengths
        self._sizes = sizes
        self._max_tokens = max_tokens
        self._max_rows = max_rows
        self._lean_rows = lean_rows
        self._ahead = ahead
        self._num_wanted = [len(row) for row in sizes]
        self._num_to_start = self._num_wanted.copy()
        if groups is None:
            groups = [range(i, i + 1) for i in range(len(lengths))]
        # Longest first, so that what does not fit shows at the start.
        self._waiting = deque(
            sorted(groups, key=lambda group: (-max(lengths[i] for i in group), group.start))
        )
        self._open: dict[int, _Open] = {}
        self._over = {i for i, row in enumerate(sizes) if not row}
        self.groups = groups
        """Prompts that are opened together."""

        self.rows = 0
        """Samples in flight."""

        self.tokens = 0
        """Tokens in flight, by the formula above."""

    def starts(self) -> list[Start]:
        """Samples to start now, counted as in flight from here on; none if it is better to wait."""
        picked, num_opened, tokens = self._picked()
        if not picked or len(picked) * WAVE_SHARE < self.rows:
            return []
        for _ in range(num_opened):
            self._open.update(
                (prompt, _Open()) for prompt in self._not_over(self._waiting.popleft())
            )
        for prompt, sample in picked:
            self._open[prompt].started = sample + 1
            self._open[prompt].in_flight.add(sample)
        self.rows += len(picked)
        self.tokens = tokens
        return picked

    def want(self, prompt: int, count: int) -> None:
        """The first so many samples of a prompt are wanted; of others nothing is known yet."""
        before = self._num_wanted[prompt] if prompt in self._open else count
        self._num_wanted[prompt] = count
        most = len(self._sizes[prompt])
        self._num_to_start[prompt] = min(before + self._ahead * (count - before), most)

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
        self.rows -= 1
        self.tokens -= self._sizes[prompt][sample]
        if not one.in_flight and one.started == len(self._sizes[prompt]):
            self._close(prompt)

    def stop(self, prompt: int) -> None:
        """No more samples of a prompt are wanted, those in flight included."""
        self._over.add(prompt)
        if prompt in self._open:
            for sample in self._open[prompt].in_flight:
                self.rows -= 1
                self.tokens -= self._sizes[prompt][sample]
            self._close(prompt)

    def _close(self, prompt: int) -> None:
        del self._open[prompt]
        self.tokens -= self._lengths[prompt]

    def _not_over(self, group: range) -> list[int]:
        return [prompt for prompt in group if prompt not in self._over]

    def _picked(self) -> tuple[list[Start], int, int]:
        """What there is room for, how many groups that opens, and the tokens then in flight."""
        picked: list[Start] = []
        ahead = {prompt: one.started for prompt, one in self._open.items()}
        tokens = self.tokens
        for prompt in ahead:
            tokens = self._pick(tokens, ahead, prompt, picked)
        num_opened = 0
        for group in self._waiting:
            prompts = self._not_over(group)
            needed = sum(self._lengths[prompt] + self._sizes[prompt][0] for prompt in prompts)
            if not self._fits(tokens + needed, picked):
                break
            num_opened += 1
            ahead.update(dict.fromkeys(prompts, 0))
            tokens += sum(self._lengths[prompt] for prompt in prompts)
            for prompt in prompts:
                tokens = self._pick(tokens, ahead, prompt, picked)
        return picked, num_opened, self._pick_more(tokens, ahead, picked)

    def _pick(self, tokens: int, ahead: dict[int, int], prompt: int, picked: list[Start]) -> int:
        """Add what is wanted of a prompt from `ahead` on; the tokens then in flight."""
        sizes = self._sizes[prompt]
        lacking = ahead[prompt] < self._num_wanted[prompt]
        last = self._num_to_start[prompt] if lacking else 0
        while ahead[prompt] < last and self._fits(tokens + sizes[ahead[prompt]], picked):
            tokens += sizes[ahead[prompt]]
            picked.append(Start(prompt, ahead[prompt]))
            ahead[prompt] += 1
        return tokens

    def _pick_more(self, tokens: int, ahead: dict[int, int], picked: list[Start]) -> int:
        """Add samples that may not be wanted while they are nearly free, one a prompt in turn.

        Of prompts with others in flight: to attend to one more prompt is never free.
        """
        if self.rows + len(picked) >= self._lean_rows:
            return tokens
        begun = {prompt for prompt, _ in picked}
        at_work = [
            prompt
            for prompt in ahead
            if prompt in begun or (prompt in self._open and self._open[prompt].in_flight)
        ]
        going_on = True
        while going_on:
            going_on = False
            for prompt in at_work:
                sample, sizes = ahead[prompt], self._sizes[prompt]
                lean = self.rows + len(picked) < self._lean_rows
                if lean and sample < len(sizes) and self._fits(tokens + sizes[sample], picked):
                    tokens += sizes[sample]
                    picked.append(Start(prompt, sample))
                    ahead[prompt] += 1
                    going_on = True
        return tokens

    def _fits(self, tokens: int, picked: list[Start]) -> bool:
        rows = self.rows + len(picked)
        return rows == 0 or (tokens <= self._max_tokens and rows < self._max_rows)
