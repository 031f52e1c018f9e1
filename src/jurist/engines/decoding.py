"""Decoding replies step by step: where their keys and values are, and how a token is drawn.

Dimension key: P = prompts in the batch, N = samples of each, R = P * N replies, V = vocabulary.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from jurist.engines.shared_prefix import ReplyCache, shared_prefix

KEEP_SHARE = 0.75
"""Finished replies leave the batch when that makes it smaller than this share of its size."""

COMMON_TOKENS = 1_024
"""Tokens that top-p looks at first; where they do not hold enough probability, all are sorted."""


class Steps(Protocol):
    """Decoding of a batch after its prompts were read: one token of every reply at a time."""

    def attending(self) -> AbstractContextManager[None]:
        """The model is set up to decode while the block runs."""
        ...

    def compact(self, open_rows: Tensor) -> Tensor | None:
        """Drop finished replies where that pays.

        Args:
            open_rows: Which replies go on. Shape: [R].

        Returns:
            Rows kept, of which some may have finished, or None if all are kept.
        """
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Logits after one more token of every reply. Shape: [R] -> [R, V], float32."""
        ...


class SharedSteps:
    """All samples of a prompt decode against one copy of its keys and values."""

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: DynamicCache,
        mask: Tensor,
        *,
        num_samples: int,
        room: int,
    ) -> None:
        """Begin after the prompts.

        Args:
            model: One that `shared_prefix.supported` supports.
            prompts: Keys and values of the prompts, padded on the left.
            mask: Which places of the prompts are theirs. Shape: [P, L].
            num_samples: N.
            room: Most tokens of a reply.
        """
        lengths = mask.sum(-1)
        self.model = model
        self.cache = ReplyCache(prompts, lengths, num_samples, room)
        self.positions = lengths.repeat_interleave(num_samples)

    def attending(self) -> AbstractContextManager[None]:
        """The model attends over prompt and reply apart while the block runs."""
        return shared_prefix(self.model)

    def compact(self, open_rows: Tensor) -> Tensor | None:
        """Keep the prompts that have a reply going on, and of each as many replies as the most."""
        grid = open_rows.view(-1, self.cache.num_samples)
        going_on = grid.sum(-1)
        prompts = going_on.nonzero()[:, 0]
        most = int(going_on.max())
        if len(prompts) * most > KEEP_SHARE * open_rows.numel():
            return None
        # Replies that go on first, each prompt's in their order.
        samples = (~grid[prompts]).to(torch.int8).argsort(dim=-1, stable=True)[:, :most]
        kept = (prompts[:, None] * self.cache.num_samples + samples).flatten()
        self.cache.keep(prompts, samples)
        self.positions = self.positions[kept]
        return kept

    def step(self, tokens: Tensor) -> Tensor:
        """Logits after one more token of every reply."""
        output: Any = self.model(
            input_ids=tokens[:, None],
            position_ids=self.positions[:, None],
            past_key_values=self.cache,
            use_cache=True,
            shared_prefix=self.cache,
        )
        self.cache.length += 1
        self.positions = self.positions + 1
        return output.logits[:, -1].float()


class PlainSteps:
    """Every reply has a copy of its prompt's keys and values: right for any decoder."""

    def __init__(
        self, model: PreTrainedModel, prompts: DynamicCache, mask: Tensor, *, num_samples: int
    ) -> None:
        """Begin after the prompts; arguments as those of `SharedSteps`."""
        prompts.batch_repeat_interleave(num_samples)
        self.model = model
        self.cache = prompts
        self.mask = mask.repeat_interleave(num_samples, dim=0)
        self.positions = self.mask.sum(-1)

    def attending(self) -> AbstractContextManager[None]:
        """Nothing to set up."""
        return nullcontext()

    def compact(self, open_rows: Tensor) -> Tensor | None:
        """Keep the replies that go on."""
        kept = open_rows.nonzero()[:, 0]
        if len(kept) > KEEP_SHARE * len(open_rows):
            return None
        self.cache.batch_select_indices(kept)
        self.mask, self.positions = self.mask[kept], self.positions[kept]
        return kept

    def step(self, tokens: Tensor) -> Tensor:
        """Logits after one more token of every reply."""
        self.mask = torch.cat((self.mask, self.mask.new_ones(len(tokens), 1)), dim=-1)
        output: Any = self.model(
            input_ids=tokens[:, None],
            attention_mask=self.mask,
            position_ids=self.positions[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        self.positions = self.positions + 1
        return output.logits[:, -1].float()


def uniforms(seed: int, num: int) -> npt.NDArray[np.float64]:
    """The random numbers of one reply, one for each of its steps.

    Args:
        seed: The sample's own.
        num: How many steps at most.

    Returns:
        Numbers in [0, 1). Shape: [num]. The first few do not depend on `num`.
    """
    return np.random.Generator(np.random.Philox(key=seed)).random(num)


def draw(logits: Tensor, at: Tensor, *, temperature: float, top_p: float) -> Tensor:
    """Draw a token of every reply by inverting its cumulative distribution.

    Args:
        logits: Float32. Shape: [R, V].
        at: Where in each distribution to draw, float64 in [0, 1). Shape: [R].
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Draws from the fewest likeliest tokens that hold this much probability together.

    Returns:
        Token ids. Shape: [R].
    """
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits / temperature).softmax(-1)
    if top_p < 1:
        probabilities = _nucleus(probabilities, top_p)
    cumulative = probabilities.double().cumsum(-1)
    # Rounding may leave the total a little off 1, so a place is a share of what there is. The
    # largest number below 1, times the total, is below the total however it is rounded; and
    # searching from the right steps over tokens of no probability, so none of them is ever found.
    places = at[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, places, right=True)[:, 0]


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Probabilities with all but the nucleus set to 0 (Holtzman et al. 2020). Shape: [R, V]."""
    common = min(COMMON_TOKENS, probabilities.shape[-1])
    likeliest, tokens = probabilities.topk(common, dim=-1)
    if common < probabilities.shape[-1] and bool((likeliest.sum(-1) < top_p).any()):
        likeliest, tokens = probabilities.sort(dim=-1, descending=True)
    # A token is in if those before it do not hold enough yet; so the first always is.
    before = likeliest.double().cumsum(-1) - likeliest
    kept = torch.where(before < top_p, likeliest, 0.0)
    return torch.zeros_like(probabilities).scatter_(-1, tokens, kept)
