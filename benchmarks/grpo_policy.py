"""TRL's `GRPOTrainer` on the rewards of a judge of this package. For an interpreter that has TRL.

    python -m benchmarks.grpo_policy SETTINGS.json

The settings are those that `benchmarks.policy` writes. The judge's reward is what is trained on;
the exact one stands beside it with a weight of 0, so that TRL logs both at every step. `log.json`
has them all, and the checkpoints lie beside it.
"""

import json
import os
import sys
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from benchmarks.policy_world import MAX_RESPONSE_TOKENS, gold_reward, judge_of, questions
from jurist.adapters import TRLCohortReward
from jurist.rewards import PairwiseReward
from jurist.types import Preference
from jurist.worlds import BASE

PROMPTS_PER_STEP = 8


def main() -> None:
    """Train as the settings say."""
    settings = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    output, size = Path(settings["output"]), settings["num_generations"]
    asked = questions(
        "in_distribution", "train", PROMPTS_PER_STEP * settings["steps"], seed=settings["seed"] + 1
    )
    by_prompt = {question.prompt[-1].content: question for question in asked}

    def gold(
        prompts: list[list[dict[str, str]]], completions: list[list[dict[str, str]]], **_: object
    ) -> list[float]:
        return [
            gold_reward(by_prompt[prompt[-1]["content"]], completion[-1]["content"])
            for prompt, completion in zip(prompts, completions, strict=True)
        ]

    output.mkdir(parents=True, exist_ok=True)
    store = output / "completions.sqlite"
    with judge_of(
        settings["judge"], store, votes=settings["votes"], seed=settings["seed"]
    ) as judge:
        reward = TRLCohortReward(
            reward=PairwiseReward(judge=judge, num_opponents=settings["num_opponents"]),
            num_generations=size,
        )
        trainer = GRPOTrainer(
            model=str(BASE),
            reward_funcs=[reward, gold],
            args=GRPOConfig(
                output_dir=str(output),
                max_steps=settings["steps"],
                per_device_train_batch_size=PROMPTS_PER_STEP * size,
                num_generations=size,
                max_completion_length=MAX_RESPONSE_TOKENS,
                learning_rate=1e-4,
                beta=0.02,
                reward_weights=[1.0, 0.0],
                logging_steps=1,
                save_steps=settings["steps"] // 3,
                save_only_model=True,
                report_to=[],
                disable_tqdm=True,
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                seed=settings["seed"],
            ),
            train_dataset=Dataset.from_list([_row(question) for question in asked]),
            processing_class=AutoTokenizer.from_pretrained(str(BASE), padding_side="left"),
        )
        trainer.train()
    (output / "log.json").write_text(json.dumps(trainer.state.log_history), "utf-8")


def _row(question: Preference) -> dict[str, list[dict[str, str]]]:
    return {"prompt": [{"role": turn.role, "content": turn.content} for turn in question.prompt]}


if __name__ == "__main__":
    main()
