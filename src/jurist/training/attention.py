"""Attention of several continuations over one copy of their prompt.

The prompt and what continues it are a tree, and who sees whom there is for `jurist.training.forest`
to say. The model is transformers' own; only its attention function is exchanged while it trains.

On a CPU the attention of a tree is put together from causal attention within each stem and branch,
and attention of all branches over their stem: the two softmaxes of a branch's token are merged by
their log-sum-exp (as in Dao et al. 2022, section 3.1), so that no mask over the whole sequence is
ever made. On CUDA it is FlexAttention with a block mask. Attention with dropout, and capped scores
on a CPU, take the explicit way: all scores of a tree at once.

Dimension key: T = tokens of the packed sequence, H = heads, K = heads of keys and values, D = width
of a head; of a part: N = stems or branches in it, Q = most queries of one, S = most keys of one.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module
from transformers import AttentionInterface, PreTrainedModel

from jurist.models.attending import can_exchange_attention
from jurist.training.forest import Forest

NAME = "jurist_tree"

SUPPORTED = frozenset(
    {
        "gemma",
        "gemma2",
        "gemma3_text",
        "gpt2",
        "llama",
        "mistral",
        "olmo2",
        "qwen2",
        "qwen3",
        "smollm3",
    }
)
"""Architectures whose losses and gradients the tests compare with those of padded rows."""

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class _TreeAttention(torch.autograd.Function):
    """Attention of packed trees on a CPU.

    Each part gives an output and a log-sum-exp. The gradient of a part of a softmax is that of the
    whole with the whole's output and log-sum-exp in place of its own, so that the backward kernel
    serves parts as it serves wholes.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - untyped in torch
        query: Tensor,
        key: Tensor,
        value: Tensor,
        forest: Forest,
        scale: float,
        window: int | None,
    ) -> Tensor:
        """Query [T, H, D], key and value [T, K, D]; output [T, H, D]."""
        size, num_heads, _ = query.shape
        group = num_heads // key.shape[1]
        queries, keys, values = (
            _spare(query),
            _heads(_spare(key), group),
            _heads(_spare(value), group),
        )
        output = torch.zeros_like(queries)
        lse = torch.zeros(size + 1, num_heads)
        for part in forest.own:
            found, sums = _flash(
                _rows(queries, part.queries),
                _rows(keys, part.keys),
                _rows(values, part.keys),
                0.0,
                part.causal and part.mask(window) is None,
                attn_mask=part.mask(window),
                scale=scale,
            )
            output[part.queries] = _packed(found, part.queries)
            lse[part.queries] = _packed(sums, part.queries)
        for part in forest.over_stems:
            found, sums = _flash(
                _rows(queries, part.queries),
                _rows(keys, part.keys),
                _rows(values, part.keys),
                0.0,
                False,
                attn_mask=part.mask(window),
                scale=scale,
            )
            sums, own = _packed(sums, part.queries), lse[part.queries]
            both = torch.logaddexp(sums, own)
            merged = _packed(found, part.queries).float() * (sums - both).exp()[..., None]
            merged += output[part.queries].float() * (own - both).exp()[..., None]
            output[part.queries] = merged.to(output.dtype)
            lse[part.queries] = both
        ctx.save_for_backward(query, key, value, output, lse)
        ctx.settings = (forest, scale, window)
        return output[:size]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradients of query, key and value."""
        (gradient,) = grad_outputs
        # In float32 whatever the states are in: torch's backward kernel is slower in bfloat16, by
        # four times for short branches, and less exact.
        query, key, value, output, lse = (saved.float() for saved in ctx.saved_tensors)
        dtype = gradient.dtype
        forest, scale, window = ctx.settings
        size, num_heads, _ = query.shape
        group = num_heads // key.shape[1]
        queries, keys, values = (
            _spare(query),
            _heads(_spare(key), group),
            _heads(_spare(value), group),
        )
        gradients = _spare(gradient.float())
        of_query, of_key, of_value = (torch.zeros_like(queries) for _ in range(3))
        for part in (*forest.own, *forest.over_stems):
            mask = part.mask(window)
            found = _flash_backward(
                _rows(gradients, part.queries),
                _rows(queries, part.queries),
                _rows(keys, part.keys),
                _rows(values, part.keys),
                _rows(output, part.queries),
                _rows(lse, part.queries).contiguous(),
                0.0,
                part.causal and mask is None,
                attn_mask=mask,
                scale=scale,
            )
            for total, places, addend in (
                (of_query, part.queries, found[0]),
                (of_key, part.keys, found[1]),
                (of_value, part.keys, found[2]),
            ):
                total[places] += _packed(addend, places)
        of_key, of_value = (
            total[:size].unflatten(1, (-1, group)).sum(dim=2) for total in (of_key, of_value)
        )
        return of_query[:size].to(dtype), of_key.to(dtype), of_value.to(dtype), None, None, None


def _spare(packed: Tensor) -> Tensor:
    """With one row of zeros more, which padding reads and writes.

    A query of zeros has scores of zero and weights below 1, and its gradient is zero: whatever it
    meets, nothing of it comes out.
    """
    return F.pad(packed, (0, 0, 0, 0, 0, 1))


def _heads(packed: Tensor, group: int) -> Tensor:
    return packed if group == 1 else packed.repeat_interleave(group, dim=1)


def _rows(packed: Tensor, places: Tensor | slice) -> Tensor:
    """From [T + 1, H, ...] to [N, H, Q, ...]."""
    taken = packed[places]
    return (taken if isinstance(places, Tensor) else taken[None]).transpose(1, 2)


def _packed(rows: Tensor, places: Tensor | slice) -> Tensor:
    """From [N, H, Q, ...] to what stands at places of [T + 1, H, ...]."""
    rows = rows.transpose(1, 2)
    return rows if isinstance(places, Tensor) else rows[0]


def _explicit(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    forest: Forest,
    *,
    scale: float,
    window: int | None,
    softcap: float | None,
    dropout: float,
) -> Tensor:
    """Attention tree by tree with all scores of a tree. Shapes as in `_TreeAttention`."""
    group = query.shape[1] // key.shape[1]
    keys, values = _heads(key, group), _heads(value, group)
    found: list[Tensor] = []
    for tree in forest.trees:
        scores = torch.einsum("qhd,khd->hqk", query[tree], keys[tree]).float() * scale
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        places = torch.arange(tree.start, tree.stop, device=query.device)
        seen = forest.seen(places[:, None], places, window)
        weights = scores.masked_fill(~seen, float("-inf")).softmax(dim=-1).to(query.dtype)
        weights = F.dropout(weights, dropout)
        found.append(torch.einsum("hqk,khd->qhd", weights, values[tree]))
    return torch.cat(found)


def tree_attention(
    module: Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    forest: Forest,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Attention of packed trees.

    Args:
        module: The attention layer.
        query: Shape: [1, H, T, D].
        key: Shape: [1, K, T, D].
        value: Shape: [1, K, T, D].
        attention_mask: Not used: the forest says who sees whom.
        forest: The trees.
        scaling: Factor of the scores; 1 / sqrt(D) if None.
        dropout: Share of the weights that is dropped.
        sliding_window: Positions that a token sees, its own included; None for all.
        softcap: Bound of the scores, which a tanh brings them to; None for none.
        kwargs: What other attention functions take. `shares_prefixes` refuses models that need it.

    Returns:
        Output, shape [1, T, H, D], and no weights.
    """
    forest.num_calls += 1
    kind = query.device.type
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # What torch's own attention does under autocast.
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype
    query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if kind == "cuda" and not dropout:
        from transformers.integrations.flex_attention import flex_attention_forward

        output, _ = flex_attention_forward(
            module,
            query,
            key,
            value,
            forest.block_mask(sliding_window),
            scaling=scale,
            softcap=softcap,
        )
        return output, None
    queries, keys, values = (states[0].transpose(0, 1) for states in (query, key, value))
    if kind == "cpu" and not dropout and softcap is None:
        output = _TreeAttention.apply(queries, keys, values, forest, scale, sliding_window)
    else:
        output = _explicit(
            queries,
            keys,
            values,
            forest,
            scale=scale,
            window=sliding_window,
            softcap=softcap,
            dropout=dropout,
        )
    return cast(Tensor, output)[None], None


AttentionInterface.register(NAME, tree_attention)


def shares_prefixes(model: PreTrainedModel) -> bool:
    """Whether a model can read packed trees.

    Others, among them those whose layers hand state from token to token, read padded rows.
    """
    config = model.config.get_text_config()
    return (
        config.model_type in SUPPORTED
        and can_exchange_attention(model)
        and not getattr(config, "use_bidirectional_attention", None)
    )
