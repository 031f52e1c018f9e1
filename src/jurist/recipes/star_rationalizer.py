"""STaR-Rationalizer: a judge that learns from reasoning written by one who knew the verdict.

Mahan et al. 2024, section 3, App. A.1 and Fig. 7. In each round an author, the latest judge or
another model, is told which response people preferred and explains why. The hint is taken away
again, and the judge is trained on the explanations as if it had come to them itself (eq. 8). With
`--objective pairs` the author also explains the wrong verdict, and the judge learns to prefer the
right explanation, by DPO or by IPO: the row of Table 2 that the paper never describes.

    jurist star-rationalizer --model MODEL --train pairs.jsonl --output runs/star-rationalizer
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.formats import make_rationalizer
from jurist.rationales import right_and_wrong, right_traces
from jurist.recipes.checkpoints import format_name, last_of, read_card
from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.launch import in_all_processes
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import StarConfig, keep_rows, rationalize_round, star_rounds
from jurist.training.config import PairLossConfig, TrainingConfig

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class StarRationalizerConfig:
    """Everything a STaR-Rationalizer run depends on."""

    model: str
    """Checkpoint or hub id that the judge starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig()
    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig()

    objective: Literal["sft", "pairs"] = "sft"
    """sft: learn the explanations of right verdicts. pairs: prefer them to explanations of the
    wrong ones."""

    loss: PairLossConfig = PairLossConfig()

    reference: Literal["previous", "base"] = "previous"
    """Judge that training on pairs holds each round's to: the latest one, or the base."""

    format: Literal["auto", "pairwise", "terse"] = "auto"
    """How the judge is asked. auto: as jurist.json in its folder says, else pairwise."""

    seed: int = 0


def run_star_rationalizer(config: StarRationalizerConfig) -> None:
    """Train a judge on explanations of known verdicts (STaR-Rationalizer)."""
    show(config.output, star_rationalizer(config))


def star_rationalizer(config: StarRationalizerConfig) -> "Results":
    """The run behind `run_star_rationalizer`, without its table on the terminal."""
    with open_run("star-rationalizer", config) as run:
        sets = read_sets(config.data, output=run)
        form = format_name(config.format, read_card(config.model), reasoning=True)
        rationalizer = make_rationalizer(form, seed=config.seed)
        method = "star-rationalizer"
        if config.objective == "pairs":
            method += f"-{config.loss.loss}"
        card = {"method": method, "kind": "reasoning", "format": form}
        for turn in star_rounds(run, config.model, sets.train, config.star, seed=config.seed):
            traces = rationalize_round(
                turn,
                config.star,
                rationalizer=rationalizer,
                sides=("right",) if config.objective == "sft" else ("right", "wrong"),
                num_samples=config.star.num_samples,
                seed=config.seed,
                store=run / "completions.sqlite",
                max_tokens=config.voting.max_tokens,
                bf16=config.training.bf16,
            )
            if config.objective == "sft":
                right = right_traces(traces, per_prompt=config.star.per_prompt, seed=config.seed)
                keep_rows(turn, right, rationalizer.format, told=True, guard=config.training.guard)
                from jurist.training import train_supervised

                in_all_processes(
                    train_supervised,
                    turn.start,
                    right.rows,
                    config.training,
                    seed=config.seed,
                    output=turn.checkpoint,
                    card=card,
                )
            else:
                pairs = right_and_wrong(traces, per_prompt=config.star.per_prompt, seed=config.seed)
                keep_rows(turn, pairs, rationalizer.format, told=True, guard=config.training.guard)
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
                    card=card,
                )
        # Judged as it was sampled: its traces are in the same type.
        judge = JudgeConfig(
            model=str(last_of(run, config.star.rounds)),
            voting=config.voting,
            bf16=config.training.bf16,
            processes=config.star.processes,
        )
        names = {"sft": "", "pairs": f" ({config.loss.loss.upper()})"}
        name = f"STaR-Rationalizer{names[config.objective]}"
        return finish(run, name, judge, sets, seed=config.seed, track=config.training.track)
