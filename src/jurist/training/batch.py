"""From examples to tensors: packed trees, or padded rows for models that cannot read trees.

Dimension key: B = rows, S = sequences of a row (1 or 2), N = S * B, T = tokens, R = tokens of the
longest reply, M = tokens of all replies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jurist.training.examples import Encoded, Example
from jurist.training.forest import Forest, Tree


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Examples as tensors. Sequences are counted by their place in a row: first ones, then second.

    A place is where a token stands in `ids`, counted row by row.
    """

    ids: Tensor
    """Token ids. Shape: [1, T] of packed trees, or [N, T] of rows padded on the right."""

    forest: Forest | None
    """The trees in `ids`, or None if it holds padded rows."""

    attention_mask: Tensor | None
    """Of padded rows, 1 at tokens, 0 at padding. Shape: [N, T]."""

    sources: Tensor
    """Place of the token before each token of each reply: what predicts it. Shape: [M]."""

    labels: Tensor
    """Token ids of all replies, by sequence. Shape: [M]."""

    reply_mask: Tensor
    """True where a sequence has a reply token. Shape: [N, R]."""

    ends: Tensor
    """Place that the reward of each sequence is read at. Shape: [N]."""

    weights: Tensor
    """Shape: [B]."""

    reference_logps: Tensor
    """In nats. Shape: [S, B], or [0, B] if there are none."""

    progress: float
    """Share of the training's optimizer steps that are done, for a loss that changes with it."""


def collate(
    examples: Sequence[Example],
    *,
    shared: bool,
    pad_id: int,
    device: torch.device,
    progress: float = 0.0,
) -> Batch:
    """Examples as one batch on a device.

    Args:
        examples: The rows.
        shared: Pack them as trees: the tokens of each prompt once, whatever row they are from.
        pad_id: Token that padding is filled with. A reward is read at the last other token, which
            is where transformers' sequence classifiers read it.
        device: Where to.
        progress: Share of the training that is done.
    """
    sequences = [
        example.sequences[place]
        for place in range(len(examples[0].sequences))
        for example in examples
    ]
    rows, trees, places = _packed(sequences) if shared else _padded(sequences, pad_id)
    sources = [
        place
        for sequence, where in zip(sequences, places, strict=True)
        for place in where[sequence.prompt_length - 1 : -1]
    ]
    labels = [token for sequence in sequences for token in sequence.ids[sequence.prompt_length :]]
    replies = torch.tensor([[len(one.ids) - one.prompt_length] for one in sequences])
    lengths = torch.tensor([[len(sequence.ids)] for sequence in sequences])
    width = len(rows[0])
    return Batch(
        ids=torch.tensor(rows, device=device),
        forest=Forest(trees, device) if shared else None,
        attention_mask=None if shared else (torch.arange(width) < lengths).long().to(device),
        sources=torch.tensor(sources, dtype=torch.long, device=device),
        labels=torch.tensor(labels, dtype=torch.long, device=device),
        reply_mask=(torch.arange(int(replies.max())) < replies).to(device),
        ends=torch.tensor(
            [
                where[_last_other(sequence.ids, pad_id)]
                for sequence, where in zip(sequences, places, strict=True)
            ],
            device=device,
        ),
        weights=torch.tensor([example.weight for example in examples], device=device),
        reference_logps=torch.tensor(
            [example.reference_logps for example in examples], device=device
        ).T,
        progress=progress,
    )


def _packed(sequences: Sequence[Encoded]) -> tuple[list[list[int]], list[Tree], list[list[int]]]:
    """One row of trees, their sizes, and the places of every sequence's tokens."""
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for number, sequence in enumerate(sequences):
        by_prompt.setdefault(sequence.prompt, []).append(number)
    ids: list[int] = []
    trees: list[Tree] = []
    places: list[list[int]] = [[] for _ in sequences]
    for prompt, members in by_prompt.items():
        start = len(ids)
        stem = list(range(start, start + len(prompt)))
        ids += prompt
        branches: list[int] = []
        for number in members:
            tail = sequences[number].ids[len(prompt) :]
            places[number] = [*stem, *range(len(ids), len(ids) + len(tail))]
            ids += tail
            if tail:
                branches.append(len(tail))
        # A lone branch and its stem are a plain sequence.
        trees.append(
            Tree(len(prompt), tuple(branches))
            if len(branches) > 1
            else Tree(len(prompt) + sum(branches))
        )
    return [ids], trees, places


def _padded(
    sequences: Sequence[Encoded], pad_id: int
) -> tuple[list[list[int]], list[Tree], list[list[int]]]:
    width = max(len(sequence.ids) for sequence in sequences)
    rows = [sequence.ids + [pad_id] * (width - len(sequence.ids)) for sequence in sequences]
    places = [
        list(range(row * width, row * width + len(sequence.ids)))
        for row, sequence in enumerate(sequences)
    ]
    return rows, [], places


def _last_other(ids: Sequence[int], token: int) -> int:
    """Index of the last id that is not `token`; 0 if all are."""
    return next((index for index in range(len(ids) - 1, 0, -1) if ids[index] != token), 0)
