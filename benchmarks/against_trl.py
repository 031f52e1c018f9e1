"""Training on long prompts: this package against TRL's trainers, an optimizer step at a time.

    make rivals smollm2
    make bench ONLY=dpo            pairs of replies to a prompt, against DPOTrainer
    make bench ONLY=sft-8          eight replies to each prompt, against SFTTrainer
    make bench ONLY=bradley-terry  two responses to each prompt, against RewardTrainer

Both take the same tokens through the same model on as many threads, in turn, each in a process of
its own, with AdamW on all weights. TRL runs as it comes (activations computed again, the reference
of DPO in each step), and once more at its fastest here (activations kept, the reference's
log-probabilities computed beforehand and not counted). Ours has the reference's log-probabilities
as data, as it always does; a second ratio counts the pass that makes them. Rates are by the
processor's clock. The roofline is the time that the matrix products of packed trees and the bytes
of AdamW need at the rates measured in the same run.
"""

import random
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from transformers import AutoConfig, AutoModelForCausalLM

from benchmarks.harness import (
    Result,
    Worker,
    machine,
    matrix_rate,
    memory_bandwidth,
    summary,
    take_turns,
)

METHODS = {"dpo": "dpo", "sft-8": "supervised", "bradley-terry": "scalar"}


@dataclass(frozen=True, kw_only=True, slots=True)
class AgainstTRL:
    """What is measured."""

    name: Literal["dpo", "sft-8", "bradley-terry"]
    model: Path = Path("models/SmolLM2-135M-Instruct")
    rivals_python: Path = Path(".rivals/bin/python")
    """Interpreter of an environment with TRL 1.16; `make rivals` makes one."""

    prompt_tokens: int = 600
    reply_tokens: int = 100
    prompts_per_step: int = 2
    """Prompts in an optimizer step: pairs, or an eighth of the rows of `sft-8`."""

    bf16: bool = True
    """Compute in bfloat16, which is TRL's default; weights stay float32."""

    micro_batch_tokens: int = 1500
    """Of ours. TRL takes one row at a time."""

    gradient_checkpointing: bool = False
    """Ours computes activations again in the backward pass, as TRL does as it comes."""

    threads: int = 1
    repeats: int = 3


def measure(config: AgainstTRL) -> Result:
    """Measure, and print what was found."""
    for path, remedy in ((config.model, "make smollm2"), (config.rivals_python, "make rivals")):
        if not path.exists():
            raise SystemExit(f"{path} is not there: run `{remedy}`, or name another by its flag")
    replies = 8 if config.name == "sft-8" else 2
    rng = random.Random(0)
    rows = [
        (
            _tokens(rng, config.prompt_tokens),
            [_tokens(rng, config.reply_tokens) for _ in range(replies)],
        )
        for _ in range(2 * config.prompts_per_step)
    ]
    num_rows = config.prompts_per_step * (8 if config.name == "sft-8" else 1)
    shared: dict[str, Any] = {"method": METHODS[config.name], "model": str(config.model)}
    ours = {
        **shared,
        "bf16": config.bf16,
        "rows": _our_rows(config, rows),
        "rows_per_step": num_rows,
        "micro_batch_tokens": config.micro_batch_tokens,
        "gradient_checkpointing": config.gradient_checkpointing,
    }
    as_it_comes: dict[str, Any] = {
        "bf16": config.bf16,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": num_rows,
    }
    fastest = {**as_it_comes, "gradient_checkpointing": False}
    if config.name == "dpo":
        fastest["precompute_ref_log_probs"] = True
    found: dict[str, dict[str, float]] = {}
    ratios: dict[str, float] = {}
    our_taken: list[Any] = []
    reference = 0.0
    for name, arguments in (("trl", as_it_comes), ("trl-fastest", fastest)):
        rival = {**shared, "rows": _trl_rows(config, rows), "trl": arguments}
        here = [sys.executable, "-m", "benchmarks.our_steps"]
        there = [str(config.rivals_python), "benchmarks/trl_steps.py"]
        with (
            Worker(here, ours, threads=config.threads) as us,
            Worker(there, rival, threads=config.threads) as them,
        ):
            reference = us.notes.get("reference_seconds_per_row", 0.0)
            taken = take_turns({"ours": us, name: them}, repeats=config.repeats)
        our_taken += taken["ours"]
        found[name] = summary(taken[name], units=num_rows)
        seconds = [statistics.median(each.busy for each in taken[who]) for who in ("ours", name)]
        ratios[name] = round(seconds[1] / seconds[0], 2)
        if reference:
            with_pass = seconds[1] / (seconds[0] + reference * num_rows)
            ratios[f"{name}, counting our reference pass"] = round(with_pass, 2)
    busy = statistics.median(each.busy for each in our_taken)
    result = Result(
        name=config.name,
        ours={
            **summary(our_taken, units=num_rows),
            "reference_seconds_per_row": round(reference, 3),
        },
        rivals=found,
        ratios=ratios,
        roofline_fraction=round(_least_seconds(config, replies) / busy, 3),
        unit=f"{'rows' if config.name == 'sft-8' else 'pairs'} per second of the processor",
        runs=config.repeats,
        machine={**machine(threads=config.threads), "bf16": config.bf16},
    )
    for name, values in {"ours": result.ours, **found}.items():
        print(f"{name:12} " + "  ".join(f"{key} {value}" for key, value in values.items()))
    print("ratios       " + "  ".join(f"{key} {value}" for key, value in ratios.items()))
    return result


def _tokens(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(100, 40_000) for _ in range(count)]


def _our_rows(
    config: AgainstTRL, rows: list[tuple[list[int], list[list[int]]]]
) -> list[dict[str, Any]]:
    if config.name == "sft-8":
        return [
            {"prompt": prompt, "replies": [reply]} for prompt, replies in rows for reply in replies
        ]
    return [{"prompt": prompt, "replies": replies} for prompt, replies in rows]


def _trl_rows(
    config: AgainstTRL, rows: list[tuple[list[int], list[list[int]]]]
) -> list[dict[str, Any]]:
    if config.name == "sft-8":
        return [
            {
                "input_ids": prompt + reply,
                "completion_mask": [0] * len(prompt) + [1] * len(reply),
            }
            for prompt, replies in rows
            for reply in replies
        ]
    names = ("chosen_ids", "rejected_ids")
    if config.name == "dpo":
        return [
            {"prompt_ids": prompt, **dict(zip(names, replies, strict=True))}
            for prompt, replies in rows
        ]
    return [
        dict(zip(names, (prompt + reply for reply in replies), strict=True))
        for prompt, replies in rows
    ]


def _least_seconds(config: AgainstTRL, replies: int) -> float:
    """Seconds that a step needs at the rates of this machine."""
    settings = AutoConfig.from_pretrained(config.model)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(settings)
    head = model.get_output_embeddings().weight.numel()
    total = sum(parameter.numel() for parameter in model.parameters())
    prompt, reply = config.prompt_tokens, config.reply_tokens
    tokens = prompt + replies * reply
    learnt = 0 if config.name == "bradley-terry" else replies * reply
    scores = prompt**2 / 2 + replies * (reply * prompt + reply**2 / 2)
    width = settings.num_attention_heads * settings.head_dim
    forward = 2 * tokens * (total - head) + 2 * learnt * head
    forward += 4 * scores * width * settings.num_hidden_layers
    dtype = torch.bfloat16 if config.bf16 else torch.float32
    operations = 3 * forward * config.prompts_per_step
    # AdamW reads a weight, its gradient and two moments, and writes all but the gradient.
    num_bytes = 7 * 4 * total
    return operations / matrix_rate(dtype, threads=config.threads) + num_bytes / memory_bandwidth(
        threads=config.threads
    )


if __name__ == "__main__":
    measure(tyro.cli(AgainstTRL)).print()
