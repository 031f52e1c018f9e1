"""Whether the losses here are TRL's, on the same model and the same tokens.

    python -m benchmarks.trl_losses

Run by an interpreter that has TRL and this package (`make rivals` makes one). A random model of two
layers, pairs of replies of different lengths, and a reference with other weights; TRL's trainers
compute their loss of one batch, and `jurist.training.forward` its own. Prints both, and exits with
1 if any two differ by more than 1e-5 of their size.
"""

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from benchmarks.trl_steps import GivenPairs
from jurist.training import PairLossConfig, forward
from jurist.training.batch import collate
from jurist.training.examples import Encoded, Example
from jurist.training.forward import BatchReader
from jurist.training.processes import make_accelerator
from jurist.training.reference import reference_logps, with_reference
from jurist.worlds import BASE

TOLERANCE = 1e-5
BETA = 0.4
NUM_ROWS = 4


def write_model(folder: Path, seed: int) -> str:
    """A random Llama with the tokens of the world that ships."""
    tokenizer = AutoTokenizer.from_pretrained(str(BASE))
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            intermediate_size=48,
            initializer_range=0.3,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def draw_rows() -> list[dict[str, list[int]]]:
    """Pairs of replies to prompts, in tokens; no two of a length."""
    dice = random.Random(0)

    def tokens(count: int) -> list[int]:
        return [dice.randrange(6, 40) for _ in range(count)]

    return [
        {
            "prompt_ids": tokens(7 + number),
            "chosen_ids": tokens(5 + number),
            "rejected_ids": tokens(11 - number),
        }
        for number in range(NUM_ROWS)
    ]


def ours(
    model: PreTrainedModel,
    examples: list[Example],
    loss: Any,  # noqa: ANN401 - a loss function
) -> float:
    """Mean loss of the rows."""
    reader = BatchReader(model.eval())
    with torch.no_grad(), reader.reading():
        batch = collate(examples, shared=reader.shared, pad_id=0, device=torch.device("cpu"))
        return float(loss(reader, batch).mean())


def theirs(trainer: Any) -> float:  # noqa: ANN401 - any of TRL's trainers
    """The loss that a trainer computes of its first batch, which is all rows."""
    trainer.model.eval()
    batch = next(iter(trainer.get_train_dataloader()))
    with torch.no_grad():
        return float(trainer.compute_loss(trainer.model, batch))


def options(output: str) -> dict[str, Any]:
    """Of every trainer."""
    return {
        "output_dir": output,
        "per_device_train_batch_size": NUM_ROWS,
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "max_length": None,
        "gradient_checkpointing": False,
    }


def main() -> None:
    """Compare, and say by how much they differ."""
    with tempfile.TemporaryDirectory() as folder:
        policy = write_model(Path(folder) / "policy", seed=0)
        reference = write_model(Path(folder) / "reference", seed=1)
        tokenizer = AutoTokenizer.from_pretrained(policy)
        rows = draw_rows()
        pairs = [
            Example(
                name=str(number),
                sequences=tuple(
                    Encoded(
                        ids=row["prompt_ids"] + row[reply], prompt_length=len(row["prompt_ids"])
                    )
                    for reply in ("chosen_ids", "rejected_ids")
                ),
            )
            for number, row in enumerate(rows)
        ]
        loaded = AutoModelForCausalLM.from_pretrained(reference).eval()
        logps = reference_logps(
            loaded,
            pairs,
            max_tokens=4096,
            pad_id=0,
            accelerator=make_accelerator(),
            bf16=False,
        )
        pairs = with_reference(pairs, logps)
        model = AutoModelForCausalLM.from_pretrained(policy)
        found: dict[str, tuple[float, float]] = {}
        for name, kind, config in (
            ("dpo", "sigmoid", PairLossConfig(beta=BETA)),
            ("ipo", "ipo", PairLossConfig(loss="ipo", beta=BETA, logps="averaged")),
        ):
            trainer: DPOTrainer = GivenPairs(
                model=AutoModelForCausalLM.from_pretrained(policy),
                ref_model=AutoModelForCausalLM.from_pretrained(reference),
                args=DPOConfig(loss_type=[kind], beta=BETA, **options(folder)),
                train_dataset=Dataset.from_list(rows),
                processing_class=tokenizer,
            )
            found[name] = (
                ours(model, pairs, lambda m, b, c=config: forward.pairs(m, b, loss=c)),
                theirs(trainer),
            )
        learnt = [Example(name=pair.name, sequences=pair.sequences[:1]) for pair in pairs]
        num_tokens = sum(len(row["chosen_ids"]) for row in rows)
        supervised = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(policy),
            args=SFTConfig(completion_only_loss=True, **options(folder)),
            train_dataset=Dataset.from_list(
                [
                    {
                        "input_ids": row["prompt_ids"] + row["chosen_ids"],
                        "completion_mask": [0] * len(row["prompt_ids"])
                        + [1] * len(row["chosen_ids"]),
                    }
                    for row in rows
                ]
            ),
            processing_class=tokenizer,
        )
        # Theirs is the mean over all tokens of the batch, ours a sum a row.
        found["sft"] = (
            ours(model, learnt, forward.supervised) * NUM_ROWS / num_tokens,
            theirs(supervised),
        )
        torch.manual_seed(2)
        scalar = AutoModelForSequenceClassification.from_pretrained(policy, num_labels=1)
        scalar.save_pretrained(Path(folder) / "scalar")
        tokenizer.save_pretrained(Path(folder) / "scalar")
        rewards = RewardTrainer(
            model=AutoModelForSequenceClassification.from_pretrained(Path(folder) / "scalar"),
            args=RewardConfig(**options(folder)),
            train_dataset=Dataset.from_list(
                [
                    {
                        "chosen_ids": row["prompt_ids"] + row["chosen_ids"],
                        "rejected_ids": row["prompt_ids"] + row["rejected_ids"],
                    }
                    for row in rows
                ]
            ),
            processing_class=tokenizer,
        )
        found["bradley-terry"] = (ours(scalar, pairs, forward.bradley_terry), theirs(rewards))
    worst = 0.0
    for name, (here, there) in found.items():
        apart = abs(here - there) / max(abs(there), 1e-12)
        worst = max(worst, apart)
        print(json.dumps({"loss": name, "ours": here, "trl": there, "apart": apart}))
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
