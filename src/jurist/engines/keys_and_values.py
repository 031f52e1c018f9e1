"""What decoding holds in memory: keys and values of prompts, and of replies as they grow.

Dimension key: R = replies, K = heads of keys and values, L = tokens of a prompt, D = width of a
head.
"""

from collections.abc import Sequence

from torch import Tensor

KEEP_SHARE = 0.75
"""A wave moves to less memory when its replies need no more than this share of it."""


class Prefix:
    """Keys and values of one prompt, in each layer of shape [1, K, L, D]."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []


class Wave:
    """Replies that began at the same step, so that all are of one length."""

    def __init__(self, prompts: list[int], room: int) -> None:
        """Start with empty replies.

        Args:
            prompts: Which prompt each replies to. Length R.
            room: Most tokens that one of them is stepped over.
        """
        self.prompts = prompts
        self._capacity = len(prompts)
        self.room = room
        self.length = 0
        self.keys: list[Tensor] = []  # each [R, K, room, D]
        self.values: list[Tensor] = []

    def append(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Keep a token's key and value of every reply. Shapes: 2 x [R, K, 1, D]."""
        if layer == len(self.keys):
            rows, heads, _, width = key.shape
            self.keys.append(key.new_empty(rows, heads, self.room, width))
            self.values.append(value.new_empty(rows, heads, self.room, width))
        self.keys[layer][:, :, self.length] = key[:, :, 0]
        self.values[layer][:, :, self.length] = value[:, :, 0]

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop all replies but some; the last ones take the places of those dropped.

        Memory is given back when a quarter of it is no longer needed, so what is held is at most a
        third more than what the replies that go on may grow to.

        Args:
            rows: Places of those kept, ascending.

        Returns:
            The places as they were of the replies as they now stand.
        """
        count = len(rows)
        staying = [row for row in rows if row < count]
        movers = list(rows[len(staying) :])
        holes = sorted(set(range(count)).difference(staying))
        order = list(range(count))
        for hole, mover in zip(holes, movers, strict=True):
            order[hole] = mover
        shrinks = count <= KEEP_SHARE * self._capacity
        for held in (self.keys, self.values):
            for layer, tensor in enumerate(held):
                # Beyond this nothing was written yet.
                written = tensor[:, :, : self.length]
                if shrinks:
                    held[layer] = tensor.new_empty(count, *tensor.shape[1:])
                    held[layer][:, :, : self.length] = written[order]
                else:
                    if movers:
                        written[holes] = written[movers]
                    held[layer] = tensor[:count]
        if shrinks:
            self._capacity = count
        self.prompts = [self.prompts[row] for row in order]
        return order
