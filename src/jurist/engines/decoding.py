"""Continuous batching: replies start as others end, and all that are open take each step together.

What a sample is does not depend on what else is decoded: it is drawn with numbers of its own, from
logits that its prompt and its own tokens give. What is decoded together follows from the budget.

Dimension key: R = replies open, T = most tokens of a reply, V = vocabulary.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jurist.engines.schedule import Schedule, Start

Choice = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Chooses a token of every reply from its logits, [R, V], and the entry of its script, [R]: token
ids and their log-probabilities in nats, both [R]."""


class Decoder(Protocol):
    """A model that reads prompts once and then steps replies to them.

    Replies that go on are numbered 0 to R - 1, in an order that `keep` may change.
    """

    def begin(self, prompts: Mapping[int, Sequence[int]], rows: Sequence[int], room: int) -> Tensor:
        """Begin replies after those that go on.

        Args:
            prompts: Tokens of prompts not read before, by a number that stands for each.
            rows: Which prompt each new reply is to.
            room: Most tokens of one of them.

        Returns:
            Logits of the first token of each new reply. Shape: [len(rows), V].
        """
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Logits after one more token of every reply. Shape: [R] -> [R, V]."""
        ...

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop all replies but some.

        Args:
            rows: Numbers of those that go on, ascending.

        Returns:
            The same numbers in the order in which the replies stand from now on.
        """
        ...

    def forget(self, prompt: int) -> None:
        """Let go of a prompt to which there will be no more replies."""
        ...


class Ended(NamedTuple):
    """A sample as it came out."""

    prompt: int
    sample: int
    tokens: list[int]
    logp: float
    """Sum of the log-probabilities of its tokens, in nats."""

    stopped: bool
    """It ended itself; otherwise its script was over."""


@dataclass(slots=True)
class _Rows:
    """Everything known of the open replies besides what the decoder holds."""

    starts: list[Start]
    limits: Tensor
    """Most tokens of each. Shape: [R]."""

    scripts: Tensor
    """Shape: [R, T]."""

    tokens: Tensor
    """Chosen so far; what follows is not set. Shape: [R, T]."""

    lengths: Tensor
    """Tokens chosen so far. Shape: [R]."""

    logps: Tensor
    """Float64. Shape: [R]."""

    @classmethod
    def new(
        cls, starts: list[Start], scripts: Sequence[npt.NDArray[Any]], device: torch.device
    ) -> "_Rows":
        """Rows that have no token yet."""
        longest = max(map(len, scripts), default=0)
        padded = np.zeros((len(scripts), longest), scripts[0].dtype if scripts else np.float64)
        for row, script in enumerate(scripts):
            padded[row, : len(script)] = script
        count = len(starts)
        return cls(
            starts=starts,
            limits=torch.tensor([len(script) for script in scripts], device=device).long(),
            scripts=torch.from_numpy(padded).to(device),
            tokens=torch.zeros(count, longest, dtype=torch.long, device=device),
            lengths=torch.zeros(count, dtype=torch.long, device=device),
            logps=torch.zeros(count, dtype=torch.float64, device=device),
        )

    def choose(self, logits: Tensor, choice: Choice, stops: Tensor) -> list[Ended]:
        """Choose a token of every reply; those that are now over."""
        place = self.lengths[:, None]
        tokens, logps = choice(logits, self.scripts.gather(-1, place)[:, 0])
        self.tokens.scatter_(-1, place, tokens[:, None])
        self.logps += logps
        self.lengths += 1
        stopped = torch.isin(tokens, stops)
        # The one place of a step that waits for an accelerator.
        over = (stopped | (self.lengths == self.limits)).nonzero()[:, 0]
        if not len(over):
            return []
        return [
            Ended(start.prompt, start.sample, written[:length], logp, has_stopped)
            for start, written, length, logp, has_stopped in zip(
                [self.starts[row] for row in over.tolist()],
                self.tokens[over].tolist(),
                self.lengths[over].tolist(),
                self.logps[over].tolist(),
                stopped[over].tolist(),
                strict=True,
            )
        ]

    def last(self) -> Tensor:
        """The newest token of every reply. Shape: [R]."""
        return self.tokens.gather(-1, self.lengths[:, None] - 1)[:, 0]

    def at(self, rows: list[int]) -> "_Rows":
        """Some rows, in an order."""
        return _Rows(
            [self.starts[row] for row in rows],
            *(
                tensor[rows]
                for tensor in (self.limits, self.scripts, self.tokens, self.lengths, self.logps)
            ),
        )

    def and_then(self, other: "_Rows") -> "_Rows":
        """These rows and others after them."""
        # Scripts may be of unlike lengths, as those of `score` are.
        if not self.starts:
            return other
        longest = max(self.scripts.shape[1], other.scripts.shape[1])
        return _Rows(
            [*self.starts, *other.starts],
            torch.cat((self.limits, other.limits)),
            torch.cat((_widened(self.scripts, longest), _widened(other.scripts, longest))),
            torch.cat((_widened(self.tokens, longest), _widened(other.tokens, longest))),
            torch.cat((self.lengths, other.lengths)),
            torch.cat((self.logps, other.logps)),
        )


def decode(
    decoder: Decoder,
    schedule: Schedule,
    prompts: Sequence[Sequence[int]],
    script: Callable[[Start], npt.NDArray[Any]],
    choice: Choice,
    *,
    stops: Sequence[int],
    device: torch.device,
) -> Generator[Ended]:
    """Decode everything on a schedule.

    Args:
        decoder: One that has read nothing yet.
        schedule: What to decode, and when. The caller may `stop` a prompt between two samples that
            are yielded: what is in flight of it is dropped at once.
        prompts: Tokens of each.
        script: The entries of a sample, one for each token it may have.
        choice: How an entry chooses a token.
        stops: Tokens that end a reply.
        device: Where the model is.

    Yields:
        Each sample as it ends. Those that end at one step come in no order to rely on.
    """
    ending = torch.tensor(stops, dtype=torch.long, device=device)
    rows = _Rows.new([], [], device)
    held: set[int] = set()
    while True:
        if starts := schedule.starts():
            unread = {prompt: prompts[prompt] for prompt, _ in starts if prompt not in held}
            held.update(unread)
            fresh = _Rows.new(starts, [script(start) for start in starts], device)
            with torch.inference_mode():
                room = fresh.scripts.shape[1]
                logits = decoder.begin(unread, [prompt for prompt, _ in starts], room)
                ended = fresh.choose(logits, choice, ending)
                rows = rows.and_then(fresh)
        elif rows.starts:
            with torch.inference_mode():
                ended = rows.choose(decoder.step(rows.last()), choice, ending)
        else:
            return
        for one in ended:
            if schedule.wanted(one.prompt, one.sample):
                schedule.end(one.prompt, one.sample)
                yield one
        if ended:
            with torch.inference_mode():
                going_on = [row for row, one in enumerate(rows.starts) if schedule.wanted(*one)]
                rows = rows.at(decoder.keep(going_on))
            for prompt in [prompt for prompt in held if not schedule.held(prompt)]:
                decoder.forget(prompt)
                held.remove(prompt)


def _widened(table: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(table, (0, width - table.shape[1]))
