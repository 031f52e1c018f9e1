"""Packed trees: several continuations after one copy of their prompt, and who sees whom there.

A tree is a stem, the prompt's tokens once, and branches that continue it. A branch sees the stem
and itself, and not the other branches; trees of a sequence see nothing of each other. How attention
is computed by it is for `jurist.training.attention`.

Dimension key: T = tokens of the packed sequence; of a part: N = stems or branches in it, Q = most
queries of one, S = most keys of one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_SHUT = -1e38
"""Added to scores that do not count. Finite, for where a query has no key in a part at all."""


class Tree(NamedTuple):
    """Sizes of a stem and of its branches, in tokens. Packed in this order."""

    stem: int
    branches: tuple[int, ...] = ()

    @property
    def num_tokens(self) -> int:
        """Tokens of all of it."""
        return self.stem + sum(self.branches)


@dataclass(frozen=True, slots=True)
class Part:
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
        """Stems and branches, each before itself."""
        self.over_stems = [self._cross(bucket) for bucket in _buckets(crosses, lambda one: one[1:])]
        """Branches, all those of a tree before their stem."""
        self.num_calls = 0
        """Times a layer has attended by this forest."""
        self.block_masks: dict[int | None, Any] = {}

    def _own(self, bucket: Sequence[tuple[int, int]]) -> Part:
        places, lengths = self._places(bucket)
        longest = max(length for _, length in bucket)
        positions = torch.arange(longest, device=self.device).expand(len(bucket), -1)
        return Part(places, places, True, positions, lengths, longest, longest - 1)

    def _cross(self, bucket: Sequence[tuple[int, int, int]]) -> Part:
        queries, _ = self._places([(start + stem, count) for start, stem, count in bucket])
        keys, lengths = self._places([(start, stem) for start, stem, _ in bucket])
        padded = F.pad(self.positions, (0, 1))
        positions = padded[queries] if isinstance(queries, Tensor) else padded[queries][None]
        longest, reach = int(lengths.max()), int(positions.max())
        return Part(queries, keys, False, positions, lengths, longest, reach)

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
