"""Judges under attack, before and after they were trained against it.

    python -m benchmarks.attacks --world --output runs/attacks
    make smollm2
    python -m benchmarks.attacks --data FOLDER --output runs/attacks

For the world that ships, STaR-DPO and GenRM; for SmolLM2 on real preferences, GenRM and
Bradley-Terry: each trained on the same labelled pairs twice, without adversarial pairs and with
`--share` of them for each labelled one. FOLDER (or the environment variable JURIST_DATA) holds the
sets named by `--sources`, each as NAME.jsonl.gz. Every judge is then evaluated on held-out groups
with `--items` of the pairs attacked. No text of an attack that is measured is trained on.

Killed at any moment, the same command goes on where it was.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from jurist.data import read_preferences, split_tenth, write_preferences
from jurist.digest import derive_seed
from jurist.errors import ConfigError
from jurist.recipes.bradley_terry import BradleyTerryConfig, bradley_terry
from jurist.recipes.genrm import GenRMConfig, genrm
from jurist.recipes.sets import DataConfig
from jurist.training.config import TrainingConfig
from jurist.types import Preference

SOURCES = ("evouna", "hh_rlhf", "piqa", "ukp_convarg1")


@dataclass(frozen=True, kw_only=True, slots=True)
class AttacksConfig:
    """What to measure."""

    data: Path | None = None
    """Folder of real preferences. Default: what JURIST_DATA names."""

    sources: tuple[str, ...] = SOURCES
    """Sets in it, as many pairs of each."""

    model: str = "models/SmolLM2-135M-Instruct"
    recipes: tuple[str, ...] = ("genrm", "bradley-terry")
    num_train: int = 1600
    num_test: int = 300
    max_chars: int = 400
    """Pairs with more characters, prompt and both responses together, are left out."""

    share: float = 0.25
    """Adversarial pairs for each labelled one, in the second of two trainings."""

    learning_rate: float = 5e-5
    epochs: int = 1
    output: Path = Path("runs/attacks")
    seed: int = 0


def main() -> None:
    """Train and evaluate what was asked for."""
    config = tyro.cli(AttacksConfig, description=__doc__)
    data = real_sets(config)
    for recipe in config.recipes:
        for share in (0.0, config.share):
            train_real(config, recipe, replace(data, adversarial=share))


def real_sets(config: AttacksConfig) -> DataConfig:
    """Draw the shorter pairs of the sources, by their ids; groups are on one side only."""
    folder = config.data or (Path(os.environ["JURIST_DATA"]) if "JURIST_DATA" in os.environ else None)
    if folder is None:
        raise ConfigError("--data: name a folder of preferences, or set JURIST_DATA to it")
    train: list[Preference] = []
    test: list[Preference] = []
    for source in config.sources:
        rows = read_preferences(str(folder / f"{source}.jsonl.gz")).preferences
        short = [one for one in rows if length(one) <= config.max_chars and not one.tie]
        parts = split_tenth(short, validation=0.0, seed=config.seed)
        train += some(parts.train, config.num_train // len(config.sources), config.seed)
        test += some(parts.test, config.num_test // len(config.sources), config.seed)
    paths = config.output / "train.jsonl", config.output / "test.jsonl"
    for path, pairs in zip(paths, (train, test), strict=True):
        write_preferences(path, pairs)
    return DataConfig(train=str(paths[0]), test=(f"held_out={paths[1]}",))


def some(pairs: Sequence[Preference], num: int, seed: int) -> list[Preference]:
    return sorted(pairs, key=lambda one: derive_seed("attacks", seed, one.id))[:num]


def length(pair: Preference) -> int:
    return sum(len(turn.content) for turn in pair.prompt) + len(pair.chosen) + len(pair.rejected)


def train_real(config: AttacksConfig, recipe: str, data: DataConfig) -> Path:
    training = TrainingConfig(
        learning_rate=config.learning_rate,
        epochs=config.epochs,
        batch_size=16,
        micro_batch_tokens=2048,
        bf16=True,
        checkpoint_every=50,
    )
    output = config.output / f"{recipe}-{data.adversarial:g}"
    make: Callable[..., object] = {
        "genrm": lambda: genrm(
            GenRMConfig(model=config.model, output=output, data=data, training=training, seed=config.seed)
        ),
        "bradley-terry": lambda: bradley_terry(
            BradleyTerryConfig(model=config.model, output=output, data=data, training=training, seed=config.seed)
        ),
    }[recipe]
    make()
    return output


if __name__ == "__main__":
    main()
