"""Self-Taught Evaluators: a judge that learns from pairs whose verdict is known by construction.

Wang et al. 2024 (arXiv:2408.02666). A writer, the model itself unless another one is named, replies
to each prompt, makes up a prompt that is close to it, and replies to that: the first reply is taken
to be better than the second. Each round the latest judge reasons about all these pairs in both
orders, and the base is trained anew on the traces that came to the known verdict.

No preference of people is used. With `--good chosen` the better response is the one that people
chose, in the place of a sampled one; it still never stands against the one they rejected.

    jurist self-taught --model MODEL --train prompts.jsonl --output runs/self-taught
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.data import write_preferences
from jurist.engines import Cached
from jurist.errors import ConfigError
from jurist.formats import Variation, make_format
from jurist.rationales import GoodResponse, right_traces, synthetic_preferences
from jurist.recipes.checkpoints import format_name, last_of, read_card
from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.launch import in_all_processes
from jurist.recipes.open_engine import open_engine
from jurist.recipes.run import open_run, stopwatch
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import StarConfig, keep_rows, sample_round, star_rounds
from jurist.storage import write_json
from jurist.training.config import TrainingConfig
from jurist.types import Preference, Sampling

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfTaughtConfig:
    """Everything a self-taught run depends on."""

    model: str
    """Checkpoint or hub id that the judge starts from, in every round."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig(
        rounds=5,
        round_data="all",
        num_samples=15,
        per_prompt=1,
        sampling_temperature=0.7,
        init_from="base",
    )
    """The paper's: five rounds over the same pairs, each from the base; one of 15 traces kept."""

    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig()

    good: GoodResponse = "sampled"
    """Where the better response of a pair is from: sampled from the writer, or the data's chosen
    one, which is something that people said."""

    writer: str = ""
    """Checkpoint or hub id of another model that writes responses and variations of prompts.
    Empty: the model that the judge starts from."""

    max_response_tokens: int = 512
    """Longest response, in tokens. One that is cut makes no pair, and is counted."""

    format: Literal["auto", "pairwise", "terse"] = "auto"
    """How the judge is asked. auto: as jurist.json in its folder says, else pairwise."""

    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_response_tokens < 1:
            raise ConfigError(
                f"--max-response-tokens must be at least 1, got {self.max_response_tokens}"
            )


def run_self_taught(config: SelfTaughtConfig) -> None:
    """Train a judge on pairs that are made of prompts alone (Self-Taught Evaluators)."""
    show(config.output, self_taught(config))


def self_taught(config: SelfTaughtConfig) -> "Results":
    """The run behind `run_self_taught`, without its table on the terminal."""
    with open_run("self-taught", config) as run:
        sets = read_sets(config.data, output=run)
        form = format_name(config.format, read_card(config.model), reasoning=True)
        format = make_format(form, seed=config.seed)
        variation = Variation(seed=config.seed, terse=form == "terse")
        made = _synthetic(config, variation, sets.train, run=run)
        for turn in star_rounds(run, config.model, made, config.star, seed=config.seed):
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
                card={"method": "self-taught", "kind": "reasoning", "format": form},
            )
        judge = JudgeConfig(
            model=str(last_of(run, config.star.rounds)),
            voting=config.voting,
            bf16=config.training.bf16,
            processes=config.star.processes,
        )
        return finish(
            run, "Self-Taught", judge, sets, seed=config.seed, track=config.training.track
        )


def _synthetic(
    config: SelfTaughtConfig, variation: Variation, train: list[Preference], *, run: Path
) -> list[Preference]:
    """The pairs of a run; they and how they came out are kept beside its rounds."""
    processes = config.star.processes
    sampling = Sampling(
        temperature=config.star.sampling_temperature,
        max_tokens=config.max_response_tokens,
        seed=config.seed,
    )
    writer = config.writer or config.model
    with (
        stopwatch(run, "train/pairs"),
        open_engine(writer, bf16=config.training.bf16, processes=processes) as engine,
        Cached(engine, run / "completions.sqlite", chunk_size=processes.chunk_size) as cached,
    ):
        made = synthetic_preferences(cached, variation, train, sampling, good=config.good)
    write_preferences(run / "synthetic.jsonl.gz", made.preferences)
    write_json(run / "synthetic.json", {"writer": writer, "good": config.good, **made.counts})
    return made.preferences
