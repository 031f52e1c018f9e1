"""GenRM: a judge that states its verdict at once, trained on the verdict alone.

Mahan et al. 2024, eq. 7. The model's own next-token distribution over the two verdicts is the
preference probability: no head, no reasoning.

    jurist genrm --model MODEL --train pairs.jsonl --output runs/genrm
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.formats import make_format
from jurist.rationales import verdict_rows, write_rows
from jurist.recipes.checkpoints import format_name, read_card
from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.launch import in_all_processes
from jurist.recipes.run import open_run, stopwatch
from jurist.recipes.sets import DataConfig, read_sets
from jurist.training.config import TrainingConfig

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class GenRMConfig:
    """Everything a GenRM run depends on."""

    model: str
    """Checkpoint or hub id that the judge starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    training: TrainingConfig = TrainingConfig()

    format: Literal["auto", "direct", "terse-direct"] = "auto"
    """How the judge is asked. auto: as jurist.json in the model's folder says, without reasoning;
    else direct."""

    seed: int = 0


def run_genrm(config: GenRMConfig) -> None:
    """Train a judge that gives its verdict without reasoning (GenRM)."""
    show(config.output, genrm(config))


def genrm(config: GenRMConfig) -> "Results":
    """The run behind `run_genrm`, without its table on the terminal."""
    with open_run("genrm", config) as run:
        sets = read_sets(config.data, output=run)
        form = format_name(config.format, read_card(config.model), reasoning=False)
        rows = verdict_rows(make_format(form, seed=config.seed), sets.train)
        write_rows(run / "rows.jsonl.gz", rows)
        with stopwatch(run, "train"):
            from jurist.training import train_verdict

            in_all_processes(
                train_verdict,
                config.model,
                rows,
                config.training,
                seed=config.seed,
                output=run / "checkpoint",
                card={"method": "genrm", "kind": "direct", "format": form},
            )
        judge = JudgeConfig(model=str(run / "checkpoint"))
        return finish(run, "GenRM", judge, sets, seed=config.seed, track=config.training.track)
