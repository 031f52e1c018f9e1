"""The one training loop. A method is examples and a loss; everything else is here.

The loss of an optimizer step is the sum over its rows of weight times loss, divided by the sum of
the weights. The denominator is that of the whole step, over all micro-batches and processes, so
that neither how the rows are cut up nor how they are packed or padded can change the result.

Checkpoints hold the trained weights and the optimizer's state, and no state of any random number
generator or schedule: dropout is seeded by the step, and the learning rate and the plan of the
batches are functions of it. Training goes on from one with the same bytes as if never stopped.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias, cast

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor
from torch.nn import Module, Parameter

from jurist.digest import derive_seed
from jurist.errors import StoreError, TrainingError
from jurist.storage import make_directory
from jurist.tracking import Told
from jurist.training.batch import Batch, collate
from jurist.training.checkpoint import (
    Checkpoint,
    newest_whole,
    read_checkpoint,
    step_folder,
    write_checkpoint,
)
from jurist.training.config import TrainingConfig
from jurist.training.examples import Example
from jurist.training.forward import BatchReader, PairLosses
from jurist.training.guard import Instability, TrainingGuard, weight_growth
from jurist.training.metrics import MetricsLog, read_metrics
from jurist.training.optim import (
    learning_rate,
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
)
from jurist.training.plan import parts_of_process, plan
from jurist.training.processes import (
    is_sharded,
    laid_out_as,
    local,
    progress_on_main,
    spread,
    whole,
    whole_on_main,
)

logger = logging.getLogger(__name__)

LossFunction: TypeAlias = Callable[[Module, Batch], Tensor | PairLosses]
"""Loss of each row of a batch under a `BatchReader`, not reduced. Shape: [B]."""


def train(
    model: Module,
    examples: Sequence[Example],
    loss_function: LossFunction,
    config: TrainingConfig,
    *,
    seed: int,
    work: Path,
    inputs: Mapping[str, object],
    pad_id: int,
    accelerator: Accelerator,
    told: Told,
) -> None:
    """Train a model in place, from the newest whole checkpoint in `work` if there is one.

    Args:
        model: Parameters that require gradients are trained.
        examples: The rows, checked (`check_examples`).
        loss_function: The method.
        config: How.
        seed: Of the order of rows and of dropout.
        work: Folder for checkpoints, `metrics.jsonl` and `timings.jsonl`.
        inputs: What the result depends on; noted in checkpoints and compared with theirs.
        pad_id: Token that padding is filled with, and that no reward is read at.
        accelerator: Processes and devices.
        told: Called by the main process with every step's numbers, those of the steps first that
            were done before.

    Raises:
        ConfigError: If `work` holds checkpoints of a training on other inputs.
        StoreError: If a checkpoint cannot be written, or those there are all damaged.
        TrainingError: If a loss, a gradient or a weight is not finite; or if one explodes, stands
            still or collapses (`TrainingGuard`) and `config.guard` does not allow it. A step whose
            loss or gradient shows it is not taken, and the last whole checkpoint is kept.
    """
    _Loop(
        model, examples, loss_function, config, seed, work, inputs, pad_id, accelerator, told
    ).run()


def trainable(model: Module) -> dict[str, Parameter]:
    """The parameters that are trained, by name."""
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def tell_kept(folder: Path, told: Told) -> None:
    """Tell of every step whose numbers a folder keeps, in order."""
    times = {line["step"]: line for line in read_metrics(folder / "timings.jsonl")}
    for line in read_metrics(folder / "metrics.jsonl"):
        values = {**line, **times.get(line["step"], {})}
        told(int(values.pop("step")), values)


class _Loop:
    def __init__(
        self,
        model: Module,
        examples: Sequence[Example],
        loss_function: LossFunction,
        config: TrainingConfig,
        seed: int,
        work: Path,
        inputs: Mapping[str, object],
        pad_id: int,
        accelerator: Accelerator,
        told: Told,
    ) -> None:
        self.model = model
        self.examples = examples
        self.loss_function = loss_function
        self.config = config
        self.seed = seed
        self.work = work
        self.inputs = inputs
        self.pad_id = pad_id
        self.accelerator = accelerator
        self.told = told
        self.steps = plan(examples, batch_size=config.batch_size, epochs=config.epochs, seed=seed)
        self.reader = BatchReader(model)
        self.wrapped = spread(self.reader, accelerator)
        self.sharded = is_sharded(accelerator)
        self.parameters = trainable(model)
        self.optimizer = make_optimizer(self.parameters.values(), config)
        self.start_norm = 0.0
        self.guard = TrainingGuard(num_steps=len(self.steps))
        self.warned: set[str] = set()

    def run(self) -> None:
        self.start_norm = self._weight_norm()
        done = self._restore()
        kept = [line for line in read_metrics(self.work / "metrics.jsonl") if line["step"] <= done]
        self.guard = TrainingGuard(num_steps=len(self.steps), history=kept)
        make_directory(self.work)
        if not self.accelerator.is_main_process:
            with self.reader.reading():
                self._run(done, None, None)
            return
        with (
            self.reader.reading(),
            MetricsLog(self.work / "metrics.jsonl", after_step=done) as metrics,
            MetricsLog(self.work / "timings.jsonl", after_step=done) as timings,
        ):
            tell_kept(self.work, self.told)
            self._run(done, metrics, timings)

    def _run(self, done: int, metrics: MetricsLog | None, timings: MetricsLog | None) -> None:
        self.model.train()
        left = len(self.steps) - done
        with progress_on_main(self.accelerator, "training", left, "steps") as advance:
            for step in range(done, len(self.steps)):
                started = time.monotonic()
                values, tokens = self._step(step)
                advance(1)
                seconds = time.monotonic() - started
                if metrics and timings:
                    times = {
                        "train/seconds": round(seconds, 4),
                        "train/tokens": tokens,
                        "train/tokens_per_second": round(tokens / max(seconds, 1e-9), 1),
                    }
                    metrics.write(step + 1, values)
                    timings.write(step + 1, times)
                    self.told(step + 1, {**values, **times})
                if (step + 1) % self.config.checkpoint_every == 0 and step + 1 < len(self.steps):
                    if metrics:
                        metrics.sync()
                    self._checkpoint(step + 1)
        self._refuse_bad_weights(len(self.steps))
        self._look_at(weight_growth(self._weight_norm(), self.start_norm), len(self.steps))
        self._look_at(self.guard.at_the_end(), len(self.steps))
        self.model.eval()

    def _step(self, step: int) -> tuple[dict[str, float], int]:
        """One optimizer step. Returns its metrics, and how many tokens this process put through."""
        accelerator, config = self.accelerator, self.config
        rows = [self.examples[index] for index in self.steps[step]]
        denominator = sum(row.weight for row in rows)
        rate = learning_rate(
            step,
            peak=config.learning_rate,
            num_steps=len(self.steps),
            warmup_ratio=config.warmup_ratio,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(derive_seed("dropout", self.seed, step, accelerator.process_index))

        shared = self.reader.shared
        parts, num_own = parts_of_process(
            rows,
            accelerator.process_index,
            accelerator.num_processes,
            max_tokens=config.micro_batch_tokens,
            shared=shared,
            in_step=self.sharded,
        )
        loss, tokens = torch.zeros((), device=accelerator.device), 0
        drop: Tensor | None = None
        for number, part in enumerate(parts, 1):
            batch = collate(
                part,
                shared=shared,
                pad_id=self.pad_id,
                device=accelerator.device,
                progress=step / len(self.steps),
            )
            # What is computed only to meet the other processes does not count.
            counts = 1.0 if number <= num_own else 0.0
            tokens += sum(len(sequence.ids) for row in part for sequence in row.sequences)
            with self._accumulating(last=number == len(parts)):
                with self._autocast():
                    found = self.loss_function(self.wrapped, batch)
                losses = found if isinstance(found, Tensor) else found.losses
                assert losses.shape == batch.weights.shape, (losses.shape, batch.weights.shape)
                partial = (losses * batch.weights).sum() * (counts / denominator)
                # Processes' gradients are averaged, and here they are to be summed.
                (partial * accelerator.num_processes).backward()
            loss += partial.detach()
            if not isinstance(found, Tensor):
                drops = (found.chosen_drops * batch.weights).sum() * (counts / denominator)
                drop = drops if drop is None else drop + drops
        if accelerator.num_processes > 1:
            loss = cast(Tensor, accelerator.reduce(loss, "sum"))
            drop = None if drop is None else cast(Tensor, accelerator.reduce(drop, "sum"))
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), config.max_grad_norm)
        values = {
            "train/loss": loss.item(),
            "train/grad_norm": whole(norm).item(),
            "train/learning_rate": rate,
            "train/rows": float(len(rows)),
        }
        self._refuse_not_finite(step + 1, values, rows)
        self._look_at(
            self.guard.instability(
                values["train/loss"],
                values["train/grad_norm"],
                None if drop is None else drop.item(),
            ),
            step + 1,
            taken=False,
            where=f", at learning rate {rate:.3g} and with {_named(rows)}",
        )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return values, tokens

    def _autocast(self) -> torch.autocast:
        # Sharded weights are put together for one use; their bfloat16 copies are not to outlive it.
        return torch.autocast(
            self.accelerator.device.type,
            torch.bfloat16,
            enabled=self.config.bf16,
            cache_enabled=not self.sharded,
        )

    def _accumulating(self, *, last: bool) -> AbstractContextManager[None]:
        # Sharded gradients are summed after every part: kept whole they would not fit.
        if last or self.sharded:
            return nullcontext()
        return cast(AbstractContextManager[None], self.accelerator.no_sync(self.wrapped))

    def _refuse_not_finite(
        self, step: int, values: Mapping[str, float], rows: Sequence[Example]
    ) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"step {step} of {len(self.steps)}: {name} is {value}, at learning rate "
                    f"{values['train/learning_rate']:.3g} and with {_named(rows)}; the step is not "
                    f"taken, and {self._kept()}. Try a lower --learning-rate"
                )

    def _look_at(
        self, found: Instability | None, step: int, *, taken: bool = True, where: str = ""
    ) -> None:
        """Stop for a sign of breaking, or say it once if it is allowed."""
        if found is None:
            return
        said = f"step {step} of {len(self.steps)}: {found}{where}"
        if self.config.guard == "stop":
            raise TrainingError(
                f"{said}; {'' if taken else 'the step is not taken, and '}{self._kept()}. "
                f"--guard warn goes on from there in spite of it"
            )
        if found.signal not in self.warned:
            self.warned.add(found.signal)
            logger.warning("%s; going on, as --guard warn has it", said)

    def _weight_norm(self) -> float:
        squares = torch.stack(
            [
                local(parameter).detach().float().square().sum()
                for parameter in self.parameters.values()
            ]
        ).sum()
        if self.sharded:
            squares = cast(Tensor, self.accelerator.reduce(squares, "sum"))
        return math.sqrt(squares.item())

    def _refuse_bad_weights(self, step: int) -> None:
        own = [local(parameter).isfinite().all() for parameter in self.parameters.values()]
        bad = (~torch.stack(own)).float()
        if self.sharded:
            # All processes stop for what one of them holds.
            bad = cast(Tensor, self.accelerator.reduce(bad, "sum"))
        for name, is_bad in zip(self.parameters, bad.tolist(), strict=True):
            if is_bad:
                raise TrainingError(
                    f"after step {step} of {len(self.steps)}: weight {name} is not finite; "
                    f"{self._kept()}. Try a lower --learning-rate"
                )

    def _kept(self) -> str:
        """Which checkpoint there is to go on from, looked up and verified."""
        try:
            folder = newest_whole(self.work)
        except StoreError as error:
            return f"no checkpoint is whole ({error})"
        if folder is None:
            return "no checkpoint was due yet"
        step = int(folder.name.removeprefix("step-"))
        return f"the checkpoint of step {step} is kept, whole, in {folder}"

    def _checkpoint(self, step: int) -> None:
        self._refuse_bad_weights(step)
        self._look_at(weight_growth(self._weight_norm(), self.start_norm), step)
        weights = whole_on_main(self.parameters, self.accelerator)
        state = optimizer_tensors(self.optimizer, self.parameters)
        optimizer = whole_on_main(state, self.accelerator)
        if self.accelerator.is_main_process:
            checkpoint = Checkpoint(step=step, weights=weights, optimizer=optimizer)
            write_checkpoint(self.work, checkpoint, inputs=self.inputs)

    def _restore(self) -> int:
        """Go back to the newest whole checkpoint, in all processes. Returns its step, or 0."""
        found: list[int | None] = [None]
        if self.accelerator.is_main_process:
            folder = newest_whole(self.work)
            found = [int(folder.name.removeprefix("step-")) if folder else 0]
        if self.accelerator.num_processes > 1:
            broadcast_object_list(found)
        if not found[0]:
            return 0
        folder = step_folder(self.work, found[0])
        checkpoint = read_checkpoint(folder, inputs=self.inputs)
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(laid_out_as(parameter, checkpoint.weights[name]))
        restore_optimizer(self.optimizer, self.parameters, checkpoint.optimizer)
        logger.info("going on after step %d of %d", checkpoint.step, len(self.steps))
        return checkpoint.step


def _named(rows: Sequence[Example]) -> str:
    names = ", ".join(repr(row.name) for row in rows[:5])
    return f"rows {names}{' and others' if len(rows) > 5 else ''}"
