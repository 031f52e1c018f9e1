"""Log-probabilities over a large vocabulary without its logits in memory. Pure functions.

Dimension key: M = tokens, C = tokens of a chunk, D = width of a hidden state, V = vocabulary.
"""

from typing import Any

import torch
from torch import Tensor

CHUNK_LOGITS = 1 << 24
"""Logits in memory at once, in float32: 64 MiB."""


def token_logps_from_hidden(
    hidden: Tensor, weight: Tensor, labels: Tensor, *, softcap: float | None = None
) -> Tensor:
    """Log-probability of each token under a linear output head, in chunks of tokens.

    The logits `hidden @ weight.T` are made for some tokens at a time, and again in the backward
    pass: never for all tokens at once. Equal to `token_logps` of all of them up to rounding.

    Args:
        hidden: States that predict the tokens. Shape: [M, D].
        weight: Of the head, without bias. Shape: [V, D].
        labels: Token ids. Shape: [M].
        softcap: Bound that a tanh brings the logits to, as in Gemma 2; None for none.

    Returns:
        Log-probabilities in nats, float32 whatever the other dtypes. Shape: [M].

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> token_logps_from_hidden(torch.zeros(2, 3), torch.ones(4, 3), torch.tensor([0, 3]))
        tensor([-1.3863, -1.3863])
    """
    if hidden.ndim != 2 or hidden.shape[1:] != weight.shape[1:] or labels.shape != hidden.shape[:1]:
        raise ValueError(
            f"hidden must be [M, D], weight [V, D] and labels [M]; got {list(hidden.shape)}, "
            f"{list(weight.shape)} and {list(labels.shape)}"
        )
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    logps: Any = _ChunkedLogps.apply(hidden.to(dtype), weight.to(dtype), labels, softcap)
    return logps


class _ChunkedLogps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - untyped in torch
        hidden: Tensor,
        weight: Tensor,
        labels: Tensor,
        softcap: float | None,
    ) -> Tensor:
        logps = torch.empty(len(labels), device=hidden.device)
        sums = torch.empty_like(logps)
        for chunk in _chunks(len(labels), len(weight)):
            logits = _logits(hidden[chunk], weight, softcap)
            sums[chunk] = logits.logsumexp(dim=-1)
            logps[chunk] = logits.gather(-1, labels[chunk, None])[:, 0] - sums[chunk]
        ctx.save_for_backward(hidden, weight, labels, sums)
        ctx.softcap = softcap
        return logps

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (gradient,) = grad_outputs
        hidden, weight, labels, sums = ctx.saved_tensors
        of_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        of_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for chunk in _chunks(len(labels), len(weight)):
            logits = _logits(hidden[chunk], weight, ctx.softcap)
            bound = None if ctx.softcap is None else 1 - (logits / ctx.softcap).square()
            # d logp / d logits = one-hot - softmax
            slope = logits.sub_(sums[chunk, None]).exp_().mul_(-gradient[chunk, None])
            slope.scatter_add_(-1, labels[chunk, None], gradient[chunk, None])
            slope = (slope if bound is None else slope.mul_(bound)).to(hidden.dtype)
            if of_hidden is not None:
                of_hidden[chunk] = slope @ weight
            if of_weight is not None:
                of_weight.addmm_(slope.T, hidden[chunk])
        return of_hidden, of_weight, None, None


def _chunks(num_tokens: int, vocabulary: int) -> list[slice]:
    size = max(1, CHUNK_LOGITS // vocabulary)
    return [slice(start, start + size) for start in range(0, num_tokens, size)]


def _logits(hidden: Tensor, weight: Tensor, softcap: float | None) -> Tensor:
    """Shape: [C, V]."""
    logits = (hidden @ weight.T).float()
    return logits if softcap is None else logits.div_(softcap).tanh_().mul_(softcap)
