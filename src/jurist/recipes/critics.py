"""What the recipes of critics share: critiques sampled and paired, and the judge they end in."""

from functools import partial
from pathlib import Path

from jurist.formats import ResponseFormat
from jurist.rationales import CritiquePair, Selection, critique_pairs
from jurist.recipes.checkpoints import last_of
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.star import Round, StarConfig, keep_rows, sample_round
from jurist.training.config import TrainingConfig


def sample_pairs(
    turn: Round,
    star: StarConfig,
    *,
    format: ResponseFormat,
    agreeing: bool,
    voting: VotingConfig,
    training: TrainingConfig,
    seed: int,
    store: Path,
) -> list[CritiquePair]:
    """Have critiques written of both responses of a round's preferences, and set them side by side.

    Args:
        turn: The round. Its folder gets the counts and the critiques that are trained on.
        star: How many critiques, how, by whom, and how many pairs of a preference.
        format: How they are asked for.
        agreeing: Leave out critiques whose verdict is not the label.
        voting: Has the longest critique.
        training: In which type they are sampled.
        seed: The run's seed.
        store: SQLite file of completions; what it holds is not sampled again.
    """
    from jurist.models.chat import can_write
    from jurist.models.load import load_tokenizer

    traces = sample_round(
        turn,
        star,
        format=format,
        seed=seed,
        store=store,
        max_tokens=voting.max_tokens,
        bf16=training.bf16,
        guard=training.guard,
    )
    # The head is put on what this round starts from, and reads with its tokenizer.
    tokenizer = load_tokenizer(turn.start)
    pairs = critique_pairs(
        traces,
        per_preference=star.per_prompt,
        agreeing=agreeing,
        readable=partial(can_write, tokenizer),
        seed=seed,
    )
    halves = Selection(rows=[half for pair in pairs.rows for half in pair], counts=pairs.counts)
    keep_rows(turn, halves, format, told=False, guard=training.guard)
    return pairs.rows


def critic_of(
    run: Path, star: StarConfig, *, voting: VotingConfig, training: TrainingConfig
) -> JudgeConfig:
    """The judge that a run of critics ends in; it writes in the type it was sampled in."""
    return JudgeConfig(
        model=str(last_of(run, star.rounds)),
        voting=voting,
        bf16=training.bf16,
        processes=star.processes,
    )
