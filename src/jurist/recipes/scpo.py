"""ScPO: a judge that learns, without labels, to reason as the majority of its own votes does.

Self-consistency preference optimization (Prasad et al. 2024, arXiv:2411.04109). Each round samples
traces with the latest judge and counts their verdicts; a trace of the majority is set against one
that dissents, and the surer the majority, the more the pair weighs. What people preferred is taken
off the training pairs before anything else is done with them.

    jurist scpo --model MODEL --train pairs.jsonl --output runs/scpo
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.errors import ConfigError
from jurist.formats import make_format
from jurist.rationales import Voters, majority_and_minority, unlabelled
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
class ScPOConfig:
    """Everything a ScPO run depends on."""

    model: str
    """Checkpoint or hub id that the judge starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig(rounds=2, per_prompt=1)
    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig()

    loss: PairLossConfig = PairLossConfig(sft_weight=1.0)
    """DPO and the preferred reply's own likelihood, whose weight is that of Pang et al. 2024; the
    paper's numbers could not be recovered."""

    min_margin: float = 0.0
    """Least share of the votes by which a majority must lead to be learnt from. In [0, 1)."""

    voters: Voters = "both-orders"
    """Whose votes are counted together: all of a pair, or those in one of its orders, which is the
    paper's one prompt to the letter and learns a liking for a place along with the rest."""

    format: Literal["auto", "pairwise", "terse"] = "auto"
    """How the judge is asked. auto: as jurist.json in its folder says, else pairwise."""

    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.min_margin < 1:
            raise ConfigError(
                f"--min-margin is a share of the votes below 1, got {self.min_margin}"
            )


def run_scpo(config: ScPOConfig) -> None:
    """Train a judge on its own majority, without labels (ScPO)."""
    show(config.output, scpo(config))


def scpo(config: ScPOConfig) -> "Results":
    """The run behind `run_scpo`, without its table on the terminal."""
    with open_run("scpo", config) as run:
        sets = read_sets(config.data, output=run)
        train = [unlabelled(preference) for preference in sets.train]
        form = format_name(config.format, read_card(config.model), reasoning=True)
        format = make_format(form, seed=config.seed)
        for turn in star_rounds(run, config.model, train, config.star, seed=config.seed):
            traces = sample_round(
                turn,
                config.star,
                format=format,
                seed=config.seed,
                store=run / "completions.sqlite",
                max_tokens=config.voting.max_tokens,
                bf16=config.training.bf16,
                guard=config.training.guard,
                labelled=False,
            )
            pairs = majority_and_minority(
                traces,
                per_prompt=config.star.per_prompt,
                seed=config.seed,
                min_margin=config.min_margin,
                voters=config.voters,
            )
            keep_rows(turn, pairs, format, told=False, guard=config.training.guard, labelled=False)
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
                card={"method": "scpo", "kind": "reasoning", "format": form},
            )
        judge = JudgeConfig(
            model=str(last_of(run, config.star.rounds)),
            voting=config.voting,
            bf16=config.training.bf16,
            processes=config.star.processes,
        )
        return finish(run, "ScPO", judge, sets, seed=config.seed, track=config.training.track)
