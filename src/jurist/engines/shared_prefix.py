"""Attention of many replies over one copy of their prompt's keys and values.

All samples of a prompt share its keys and values. A reply's attention is one softmax over two
parts: scores against the prompt, computed for all its samples in one matrix product, and scores
against the reply's own tokens. The model is transformers' own; only its attention function and its
cache are exchanged while replies are decoded.

Dimension key: P = prompts in the batch, N = samples of each, H = heads, K = heads of keys and
values, G = H / K, L = prompt tokens, S = reply tokens so far, D = width of a head.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.cache_utils import DynamicCache

NAME = "jurist_shared_prefix"


class ReplyCache(DynamicCache):
    """Keys and values of P prompts, and of the N replies to each as they grow."""

    def __init__(self, prompts: DynamicCache, lengths: Tensor, num_samples: int, room: int) -> None:
        """Start with empty replies.

        Args:
            prompts: Cache of the prompts, padded on the left.
            lengths: Tokens of each prompt. Shape: [P].
            num_samples: N.
            room: Longest reply.
        """
        super().__init__()
        layers: list[Any] = prompts.layers
        self.prompt_keys: list[Tensor] = [layer.keys for layer in layers]  # each [P, K, L, D]
        self.prompt_values: list[Tensor] = [layer.values for layer in layers]
        longest = self.prompt_keys[0].shape[2]
        padding = longest - lengths[:, None] > torch.arange(longest, device=lengths.device)
        bias = torch.zeros(padding.shape, device=lengths.device)
        # Shape [P, 1, 1, L]: added to float32 scores, so the least float32 shuts a place out.
        self.bias = bias.masked_fill(padding, torch.finfo(torch.float32).min)[:, None, None]
        num_prompts, num_heads, _, width = self.prompt_keys[0].shape
        shape = (num_prompts * num_samples, num_heads, room, width)
        self.keys = [keys.new_empty(shape) for keys in self.prompt_keys]
        self.values = [values.new_empty(shape) for values in self.prompt_values]
        self.num_samples = num_samples
        self.length = 0

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        layer_idx: int,
        *args: object,
        **kwargs: object,
    ) -> tuple[Tensor, Tensor]:
        """Append one token to every reply; return the replies' keys and values so far."""
        self.keys[layer_idx][:, :, self.length] = key_states[:, :, 0]
        self.values[layer_idx][:, :, self.length] = value_states[:, :, 0]
        end = self.length + 1
        return self.keys[layer_idx][:, :, :end], self.values[layer_idx][:, :, :end]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens of the longest prompt and of its replies so far."""
        return self.prompt_keys[0].shape[2] + self.length

    def keep(self, prompts: Tensor, samples: Tensor) -> None:
        """Drop all but some prompts, and all but some samples of each.

        Args:
            prompts: Indices of the prompts kept. Shape: [P'].
            samples: Indices of the samples kept of each of them. Shape: [P', N'].
        """
        rows = (prompts[:, None] * self.num_samples + samples).flatten()
        self.prompt_keys = [keys[prompts] for keys in self.prompt_keys]
        self.prompt_values = [values[prompts] for values in self.prompt_values]
        self.bias = self.bias[prompts]
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]
        self.num_samples = samples.shape[1]


def shared_prefix_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    shared_prefix: ReplyCache,
    scaling: float | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Attention of one new token of every reply.

    Args:
        module: The attention layer; its `layer_idx` says which prompt keys are meant.
        query: Shape: [P * N, H, 1, D].
        key: The replies' own. Shape: [P * N, K, S, D].
        value: The replies' own. Shape: [P * N, K, S, D].
        attention_mask: Not used: replies are not padded, and padding of prompts is in the cache.
        shared_prefix: The cache that holds the prompts.
        scaling: Factor of the scores; 1 / sqrt(D) if None.
        kwargs: What other attention functions take; `supported` refuses models that rely on it.

    Returns:
        Output, shape [P * N, 1, H, D], and no weights.
    """
    cache = shared_prefix
    prompt_keys = cache.prompt_keys[module.layer_idx]  # pyright: ignore[reportArgumentType, reportCallIssue]
    prompt_values = cache.prompt_values[module.layer_idx]  # pyright: ignore[reportArgumentType, reportCallIssue]
    num_rows, num_heads, _, width = query.shape
    num_prompts, num_kv, longest, _ = prompt_keys.shape
    samples, group = cache.num_samples, num_heads // num_kv
    scale = width**-0.5 if scaling is None else scaling

    own_query = query.view(num_rows, num_kv, group, width)
    # [P, K, N * G, D]: all samples of a prompt meet its keys in one product.
    by_prompt = own_query.view(num_prompts, samples, num_kv, group, width).transpose(1, 2)
    by_prompt = by_prompt.reshape(num_prompts, num_kv, samples * group, width)
    over_prompt = (by_prompt @ prompt_keys.transpose(2, 3)).float() * scale + cache.bias
    over_own = (own_query @ key.transpose(2, 3)).float() * scale  # [P * N, K, G, S]
    over_own = over_own.view(num_prompts, samples, num_kv, group, -1).transpose(1, 2)
    over_own = over_own.reshape(num_prompts, num_kv, samples * group, -1)

    weights = torch.cat((over_prompt, over_own), dim=-1).softmax(dim=-1).to(query.dtype)
    from_prompt = weights[..., :longest] @ prompt_values  # [P, K, N * G, D]
    own_weights = weights[..., longest:].view(num_prompts, num_kv, samples, group, -1)
    own_weights = own_weights.transpose(1, 2).reshape(num_rows, num_kv, group, -1)
    from_own = own_weights @ value  # [P * N, K, G, D]
    from_prompt = from_prompt.view(num_prompts, num_kv, samples, group, width).transpose(1, 2)
    output = from_prompt.reshape(num_rows, num_kv, group, width) + from_own
    return output.reshape(num_rows, 1, num_heads, width), None


AttentionInterface.register(NAME, shared_prefix_attention)


def supported(model: PreTrainedModel) -> bool:
    """Whether a model's attention is the plain one that `shared_prefix_attention` computes.

    Sliding windows, capped scores and attention sinks are not; such models decode the usual way.
    """
    config = model.config.get_text_config()
    return (
        model._can_set_attn_implementation()  # pyright: ignore[reportPrivateUsage]
        and not getattr(config, "sliding_window", None)
        and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
        and getattr(config, "attn_logit_softcapping", None) is None
        and config.model_type in SUPPORTED
    )


SUPPORTED = frozenset({"llama", "mistral", "qwen2", "qwen3", "gemma", "gpt2", "smollm3", "olmo2"})
"""Architectures whose logits the tests compare with plain decoding, or share code with one."""


@contextmanager
def shared_prefix(model: PreTrainedModel) -> Generator[None]:
    """Have the model attend through `shared_prefix_attention` while the block runs."""
    usual = model.config._attn_implementation  # pyright: ignore[reportPrivateUsage]
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(usual or "sdpa")
