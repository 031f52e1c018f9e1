"""Con-J: a judge that learns to prefer right judgements, its own and those it was led to.

Ye et al. 2024 (arXiv:2410.03742), found in the same week as STaR-DPO. Pairs come in three ways:
right and wrong traces that the judge samples by itself, up to three of a prompt; one pair in which
it is asked to justify the right verdict and then the wrong one; and one in which the other reply
has no verdict that can be read. DPO with a small term of the preferred reply's own likelihood.

    jurist con-j --model MODEL --train pairs.jsonl --output runs/con-j
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.errors import ConfigError
from jurist.formats import make_rationalizer
from jurist.rationales import joined, refuse_leaks, right_and_wrong
from jurist.recipes.checkpoints import format_name, last_of, read_card
from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.launch import in_all_processes
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import (
    StarConfig,
    keep_rows,
    rationalize_round,
    sample_round,
    star_rounds,
)
from jurist.training.config import PairLossConfig, TrainingConfig

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class ConJConfig:
    """Everything a Con-J run depends on."""

    model: str
    """Checkpoint or hub id that the judge starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig(rounds=1, per_prompt=3)
    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig()

    loss: PairLossConfig = PairLossConfig(beta=0.1, sft_weight=0.1)
    """The paper's beta. It calls its second term small and its size could not be recovered."""

    hinted_samples: int = 1
    """Replies to each hint, of which one pair of a prompt is made. 0: no hints."""

    format: Literal["auto", "pairwise", "terse"] = "auto"
    """How the judge is asked. auto: as jurist.json in its folder says, else pairwise."""

    seed: int = 0

    def __post_init__(self) -> None:
        if self.hinted_samples < 0:
            raise ConfigError(f"--hinted-samples must be 0 or more, got {self.hinted_samples}")


def run_con_j(config: ConJConfig) -> None:
    """Train a judge on sampled and hinted pairs of judgements (Con-J)."""
    show(config.output, con_j(config))


def con_j(config: ConJConfig) -> "Results":
    """The run behind `run_con_j`, without its table on the terminal."""
    with open_run("con-j", config) as run:
        sets = read_sets(config.data, output=run)
        form = format_name(config.format, read_card(config.model), reasoning=True)
        rationalizer = make_rationalizer(form, seed=config.seed)
        store = run / "completions.sqlite"
        for turn in star_rounds(run, config.model, sets.train, config.star, seed=config.seed):
            sampled = sample_round(
                turn,
                config.star,
                format=rationalizer.format,
                seed=config.seed,
                store=store,
                max_tokens=config.voting.max_tokens,
                bf16=config.training.bf16,
                guard=config.training.guard,
            )
            found = {
                "sampled": right_and_wrong(
                    sampled,
                    per_prompt=config.star.per_prompt,
                    seed=config.seed,
                    none_is_fine=True,
                ),
                "unreadable": right_and_wrong(
                    sampled, per_prompt=1, seed=config.seed, unparseable="only", none_is_fine=True
                ),
            }
            if config.hinted_samples:
                hinted = rationalize_round(
                    turn,
                    config.star,
                    num_samples=config.hinted_samples,
                    rationalizer=rationalizer,
                    sides=("right", "wrong"),
                    seed=config.seed,
                    store=store,
                    max_tokens=config.voting.max_tokens,
                    bf16=config.training.bf16,
                )
                found["hinted"] = right_and_wrong(
                    hinted, per_prompt=1, seed=config.seed, none_is_fine=True
                )
                # Only whoever wrote these knew the verdict.
                refuse_leaks(found["hinted"].rows, turn.preferences, rationalizer.format, told=True)
            pairs = joined(found)
            keep_rows(turn, pairs, rationalizer.format, told=False, guard=config.training.guard)
            from jurist.training import train_pairs

            in_all_processes(
                train_pairs,
                turn.start,
                pairs.rows,
                config.training,
                loss=config.loss,
                reference=turn.judge,
                seed=config.seed,
                output=turn.checkpoint,
                card={"method": "con-j", "kind": "reasoning", "format": form},
            )
        judge = JudgeConfig(
            model=str(last_of(run, config.star.rounds)),
            voting=config.voting,
            bf16=config.training.bf16,
            processes=config.star.processes,
        )
        return finish(run, "Con-J", judge, sets, seed=config.seed, track=config.training.track)
