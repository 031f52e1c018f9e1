"""CLoud: a reward model that first writes a critique, and then rewards the response it is about.

Ankner et al. 2024 (arXiv:2408.11791). The model first learns to write critiques from those of an
author (`--author`; without one it begins with what it writes itself). Then it writes its own of all
training responses, and a head on the same model learns to reward a response after reading them,
beside a term that keeps the critiques as they are. A response's reward is a mean over critiques.

    jurist cloud --model MODEL --author ORACLE --train pairs.jsonl --output runs/cloud
"""

from dataclasses import dataclass, replace
from functools import partial
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
from jurist.recipes.star import AuthorConfig, StarConfig, star_rounds
from jurist.training.config import CritiqueLossConfig, TrainingConfig

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class CLoudConfig:
    """Everything a CLoud run depends on."""

    model: str
    """Checkpoint or hub id that the reward model starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig(rounds=1)
    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig()

    lm_weight: float = 1.25
    """Weight of the critiques' likelihood beside Bradley-Terry (1.25 in the paper's settings of 8
    billion parameters; what it is a mean or sum over is our reading, see `critique_loss`)."""

    reward_learning_rate: float | None = None
    """Peak learning rate where the head is trained. None: --learning-rate, for both stages."""

    format: Literal["auto", "pointwise", "terse-pointwise"] = "auto"
    """How critiques are asked for. auto: as jurist.json in the model's folder says, else
    pointwise."""

    seed: int = 0


def run_cloud(config: CLoudConfig) -> None:
    """Train a reward model that writes a critique first (CLoud)."""
    show(config.output, cloud(config))


def cloud(config: CLoudConfig) -> "Results":
    """The run behind `run_cloud`, without its table on the terminal."""
    with open_run("cloud", config) as run:
        sets = read_sets(config.data, output=run)
        name = pointwise_name(config.format, read_card(config.model), reasoning=True)
        sample = partial(
            sample_pairs,
            format=make_pointwise(name, seed=config.seed),
            agreeing=False,
            voting=config.voting,
            training=config.training,
            seed=config.seed,
            store=run / "completions.sqlite",
        )
        rate = config.reward_learning_rate
        for turn in star_rounds(run, config.model, sets.train, config.star, seed=config.seed):
            from jurist.training import train_critic, train_supervised

            writer = turn.start
            if config.star.author.writes(turn.number):
                written = sample(turn, config.star)
                writer = str(turn.folder / "writer")
                in_all_processes(
                    train_supervised,
                    turn.start,
                    [critique for pair in written for critique in pair],
                    config.training,
                    seed=config.seed,
                    output=Path(writer),
                    card={"method": "cloud, first stage", "kind": "verifier", "format": name},
                )
            own = replace(turn, folder=turn.folder / "own", judge=writer)
            pairs = sample(own, replace(config.star, author=AuthorConfig()))
            in_all_processes(
                train_critic,
                writer,
                pairs,
                config.training if rate is None else replace(config.training, learning_rate=rate),
                loss=CritiqueLossConfig(lm_weight=config.lm_weight),
                seed=config.seed,
                output=turn.checkpoint,
                card={"method": "cloud", "kind": "critic", "format": name},
            )
        judge = critic_of(run, config.star, voting=config.voting, training=config.training)
        return finish(run, "CLoud", judge, sets, seed=config.seed, track=config.training.track)
