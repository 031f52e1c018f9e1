"""Which rows are learnt together: the optimizer steps of a training, and the parts of a step."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeVar

from jurist.training.examples import Example

Item = TypeVar("Item")

POOL_BATCHES = 16
"""Batches whose rows are sorted together by length, so that parts of a batch are of one size."""


def plan(
    examples: Sequence[Example], *, batch_size: int, epochs: int, seed: int
) -> list[list[int]]:
    """Which rows each optimizer step learns from.

    Every epoch draws a new order by hash, so the plan depends on the rows' content and the seed,
    and neither on the order the rows came in nor on what the process did before. Rows with one
    prompt stay together, as far as a step holds them, so that the model reads the prompt once.
    Within pools of 16 batches, rows with prompts of about one length go together: sorting by the
    length of the whole would put short replies into batches of their own.

    Args:
        examples: All rows.
        batch_size: Rows per step, at most.
        epochs: Times each row occurs.
        seed: Of the order.

    Returns:
        Indices into `examples`, by step; rows with one prompt stand beside each other.
    """
    keys = [example.key for example in examples]
    units = _units(examples, keys, batch_size)
    steps: list[list[int]] = []
    for epoch in range(epochs):
        salt = f"{seed}/{epoch}/".encode()
        draw = {unit[0]: hashlib.sha256(salt + keys[unit[0]]).digest() for unit in units}
        order = sorted(units, key=lambda unit: (draw[unit[0]], keys[unit[0]]))
        batches: list[list[list[int]]] = []
        for pool in _pools(order, batch_size * POOL_BATCHES):
            pool.sort(key=lambda unit: examples[unit[0]].prompt_length)
            batches += _batches(pool, batch_size)
        batches.sort(key=lambda batch: hashlib.sha256(draw[batch[0][0]]).digest())
        steps += [[index for unit in batch for index in unit] for batch in batches]
    return steps


def _units(examples: Sequence[Example], keys: Sequence[bytes], batch_size: int) -> list[list[int]]:
    """Rows with one prompt, in the order of their content, cut where a step holds no more."""
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for index, example in enumerate(examples):
        by_prompt.setdefault(example.sequences[0].prompt, []).append(index)
    units: list[list[int]] = []
    for rows in by_prompt.values():
        rows.sort(key=lambda index: keys[index])
        parts = -(-len(rows) // batch_size)
        units += map(list, _even(rows, parts))
    return units


def _even(rows: Sequence[Item], parts: int) -> list[Sequence[Item]]:
    return [rows[len(rows) * n // parts : len(rows) * (n + 1) // parts] for n in range(parts)]


def _pools(units: Sequence[list[int]], num_rows: int) -> Iterator[list[list[int]]]:
    """Cut units, in their order, into pools of at most so many rows."""
    pool: list[list[int]] = []
    size = 0
    for unit in units:
        if size + len(unit) > num_rows:
            yield pool
            pool, size = [], 0
        pool.append(unit)
        size += len(unit)
    yield pool


def _batches(pool: list[list[int]], batch_size: int) -> list[list[list[int]]]:
    """Cut the units of a pool, in their order, into as few steps as hold them, of about one size.

    With one row per unit, steps differ by one row at most.
    """
    total = sum(map(len, pool))
    count = -(-total // batch_size)
    while True:
        # A unit goes to the first step whose share of the rows ends no earlier than it does.
        ends = [total * (step + 1) // count for step in range(count)]
        batches: list[list[list[int]]] = [[] for _ in ends]
        end = 0
        for unit in pool:
            end += len(unit)
            batches[bisect_left(ends, end)].append(unit)
        if all(sum(map(len, batch)) <= batch_size for batch in batches):
            return [batch for batch in batches if batch]
        count += 1


def micro_batches(
    examples: Sequence[Example], *, max_tokens: int, shared: bool
) -> Iterator[Sequence[Example]]:
    """Cut the rows of a step, in their order, into as few parts as fit `max_tokens` each.

    A row that is too long by itself goes alone.

    Args:
        examples: The rows.
        max_tokens: Most tokens of a part.
        shared: Whether each prompt of a part counts once; else tokens count padding, too.
    """
    start = 0
    while start < len(examples):
        end, tokens, longest = start, 0, 0
        prompts: set[tuple[int, ...]] = set()
        while end < len(examples):
            for sequence in examples[end].sequences:
                longest = max(longest, len(sequence.ids))
                new = sequence.prompt not in prompts
                tokens += len(sequence.ids) - (0 if new else sequence.prompt_length)
                prompts.add(sequence.prompt)
            padded = longest * len(examples[end].sequences) * (end + 1 - start)
            if (tokens if shared else padded) > max_tokens and end > start:
                break
            end += 1
        yield examples[start:end]
        start = end


def share_of(rows: Sequence[Item], process: int, num_processes: int) -> Sequence[Item]:
    """The rows one of several processes computes: in one piece, since neighbours share prompts."""
    return _even(rows, num_processes)[process]


def parts_of_process(
    rows: Sequence[Example],
    process: int,
    num_processes: int,
    *,
    max_tokens: int,
    shared: bool,
    in_step: bool,
) -> tuple[list[Sequence[Example]], int]:
    """The parts of a step that one process computes.

    Args:
        rows: Of the step. Each process computes its share of them (`share_of`).
        process: Which one.
        num_processes: How many there are.
        max_tokens: Most tokens of a part.
        shared: Whether each prompt of a part counts once; else tokens count padding, too.
        in_step: All processes must compute as many parts as the others: they put the model's
            layers together for every part. Else each computes its own, and one at least, since
            all meet after the last.

    Returns:
        The parts, and how many of them count. Those after them are the step's shortest row, which
        another process learns from.
    """
    of_all = [
        list(
            micro_batches(
                share_of(rows, other, num_processes), max_tokens=max_tokens, shared=shared
            )
        )
        for other in range(num_processes)
    ]
    own = of_all[process]
    num_calls = max(map(len, of_all)) if in_step else max(1, len(own))
    shortest = min(rows, key=lambda row: row.longest)
    return own + [[shortest]] * (num_calls - len(own)), len(own)
