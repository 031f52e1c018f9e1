"""A policy improved with a judge's rewards: the exact reward beside the judge's, over training.

    python -m benchmarks.policy --output runs/policy            judge-labelled pairs and DPO
    make rivals && python -m benchmarks.policy --grpo           rewards and TRL's GRPOTrainer too

In the chains world a response is right or not, exactly, so that what a judge's reward is worth can
be seen: the policy is the base that ships, which works out most questions and believes some wrong
facts; the judges are those of the quickstart, trained on the same preferences. The scalar one has
learnt a flourish along with the truth, and a policy trained on its reward shows what becomes of
that. Every number is of test questions, of which no policy and no judge has seen any.
"""

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from benchmarks.policy_world import (
    Measured,
    as_json,
    judge_of,
    measure,
    questions,
    said,
    sample_responses,
)
from jurist.data import Candidate, Pool
from jurist.judges import Judge
from jurist.rationales import PairRow
from jurist.recipes.label import best_and_worst
from jurist.recipes.quickstart import FULL, QUICK, QuickstartConfig, recipes, write_world
from jurist.rewards import Cohort, PairwiseReward
from jurist.storage import write_text
from jurist.training import train_pairs
from jurist.training.config import PairLossConfig, TrainingConfig
from jurist.types import Verdict
from jurist.worlds import BASE

JudgeName = Literal["STaR-DPO", "Bradley-Terry"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyConfig:
    """One benchmark."""

    output: Path = Path("runs/policy")
    """Where judges, policies and measurements are kept. Run again, it goes on where it was."""

    judges: tuple[JudgeName, ...] = ("STaR-DPO", "Bradley-Terry")
    rounds: int = 4
    """Rounds of sampling, labelling and DPO."""

    num_prompts: int = 192
    """Questions of each round, new ones every time."""

    num_candidates: int = 8
    """Responses to each question: the cohort."""

    num_opponents: int = 4
    """Others that each response is compared with."""

    votes: int = 2
    """Of each order; a scalar judge has one reading."""

    min_confidence: float = 0.6
    """Probability from which on the best response is chosen over the worst."""

    beta: float = 0.1
    learning_rate: float = 3e-4
    num_test: int = 150
    """Test questions of each split, four responses each."""

    grpo: bool = False
    """Train by TRL's GRPOTrainer too."""

    grpo_steps: int = 60
    grpo_python: Path = Path(".rivals/bin/python")
    """Interpreter of an environment with TRL 1.16; `make rivals` makes one."""

    quick: bool = False
    """Judges trained on a tenth of the pairs: shows that it runs."""

    seed: int = 0


def main() -> None:
    """Train, measure, print a line for every policy, and all as one JSON array at the end."""
    config = tyro.cli(PolicyConfig)
    measured: list[Measured] = []
    for name in config.judges:
        model = str(_trained_judge(config, name))
        store = config.output / name / "completions.sqlite"
        store.parent.mkdir(parents=True, exist_ok=True)
        with judge_of(model, store, votes=config.votes, seed=config.seed) as judge:
            measured += _measured(config, name, "base", str(BASE), judge)
            policy = str(BASE)
            for number in range(1, config.rounds + 1):
                policy = _improved(config, name, policy, judge, number=number)
                measured += _measured(config, name, f"DPO round {number}", policy, judge)
        if config.grpo:
            folder = _grpo(config, name, model)
            with judge_of(model, store, votes=config.votes, seed=config.seed) as judge:
                for at in sorted(folder.glob("checkpoint-*"), key=_step):
                    measured += _measured(config, name, f"GRPO step {_step(at)}", str(at), judge)
    write_text(config.output / "measured.json", as_json(measured) + "\n")
    print(as_json(measured))


def _trained_judge(config: PolicyConfig, name: JudgeName) -> Path:
    """A judge of the quickstart, trained by its own recipe."""
    folder = config.output / "quickstart"
    sizes = QUICK if config.quick else FULL
    data = replace(write_world(folder / "data", sizes, seed=config.seed), test=())
    asked = QuickstartConfig(output=folder, quick=config.quick, seed=config.seed)
    recipes(asked, sizes, data)[name]()
    return folder / name.lower()


def _improved(config: PolicyConfig, name: str, policy: str, judge: Judge, *, number: int) -> str:
    """A round: sample cohorts, reward them, pair best and worst, and train on the pairs."""
    output = config.output / name / f"dpo-{number}"
    asked = questions(
        "in_distribution", "train", config.num_prompts, seed=1000 * config.seed + number
    )
    sampled = sample_responses(
        policy, asked, num_samples=config.num_candidates, seed=config.seed + number
    )
    pools = [
        Pool(
            id=question.id,
            prompt=question.prompt,
            candidates=tuple(Candidate(text=text) for text in texts),
            group=question.group,
        )
        for question, texts in zip(asked, sampled, strict=True)
    ]
    reward = PairwiseReward(judge=judge, num_opponents=config.num_opponents, seed=config.seed)
    rewarded = reward(
        [
            Cohort(prompt=pool.prompt, responses=tuple(one.text for one in pool.candidates))
            for pool in pools
        ]
    )
    labels = [
        best_and_worst(pool, rewards, min_confidence=config.min_confidence, consistent=True)
        for pool, rewards in zip(pools, rewarded, strict=True)
    ]
    rows = [
        PairRow(
            preference_id=label.preference.id,
            # Rows of a judge end in a verdict; those of a policy have none.
            label=Verdict.FIRST,
            prompt=label.preference.prompt,
            chosen=label.preference.chosen,
            rejected=label.preference.rejected,
        )
        for label in labels
        if label.reason == "preferred"
    ]
    print(f"{name} round {number}: {len(rows)} pairs of {len(pools)} prompts", flush=True)
    train_pairs(
        policy,
        rows,
        TrainingConfig(learning_rate=config.learning_rate, epochs=2, batch_size=32),
        loss=PairLossConfig(beta=config.beta),
        reference=policy,
        seed=config.seed,
        output=output,
        card={"method": "policy-dpo"},
    )
    return str(output)


def _grpo(config: PolicyConfig, name: str, model: str) -> Path:
    """Have TRL train a policy, in an environment of its own."""
    if not config.grpo_python.exists():
        raise SystemExit(f"{config.grpo_python}: not there; `make rivals` makes it")
    folder = config.output / name / "grpo"
    if not (folder / "log.json").exists():
        settings = {
            "judge": model,
            "output": str(folder),
            "steps": config.grpo_steps,
            "num_generations": config.num_candidates,
            "num_opponents": config.num_opponents,
            "votes": config.votes,
            "seed": config.seed,
        }
        path = config.output / name / "grpo.json"
        write_text(path, json.dumps(settings))
        subprocess.run([config.grpo_python, "-m", "benchmarks.grpo_policy", path], check=True)
    return folder


def _measured(
    config: PolicyConfig, judge_name: str, what: str, policy: str, judge: Judge
) -> list[Measured]:
    """Measure a policy, and say what came out."""
    rows = measure(
        f"{judge_name}: {what}", policy, judge, num_questions=config.num_test, num_samples=4
    )
    for row in rows:
        print(said(row), flush=True)
    return rows


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


if __name__ == "__main__":
    main()
