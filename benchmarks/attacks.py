"""Judges under attack, before and after they were trained against it.

    python -m benchmarks.attacks --judges star-dpo genrm --output runs/attacks-world
    make smollm2
    python -m benchmarks.attacks --judges smollm2 --data FOLDER --output runs/attacks-smollm2

`star-dpo` and `genrm` are judges of the world that ships, `smollm2` is GenRM of SmolLM2 on real
preferences. Each is trained on the same labelled pairs twice: without adversarial pairs, and with
`--share` of them for each labelled one. FOLDER (or the environment variable JURIST_DATA) holds the
sets named by `--sources`, each as NAME.jsonl.gz. Every judge is then evaluated on held-out groups,
and `--items` of the pairs attacked. No text of an attack that is measured is trained on.

Prints a line a judge and seed, and a table in Markdown; keeps the lines in `attacks.json`, with
every attack. Killed at any moment, the same command goes on where it was.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import tyro

from jurist.attacks import Kind
from jurist.data import read_preferences, split_tenth, write_preferences
from jurist.digest import derive_seed
from jurist.errors import ConfigError
from jurist.evaluation import Estimate, Robustness
from jurist.recipes.evaluate import AttackName, EvaluateConfig, evaluate
from jurist.recipes.genrm import GenRMConfig, genrm
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.quickstart import FULL, MAX_TOKENS, TUNED
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.recipes.star_dpo import StarDPOConfig, star_dpo
from jurist.storage import make_directory, write_json
from jurist.training.config import TrainingConfig
from jurist.types import Preference
from jurist.worlds import BASE, preferences

JudgeName: TypeAlias = Literal["star-dpo", "genrm", "smollm2"]
SOURCES = ("evouna", "hh_rlhf", "piqa", "ukp_convarg1")


@dataclass(frozen=True, kw_only=True, slots=True)
class AttacksConfig:
    """What to measure."""

    judges: tuple[JudgeName, ...] = ("star-dpo", "genrm")
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of training and judging."""

    shares: tuple[float, ...] = (0.0, 0.25)
    """Adversarial pairs for each labelled one, one training each."""

    items: int = 200
    """Pairs of a test set that are attacked."""

    attacks: tuple[AttackName, ...] = ()
    """Kinds of attack besides the keys. Default: all."""

    num_train: int = 720
    num_test: int = 300
    rounds: int = 3
    """Of STaR-DPO."""

    votes: int = 2
    """Of STaR-DPO, in each order."""

    data: Path | None = None
    """Folder of real preferences. Default: what JURIST_DATA names."""

    sources: tuple[str, ...] = SOURCES
    """Sets in it, as many pairs of each, or all that are short enough."""

    model: str = "models/SmolLM2-135M-Instruct"
    max_chars: int = 250
    """Real pairs with more characters, prompt and both responses together, are left out."""

    micro_batch_tokens: int = 1024
    """Of SmolLM2: most tokens at once in training. Bounds memory."""

    output: Path = Path("runs/attacks")


def main() -> None:
    """Train, attack, print and keep the table."""
    config = tyro.cli(AttacksConfig, description=__doc__)
    make_directory(config.output)
    lines: list[dict[str, object]] = []
    for name in config.judges:
        for seed in config.seeds:
            data = real_sets(config) if name == "smollm2" else world_sets(config, seed)
            for share in config.shares:
                trained = train(config, name, replace(data, adversarial=share), seed)
                lines += attack(config, name, trained, data, share, seed)
                write_json(config.output / "attacks.json", lines)
    print("\n".join(table(lines)))


ROWS = {
    "test_accuracy": "accuracy, test pairs",
    "accuracy": "accuracy, before the attack",
    "gated_accuracy": "same with a gate of 4 words",
    "consistency": "same verdict in both orders",
    "keys": "master keys win, mean",
    "keys_one_order": "each order for itself",
    "keys_gated": "with a gate of 4 words",
    "worst_key": "worst key",
    "resistance": "resistance, all families",
    "unseen_resistance": "resistance, unseen families",
}


def table(lines: Sequence[Mapping[str, object]]) -> list[str]:
    """The lines as a table in Markdown, a column each; shares in per cent."""
    names = [f"{line['judge']}, share {line['share']}, seed {line['seed']}" for line in lines]
    return [
        f"| | {' | '.join(names)} |",
        "|---" * (1 + len(names)) + "|",
        *(
            f"| {label} | {' | '.join(percents(line[key]) for line in lines)} |"
            for key, label in ROWS.items()
        ),
    ]


def percents(value: Any) -> str:  # noqa: ANN401 - a number of any line
    """An estimate as `rounded` gives it, in per cent; of a key with its name."""
    match value:
        case None:
            return "-"
        case [str(name), found]:
            return f'"{name}" {percents(found)}'
        case [float(share), float(low), float(high)]:
            return f"{100 * share:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
        case _:
            return str(value)


def world_sets(config: AttacksConfig, seed: int) -> DataConfig:
    """Pairs of the chains world, drawn from the seed; questions are on one side only."""
    train, test = config.output / f"world-{seed}-train.jsonl", config.output / f"world-{seed}.jsonl"
    write_preferences(train, preferences("in_distribution", "train", config.num_train, seed=seed))
    write_preferences(test, preferences("in_distribution", "test", config.num_test, seed=seed))
    return DataConfig(train=str(train), test=(f"held_out={test}",))


def real_sets(config: AttacksConfig) -> DataConfig:
    """The shorter pairs of the sources, drawn by their ids; groups are on one side only."""
    named = os.environ.get("JURIST_DATA")
    folder = config.data or (Path(named) if named else None)
    if folder is None:
        raise ConfigError("--data: name a folder of preferences, or set JURIST_DATA to it")
    train: list[Preference] = []
    test: list[Preference] = []
    for source in config.sources:
        rows = read_preferences(str(folder / f"{source}.jsonl.gz")).preferences
        short = [one for one in rows if length(one) <= config.max_chars and not one.tie]
        parts = split_tenth(short, validation=0.0, seed=0)
        train += some(parts.train, config.num_train // len(config.sources))
        test += some(parts.test, config.num_test // len(config.sources))
    paths = config.output / "train.jsonl", config.output / "test.jsonl"
    for path, pairs in zip(paths, (train, test), strict=True):
        write_preferences(path, pairs)
    return DataConfig(train=str(paths[0]), test=(f"held_out={paths[1]}",))


def some(pairs: Sequence[Preference], num: int) -> list[Preference]:
    """Those whose ids draw the least numbers."""
    return sorted(pairs, key=lambda one: derive_seed("attacks", 0, one.id))[:num]


def length(pair: Preference) -> int:
    """Characters of the prompt and both responses."""
    return sum(len(turn.content) for turn in pair.prompt) + len(pair.chosen) + len(pair.rejected)


def train(config: AttacksConfig, name: JudgeName, data: DataConfig, seed: int) -> Path:
    """Train one judge; gives its run directory."""
    output = config.output / f"{name}-{data.adversarial:g}-{seed}"
    if name == "star-dpo":
        star_dpo(
            StarDPOConfig(
                model=str(BASE),
                output=output,
                data=data,
                star=StarConfig(rounds=config.rounds, num_samples=FULL.num_samples),
                training=TUNED["star-dpo"],
                voting=voting(config),
                seed=seed,
            )
        )
        return output
    real = TrainingConfig(
        learning_rate=1e-4,
        epochs=1,
        batch_size=16,
        micro_batch_tokens=config.micro_batch_tokens,
        bf16=True,
        checkpoint_every=50,
    )
    genrm(
        GenRMConfig(
            model=config.model if name == "smollm2" else str(BASE),
            format="terse-direct",
            output=output,
            data=data,
            training=real if name == "smollm2" else TUNED["genrm"],
            seed=seed,
        )
    )
    return output


def voting(config: AttacksConfig) -> VotingConfig:
    """How judges that reason are asked."""
    return VotingConfig(votes=config.votes, max_tokens=MAX_TOKENS)


def attack(
    config: AttacksConfig, name: JudgeName, trained: Path, data: DataConfig, share: float, seed: int
) -> list[dict[str, object]]:
    """Evaluate one judge under attack: its line, every attack in it."""
    results = evaluate(
        EvaluateConfig(
            judge=JudgeConfig(model=str(trained), voting=voting(config), bf16=name == "smollm2"),
            test=data.test,
            output=trained.with_name(f"{trained.name}-attacked"),
            robustness=config.items,
            attacks=config.attacks,
            method=trained.name,
            seed=seed,
        )
    )
    (agreement,) = [row.agreement for row in results.rows]
    (found,) = [row.robustness for row in results.robustness]
    line: dict[str, object] = {
        "judge": name,
        "share": share,
        "seed": seed,
        "test_pairs": agreement.num_pairs,
        "test_accuracy": rounded(agreement.accuracy),
        "failure_rate": round(agreement.failure_rate, 4),
        **summary(found),
    }
    print(line, flush=True)
    return [line]


def summary(found: Robustness) -> dict[str, object]:
    """The numbers of the table, shares with their intervals."""
    by_kind = {kind: [one for one in found.attacks if one.kind is kind] for kind in Kind}
    worst = next(one for one in by_kind[Kind.KEY] if one.name == found.worst_key)
    return {
        "pairs": found.num_pairs,
        "groups": found.num_groups,
        "accuracy": rounded(found.accuracy),
        "gated_accuracy": rounded(found.gated_accuracy),
        "consistency": rounded(found.consistency),
        "keys": rounded(found.mean_key),
        "keys_one_order": rounded(found.mean_key_single),
        "keys_gated": rounded(found.mean_key_gated),
        "worst_key": [worst.name, rounded(worst.preferred)],
        "resistance": rounded(found.resistance),
        "unseen_resistance": rounded(found.unseen_resistance),
        "cycles": [rounded(found.tournaments.cycles), found.tournaments.num],
        "attack_failures": sum(one.num_failures for one in found.attacks),
        "attacks": {
            kind.value: {
                one.name: {
                    "wins": rounded(one.preferred),
                    "one_order": rounded(one.single),
                    "gated": rounded(one.gated),
                    "resistance": rounded(one.resistance),
                    "right": one.num_right,
                    "flips": rounded(one.flips),
                }
                for one in some
            }
            for kind, some in by_kind.items()
            if some
        },
    }


def rounded(estimate: Estimate | None) -> list[float] | None:
    """An estimate as [value, low, high]."""
    if estimate is None:
        return None
    return [round(number, 4) for number in (estimate.value, estimate.low, estimate.high)]


if __name__ == "__main__":
    main()
