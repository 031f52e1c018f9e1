"""A policy trained by TRL's `GRPOTrainer` on nothing but a pairwise judge's reward: does it win?

    python -m benchmarks.grpo_win_rate --judges runs/star-dpo-0 runs/star-dpo-1 runs/star-dpo-2

One run for each judge, with a seed of its own. The policy starts as the base that ships and is
asked questions of both splits of the chains world, in turns; the judges were trained on the one
split. The reward is the judge's alone (`TRLCohortReward`); the exact check stands beside it with a
weight of 0, to be logged. What is measured is the exact one, on test questions: the share of
responses that are right, and the gold win rate against the start, in which a response that is right
beats one that is not, and two alike share the win. A start that is right in a share s of its
responses can be beaten in 1 - s / 2 of them at most. Needs TRL, which `make test` installs.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
import tyro
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from benchmarks.policy_world import (
    MAX_RESPONSE_TOKENS,
    gold_reward,
    judge_of,
    questions,
    sample_responses,
)
from jurist.adapters import TRLCohortReward
from jurist.evaluation import Estimate, group_bootstrap
from jurist.rewards import PairwiseReward
from jurist.storage import write_text
from jurist.types import Preference
from jurist.worlds import BASE, FLOURISH, SPLITS, Split

NUM_GENERATIONS = 8
PROMPTS_PER_STEP = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class WinRateConfig:
    """One benchmark."""

    judges: tuple[Path, ...]
    """Judges to be rewarded by: checkpoints or run directories. Judge number i has seed i."""

    output: Path = Path("runs/grpo-win-rate")
    steps: int = 160
    votes: int = 2
    """Of each comparison, in each order."""

    num_opponents: int = 4
    """Others that each response of a cohort is compared with."""

    learning_rate: float = 3e-4
    """The first; it falls to 0."""

    beta: float = 0.04
    """Weight of the divergence from the start. With 0 the policy finds what the judge overlooks."""

    num_test: int = 200
    """Test questions of each split."""

    num_samples: int = 4
    """Responses to each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WinRate:
    """What one policy came to."""

    judge: str
    seed: int
    split: str
    start: Estimate
    """Share of the start's responses that are right."""

    right: Estimate
    """Share of the policy's."""

    win_rate: Estimate
    flourish: float
    """Share of its responses that end in the flourish."""


def main(config: WinRateConfig) -> None:
    """Train a policy under each judge and say what became of it."""
    torch.set_num_threads(1)
    found: list[WinRate] = []
    for seed, judge in enumerate(config.judges):
        folder = config.output / f"seed-{seed}"
        last = folder / f"checkpoint-{config.steps}"
        if not last.exists():
            train(config, judge, folder, seed=seed)
        for splits in (*((split,) for split in SPLITS), tuple(SPLITS)):
            row = measured(config, str(last), judge, splits, seed=seed)
            found.append(row)
            print(
                f"seed {seed}, {row.split}: right {_said(row.start)} -> {_said(row.right)}, gold "
                f"win rate {_said(row.win_rate)}, flourish {row.flourish:.0%}",
                flush=True,
            )
    write_text(config.output / "win_rates.json", json.dumps([asdict(row) for row in found]))


def train(config: WinRateConfig, judge: Path, folder: Path, *, seed: int) -> None:
    """Have TRL train the base under a judge."""
    each = PROMPTS_PER_STEP * config.steps // len(SPLITS)
    by_split = [questions(split, "train", each, seed=seed + 1) for split in SPLITS]
    asked = [question for together in zip(*by_split, strict=True) for question in together]
    by_prompt = {question.prompt[-1].content: question for question in asked}

    def gold(prompts: list[object], completions: list[object], **_: object) -> list[float]:
        return [
            gold_reward(by_prompt[_last(prompt)], _last(completion))
            for prompt, completion in zip(prompts, completions, strict=True)
        ]

    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "completions.sqlite"
    with judge_of(str(judge), store, votes=config.votes, seed=seed) as opened:
        reward = TRLCohortReward(
            reward=PairwiseReward(judge=opened, num_opponents=config.num_opponents),
            num_generations=NUM_GENERATIONS,
        )
        trainer = GRPOTrainer(
            model=str(BASE),
            reward_funcs=[reward, gold],
            args=GRPOConfig(
                output_dir=str(folder),
                max_steps=config.steps,
                per_device_train_batch_size=PROMPTS_PER_STEP * NUM_GENERATIONS,
                num_generations=NUM_GENERATIONS,
                max_completion_length=MAX_RESPONSE_TOKENS,
                learning_rate=config.learning_rate,
                beta=config.beta,
                reward_weights=[1.0, 0.0],
                logging_steps=1,
                save_steps=config.steps,
                save_only_model=True,
                report_to=[],
                disable_tqdm=True,
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                seed=seed,
            ),
            train_dataset=Dataset.from_list(
                [{"prompt": [asdict(turn) for turn in question.prompt]} for question in asked]
            ),
            processing_class=AutoTokenizer.from_pretrained(str(BASE), padding_side="left"),
        )
        trainer.train()
    write_text(folder / "log.json", json.dumps(trainer.state.log_history))


def measured(
    config: WinRateConfig, policy: str, judge: Path, splits: Sequence[Split], *, seed: int
) -> WinRate:
    """Measure a policy beside the start, by the exact check alone."""
    asked: list[Preference] = []
    for split in splits:
        asked += questions(split, "test", config.num_test, seed=0)
    ours = sample_responses(policy, asked, num_samples=config.num_samples, seed=1)
    starts = sample_responses(str(BASE), asked, num_samples=config.num_samples, seed=2)
    groups = [question.group for question in asked for _ in range(config.num_samples)]
    right, start = (
        [gold_reward(q, text) for q, row in zip(asked, rows, strict=True) for text in row]
        for rows in (ours, starts)
    )
    wins = [0.5 + (one - other) / 2.0 for one, other in zip(right, start, strict=True)]
    texts = [text for row in ours for text in row]
    return WinRate(
        judge=str(judge),
        seed=seed,
        split=" and ".join(splits),
        start=group_bootstrap(start, groups),
        right=group_bootstrap(right, groups),
        win_rate=group_bootstrap(wins, groups),
        flourish=sum(text.endswith(FLOURISH) for text in texts) / len(texts),
    )


def _last(turns: object) -> str:
    return cast("list[dict[str, str]]", turns)[-1]["content"]


def _said(estimate: Estimate) -> str:
    value, low, high = (100 * one for one in (estimate.value, estimate.low, estimate.high))
    return f"{value:.1f} [{low:.1f}, {high:.1f}] %"


if __name__ == "__main__":
    main(tyro.cli(WinRateConfig, config=(tyro.conf.OmitArgPrefixes,)))
