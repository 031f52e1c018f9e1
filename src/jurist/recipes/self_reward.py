"""Self-Rewarding Language Models: a model that learns to reply by the points it gives itself.

Yuan et al. 2024 (arXiv:2401.10020). Each round the latest model samples several responses to every
prompt and, asked as a judge, gives each of them points from 0 to 5, several times over; the
response with the best mean is set against the one with the worst, and the model is trained on those
pairs with DPO. Of the training file only the prompts are used. The model is then evaluated as the
judge that it is, on preferences that people labelled.

The judge has to be one already: the paper trains it on labelled judgements first, which a chat
model may do without. With `--author` another model gives the points, in the first round or in all.

    jurist self-reward --model MODEL --train prompts.jsonl --output runs/self-reward
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from jurist.data import Candidate, Pool
from jurist.engines import Cached
from jurist.errors import ConfigError
from jurist.formats import AdditiveName, make_additive
from jurist.judges import MeanRater, Rating
from jurist.rationales import PairRow, Selection, write_rows
from jurist.rationales.draw import refuse_none
from jurist.recipes.checkpoints import last_of, read_card
from jurist.recipes.evaluate import finish, show
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.labels import best_and_worst
from jurist.recipes.launch import in_all_processes
from jurist.recipes.open_engine import open_engine
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import Round, StarConfig, note, open_author, star_rounds
from jurist.training.config import PairLossConfig, TrainingConfig
from jurist.types import Completion, Failure, Preference, Verdict

if TYPE_CHECKING:
    from jurist.reports import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfRewardConfig:
    """Everything a self-rewarding run depends on."""

    model: str
    """Checkpoint or hub id that the model starts from. It replies, and it judges."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: DataConfig
    star: StarConfig = StarConfig(rounds=2, num_samples=4, per_prompt=1, sampling_temperature=0.7)
    """A trace is a response here, and there is one pair of a prompt at most. An author gives the
    points."""

    training: TrainingConfig = TrainingConfig()
    voting: VotingConfig = VotingConfig(votes=3)
    """Of the judgements of each response, in training and in evaluation."""

    loss: PairLossConfig = PairLossConfig(beta=0.1)
    """The paper's beta, as far as it is remembered here."""

    max_response_tokens: int = 512
    """Longest response, in tokens. One that is cut is given no points, and is counted."""

    format: Literal["auto", "additive", "terse-additive"] = "auto"
    """How the model is asked for points. auto: as jurist.json in its folder says, else additive."""

    seed: int = 0

    def __post_init__(self) -> None:
        if self.star.per_prompt != 1:
            raise ConfigError(
                f"--per-prompt must be 1: the best response against the worst is one pair; got "
                f"{self.star.per_prompt}"
            )
        if self.max_response_tokens < 1:
            raise ConfigError(
                f"--max-response-tokens must be at least 1, got {self.max_response_tokens}"
            )


def run_self_reward(config: SelfRewardConfig) -> None:
    """Train a model on the points that it gives its own responses (Self-Rewarding)."""
    show(config.output, self_reward(config))


def self_reward(config: SelfRewardConfig) -> "Results":
    """The run behind `run_self_reward`, without its table on the terminal."""
    with open_run("self-reward", config) as run:
        sets = read_sets(config.data, output=run)
        form = _format(config)
        for turn in star_rounds(run, config.model, sets.train, config.star, seed=config.seed):
            pairs = _self_rewarded(turn, config, form, store=run / "completions.sqlite")
            write_rows(turn.folder / "rows.jsonl.gz", pairs.rows)
            note(turn, "rows.json", pairs.counts)
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
                card={"method": "self-reward", "kind": "points", "format": form},
            )
        judge = JudgeConfig(
            model=str(last_of(run, config.star.rounds)),
            voting=config.voting,
            bf16=config.training.bf16,
            processes=config.star.processes,
        )
        return finish(
            run, "Self-Rewarding", judge, sets, seed=config.seed, track=config.training.track
        )


def _format(config: SelfRewardConfig) -> AdditiveName:
    if config.format != "auto":
        return config.format
    terse = str(read_card(config.model).get("format")).startswith("terse")
    return "terse-additive" if terse else "additive"


def _self_rewarded(
    turn: Round, config: SelfRewardConfig, form: AdditiveName, *, store: Path
) -> Selection[PairRow]:
    """Have the latest model reply to every prompt of a round and rate its replies; pair them."""
    asked = list({preference.prompt: preference for preference in turn.preferences}.values())
    processes, bf16 = config.star.processes, config.training.bf16
    sampling = config.star.sampling(seed=config.seed, max_tokens=config.max_response_tokens)
    with (
        open_engine(turn.judge, bf16=bf16, processes=processes) as engine,
        Cached(engine, store, chunk_size=processes.chunk_size) as policy,
    ):
        replies = policy.generate([preference.prompt for preference in asked], sampling)
    pools = [_pool(preference, row) for preference, row in zip(asked, replies, strict=True)]
    with open_author(turn, config.star, store=store, bf16=bf16) as (judge, name):
        rate = MeanRater(
            engine=judge,
            format=make_additive(form, seed=config.seed),
            sampling=config.voting.of_responses(seed=config.seed),
        )
        given = iter(
            rate(
                [pool.prompt for pool in pools for _ in pool.candidates],
                [candidate.text for pool in pools for candidate in pool.candidates],
            )
        )
    ratings = [[next(given) for _ in pool.candidates] for pool in pools]
    scores = [one.score for row in ratings for one in row if not isinstance(one.score, Failure)]
    note(
        turn,
        "responses.json",
        {
            "judge": name,
            "prompts": len(asked),
            "responses": sum(map(len, replies)),
            "different": sum(len(pool.candidates) for pool in pools),
            "rated": len(scores),
            "mean_score": fmean(scores) if scores else None,
        },
    )
    return best_against_worst(pools, ratings)


def _pool(preference: Preference, replies: Sequence[Completion]) -> Pool:
    """The different responses that came to an end and say something."""
    texts = dict.fromkeys(
        reply.text for reply in replies if reply.finish_reason == "stop" and reply.text.strip()
    )
    return Pool(
        id=preference.id,
        prompt=preference.prompt,
        candidates=tuple(Candidate(text=text) for text in texts),
        group=preference.group,
    )


def best_against_worst(
    pools: Sequence[Pool], ratings: Sequence[Sequence[Rating]]
) -> Selection[PairRow]:
    """The response with the best mean over the one with the worst, of each prompt.

    Args:
        pools: Prompts with different responses.
        ratings: Of each response of each pool.

    Returns:
        The rows, and counts: of the `prompts` those that make none, since the best and the worst
        have as many points (`equal`), fewer than two responses have any (`unrated`) or all
        responses are one (`one_response`); and `rows`.

    Raises:
        ConfigError: If no row comes of it.
    """
    from jurist.rewards.cohort import CohortRewards, centred

    rows: list[PairRow] = []
    counts = Counter[str]()
    for pool, row in zip(pools, ratings, strict=True):
        scores = [None if isinstance(one.score, Failure) else one.score for one in row]
        if len(pool.candidates) < 2 or sum(score is not None for score in scores) < 2:
            counts["one_response" if len(pool.candidates) < 2 else "unrated"] += 1
            continue
        rewards = CohortRewards(rewards=centred(scores))
        label = best_and_worst(pool, rewards, min_confidence=0.0, consistent=False)
        if label.reason != "preferred":
            counts["equal"] += 1
            continue
        pair = label.preference
        rows.append(
            PairRow(
                preference_id=pair.id,
                # Rows of a judge end in a verdict; those of a policy have none.
                label=Verdict.FIRST,
                prompt=pair.prompt,
                chosen=pair.chosen,
                rejected=pair.rejected,
            )
        )
    named = {name: counts[name] for name in ("equal", "unrated", "one_response")}
    found = {"prompts": len(pools), **named, "rows": len(rows)}
    refuse_none(rows, found, "responses to one prompt with different points are needed")
    return Selection(rows=rows, counts=found)
