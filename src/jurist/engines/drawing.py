"""Drawing tokens by inverting their distribution, and saying how likely they were.

Rows of logits are worked off in blocks that stay in the cache of a processor, and the place of a
draw is found first among chunks of the vocabulary and then within one: the whole row is summed,
never scanned.

Dimension key: R = replies, B = replies of a block, V = vocabulary, C = chunks of it.
"""

from collections.abc import Generator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

CHUNK_TOKENS = 256
"""Tokens of a chunk: about the square root of a vocabulary makes either search short."""

BLOCK_LOGITS = 2**19
"""Logits of a block on a CPU, 2 MB in float32."""

COMMON_TOKENS = 1_024
"""Tokens that top-p looks at first; where they do not hold enough probability, all are sorted."""


def uniforms(seed: int, num: int) -> npt.NDArray[np.float64]:
    """The random numbers of one reply, one for each of its steps.

    Args:
        seed: The sample's own.
        num: How many steps at most.

    Returns:
        Numbers in [0, 1). Shape: [num]. The first few do not depend on `num`.
    """
    return np.random.Generator(np.random.Philox(key=seed)).random(num)


def draw(logits: Tensor, at: Tensor, *, temperature: float, top_p: float) -> tuple[Tensor, Tensor]:
    """Draw a token of every reply by inverting its cumulative distribution.

    Args:
        logits: Of any float type; worked with in float32. Shape: [R, V].
        at: Where in each distribution to draw, float64 in [0, 1). Shape: [R].
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Draws from the fewest likeliest tokens that hold this much probability together.

    Returns:
        Token ids, shape [R], and their log-probabilities at temperature 1 and top_p 1 in nats,
        float64, shape [R].
    """
    tokens: list[Tensor] = []
    logps: list[Tensor] = []
    for block, begin, end in _blocks(logits):
        # Less their maximum, so that the likeliest token weighs 1.
        block -= block.amax(-1, keepdim=True)
        if temperature == 0:
            drawn, total = block.argmax(-1), block.exp().sum(-1)
            chosen = block.gather(-1, drawn[:, None])[:, 0]
        elif temperature == 1:
            weights = block.exp()
            drawn, total = _inverse(weights, at[begin:end], top_p)
            chosen = block.gather(-1, drawn[:, None])[:, 0]
        else:
            total = block.exp().sum(-1)
            drawn, _ = _inverse((block / temperature).exp(), at[begin:end], top_p)
            chosen = block.gather(-1, drawn[:, None])[:, 0]
        tokens.append(drawn)
        logps.append(chosen.double() - total.double().log())
    return torch.cat(tokens), torch.cat(logps)


def follow(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Take given tokens: themselves and their log-probabilities, as `draw` returns them."""
    logps = [
        block.log_softmax(-1).gather(-1, tokens[begin:end, None])[:, 0].double()
        for block, begin, end in _blocks(logits)
    ]
    return tokens, torch.cat(logps)


def _blocks(logits: Tensor) -> Generator[tuple[Tensor, int, int]]:
    """Blocks of rows in float32, to be changed at will, and which rows they are."""
    rows, tokens = logits.shape
    size = max(1, BLOCK_LOGITS // tokens) if logits.device.type == "cpu" else rows
    for begin in range(0, rows, size):
        end = min(begin + size, rows)
        yield logits[begin:end].to(torch.float32, copy=True), begin, end


def _inverse(weights: Tensor, at: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Invert distributions given as weights.

    Args:
        weights: Not negative, of any sum. Shape: [B, V].
        at: Shape: [B].
        top_p: As `draw` takes it.

    Returns:
        Token ids, shape [B], and the sum of all weights, float64, shape [B].
    """
    sums = _chunk_sums(weights)
    total = sums.sum(-1)
    if top_p < 1:
        weights = _nucleus(weights, total, top_p)
        sums = _chunk_sums(weights)
    cumulative = sums.cumsum(-1)
    # The largest number below 1, times the sum, is below the sum however it is rounded; and
    # searching from the right steps over chunks of no weight, so none of them is ever found.
    places = at[:, None] * cumulative[:, -1:]
    chunks = torch.searchsorted(cumulative, places, right=True)
    places = places - (cumulative - sums).gather(-1, chunks)
    tokens = chunks * CHUNK_TOKENS + torch.arange(CHUNK_TOKENS, device=weights.device)
    inside = weights.gather(-1, tokens.clamp(max=weights.shape[-1] - 1)).double()
    inside = inside.masked_fill(tokens >= weights.shape[-1], 0.0)
    within = inside.cumsum(-1)
    # A chunk's float32 sum may exceed what its weights add up to here: its last token takes that.
    last = CHUNK_TOKENS - 1 - (inside > 0).flip(-1).int().argmax(-1, keepdim=True)
    found = torch.searchsorted(within, places.clamp(min=0.0), right=True).minimum(last)
    return (chunks * CHUNK_TOKENS + found)[:, 0], total


def _chunk_sums(weights: Tensor) -> Tensor:
    """Sums over chunks of the vocabulary, float64. Shape: [B, V] -> [B, C]."""
    rows, tokens = weights.shape
    whole = tokens - tokens % CHUNK_TOKENS
    sums = weights[:, :whole].view(rows, -1, CHUNK_TOKENS).sum(-1)
    if whole < tokens:
        sums = torch.cat((sums, weights[:, whole:].sum(-1, keepdim=True)), dim=-1)
    return sums.double()


def _nucleus(weights: Tensor, total: Tensor, top_p: float) -> Tensor:
    """Weights with all but the nucleus set to 0 (Holtzman et al. 2020). Shape: [B, V].

    Where tokens of one weight lie on its edge, which of them are in depends on the row alone.
    """
    enough = top_p * total
    nucleus = torch.zeros_like(weights)
    common = min(COMMON_TOKENS, weights.shape[-1])
    likeliest, tokens = weights.topk(common, dim=-1)
    nucleus.scatter_(-1, tokens, _kept(likeliest, enough))
    if common < weights.shape[-1]:
        wide = (likeliest.double().sum(-1) < enough).nonzero()[:, 0]
        if len(wide):
            likeliest, tokens = weights[wide].sort(dim=-1, descending=True)
            kept = _kept(likeliest, enough[wide])
            nucleus[wide] = torch.zeros_like(kept).scatter_(-1, tokens, kept)
    return nucleus


def _kept(likeliest: Tensor, enough: Tensor) -> Tensor:
    """Weights in descending order, with all but those in the nucleus set to 0."""
    before = likeliest.double().cumsum(-1) - likeliest
    # A token is in if those before it do not hold enough yet; so the first always is.
    return torch.where(before < enough[:, None], likeliest, 0.0)
