"""STaR-SFT: a judge that learns from its own reasoning where that came to the right verdict.

Mahan et al. 2024, eq. 8 and App. A.3. Each round samples traces on a fresh part of the preferences
with the latest judge, keeps those whose verdict agrees with the people, and trains on them.

    jurist star-sft --model MODEL --train pairs.jsonl --output runs/star-sft
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.formats import make_format
from jurist.rationales import right_traces
from jurist.recipes.checkpoints import format_name, last_of, read_card
from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.launch import in_all_processes
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import StarConfig, keep_rows, sample_round, star_rounds
from jurist.training.config import TrainingConfig

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class StarSFTConfig:
    """Everything a STaR-SFT run depends on."""

    model: str
    """Checkpoint or hub id that the judge starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig()
    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig()

    format: Literal["auto", "pairwise", "terse"] = "auto"
    """How the judge is asked. auto: as jurist.json in the model's folder says, else pairwise."""

    seed: int = 0


def run_star_sft(config: StarSFTConfig) -> None:
    """Train a judge on its own right reasoning (STaR-SFT)."""
    show(config.output, star_sft(config))


def star_sft(config: StarSFTConfig) -> "Results":
    """The run behind `run_star_sft`, without its table on the terminal."""
    with open_run("star-sft", config) as run:
        sets = read_sets(config.data, output=run)
        form = format_name(config.format, read_card(config.model), reasoning=True)
        format = make_format(form, seed=config.seed)
        for turn in star_rounds(run, config.model, sets.train, config.star, seed=config.seed):
            traces = sample_round(
                turn,
                config.star,
                format=format,
                seed=config.seed,
                store=run / "completions.sqlite",
                max_tokens=config.voting.max_tokens,
                bf16=config.training.bf16,
                guard=config.training.guard,
            )
            right = right_traces(traces, per_prompt=config.star.per_prompt, seed=config.seed)
            keep_rows(turn, right, format, told=False, guard=config.training.guard)
            from jurist.training import train_supervised

            in_all_processes(
                train_supervised,
                turn.start,
                right.rows,
                config.training,
                seed=config.seed,
                output=turn.checkpoint,
                card={"method": "star-sft", "kind": "reasoning", "format": form},
            )
        # Judged as it was sampled: its traces are in the same type.
        judge = JudgeConfig(
            model=str(last_of(run, config.star.rounds)),
            voting=config.voting,
            bf16=config.training.bf16,
            processes=config.star.processes,
        )
        return finish(run, "STaR-SFT", judge, sets, seed=config.seed, track=config.training.track)
