"""Votes over samples: a verifier reads every candidate, and its scores and their answers decide.

jurist vote --model runs/verifier --pools pools.jsonl --output runs/votes
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum, nan
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.data import Pool
from jurist.digest import canonical
from jurist.engines.base import Engine
from jurist.errors import ConfigError
from jurist.formats import Pointwise, ResponseFormat, make_pointwise
from jurist.recipes.checkpoints import checkpoint_folder, pointwise_name, read_card
from jurist.recipes.choice import chosen_line, expected_correctness, told, whole_pools_point
from jurist.recipes.guidelines import read_aspects
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_judge import open_writer
from jurist.recipes.pools import PoolsConfig, read_pool_sets
from jurist.recipes.run import open_run, stopwatch
from jurist.showing import Console
from jurist.storage import replacing, write_json
from jurist.types import Failure

if TYPE_CHECKING:
    # Loads numpy, which `jurist --help` need not wait for.
    from jurist.evaluation import SelectionPoint
    from jurist.search.votes import Floats, Ints

Rule = Literal["majority", "best", "mean", "weighted", "pessimistic", "approvals", "borda"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VoteConfig:
    """Everything that votes over samples depend on."""

    judge: JudgeConfig
    """The verifier. --votes is how often it reads each candidate."""

    pools: tuple[str, ...]
    """Sets of pools, each a JSON Lines file (plain or .gz), or NAME=FILE. The candidates of a pool
    are samples of one model; right ones may be marked."""

    output: Path
    """Run directory. `selected.jsonl` in it gets a line per pool, `votes.json` what was measured.
    The same command run again goes on where it was."""

    ask: Literal["auto", "pointwise", "terse-pointwise"] = "auto"
    """How the verifier is asked about one candidate, always for reasons and a verdict, so that it
    can be read more than once. auto: as jurist.json in its folder says, else pointwise."""

    aspects: str = ""
    """JSON Lines file with an "aspect" on each line, for the form pointwise: the verifier is then
    asked about each aspect alone, --votes times, and the rule approvals is measured too."""

    rule: Rule = "weighted"
    """Whose choice is written to `selected.jsonl`; all are measured. majority: the commonest
    answer, whatever the verifier says. best: the candidate with the most approving readings. mean:
    the answer whose candidates have the most on average. weighted: the answer whose candidates have
    the most together. pessimistic: mean less a penalty for what was seldom seen. approvals: the
    candidate that the verifiers of most --aspects approve of. borda: the commonest answer, a
    candidate counting the more the surer --certainty is of it."""

    alpha: float = 0.1
    """Weight of the penalty of the pessimistic rule."""

    certainty: str = ""
    """Checkpoint folder, run directory or hub id of the model that wrote the candidates, to have
    its self-certainty for the rule borda. Empty: that rule is left out."""

    power: float = 0.5
    """Of the rule borda: 0 counts all candidates alike, a great one takes the surest."""

    answers: Literal["number", "text"] = "number"
    """How candidates of one answer are told: by the last number, or by the whole text without case
    and punctuation."""

    limits: PoolsConfig = PoolsConfig()
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.pools:
            raise ConfigError("--pools names no set of pools; give at least one")
        if self.rule == "approvals" and not self.aspects:
            raise ConfigError("--rule approvals counts verifiers of aspects; name them: --aspects")
        if not 0.0 <= self.alpha < float("inf"):
            raise ConfigError(f"--alpha must not be negative, and be finite; got {self.alpha}")
        if not 0.0 <= self.power < float("inf"):
            raise ConfigError(f"--power must not be negative, and be finite; got {self.power}")
        if self.rule == "borda" and not self.certainty:
            raise ConfigError("--rule borda goes by a model's self-certainty; name it: --certainty")
        self.judge.voting.of_responses(seed=self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """One pool, and what the verifier said of its candidates."""

    approving: list[list[float]]
    """For each candidate, 1 for a reading that approves and 0 for one that does not; a reading that
    came to no verdict approves of nothing."""

    by_aspect: list[list[float]]
    """For each candidate and aspect, 1 if most readings with a verdict approve, 0 if most do not,
    one half if as many do, NaN where there is none. One aspect, the whole, if none is named."""

    num_failed: int
    num_tokens: int

    certainty: list[float] | None
    """Of each candidate, in nats; None where no model was asked."""


def run_vote(config: VoteConfig) -> int:
    """Have a verifier read every candidate, and choose by its scores and their answers.

    Returns:
        0.
    """
    console = Console()
    for line in vote(config):
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"chosen: {config.output / 'selected.jsonl'}", markup=False, soft_wrap=True)
    return 0


def vote(config: VoteConfig) -> list[str]:
    """The run behind `run_vote`.

    Returns:
        What was measured, a line for each set and rule.
    """
    from jurist.search import taken

    with open_run("vote", config) as run:
        sets = read_pool_sets(config.pools, config.limits, seed=config.seed)
        kept: dict[str, object] = {}
        lines: list[str] = []
        with (
            open_writer(config.judge, store=run / "completions.sqlite") as engine,
            replacing(run / "selected.jsonl") as file,
        ):
            for name, pools in sets.items():
                with stopwatch(run, f"read/{name}"):
                    read = _read(config, engine, pools, _certainty(config, pools))
                support = [
                    {rule: of(pool, one) for rule, of in _rules(config).items()}
                    for pool, one in zip(pools, read, strict=True)
                ]
                for pool, one, by_rule in zip(pools, read, support, strict=True):
                    line = {
                        "set": name,
                        "id": pool.id,
                        **chosen_line(pool, taken(by_rule[config.rule]).tolist(), seed=config.seed),
                        "scores": [fsum(of) / len(of) for of in one.approving],
                        "num_failed": one.num_failed,
                        "num_tokens": one.num_tokens,
                    }
                    file.write(f"{canonical(line)}\n".encode())
                points = _points(pools, read, support, seed=config.seed)
                kept[name] = {
                    "num_pools": len(pools),
                    "num_readings": sum(len(of) for one in read for of in one.approving),
                    "num_failed": sum(one.num_failed for one in read),
                    "num_tokens": sum(one.num_tokens for one in read),
                    "rules": {rule: asdict(point) for rule, point in points.items()},
                }
                lines += _told(name, pools, read, points)
        write_json(run / "votes.json", kept)
        return lines


def _certainty(config: VoteConfig, pools: Sequence[Pool]) -> list[list[float] | None]:
    """How sure the model that is named for it is of every candidate of every pool."""
    if not config.certainty:
        return [None] * len(pools)
    from jurist.models.certainty import TransformersCertainty

    sure = TransformersCertainty.load(checkpoint_folder(config.certainty))
    pairs = [(pool.prompt, one.text) for pool in pools for one in pool.candidates]
    certain = iter(sure([prompt for prompt, _ in pairs], [text for _, text in pairs]))
    return [[next(certain) for _ in pool.candidates] for pool in pools]


def _read(
    config: VoteConfig,
    engine: Engine,
    pools: Sequence[Pool],
    certainty: Sequence[list[float] | None],
) -> list[_Read]:
    """Have every candidate of every pool read, all in one call of the engine."""
    forms = _forms(config)
    sampling = config.judge.voting.of_responses(seed=config.seed)
    asked = [
        form.render(pool.prompt, one.text)
        for pool in pools
        for one in pool.candidates
        for form in forms
    ]
    written = iter(engine.generate(asked, sampling))
    found: list[_Read] = []
    for pool, sure in zip(pools, certainty, strict=True):
        replies = [[next(written) for _ in forms] for _ in pool.candidates]
        verdicts = [
            [[form.parse(reply) for reply in of] for form, of in zip(forms, of_each, strict=True)]
            for of_each in replies
        ]
        every = [[one for of in of_each for one in of] for of_each in verdicts]
        found.append(
            _Read(
                approving=[[float(one is True) for one in of] for of in every],
                by_aspect=[[_approval(of) for of in of_each] for of_each in verdicts],
                num_failed=sum(isinstance(one, Failure) for of in every for one in of),
                num_tokens=sum(
                    reply.num_tokens for of_each in replies for of in of_each for reply in of
                ),
                certainty=sure,
            )
        )
    return found


def _forms(config: VoteConfig) -> list[ResponseFormat]:
    judge = config.judge
    card = {} if judge.base_url else read_card(checkpoint_folder(judge.model))
    name = pointwise_name(config.ask, card, reasoning=True)
    if not config.aspects:
        return [make_pointwise(name, seed=config.seed)]
    if name != "pointwise":
        raise ConfigError(f"--aspects are what --ask pointwise asks about; this model is {name}")
    return [Pointwise(seed=config.seed, aspect=aspect) for aspect in read_aspects(config.aspects)]


def _approval(verdicts: Sequence[bool | Failure]) -> float:
    """What most readings say; NaN if none says anything."""
    given = [one for one in verdicts if not isinstance(one, Failure)]
    if not given:
        return nan
    lead = 2 * sum(given) - len(given)
    return 0.5 if lead == 0 else float(lead > 0)


def _rules(config: VoteConfig) -> dict[str, Callable[[Pool, _Read], "Floats"]]:
    """The support that each rule gives the candidates of a pool. Shape: [N]."""
    import numpy as np

    from jurist.search import (
        ANSWERS,
        answer_numbers,
        approvals,
        borda_votes,
        majority_votes,
        mean_scores,
        pessimistic_scores,
        weighted_votes,
    )

    answer_of = ANSWERS[config.answers]

    def answers(pool: Pool) -> "Ints":
        return answer_numbers([answer_of(one.text) for one in pool.candidates])

    def readings(read: _Read) -> "Floats":
        return np.array(read.approving, np.float64)

    def scores(read: _Read) -> "Floats":
        return readings(read).mean(axis=-1)

    by_aspect: dict[str, Callable[[Pool, _Read], Floats]] = {
        "approvals": lambda _, read: approvals(read.by_aspect)
    }
    by_certainty: dict[str, Callable[[Pool, _Read], Floats]] = {
        "borda": lambda pool, read: borda_votes(
            answers(pool), read.certainty or [], power=config.power
        )
    }
    return {
        "majority": lambda pool, _: majority_votes(answers(pool)),
        "best": lambda _, read: scores(read),
        "mean": lambda pool, read: mean_scores(answers(pool), scores(read)),
        "weighted": lambda pool, read: weighted_votes(answers(pool), scores(read)),
        "pessimistic": lambda pool, read: pessimistic_scores(
            answers(pool), readings(read), alpha=config.alpha
        ),
        **(by_aspect if config.aspects else {}),
        **(by_certainty if config.certainty else {}),
    }


def _points(
    pools: Sequence[Pool],
    read: Sequence[_Read],
    support: Sequence[Mapping[str, "Floats"]],
    *,
    seed: int,
) -> dict[str, "SelectionPoint"]:
    """What each rule is worth beside any candidate and the best one; empty if that is not known."""
    from jurist.search import taken

    found: dict[str, SelectionPoint] = {}
    for rule in support[0]:
        correct = [
            expected_correctness(pool, taken(of[rule]).tolist())
            for pool, of in zip(pools, support, strict=True)
        ]
        # A majority reads nothing, nor does who counts by certainty.
        tokens = [0 if rule in ("majority", "borda") else one.num_tokens for one in read]
        point = whole_pools_point(pools, correct, tokens, seed=seed)
        if point is not None:
            found[rule] = point
    return found


def _told(
    name: str,
    pools: Sequence[Pool],
    read: Sequence[_Read],
    points: Mapping[str, "SelectionPoint"],
) -> list[str]:
    total = sum(len(of) for one in read for of in one.approving)
    failed = sum(one.num_failed for one in read)
    head = f"{name}: {len(pools):,} pools, {failed:,} of {total:,} readings without a verdict"
    if not points:
        return [f"{head}; what is right is not known"]
    return [
        head,
        *(f"{name}: {rule} of up to {point.n}: {told(point)}" for rule, point in points.items()),
    ]
