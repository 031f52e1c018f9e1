"""The main job on the world and the base model that ship: five judges, one table, one report.

    jurist quickstart

Everything is the real thing, only small: preferences are written to files and read back, each
method is its own recipe in its own run directory, and the judges are ordinary checkpoints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jurist.data import write_preferences
from jurist.recipes.bradley_terry import BradleyTerryConfig, bradley_terry
from jurist.recipes.evaluate import EvaluateConfig, evaluate, kept_readings, show
from jurist.recipes.genrm import GenRMConfig, genrm
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.run import open_run, seconds_spent
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import StarConfig
from jurist.recipes.star_dpo import StarDPOConfig, star_dpo
from jurist.recipes.star_sft import StarSFTConfig, star_sft
from jurist.showing import Console
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE, SPLITS, preferences

if TYPE_CHECKING:
    from jurist.reports import Results

MAX_TOKENS = 64
"""Room for the longest trace of the shipped base, which is 40 tokens."""

NAMES = {"in_distribution": "in-dist", "shifted": "shifted"}
"""Splits as the table names them."""

ZERO_SHOT = "zero-shot judge"

NOTES = (
    "The world is made by this package (docs/world.md): labels are exact, and the shifted split "
    "has longer chains and a reversed flourish. How large the gains are is a property of that "
    "world and of the habits its base model was given; it says that the method works as built, "
    "and nothing about how much it gains on human preferences.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuickstartConfig:
    """Everything a quickstart depends on."""

    output: Path = Path("runs/quickstart")
    """Run directory. The same command run again goes on where it was. Of --quick, the default is
    runs/quickstart-quick."""

    model: str = ""
    """Base that all methods start from. Empty: the one that ships."""

    quick: bool = False
    """A tenth of the pairs and two votes per order: shows that everything runs, not how well."""

    seed: int = 0

    def __post_init__(self) -> None:
        if self.quick and self.output == Path("runs/quickstart"):
            # Frozen, so set as dataclasses themselves do: one default that hangs on another.
            object.__setattr__(self, "output", Path("runs/quickstart-quick"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How many pairs and votes a quickstart uses."""

    num_train: int
    num_test: int
    """Of each split."""

    votes: int
    """Per order."""

    num_samples: int


FULL = Sizes(num_train=720, num_test=300, votes=8, num_samples=8)
QUICK = Sizes(num_train=72, num_test=30, votes=2, num_samples=4)


def run_quickstart(config: QuickstartConfig) -> None:
    """Train and evaluate five judges on the world and the base model that ship."""
    from jurist.recipes.reporting import gathered, publish

    with open_run("quickstart", config) as run:
        sizes = QUICK if config.quick else FULL
        data = write_world(run / "data", sizes, seed=config.seed)
        console = Console(stderr=True)
        for number, (method, recipe) in enumerate(recipes(config, sizes, data).items(), 1):
            console.print(f"[bold]{number} of 5: {method}[/bold]")
            recipe()
        sets = read_sets(data, output=run)
        runs = {method: run / folder for method, folder in FOLDERS.items()}
        readings = {method: kept_readings(at, sets.tests) for method, at in runs.items()}
        results = gathered(
            run,
            sets,
            readings,
            training_seconds={method: seconds_spent(at, "train") for method, at in runs.items()},
            baselines={ZERO_SHOT: readings[ZERO_SHOT]},
            judging_runs=runs,
            seed=config.seed,
            notes=NOTES,
        )
        console.rule("all methods, same base, same pairs")
        publish(run, results, tests=sets.tests, readings=readings)
        show(run, results)


def write_world(folder: Path, sizes: Sizes, *, seed: int) -> DataConfig:
    """Write the world's preferences to files, as a user's would be, and say where they are."""
    train = folder / "train.jsonl.gz"
    write_preferences(
        train, preferences("in_distribution", "train", num=sizes.num_train, seed=seed)
    )
    tests: list[str] = []
    for split in SPLITS:
        path = folder / f"{split}.jsonl.gz"
        write_preferences(path, preferences(split, "test", num=sizes.num_test, seed=seed))
        tests.append(f"{NAMES[split]}={path}")
    return DataConfig(train=str(train), test=tuple(tests))


FOLDERS = {
    ZERO_SHOT: "zero-shot",
    "Bradley-Terry": "bradley-terry",
    "GenRM": "genrm",
    "STaR-SFT": "star-sft",
    "STaR-DPO": "star-dpo",
}


def recipes(
    config: QuickstartConfig, sizes: Sizes, data: DataConfig
) -> dict[str, Callable[[], "Results"]]:
    """The five runs, by method. Settings come from `benchmarks/tuning.py`, on validation pairs."""
    model = config.model or str(BASE)
    outputs = {method: config.output / folder for method, folder in FOLDERS.items()}
    voting = VotingConfig(votes=sizes.votes, max_tokens=MAX_TOKENS)
    star = StarConfig(num_samples=sizes.num_samples)
    return {
        ZERO_SHOT: lambda: evaluate(
            EvaluateConfig(
                judge=JudgeConfig(model=model, voting=voting),
                test=data.test,
                train=data.train,
                output=outputs[ZERO_SHOT],
                method=ZERO_SHOT,
                seed=config.seed,
            )
        ),
        "Bradley-Terry": lambda: bradley_terry(
            BradleyTerryConfig(
                model=model,
                data=data,
                training=TUNED["bradley-terry"],
                output=outputs["Bradley-Terry"],
                seed=config.seed,
            )
        ),
        "GenRM": lambda: genrm(
            GenRMConfig(
                model=model,
                data=data,
                training=TUNED["genrm"],
                output=outputs["GenRM"],
                seed=config.seed,
            )
        ),
        "STaR-SFT": lambda: star_sft(
            StarSFTConfig(
                model=model,
                data=data,
                star=star,
                training=TUNED["star-sft"],
                voting=voting,
                output=outputs["STaR-SFT"],
                seed=config.seed,
            )
        ),
        "STaR-DPO": lambda: star_dpo(
            StarDPOConfig(
                model=model,
                data=data,
                star=star,
                training=TUNED["star-dpo"],
                voting=voting,
                output=outputs["STaR-DPO"],
                seed=config.seed,
            )
        ),
    }


TUNED = {
    # The best of four learning rates for each method, by the mean of two seeds on validation pairs.
    "bradley-terry": TrainingConfig(learning_rate=3e-4, epochs=4, batch_size=32),
    "genrm": TrainingConfig(learning_rate=3e-3, epochs=4, batch_size=32),
    "star-sft": TrainingConfig(learning_rate=1e-3, epochs=2, batch_size=32),
    "star-dpo": TrainingConfig(learning_rate=3e-4, epochs=2, batch_size=32),
}
