"""Trains a tiny judge by every method, for tests that compare numbers of processes.

python process_job.py MODEL ROWS OUTPUT [CASE ...]
"""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from torch.nn import Parameter
from torch.optim import AdamW

from jurist.data import read_preferences
from jurist.rationales import PairRow, SupervisedRow, read_rows
from jurist.training import (
    PairLossConfig,
    TrainingConfig,
    loop,
    train_pairs,
    train_scalar,
    train_supervised,
    train_verdict,
)
from jurist.training.processes import local

make_optimizer = loop.make_optimizer


def make_and_tell(parameters: Iterable[Parameter], config: TrainingConfig) -> AdamW:
    """Say which share of the trained weights this process holds."""
    held = list(parameters)
    share = sum(local(each).numel() for each in held) / sum(each.numel() for each in held)
    sys.stdout.write(f"holds {share:.1f}\n")
    return make_optimizer(held, config)


CONFIG = TrainingConfig(
    learning_rate=1e-3, batch_size=7, micro_batch_tokens=60, checkpoint_every=100
)
"""24 rows in 4 steps of 6, whose parts two processes have unlike numbers of."""

CASES = {
    "scalar": CONFIG,
    "verdict": CONFIG,
    "supervised": replace(CONFIG, max_grad_norm=0.1),
    "dpo": CONFIG,
    # One row a step: the other process has none.
    "alone": replace(CONFIG, batch_size=1),
    "bf16": replace(CONFIG, bf16=True),
    "recomputed": replace(CONFIG, gradient_checkpointing=True),
    "lora": replace(CONFIG, lora_rank=2, learning_rate=1e-2),
}


def train(case: str, model: str, rows: Path, output: Path) -> None:
    config = CASES[case]
    if case == "scalar":
        preferences = read_preferences(str(rows / "preferences.jsonl")).preferences
        train_scalar(model, preferences, config, seed=3, output=output, card={})
    elif case == "verdict":
        verdicts = read_rows(rows / "verdicts.jsonl.gz", SupervisedRow)
        train_verdict(model, verdicts, config, seed=3, output=output, card={})
    elif case == "supervised":
        replies = read_rows(rows / "replies.jsonl.gz", SupervisedRow)
        train_supervised(model, replies, config, seed=3, output=output, card={})
    else:
        pairs = read_rows(rows / "pairs.jsonl.gz", PairRow)
        train_pairs(
            model,
            pairs,
            config,
            reference=model,
            loss=PairLossConfig(),
            seed=3,
            output=output,
            card={},
        )


if __name__ == "__main__":
    loop.make_optimizer = make_and_tell
    model, rows, output, *cases = sys.argv[1:]
    for case in cases or CASES:
        train(case, model, Path(rows), Path(output) / case)
