"""Attention over a part of the keys, and the merging of two parts into the whole.

The softmax over two sets of keys is the two softmaxes weighted by their shares of the whole sum
(log-sum-exp merging, as in online softmax: Milakov and Gimelshein 2018). So a reply's attention to
its prompt and to its own tokens can be computed apart, each where its keys and values lie.

Dimension key: B = batch, K = heads of keys and values, M = queries of one such head, L = keys,
D = width of a head.
"""

import torch
from torch import Tensor


def attention(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    *,
    scale: float,
    softcap: float | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Attention of queries over some keys, all of which they see unless a bias shuts them out.

    Args:
        query: Shape: [B, K, M, D].
        keys: At least one. Shape: [B, K, L, D].
        values: Shape: [B, K, L, D].
        scale: Factor of the scores.
        softcap: Bounds scores s to softcap * tanh(s / softcap), if there is one (Gemma 2).
        bias: Added to the scores. Shape: [M, L].

    Returns:
        Output, shape [B, K, M, D], and the log-sum-exp of the scores, float32, shape [B, K, M].
    """
    if query.device.type == "cpu" and softcap is None:
        # One pass over blocks of keys with no table of scores. It is what
        # scaled_dot_product_attention runs on a CPU, which hides the log-sum-exp.
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, keys, values, attn_mask=bias, scale=scale
        )
    scores = (query @ keys.transpose(2, 3)).float() * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if bias is not None:
        scores = scores + bias
    total = scores.logsumexp(-1)
    weights = torch.exp(scores - total[..., None])
    return weights.to(values.dtype) @ values, total


def merged(
    output: Tensor, log_total: Tensor, other_output: Tensor, other_log_total: Tensor
) -> Tensor:
    """Attention over two sets of keys from the attention over each.

    Args:
        output: Over the one. Shape: [..., D].
        log_total: Log-sum-exp of its scores; minus infinity if it holds no keys. Shape: [...].
        other_output: Over the other. Shape: [..., D].
        other_log_total: Of its scores, finite. Shape: [...].

    Returns:
        Output over both, in the type of `output`. Shape: [..., D].
    """
    # e^a / (e^a + e^b) = sigmoid(a - b). Written out, since torch's sigmoid rounds the last few
    # numbers of a tensor otherwise than those before them, and scattered ones too: what a reply's
    # bits are would depend on how many others there are.
    share = 1 / (1 + torch.exp((other_log_total - log_total).contiguous()))[..., None]
    return torch.lerp(other_output.float(), output.float(), share).to(output.dtype)
