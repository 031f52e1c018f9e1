"""Bradley-Terry: a scalar reward model, the baseline every judge is measured against.

Mahan et al. 2024, eq. 1-2. A linear head on the last hidden state of the same base; the difference
of two rewards is the log-odds that the first response is preferred.

    jurist bradley-terry --model MODEL --train pairs.jsonl --output runs/bradley-terry
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.launch import in_all_processes
from jurist.recipes.run import open_run, stopwatch
from jurist.recipes.sets import DataConfig, read_sets
from jurist.training.config import TrainingConfig

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class BradleyTerryConfig:
    """Everything a Bradley-Terry run depends on."""

    model: str
    """Checkpoint or hub id that the reward model starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    training: TrainingConfig = TrainingConfig()
    seed: int = 0


def run_bradley_terry(config: BradleyTerryConfig) -> None:
    """Train a scalar reward model on preferences (Bradley-Terry)."""
    show(config.output, bradley_terry(config))


def bradley_terry(config: BradleyTerryConfig) -> "Results":
    """The run behind `run_bradley_terry`, without its table on the terminal."""
    with open_run("bradley-terry", config) as run:
        sets = read_sets(config.data, output=run)
        with stopwatch(run, "train"):
            from jurist.training import train_scalar

            in_all_processes(
                train_scalar,
                config.model,
                [preference for preference in sets.train if not preference.tie],
                config.training,
                seed=config.seed,
                output=run / "checkpoint",
                card={"method": "bradley-terry", "kind": "scalar"},
            )
        judge = JudgeConfig(model=str(run / "checkpoint"))
        return finish(
            run, "Bradley-Terry", judge, sets, seed=config.seed, track=config.training.track
        )
