"""Generative verifier: a judge of one response at a time, by how likely it says Yes.

Zhang et al. 2024 (arXiv:2408.15240), who call it GenRM; not the pairwise GenRM of Mahan et al. The
model is asked whether one response is good, and learns to say Yes to chosen and No to rejected
ones, while it goes on learning to write chosen ones. With `--reasoning` it writes a rationale
first, and learns from those, its own or an author's, that come to the right verdict.

    jurist generative-verifier --model MODEL --train pairs.jsonl --output runs/generative-verifier
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.errors import ConfigError
from jurist.formats import ResponseFormat, make_pointwise
from jurist.rationales import Selection, SupervisedRow, response_rows, right_traces, verdict_rows
from jurist.recipes.checkpoints import last_of, pointwise_name, read_card
from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.launch import in_all_processes
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import Round, StarConfig, keep_rows, note, sample_round, star_rounds
from jurist.training.config import TrainingConfig

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerativeVerifierConfig:
    """Everything a generative verifier's run depends on."""

    model: str
    """Checkpoint or hub id that the verifier starts from."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig(rounds=1)
    """Of rationales, and so without effect unless --reasoning, but for the rounds."""

    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig()

    reasoning: bool = False
    """Whether a rationale comes before the verdict; p(Yes) is averaged over --votes of them."""

    generation_weight: float = 0.25
    """Weight of a chosen response's negative log-likelihood beside that of a verdict, each a sum
    over tokens. 0: verdicts alone. The paper tunes it; its values are not known here."""

    format: Literal["auto", "pointwise", "terse-pointwise"] = "auto"
    """How it is asked. auto: as jurist.json in the model's folder says, else pointwise."""

    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.generation_weight < float("inf"):
            raise ConfigError(
                f"--generation-weight must be finite and not negative, got {self.generation_weight}"
            )


def run_generative_verifier(config: GenerativeVerifierConfig) -> None:
    """Train a judge of single responses by how likely it says Yes (Generative Verifiers)."""
    show(config.output, generative_verifier(config))


def generative_verifier(config: GenerativeVerifierConfig) -> "Results":
    """The run behind `run_generative_verifier`, without its table on the terminal."""
    with open_run("generative-verifier", config) as run:
        sets = read_sets(config.data, output=run)
        name = pointwise_name(config.format, read_card(config.model), reasoning=config.reasoning)
        format = make_pointwise(name, seed=config.seed)
        for turn in star_rounds(run, config.model, sets.train, config.star, seed=config.seed):
            verdicts = _verdicts(turn, config, format, store=run / "completions.sqlite")
            keep_rows(turn, verdicts, format, told=False, guard=config.training.guard)
            written = response_rows(turn.preferences, weight=config.generation_weight)
            note(turn, "responses.json", {"rows": len(written)})
            from jurist.training import train_supervised

            in_all_processes(
                train_supervised,
                turn.start,
                [*verdicts.rows, *written],
                config.training,
                seed=config.seed,
                output=turn.checkpoint,
                card={"method": "generative-verifier", "kind": "verifier", "format": name},
            )
        judge = JudgeConfig(
            model=str(last_of(run, config.star.rounds)),
            voting=config.voting,
            bf16=config.training.bf16,
            processes=config.star.processes,
        )
        return finish(
            run, "Generative verifier", judge, sets, seed=config.seed, track=config.training.track
        )


def _verdicts(
    turn: Round, config: GenerativeVerifierConfig, format: ResponseFormat, *, store: Path
) -> Selection[SupervisedRow]:
    """What a round learns to say of responses: the label alone, or rationales that come to it."""
    if not config.reasoning:
        rows = verdict_rows(format, turn.preferences)
        return Selection(rows=rows, counts={"rows": len(rows)})
    traces = sample_round(
        turn,
        config.star,
        format=format,
        seed=config.seed,
        store=store,
        max_tokens=config.voting.max_tokens,
        bf16=config.training.bf16,
        guard=config.training.guard,
    )
    return right_traces(traces, per_prompt=config.star.per_prompt, seed=config.seed)
