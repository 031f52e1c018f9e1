"""A short run of TRL's GRPOTrainer under the tiny judge: python grpo_training.py FOLDER STEPS JUDGE

The policy starts as the base that ships. The reward is the judge's, asked from TRL's
event loop; every 16th completion is given no verdict, to see what TRL does with that. Prints the
share of right responses, exactly checked, before and after.
"""

import json
import pickle
import sys
from dataclasses import asdict

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

import jurist
from jurist.adapters import TRLAsyncReward, TRLCohortReward
from jurist.engines.transformers import TransformersEngine
from jurist.errors import DataError
from jurist.rewards import PairwiseReward
from jurist.types import Sampling
from jurist.worlds import BASE, check, preferences

SIZE, PROMPTS = 8, 8
folder, steps, model = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)


def right(question, text):
    try:
        return float(check(question, text).correct)
    except DataError:
        return 0.0


def share_right(policy):
    asked = preferences("in_distribution", "test", 100, seed=0)
    replies = TransformersEngine.load(policy).generate(
        [question.prompt for question in asked], Sampling(num_samples=2, max_tokens=32, seed=1)
    )
    found = [
        right(question, one.text)
        for question, row in zip(asked, replies, strict=True)
        for one in row
    ]
    return sum(found) / len(found)


asked = preferences("in_distribution", "train", PROMPTS * steps, seed=1)
with jurist.load_judge(model, votes=2, max_tokens=64) as judge:
    reward = TRLAsyncReward(
        reward=TRLCohortReward(
            reward=PairwiseReward(judge=judge, num_opponents=4), num_generations=SIZE
        )
    )
    # Other processes get a copy, as TRL's async_grpo gives one to its own.
    reward = pickle.loads(pickle.dumps(reward))

    async def now_and_then_nothing(prompts, completions, **others):
        found = await reward(prompts, completions, **others)
        return [None if place % 16 == 0 else value for place, value in enumerate(found)]

    trainer = GRPOTrainer(
        model=str(BASE),
        reward_funcs=[now_and_then_nothing],
        args=GRPOConfig(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=PROMPTS * SIZE,
            num_generations=SIZE,
            max_completion_length=32,
            learning_rate=4e-4,
            beta=0.04,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            seed=0,
        ),
        train_dataset=Dataset.from_list(
            [{"prompt": [asdict(turn) for turn in question.prompt]} for question in asked]
        ),
        processing_class=AutoTokenizer.from_pretrained(str(BASE), padding_side="left"),
    )
    trainer.train()
    reward.reward.reward.judge.close()
trainer.save_model(folder)
trainer.processing_class.save_pretrained(folder)
logged = [entry for entry in trainer.state.log_history if "jurist/comparisons" in entry]
print(
    json.dumps(
        {
            "before": share_right(str(BASE)),
            "after": share_right(folder),
            "logged": len(logged),
            "comparisons": sum(entry["jurist/comparisons"] for entry in logged),
        }
    )
)
