"""Attention of several continuations over one copy of their prompt.

A tree is a stem, the prompt's tokens once, and branches that continue it. A branch sees the stem
and itself, and not the other branches; trees of a sequence see nothing of each other. The model is
transformers' own; only its attention function is exchanged while it trains.

On a CPU the attention of a tree is put together from causal attention within each stem and branch,
and attention of all branches over their stem: the two softmaxes of a branch's token are merged by
their log-sum-exp (as in Dao et al. 2022, section 3.1), so that no mask over the whole sequence is
ever made. On CUDA it is FlexAttention with a block mask. Attention with dropout, and capped scores
on a CPU, take the explicit way: all scores of a tree at once.

Dimension key: T = tokens of the packed sequence, H = heads, K = heads of keys and values, D = width
of a head; of a part: N = stems or branches in it, Q = most queries of one, S = most keys of one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module
from transformers import AttentionInterface, PreTrainedModel

from jurist.models.attending import can_exchange_attention

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

_SHUT = -1e38
"""Added to scores that do not count. Finite, for where a query has no key in a part at all."""

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class Tree(NamedTuple):
    """Sizes of a stem and of its branches, in tokens. Packed in this order."""

    stem: int
    branches: tuple[int, ...] = ()

    @property
    def num_tokens(self) -> int:
        """Tokens of all of it."""
        return self.stem + sum(self.branches)


@dataclass(frozen=True, slots=True)
class _Part:
    """Queries that attend to keys: a stem or branch to itself, or branches to their stem."""

    queries: Tensor | slice
    """Places in the packed sequence, T where a row has fewer. Shape: [N, Q]; a slice if N is 1."""

    keys: Tensor | slice
    """Shape: [N, S]; a slice if N is 1."""

    causal: bool
    """Whether queries and keys are the same tokens."""

    positions: Tensor
    """Position of each query, from the first key of its row on. Shape: [N, Q]."""

    lengths: Tensor
    """How many keys each row has. Shape: [N]."""

    num_keys: int
    """S."""

    reach: int
    """Positions between a query and the farthest key of its own."""

    masks: dict[int | None, Tensor | None] = field(default_factory=dict[int | None, Tensor | None])

    def mask(self, window: int | None) -> Tensor | None:
        """What is added to the scores, or None if nothing has to be. Shape: [N or 1, 1, 1 or Q, S].

        Args:
            window: Positions that a query sees, its own included; None for all.
        """
        if window is not None and window > self.reach:
            window = None
        if window not in self.masks:
            self.masks[window] = self._mask(window)
        return self.masks[window]

    def _mask(self, window: int | None) -> Tensor | None:
        places = torch.arange(self.num_keys, device=self.positions.device)
        if self.causal:
            if window is None:
                return None
            distance = places[:, None] - places
            seen = ((distance >= 0) & (distance < window))[None, None]
        else:
            seen = (places < self.lengths[:, None])[:, None, None]
            if window is not None:
                seen = seen & (self.positions[:, None, :, None] - places < window)
            if bool(seen.all()):
                return None
        return torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, _SHUT)


class Forest:
    """Where the trees of a packed sequence are, as its attention needs to know."""

    def __init__(self, trees: Sequence[Tree], device: torch.device) -> None:
        """Lay out trees one after another.

        Args:
            trees: Their sizes. Every stem and branch has a token at least.
            device: Where the sequence is.
        """
        self.device = device
        self.num_tokens = sum(tree.num_tokens for tree in trees)
        self.trees: list[slice] = []
        segments: list[tuple[int, int]] = []  # Of every stem and branch: its place, its length.
        crosses: list[tuple[int, int, int]] = []  # Of every tree with branches, in tokens.
        tree_of: list[int] = []
        branch_of: list[int] = []
        positions: list[int] = []
        start = 0
        for number, tree in enumerate(trees):
            self.trees.append(slice(start, start + tree.num_tokens))
            if tree.branches:
                crosses.append((start, tree.stem, sum(tree.branches)))
            tree_of += [number] * tree.num_tokens
            for branch, length in enumerate((tree.stem, *tree.branches)):
                segments.append((start, length))
                first = tree.stem if branch else 0
                branch_of += [branch] * length
                positions += range(first, first + length)
                start += length
        self.tree_of = torch.tensor(tree_of, device=device)
        self.branch_of = torch.tensor(branch_of, device=device)
        self.positions = torch.tensor(positions, device=device)
        """Position of every token in its sequence. Shape: [T]."""
        self.own = [self._own(bucket) for bucket in _buckets(segments, lambda one: one[1:])]
        self.over_stems = [self._cross(bucket) for bucket in _buckets(crosses, lambda one: one[1:])]
        self.num_calls = 0
        """Times a layer has attended by this forest."""
        self.block_masks: dict[int | None, Any] = {}

    def _own(self, bucket: Sequence[tuple[int, int]]) -> _Part:
        places, lengths = self._places(bucket)
        longest = max(length for _, length in bucket)
        positions = torch.arange(longest, device=self.device).expand(len(bucket), -1)
        return _Part(places, places, True, positions, lengths, longest, longest - 1)

    def _cross(self, bucket: Sequence[tuple[int, int, int]]) -> _Part:
        queries, _ = self._places([(start + stem, count) for start, stem, count in bucket])
        keys, lengths = self._places([(start, stem) for start, stem, _ in bucket])
        padded = F.pad(self.positions, (0, 1))
        positions = padded[queries] if isinstance(queries, Tensor) else padded[queries][None]
        longest, reach = int(lengths.max()), int(positions.max())
        return _Part(queries, keys, False, positions, lengths, longest, reach)

    def _places(self, spans: Sequence[tuple[int, int]]) -> tuple[Tensor | slice, Tensor]:
        lengths = torch.tensor([length for _, length in spans], device=self.device)
        if len(spans) == 1:
            ((start, length),) = spans
            return slice(start, start + length), lengths
        starts = torch.tensor([start for start, _ in spans], device=self.device)
        steps = torch.arange(int(lengths.max()), device=self.device)
        places = starts[:, None] + steps
        return places.masked_fill(steps >= lengths[:, None], self.num_tokens), lengths

    def seen(self, query: Tensor, key: Tensor, window: int | None) -> Tensor:
        """Whether queries see keys, given by their places in the packed sequence."""
        distance = self.positions[query] - self.positions[key]
        branch = self.branch_of[key]
        seen = self.tree_of[query] == self.tree_of[key]
        seen = seen & ((branch == 0) | (branch == self.branch_of[query])) & (distance >= 0)
        return seen if window is None else seen & (distance < window)

    def block_mask(self, window: int | None) -> Any:  # noqa: ANN401 - torch leaves it untyped
        """The mask of FlexAttention."""
        from torch.nn.attention.flex_attention import create_block_mask

        if window not in self.block_masks:

            def seen(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
                return self.seen(query, key, window)

            size = self.num_tokens
            self.block_masks[window] = create_block_mask(
                seen, None, None, size, size, device=str(self.device)
            )
        return self.block_masks[window]


def _buckets(
    items: Sequence[tuple[int, ...]], sizes: Callable[[Any], tuple[int, ...]]
) -> list[list[Any]]:
    """Group what is of about one size, so that little is padded and little is looped over."""
    buckets: list[list[Any]] = []
    least: tuple[int, ...] = ()
    for item in sorted(items, key=sizes, reverse=True):
        size = sizes(item)
        if buckets and all(new >= old for new, old in zip(size, least, strict=True)):
            buckets[-1].append(item)
        else:
            buckets.append([item])
            least = tuple(min(most - 16, most * 7 // 8) for most in size)
    return buckets


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
