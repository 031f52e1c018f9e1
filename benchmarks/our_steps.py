"""This package's training, one optimizer step for each line read; see `benchmarks.against_trl`.

python -m benchmarks.our_steps SETTINGS.json
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import Module

from jurist.models.load import load_causal, load_scalar
from jurist.training import PairLossConfig, TrainingConfig, forward
from jurist.training.batch import Batch
from jurist.training.examples import Encoded, Example
from jurist.training.loop import LossFunction, train
from jurist.training.processes import make_accelerator
from jurist.training.reference import reference_logps, with_reference


class OnDemand:
    """A loss that waits for a line before the first part of each step."""

    def __init__(self, loss: LossFunction, notes: dict[str, float]) -> None:
        self.loss = loss
        self.notes = notes
        self.started: tuple[float, float] | None = None

    def __call__(self, model: Module, batch: Batch) -> Tensor:
        """The loss, when it is time."""
        # Gradients are dropped at the end of a step and summed up until then.
        if all(parameter.grad is None for parameter in model.parameters()):
            self._wait()
        return self.loss(model, batch)

    def _wait(self) -> None:
        if self.started is not None:
            wall, busy = (
                time.perf_counter() - self.started[0],
                time.process_time() - self.started[1],
            )
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            print(json.dumps({"wall": wall, "busy": busy, "peak": peak}), flush=True)
        print(json.dumps({"ready": True, **self.notes}), flush=True)
        if not sys.stdin.readline():
            raise SystemExit
        self.started = time.perf_counter(), time.process_time()


def main() -> None:
    """Train as the settings say until no more lines come."""
    settings = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(settings["threads"])
    method, model = settings["method"], settings["model"]
    examples = [
        Example(
            name=str(number),
            sequences=tuple(
                Encoded(ids=row["prompt"] + reply, prompt_length=len(row["prompt"]))
                for reply in row["replies"]
            ),
        )
        for number, row in enumerate(settings["rows"])
    ]
    config = TrainingConfig(
        learning_rate=1e-6,
        epochs=10_000,
        batch_size=settings["rows_per_step"],
        micro_batch_tokens=settings["micro_batch_tokens"],
        bf16=settings["bf16"],
        checkpoint_every=1_000_000,
    )
    accelerator = make_accelerator()
    loaded = load_scalar(model) if method == "scalar" else load_causal(model)
    if settings["gradient_checkpointing"]:
        loaded.activation_checkpointing_enable()
    notes: dict[str, float] = {}
    losses: dict[str, LossFunction] = {
        "supervised": forward.supervised,
        "scalar": forward.bradley_terry,
        "dpo": lambda reader, batch: forward.pairs(reader, batch, loss=PairLossConfig(beta=0.1)),
    }
    if method == "dpo":
        started = time.process_time()
        logps = reference_logps(
            loaded,
            examples,
            max_tokens=config.micro_batch_tokens,
            pad_id=0,
            accelerator=accelerator,
            bf16=config.bf16,
        )
        notes["reference_seconds_per_row"] = (time.process_time() - started) / len(examples)
        examples = with_reference(examples, logps)
    with tempfile.TemporaryDirectory() as folder:
        train(
            loaded,
            examples,
            OnDemand(losses[method], notes),
            config,
            seed=0,
            work=Path(folder),
            inputs={},
            pad_id=int(loaded.config.pad_token_id or 0),
            accelerator=accelerator,
        )


if __name__ == "__main__":
    main()
