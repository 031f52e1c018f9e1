"""One model to be made: trained if it is not there, taken up where it was killed, written whole."""

import logging
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch.nn import Module
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from jurist.errors import ConfigError
from jurist.manifest import MANIFEST, verify
from jurist.models.load import (
    load_causal,
    load_critic,
    take_reward_head,
    weights_fingerprint,
    write_reward_head,
)
from jurist.storage import make_directory, storing, write_json, write_text
from jurist.tracking import Told, run_of, tracking
from jurist.training import forward
from jurist.training.card import bare_card
from jurist.training.checkpoint import refuse_other_inputs, writing
from jurist.training.config import TrainingConfig
from jurist.training.examples import (
    Example,
    check_examples,
)
from jurist.training.lengths import token_lengths
from jurist.training.loop import LossFunction, tell_kept, train, trainable
from jurist.training.processes import is_sharded, make_accelerator, whole_on_main
from jurist.training.reference import (
    read_reference,
    reference_logps,
    with_reference,
    write_reference,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One model to be made, from what, and where."""

    model: str
    config: TrainingConfig
    seed: int
    output: Path
    card: Mapping[str, str]
    facts: Mapping[str, object]
    """Of the method: what its result depends on besides the rest."""

    @property
    def work(self) -> Path:
        """Where checkpoints lie while training goes on."""
        return self.output.with_name(f"{self.output.name}.training")

    def inputs(self) -> dict[str, object]:
        """Everything the result depends on. Not where anything lies, nor how often it is saved."""
        return {
            "model": weights_fingerprint(self.model),
            "seed": self.seed,
            "card": dict(self.card),
            **self.facts,
            **self.config.decisive(),
        }

    def done(self) -> bool:
        """Whether the model is made already, of the same inputs."""
        if not (self.output / MANIFEST).exists():
            if self.output.exists() and any(self.output.iterdir()):
                raise ConfigError(
                    f"{self.output}: not empty, and not a model made here; give another output"
                )
            return False
        refuse_other_inputs(self.output, verify(self.output), self.inputs())
        logger.info("%s: made already", self.output)
        with self._tracked() as told:
            tell_kept(self.output, told)
        # Left there by a kill just after the model was done.
        shutil.rmtree(self.work, ignore_errors=True)
        return True

    def with_reference(
        self, reference: str, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]
    ) -> list[Example]:
        """The rows with log-probabilities under the reference, kept from before if they are."""
        path, inputs = self.work / "reference.json", self.inputs()
        logps = read_reference(path, examples, inputs=inputs)
        if logps is not None:
            return with_reference(examples, logps)
        accelerator = make_accelerator()
        loaded = load_causal(reference, place=_place(accelerator))
        forward.refuse_without_logits_to_keep(loaded)
        self.check(loaded, examples)
        found = with_reference(
            examples,
            reference_logps(
                loaded,
                examples,
                max_tokens=self.config.micro_batch_tokens,
                pad_id=_pad_id(tokenizer),
                accelerator=accelerator,
                bf16=self.config.bf16,
            ),
        )
        if accelerator.is_main_process:
            write_reference(path, found, inputs=inputs)
        return found

    def check(self, model: PreTrainedModel, examples: Sequence[Example]) -> int:
        """Refuse rows that do not fit. Returns how many tokens do."""
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        limit = self.config.max_length
        advice = "Raise --max-length, or leave these rows out."
        if context is not None and context <= limit:
            limit = int(context)
            advice = f"{limit} is the model's context: leave these rows out, or take another model."
        check_examples(examples, max_length=limit, advice=advice)
        return limit

    def train(
        self,
        load: Callable[..., PreTrainedModel],
        tokenizer: PreTrainedTokenizerBase,
        examples: Sequence[Example],
        loss_function: LossFunction,
    ) -> None:
        """Train, and write the model down."""
        # First: it says which device is this process's.
        accelerator = make_accelerator()
        model = load(self.model, place=_place(accelerator))
        limit = self.check(model, examples)
        if accelerator.is_main_process:
            make_directory(self.work)
            write_json(self.work / "lengths.json", token_lengths(examples, max_length=limit))
        scalar = loss_function in (forward.bradley_terry, forward.comparison)
        rewarded = scalar or load is load_critic
        if not scalar:
            forward.refuse_without_logits_to_keep(model)
        if self.config.gradient_checkpointing:
            model.activation_checkpointing_enable()
        trained = self._adapted(model, scalar=scalar)
        with self._tracked() as told:
            train(
                trained,
                examples,
                loss_function,
                self.config,
                seed=self.seed,
                work=self.work,
                inputs=self.inputs(),
                # A reward is read at the last token that is not this one.
                pad_id=int(model.config.pad_token_id) if rewarded else _pad_id(tokenizer),
                accelerator=accelerator,
                told=told,
            )
        if is_sharded(accelerator):
            weights = whole_on_main(trainable(trained), accelerator)
            if accelerator.is_main_process:
                fresh = load(self.model, place=torch.device("cpu"))
                trained = self._adapted(fresh, scalar=scalar)
                with torch.no_grad():
                    for name, parameter in trainable(trained).items():
                        parameter.copy_(weights[name])
        if accelerator.is_main_process:
            self._write(trained, tokenizer, len(examples))
        accelerator.wait_for_everyone()

    def _tracked(self) -> AbstractContextManager[Told]:
        run, part = run_of(self.output)
        return tracking(self.config.track, run=run, part=part, settings=self.inputs())

    def _adapted(self, model: PreTrainedModel, *, scalar: bool) -> Module:
        if self.config.lora_rank == 0:
            return model
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(self.seed)
        adapter = LoraConfig(
            r=self.config.lora_rank,
            lora_alpha=cast(int, self.config.lora_alpha),
            target_modules="all-linear",
            task_type="SEQ_CLS" if scalar else "CAUSAL_LM",
            # A new head of a causal model is trained whole, as that of a classifier is.
            modules_to_save=["score"] if not scalar and hasattr(model, "score") else None,
        )
        with warnings.catch_warnings():
            # peft asks transformers by the older name whether activations are computed again.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
            return get_peft_model(model, adapter)

    def _write(self, trained: Module, tokenizer: PreTrainedTokenizerBase, num_rows: int) -> None:
        if self.config.lora_rank:
            trained = cast(Any, trained).merge_and_unload()
        model = cast(PreTrainedModel, trained)
        reward_head = take_reward_head(model) if model.can_generate() else None
        if model.can_generate():
            # A server of the checkpoint samples what it is asked to sample: without this one of
            # transformers' decodes greedily, or from the 50 likeliest tokens.
            model.generation_config.do_sample = True
            model.generation_config.top_k = 0
        with writing(self.output, {"inputs": self.inputs()}) as folder:
            model.save_pretrained(folder)
            if reward_head is not None:
                write_reward_head(folder, reward_head)
            tokenizer.save_pretrained(folder)
            settings = self.config.decisive()
            recipe = {"num_rows": num_rows, "seed": self.seed, "training": settings}
            write_json(folder / "jurist.json", {**self.card, **recipe})
            write_text(folder / "README.md", bare_card(self.card, recipe))
            for name in ("metrics.jsonl", "timings.jsonl", "lengths.json"):
                shutil.copyfile(self.work / name, folder / name)
        with storing(self.work):
            shutil.rmtree(self.work)


def _place(accelerator: Accelerator) -> torch.device | None:
    """Where a process loads a model that `spread` then brings to its device."""
    return torch.device("cpu") if is_sharded(accelerator) else None


def _pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    # Any token does: what is on the right is never attended to, and never counts.
    pad = tokenizer.pad_token_id
    return pad if isinstance(pad, int) else 0
