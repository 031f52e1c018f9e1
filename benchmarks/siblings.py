"""Siblings of STaR-DPO that use no human preferences, in the world that ships.

    python -m benchmarks.siblings --output runs/siblings

ScPO (majorities of the judge's own votes), Self-Taught Evaluators (pairs made of prompts alone) and
Self-Rewarding (a policy that is given points by itself, or by a judge that likes the flourish),
each with several seeds, on the prompts and pairs of `jurist paper --scale tiny`. Judges are
evaluated before the first round and after every round; of a policy the share of responses that are
right is measured as well, exactly. The settings are kept in `config.json` beside the runs, what
came out in `measured.json`; run again, it goes on where it was.

Rates and epochs are those tuned for STaR-DPO and STaR-SFT (`benchmarks.tuning`); beta and whose
votes count together were compared for ScPO on validation pairs (docs/log.md), and nothing was for
the others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean

import tyro

from benchmarks.policy_world import gold_reward, questions, sample_responses
from benchmarks.siblings_world import make_model
from jurist.data import read_preferences
from jurist.evaluation import across_seeds, crossed_bootstrap, seeded_difference, shortcuts
from jurist.formats import Terse
from jurist.rationales import PairRow, both_orders, read_rows
from jurist.recipes.checkpoints import last_of
from jurist.recipes.errands import Errand, run_errands
from jurist.recipes.evaluate import EvaluateConfig
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.paper import WORLD
from jurist.recipes.paper_report import read_runs
from jurist.recipes.paper_world import WorldSize, write_world
from jurist.recipes.run import to_json
from jurist.recipes.scpo import ScPOConfig
from jurist.recipes.self_reward import SelfRewardConfig
from jurist.recipes.self_taught import SelfTaughtConfig
from jurist.recipes.sets import DataConfig, Sets, read_sets
from jurist.recipes.star import AuthorConfig, StarConfig
from jurist.storage import write_json, write_text
from jurist.training.config import TrainingConfig
from jurist.types import Preference
from jurist.worlds import BASE, FLOURISH, SPLITS


@dataclass(frozen=True, kw_only=True, slots=True)
class SiblingsConfig:
    """One benchmark."""

    output: Path = Path("runs/siblings")
    """Where models, runs and measurements are kept."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Of sampling and training. The pairs are the same for all."""

    num_train: int = WORLD.num_train
    num_test: int = WORLD.num_test
    """Of each split."""

    num_documents: int = 6_000
    """That the writer and the raters are trained on."""

    jobs: int = 1
    """Runs at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Method:
    name: str
    recipe: str
    config: ScPOConfig | SelfTaughtConfig | SelfRewardConfig
    start: str
    """What round 0 is evaluated with."""

    def judge(self, number: int) -> JudgeConfig:
        """The judge after a round; 0 is before the first."""
        model = str(last_of(self.config.output, number)) if number else self.start
        form = "terse-additive" if isinstance(self.config, SelfRewardConfig) else "auto"
        return JudgeConfig(model=model, format=form, voting=self.config.voting)

    def judged(self, number: int) -> Path:
        """Directory of that judge's evaluation; the last round's is the run's own."""
        if number == 0:
            return self.config.output.with_name(f"start-{Path(self.start).name}")
        if number == self.config.star.rounds:
            return self.config.output
        return self.config.output.with_name(f"{self.config.output.name}-round-{number}")


def main() -> None:
    """Train, judge, measure; print a line for each row, and keep all of it."""
    config = tyro.cli(SiblingsConfig)
    write_json(config.output / "config.json", to_json(config))
    data = write_world(
        config.output / "data", WorldSize(num_train=config.num_train, num_test=config.num_test)
    )
    models = {
        kind: make_model(kind, config.output / "models" / kind, num_documents=config.num_documents)
        for kind in ("writer", "careful", "flatterer")
    }
    runs = {seed: _methods(config, data, models, seed=seed) for seed in config.seeds}
    logs = config.output / "logs"
    for same in zip(*runs.values(), strict=True):
        trained = [
            Errand(
                name=f"{one.config.seed}-{one.config.output.name}",
                recipe=one.recipe,
                config=one.config,
            )
            for one in same
        ]
        run_errands(trained, logs=logs, jobs=config.jobs)
        early = [
            _evaluation(one, number, data)
            for one in same
            for number in range(one.config.star.rounds)
        ]
        run_errands(early, logs=logs, jobs=config.jobs)
    sets = read_sets(data, output=config.output)
    lines = [
        *_shortcuts(sets),
        *_judges(runs, sets),
        *_labels(runs, sets),
        *_policies(config, runs),
    ]
    write_text(config.output / "measured.json", json.dumps(lines, indent=1) + "\n")
    for line in lines:
        print(json.dumps(line), flush=True)


def _methods(
    config: SiblingsConfig, data: DataConfig, models: Mapping[str, str], *, seed: int
) -> list[_Method]:
    folder = config.output / f"seed-{seed}"
    base, voting = str(BASE), VotingConfig(votes=16, max_tokens=64)
    scpo = ScPOConfig(
        model=base,
        output=folder / "scpo",
        data=data,
        star=StarConfig(rounds=2, num_samples=8),
        training=TrainingConfig(learning_rate=3e-4, epochs=2, batch_size=32),
        voting=voting,
        seed=seed,
    )
    taught = SelfTaughtConfig(
        model=base,
        output=folder / "self-taught",
        data=data,
        star=StarConfig(
            rounds=2,
            round_data="all",
            num_samples=8,
            per_prompt=1,
            sampling_temperature=0.7,
            init_from="base",
        ),
        training=TrainingConfig(learning_rate=1e-3, epochs=2, batch_size=32),
        voting=voting,
        writer=models["writer"],
        max_response_tokens=32,
        seed=seed,
    )
    careful = SelfRewardConfig(
        model=models["careful"],
        output=folder / "self-reward",
        data=data,
        star=StarConfig(rounds=2, num_samples=4, per_prompt=1),
        training=TrainingConfig(learning_rate=3e-4, epochs=2, batch_size=32),
        voting=VotingConfig(votes=3, max_tokens=64),
        max_response_tokens=32,
        seed=seed,
    )
    author = AuthorConfig(author=models["flatterer"], author_rounds="all")
    flattered = replace(
        careful, output=folder / "self-reward-flattered", star=replace(careful.star, author=author)
    )
    return [
        _Method(name="ScPO", recipe="scpo", config=scpo, start=base),
        _Method(
            name="Self-Rewarding", recipe="self-reward", config=careful, start=models["careful"]
        ),
        _Method(
            name="Self-Rewarding, flattered",
            recipe="self-reward",
            config=flattered,
            start=models["careful"],
        ),
        _Method(name="Self-Taught", recipe="self-taught", config=taught, start=base),
    ]


def _evaluation(method: _Method, number: int, data: DataConfig) -> Errand:
    asked = EvaluateConfig(
        judge=method.judge(number),
        test=data.test,
        output=method.judged(number),
        method=f"{method.recipe if number else 'start'}, round {number}",
        seed=method.config.seed,
    )
    return Errand(name=f"{asked.seed}-{asked.output.name}", recipe="evaluate", config=asked)


def _judges(runs: Mapping[int, Sequence[_Method]], sets: Sets) -> list[dict[str, object]]:
    """A line for each judge after each round, on each split."""
    lines: list[dict[str, object]] = []
    for place, method in enumerate(next(iter(runs.values()))):
        for split in SPLITS:
            rounds = [
                read_runs({seed: runs[seed][place].judged(number) for seed in runs}, sets, [split])
                for number in range(method.config.star.rounds + 1)
            ]
            for number, judged in enumerate(rounds):
                found = across_seeds(judged)
                lines.append(
                    {
                        "judge": method.name,
                        "round": number,
                        "split": split,
                        "pairs": found.num_pairs,
                        "accuracy": asdict(found.accuracy),
                        "by_seed": found.by_seed,
                        "gain": asdict(seeded_difference(judged, rounds[0])) if number else None,
                        "single": asdict(found.single),
                        "flips": found.flips,
                        "first_slot": found.first_slot,
                        "failures": found.failure_rate,
                        "ties": found.ties,
                    }
                )
    return lines


def _labels(runs: Mapping[int, Sequence[_Method]], sets: Sets) -> list[dict[str, object]]:
    """How often a round's training pairs are right, by what none of them was made with."""
    lines: list[dict[str, object]] = []
    for place, method in enumerate(next(iter(runs.values()))):
        for number in range(1, method.config.star.rounds + 1):
            each = [_pairs_right(runs[seed][place], number, sets.train) for seed in runs]
            lines.append({"pairs of": method.name, "round": number, "by_seed": each})
    return lines


def _pairs_right(method: _Method, number: int, train: Sequence[Preference]) -> dict[str, float]:
    """Of a round's pairs, the shares that prefer the right one, the wrong one, and neither."""
    config = method.config
    if isinstance(config, ScPOConfig):
        form = Terse(seed=config.seed)
        people = {
            form.render(comparison): label
            for preference in train
            for comparison, label in both_orders(preference)
        }
        signs = [1 if row.label is people[row.prompt] else -1 for row in _rows(method, number)]
    elif isinstance(config, SelfTaughtConfig):
        made = read_preferences(config.output / "synthetic.jsonl.gz").preferences
        signs = [gold_reward(one, one.chosen) - gold_reward(one, one.rejected) for one in made]
    else:
        asked = {preference.id: preference for preference in train}
        signs = [
            gold_reward(asked[row.preference_id], row.chosen)
            - gold_reward(asked[row.preference_id], row.rejected)
            for row in _rows(method, number)
        ]
    return {
        "pairs": len(signs),
        **{
            name: round(sum(sign == wanted for sign in signs) / len(signs), 3)
            for name, wanted in (("right", 1), ("wrong", -1), ("neither", 0))
        },
    }


def _rows(method: _Method, number: int) -> list[PairRow]:
    folder = last_of(method.config.output, number).parent
    return read_rows(folder / "rows.jsonl.gz", PairRow)


def _policies(
    config: SiblingsConfig, runs: Mapping[int, Sequence[_Method]]
) -> list[dict[str, object]]:
    """A line for each policy after each round, on each split: four responses to each question."""
    lines: list[dict[str, object]] = []
    for place, method in enumerate(next(iter(runs.values()))):
        if not isinstance(method.config, SelfRewardConfig):
            continue
        for split in SPLITS:
            asked = questions(split, "test", config.num_test, seed=0)
            groups = [question.group for question in asked for _ in range(4)]
            start: list[list[float]] = []
            for number in range(method.config.star.rounds + 1):
                replies = [
                    sample_responses(
                        methods[place].judge(number).model, asked, num_samples=4, seed=seed
                    )
                    for seed, methods in runs.items()
                ]
                gold = [
                    [
                        gold_reward(q, text)
                        for q, row in zip(asked, one, strict=True)
                        for text in row
                    ]
                    for one in replies
                ]
                start = start or gold
                texts = [text for one in replies for row in one for text in row]
                gain = [
                    [now - before for now, before in zip(*pair, strict=True)]
                    for pair in zip(gold, start, strict=True)
                ]
                lines.append(
                    {
                        "policy": method.name,
                        "round": number,
                        "split": split,
                        "right": asdict(crossed_bootstrap(gold, groups)),
                        "by_seed": [round(fmean(one), 4) for one in gold],
                        "gain": asdict(crossed_bootstrap(gain, groups, bounds=(-1.0, 1.0)))
                        if number
                        else None,
                        "flourish": sum(text.endswith(FLOURISH) for text in texts) / len(texts),
                    }
                )
    return lines


def _shortcuts(sets: Sets) -> list[dict[str, object]]:
    return [
        {"shortcut": one.name, "split": split, "accuracy": asdict(one.accuracy)}
        for split, test in sets.tests.items()
        for one in shortcuts(sets.train, test)
    ]


if __name__ == "__main__":
    main()
