"""PairRM: a head on the same base that reads both responses at once.

The pairwise baseline of Mahan et al. 2024, after Jiang et al. 2023 (LLM-Blender). Prompt and both
responses are read together, and a linear head on the last hidden state gives the log-odds that the
first is better; it is trained, and read, in both orders. What the paper's own head was is not said
(docs/methods.md): this is the plain reading of "a pairwise preference model".

    jurist pair-rm --model MODEL --train pairs.jsonl --output runs/pair-rm
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.formats import make_format
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
class PairRMConfig:
    """Everything a PairRM run depends on."""

    model: str
    """Checkpoint or hub id that the reward model starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    training: TrainingConfig = TrainingConfig()

    format: Literal["auto", "direct", "terse-direct"] = "auto"
    """How a pair is laid out. auto: as jurist.json in the model's folder says, without reasoning;
    else direct."""

    seed: int = 0


def run_pair_rm(config: PairRMConfig) -> None:
    """Train a reward model that reads both responses at once (PairRM)."""
    show(config.output, pair_rm(config))


def pair_rm(config: PairRMConfig) -> "Results":
    """The run behind `run_pair_rm`, without its table on the terminal."""
    with open_run("pair-rm", config) as run:
        sets = read_sets(config.data, output=run)
        form = format_name(config.format, read_card(config.model), reasoning=False)
        with stopwatch(run, "train"):
            from jurist.training import train_comparer

            in_all_processes(
                train_comparer,
                config.model,
                [preference for preference in sets.train if not preference.tie],
                make_format(form, seed=config.seed),
                config.training,
                seed=config.seed,
                output=run / "checkpoint",
                card={"method": "pair-rm", "kind": "comparer", "format": form},
            )
        judge = JudgeConfig(model=str(run / "checkpoint"))
        return finish(run, "PairRM", judge, sets, seed=config.seed, track=config.training.track)
