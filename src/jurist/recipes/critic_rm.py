"""Critic-RM: a reward model that writes critiques, learnt from those that agree with people.

Yu et al. 2024 (arXiv:2411.16646). Critiques of every training response are sampled, from the model
or from an author, and only those stay that come to the label: here a critique ends in a verdict of
two, where the paper's ends in a score. One training then goes from writing such critiques to
rewarding responses after them. A response's reward is a mean over critiques of its own.

    jurist critic-rm --model MODEL --train pairs.jsonl --output runs/critic-rm
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.formats import make_pointwise
from jurist.recipes.checkpoints import pointwise_name, read_card
from jurist.recipes.critics import critic_of, sample_pairs
from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.launch import in_all_processes
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import StarConfig, star_rounds
from jurist.training.config import CritiqueLossConfig, TrainingConfig

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class CriticRMConfig:
    """Everything a Critic-RM run depends on."""

    model: str
    """Checkpoint or hub id that the reward model starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig(rounds=1)
    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig()
    loss: CritiqueLossConfig = CritiqueLossConfig(lm_share=0.0)
    """By default the weight goes over from the first step on. Where it begins later, the learning
    rate has fallen by the time that the head is trained, and a new head learns little."""

    format: Literal["auto", "pointwise", "terse-pointwise"] = "auto"
    """How critiques are asked for. auto: as jurist.json in the model's folder says, else
    pointwise."""

    seed: int = 0


def run_critic_rm(config: CriticRMConfig) -> None:
    """Train a reward model on critiques that agree with people (Critic-RM)."""
    show(config.output, critic_rm(config))


def critic_rm(config: CriticRMConfig) -> "Results":
    """The run behind `run_critic_rm`, without its table on the terminal."""
    with open_run("critic-rm", config) as run:
        sets = read_sets(config.data, output=run)
        name = pointwise_name(config.format, read_card(config.model), reasoning=True)
        for turn in star_rounds(run, config.model, sets.train, config.star, seed=config.seed):
            pairs = sample_pairs(
                turn,
                config.star,
                format=make_pointwise(name, seed=config.seed),
                agreeing=True,
                voting=config.voting,
                training=config.training,
                seed=config.seed,
                store=run / "completions.sqlite",
            )
            from jurist.training import train_critic

            in_all_processes(
                train_critic,
                turn.start,
                pairs,
                config.training,
                loss=config.loss,
                seed=config.seed,
                output=turn.checkpoint,
                card={"method": "critic-rm", "kind": "critic", "format": name},
            )
        judge = critic_of(run, config.star, voting=config.voting, training=config.training)
        return finish(run, "Critic-RM", judge, sets, seed=config.seed, track=config.training.track)
