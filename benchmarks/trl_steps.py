"""TRL's trainers, one optimizer step for each line read. Run by an interpreter that has TRL.

    python benchmarks/trl_steps.py SETTINGS.json

The settings are those that `benchmarks.steps` writes: the method, the model's folder, the rows in
tokens, and TRL's own arguments. Tokenizing is left out on both sides: the trainers are given the
tokens that ours are given. A line `ready` says that the trainer is about to take a step; each line
read starts one, and what it took is written as a line of JSON.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer


class GivenPairs(DPOTrainer):
    """DPO on rows that are tokens already, which the other two trainers know by themselves."""

    def _prepare_dataset(self, dataset: Dataset, *args: object, **options: object) -> Dataset:
        return dataset


class OnDemand(TrainerCallback):
    """Waits for a line before each step, and says afterwards what the step took."""

    def on_step_begin(self, *args: object, **options: object) -> None:
        """Wait."""
        print(json.dumps({"ready": True}), flush=True)
        if not sys.stdin.readline():
            raise SystemExit
        self.wall, self.busy = time.perf_counter(), time.process_time()

    def on_step_end(self, *args: object, **options: object) -> None:
        """Say what the step took."""
        wall, busy = time.perf_counter() - self.wall, time.process_time() - self.busy
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"wall": wall, "busy": busy, "peak": peak}), flush=True)


METHODS: dict[str, tuple[type[Any], type[Any]]] = {
    "dpo": (GivenPairs, DPOConfig),
    "supervised": (SFTTrainer, SFTConfig),
    "scalar": (RewardTrainer, RewardConfig),
}


def main() -> None:
    """Train as the settings say until no more lines come."""
    settings = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(settings["threads"])
    trainer_class, config_class = METHODS[settings["method"]]
    with tempfile.TemporaryDirectory() as output:
        config = config_class(
            output_dir=output,
            num_train_epochs=10_000,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            max_length=None,
            learning_rate=1e-6,
            **settings["trl"],
        )
        trainer = trainer_class(
            model=settings["model"],
            args=config,
            train_dataset=Dataset.from_list(settings["rows"]),
            processing_class=AutoTokenizer.from_pretrained(settings["model"]),
            callbacks=[OnDemand()],
        )
        trainer.train()


if __name__ == "__main__":
    main()
