"""Judges of single responses in the chains world: verifiers and critics beside Bradley-Terry.

    python -m benchmarks.critics --output runs/critics
    python -m benchmarks.critics --output runs/critics-tuning --tune

Every method starts from the base that ships and trains on the 480 pairs of `jurist paper --scale
tiny`, with each seed; the 150 test pairs of each split are those of that run. Where an author
writes the critiques it is the world's critic (`jurist.recipes.paper_world`), which learnt 3,000
documents more than the base; two rows say what that alone is worth: Bradley-Terry from the
critic, and the critic as a verifier without training.

`--tune` trains each with three learning rates and one other seed, on validation pairs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from jurist.data import write_preferences
from jurist.evaluation import SeededAgreement, across_seeds, shortcuts
from jurist.evaluation.intervals import Estimate
from jurist.recipes.bradley_terry import BradleyTerryConfig
from jurist.recipes.cloud import CLoudConfig
from jurist.recipes.critic_rm import CriticRMConfig
from jurist.recipes.errands import Errand, run_errands
from jurist.recipes.evaluate import EvaluateConfig
from jurist.recipes.generative_verifier import GenerativeVerifierConfig
from jurist.recipes.genrm import GenRMConfig
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.paper import WORLD
from jurist.recipes.paper_report import read_runs
from jurist.recipes.paper_world import make_author, write_world
from jurist.recipes.run import to_json
from jurist.recipes.sets import DataConfig, Sets, read_sets
from jurist.recipes.star import AuthorConfig, StarConfig
from jurist.reports import load_results
from jurist.storage import write_json
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE, preferences

VOTING = VotingConfig(votes=8, max_tokens=64)
STAR = StarConfig(rounds=1, num_samples=4, per_prompt=2)

RATES: dict[str, tuple[float, int]] = {
    "Bradley-Terry": (3e-4, 4),
    "CLoud": (3e-4, 4),
    "Critic-RM": (1e-3, 4),
    "verifier": (1e-3, 4),
    "verifier, lambda 0": (1e-3, 4),
    "verifier with rationales": (1e-3, 2),
    "GenRM": (3e-3, 4),
    "Bradley-Terry from the critic": (3e-4, 4),
    "CLoud, critic's critiques first": (3e-4, 4),
}
"""Learning rate and epochs. Those of Bradley-Terry and GenRM are the paper's run's."""

WRITING_RATE = 1e-3
"""Of CLoud's first stage."""

CRITICS = ("CLoud", "Critic-RM", "CLoud, critic's critiques first")
"""Held against Bradley-Terry seed by seed: with a critique against without."""

ZERO_SHOT = "the critic, zero-shot"


@dataclass(frozen=True, kw_only=True, slots=True)
class CriticsConfig:
    """One measurement."""

    output: Path = Path("runs/critics")
    seeds: tuple[int, ...] = (0, 1, 2)
    methods: tuple[str, ...] = (*RATES, ZERO_SHOT)
    tune: bool = False
    factors: tuple[float, ...] = (1 / 3, 1.0, 3.0)
    """Of a learning rate, where it is tuned."""

    jobs: int = 1


def main() -> None:
    """Run all, print the table and keep it."""
    config = tyro.cli(CriticsConfig)
    critic = make_author("critic", config.output / "critic")
    data = write_world(config.output / "data", WORLD)
    if config.tune:
        tune(config, data, critic)
        return
    write_json(config.output / "config.json", to_json(config))
    errands = {
        method: {seed: errand(method, seed, data, critic, config.output) for seed in config.seeds}
        for method in config.methods
    }
    every = [one for by_seed in errands.values() for one in by_seed.values()]
    run_errands(every, logs=config.output / "logs", jobs=config.jobs)
    sets = read_sets(data, output=config.output)
    lines = list(table(errands, sets))
    write_json(config.output / "critics.json", lines)
    for line in lines:
        print(line)


def errand(method: str, seed: int, data: DataConfig, critic: str, output: Path) -> Errand:
    """One run of one method."""
    folder = output / f"seed-{seed}" / "".join(c if c.isalnum() else "-" for c in method)
    shared: dict[str, Any] = {"output": folder, "data": data, "seed": seed, "model": str(BASE)}
    name = f"{seed}-{folder.name}"
    if method == ZERO_SHOT:
        asked = EvaluateConfig(
            judge=JudgeConfig(model=critic, voting=VOTING, format="terse-pointwise"),
            test=data.test,
            output=folder,
            method=method,
            seed=seed,
        )
        return Errand(name=name, recipe="evaluate", config=asked)
    rate, epochs = RATES[method]
    training = TrainingConfig(learning_rate=rate, epochs=epochs)
    shared["training"] = training
    told = replace(STAR, author=AuthorConfig(author=critic))
    match method:
        case "Bradley-Terry":
            recipe, asked = "bradley-terry", BradleyTerryConfig(**shared)
        case "Bradley-Terry from the critic":
            recipe, asked = "bradley-terry", BradleyTerryConfig(**{**shared, "model": critic})
        case "GenRM":
            recipe, asked = "genrm", GenRMConfig(**shared)
        case "verifier" | "verifier, lambda 0":
            weight = 0.0 if "lambda" in method else 0.25
            asked = GenerativeVerifierConfig(**shared, generation_weight=weight)
            recipe = "generative-verifier"
        case "verifier with rationales":
            asked = GenerativeVerifierConfig(**shared, star=told, voting=VOTING, reasoning=True)
            recipe = "generative-verifier"
        case "Critic-RM":
            recipe, asked = (
                "critic-rm",
                CriticRMConfig(**shared, star=told, voting=VOTING),
            )
        case _:
            shared["training"] = replace(training, learning_rate=WRITING_RATE)
            asked = CLoudConfig(
                **shared,
                star=told if "first" in method else STAR,
                voting=VOTING,
                reward_learning_rate=rate,
            )
            recipe = "cloud"
    return Errand(name=name, recipe=recipe, config=asked)


def table(errands: Mapping[str, Mapping[int, Errand]], sets: Sets) -> Iterator[dict[str, object]]:
    """A line per method and split, with what it gains on Bradley-Terry seed by seed."""
    for split, test in sets.tests.items():
        runs = {
            method: read_runs({s: one.config.output for s, one in by_seed.items()}, sets, [split])
            for method, by_seed in errands.items()
        }
        for method, judged in runs.items():
            found = across_seeds(judged)
            line = {"split": split, "method": method, **described(found)}
            for control in ("Bradley-Terry", "Bradley-Terry from the critic"):
                if method in CRITICS and control in runs:
                    base = across_seeds(runs[control])
                    line[f"against {control}"] = against(found, base)
            yield line
        for shortcut in shortcuts(sets.train, test, seed=0):
            yield {"split": split, "method": shortcut.name, "accuracy": percent(shortcut.accuracy)}


def described(found: SeededAgreement) -> dict[str, object]:
    """What the table has of one method on one split, in percent."""
    return {
        "accuracy": percent(found.accuracy),
        "seeds": [round(100 * value, 1) for value in found.by_seed],
        "flips": None if found.flips is None else round(100 * found.flips, 1),
        "no verdict": round(100 * found.failure_rate, 1),
        "ties": round(100 * found.ties, 1),
        "ece": None if found.ece is None else round(100 * found.ece, 1),
        "tokens": found.tokens_per_verdict and round(found.tokens_per_verdict),
    }


def against(found: SeededAgreement, control: SeededAgreement) -> list[float]:
    """By how many points each seed is ahead of the control with the same seed."""
    ahead = zip(found.by_seed, control.by_seed, strict=True)
    return [round(100 * (one - other), 1) for one, other in ahead]


def percent(estimate: Estimate) -> list[float]:
    """Value and interval."""
    return [round(100 * each, 1) for each in (estimate.value, estimate.low, estimate.high)]


def tune(config: CriticsConfig, data: DataConfig, critic: str) -> None:
    """Train each method with a third of its rate, the rate, and three times it."""
    path = config.output / "data" / "validation.jsonl.gz"
    write_preferences(path, preferences("in_distribution", "validation", num=150, seed=100))
    data = replace(data, test=(f"validation={path}",))
    tried: dict[str, Errand] = {}
    given = dict(RATES)
    for method in config.methods:
        for factor in config.factors:
            RATES[method] = (float(f"{given[method][0] * factor:.0e}"), given[method][1])
            folder = config.output / f"{RATES[method][0]:g}"
            one = errand(method, 100, data, critic, folder)
            key = f"{method} {RATES[method][0]:g}"
            tried[key] = replace(one, name=key.replace(" ", "-"))
    run_errands(list(tried.values()), logs=config.output / "logs", jobs=config.jobs)
    for key, one in tried.items():
        print(
            key,
            percent(load_results(one.config.output / "results.json").rows[0].agreement.accuracy),
        )


if __name__ == "__main__":
    main()
