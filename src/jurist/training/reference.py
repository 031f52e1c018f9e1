"""Log-probabilities under a reference model: computed once, then data.

The reference is never in memory together with the policy that is trained against it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch.nn import Module

from jurist.errors import StoreError
from jurist.storage import write_json
from jurist.training.batch import collate
from jurist.training.examples import Example
from jurist.training.forward import BatchReader, reply_logps
from jurist.training.plan import parts_of_process, share_of
from jurist.training.processes import is_sharded, progress_on_main, spread


@torch.no_grad()
def reference_logps(
    model: Module,
    examples: Sequence[Example],
    *,
    max_tokens: int,
    pad_id: int,
    accelerator: Accelerator,
    bf16: bool = False,
) -> list[tuple[float, ...]]:
    """Log-probability of every reply under a model.

    Args:
        model: The reference, in evaluation mode.
        examples: The rows.
        max_tokens: Most tokens in a forward pass.
        pad_id: Token that padding is filled with.
        accelerator: Processes and devices; each process does its share.
        bf16: Compute in bfloat16, as the policy will.

    Returns:
        For each row one number per sequence, in nats, summed over the reply's tokens.
    """
    reader = BatchReader(model)
    sharded = is_sharded(accelerator)
    # Without gradients to sum, whole models need not meet.
    called = spread(reader, accelerator) if sharded else reader.to(accelerator.device)
    # By length, so that little is padded; by prompt, so that neighbours share it.
    order = sorted(
        range(len(examples)),
        key=lambda index: (
            examples[index].prompt_length,
            examples[index].sequences[0].prompt,
            examples[index].longest,
            index,
        ),
    )
    parts, num_own = parts_of_process(
        [examples[index] for index in order],
        accelerator.process_index,
        accelerator.num_processes,
        max_tokens=max_tokens,
        shared=reader.shared,
        in_step=sharded,
    )
    own = share_of(order, accelerator.process_index, accelerator.num_processes)
    found: list[tuple[int, tuple[float, ...]]] = []
    shown = progress_on_main(accelerator, "reference", len(own), "rows")
    with shown as advance, reader.reading():
        for number, part in enumerate(parts):
            batch = collate(part, shared=reader.shared, pad_id=pad_id, device=accelerator.device)
            with torch.autocast(
                accelerator.device.type, torch.bfloat16, enabled=bf16, cache_enabled=not sharded
            ):
                logps = reply_logps(called, batch)
            if number < num_own:
                here = own[len(found) : len(found) + len(part)]
                found += zip(here, map(tuple, logps.T.tolist()), strict=True)
                advance(len(part))
    if accelerator.num_processes > 1:
        found = cast(list[tuple[int, tuple[float, ...]]], gather_object(found))
    return [logps for _, logps in sorted(found)]


def with_reference(
    examples: Sequence[Example], logps: Sequence[tuple[float, ...]]
) -> list[Example]:
    """The rows with reference log-probabilities."""
    return [
        replace(example, reference_logps=values)
        for example, values in zip(examples, logps, strict=True)
    ]


def write_reference(
    path: Path, examples: Sequence[Example], *, inputs: Mapping[str, object]
) -> None:
    """Keep the reference log-probabilities of rows, whole or not at all.

    Raises:
        StoreError: If they cannot be written.
    """
    logps = {example.key.hex(): example.reference_logps for example in examples}
    write_json(path, {"inputs": dict(inputs), "logps": logps})


def read_reference(
    path: Path, examples: Sequence[Example], *, inputs: Mapping[str, object]
) -> list[tuple[float, ...]] | None:
    """Read what `write_reference` kept, or None if it kept none for these inputs.

    Raises:
        StoreError: If the file is damaged.
    """
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        if content["inputs"] != json.loads(json.dumps(dict(inputs))):
            return None
        return [tuple(content["logps"][example.key.hex()]) for example in examples]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: damaged ({error!r}); delete it") from error
