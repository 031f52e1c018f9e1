"""STaR-DPO: a judge that learns to prefer its own right reasoning over its own wrong reasoning.

Mahan et al. 2024, eq. 9 and App. A.3. Each round samples traces on a fresh part of the preferences
with the latest judge, sets traces whose verdict agrees with the people against traces of the same
prompt whose verdict does not, and trains on those pairs with DPO.

    jurist star-dpo --model MODEL --train pairs.jsonl --output runs/star-dpo
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.formats import make_format
from jurist.rationales import right_and_wrong
from jurist.recipes.checkpoints import format_name, last_of, read_card
from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.launch import in_all_processes
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import StarConfig, keep_rows, sample_round, star_rounds
from jurist.training.config import PairLossConfig, TrainingConfig

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class StarDPOConfig:
    """Everything a STaR-DPO run depends on."""

    model: str
    """Checkpoint or hub id that the judge starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig()
    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig()

    reference: Literal["previous", "base"] = "previous"
    """Judge that DPO holds each round's to: the one that sampled its traces, or the base."""

    loss: PairLossConfig = PairLossConfig()

    unparseable: Literal["skip", "wrong"] = "skip"
    """Whether a trace that ended without a verdict may stand as a wrong one."""

    format: Literal["auto", "pairwise", "terse"] = "auto"
    """How the judge is asked. auto: as jurist.json in its folder says, else pairwise."""

    seed: int = 0


def run_star_dpo(config: StarDPOConfig) -> None:
    """Train a judge on pairs of its own right and wrong reasoning (STaR-DPO)."""
    show(config.output, star_dpo(config))


def star_dpo(config: StarDPOConfig) -> "Results":
    """The run behind `run_star_dpo`, without its table on the terminal."""
    with open_run("star-dpo", config) as run:
        sets = read_sets(config.data, output=run)
        form = format_name(config.format, read_card(config.model), reasoning=True)
        method = f"star-{config.loss.loss}"
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
            pairs = right_and_wrong(
                traces,
                per_prompt=config.star.per_prompt,
                seed=config.seed,
                unparseable=config.unparseable,
            )
            keep_rows(turn, pairs, format, told=False, guard=config.training.guard)
            from jurist.training import train_pairs

            in_all_processes(
                train_pairs,
                turn.start,
                pairs.rows,
                config.training,
                loss=config.loss,
                reference=turn.judge if config.reference == "previous" else config.model,
                seed=config.seed,
                output=turn.checkpoint,
                card={"method": method, "kind": "reasoning", "format": form},
            )
        # Judged as it was sampled: its traces are in the same type.
        judge = JudgeConfig(
            model=str(last_of(run, config.star.rounds)),
            voting=config.voting,
            bf16=config.training.bf16,
            processes=config.star.processes,
        )
        return finish(
            run,
            f"STaR-{config.loss.loss.upper()}",
            judge,
            sets,
            seed=config.seed,
            track=config.training.track,
        )
