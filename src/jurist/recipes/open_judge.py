"""From a checkpoint folder, a hub id or a served model to a judge that reads both orders."""

import json
import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from jurist.engines import Cached
from jurist.engines.base import Engine, LogprobEngine
from jurist.errors import ConfigError
from jurist.formats import (
    AdditiveName,
    Format,
    FormatName,
    GradedFormat,
    PointwiseName,
    Principles,
    ScoreFormat,
    make_additive,
    make_format,
    make_pointwise,
)
from jurist.judges import (
    Adaptive,
    AveragedJudge,
    BothOrders,
    Budgeted,
    ComparedJudge,
    Critic,
    DirectJudge,
    Judge,
    MeanRater,
    PairwiseJudge,
    RatedJudge,
    SamplingAndScoring,
    SamplingJudge,
    ScoredJudge,
    Verifier,
)
from jurist.recipes.guidelines import read_principles, read_prometheus
from jurist.recipes.open_engine import EngineName, ProcessesConfig, open_engine
from jurist.recipes.run import read_run_config
from jurist.types import Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class VotingConfig:
    """How a judge that reasons is sampled. A judge that does not reads each order once."""

    votes: int = 8
    """Judgements of each pair in each of its two orders; of a judge that reads single responses, of
    each response."""

    temperature: float = 1.0
    """Temperature of the judgements (1.0 in Mahan et al. 2024)."""

    top_p: float = 0.95
    """Top-p of the judgements (0.95 in Mahan et al. 2024)."""

    max_tokens: int = 1024
    """Longest judgement, in tokens. One that is cut is a failure, and is counted."""

    stop_at: float | None = None
    """Stop voting on a pair once all votes would give another verdict with at most this
    probability, such as 0.01; at 0, once no vote can change it. None: never."""

    verdicts: Literal["counted", "averaged"] = "counted"
    """counted: each reading casts the vote that it wrote. averaged: each gives the probability that
    its reasoning leaves the verdicts, and their mean decides; one more pass over each reply."""

    mean_votes: float | None = None
    """Votes of a pair on average, both orders together, spent where the verdict is open.
    None: no budget."""

    def __post_init__(self) -> None:
        # The same bounds as the engine's, said before any model is loaded.
        self.sampling(seed=0)
        if self.stop_at is not None and not 0.0 <= self.stop_at < 1.0:
            raise ConfigError(f"--stop-at is a probability below 1; got {self.stop_at}")
        if self.mean_votes is not None and not 2.0 <= self.mean_votes < math.inf:
            raise ConfigError(
                f"--mean-votes must be at least 2, one vote of each order; got {self.mean_votes}"
            )
        if self.stop_at is not None and self.mean_votes is not None:
            raise ConfigError(
                "--stop-at and --mean-votes are two answers to how many votes a pair gets; "
                "give one of them"
            )

        if self.verdicts == "averaged" and (self.stop_at, self.mean_votes) != (None, None):
            raise ConfigError(
                "--verdicts averaged has no majority that votes could be stopped by; leave "
                "--stop-at and --mean-votes"
            )

    def sampling(self, *, seed: int) -> Sampling:
        """The engine's settings."""
        try:
            return Sampling(
                num_samples=self.votes,
                temperature=self.temperature,
                top_p=self.top_p,
                max_tokens=self.max_tokens,
                seed=seed,
            )
        except ValueError as error:
            raise ConfigError(str(error).replace("num_samples", "votes")) from None

    def of_responses(self, *, seed: int) -> Sampling:
        """The engine's settings for critiques of single responses.

        Raises:
            ConfigError: If votes are to be stopped, shared out or averaged; critiques are not.
        """
        if (self.stop_at, self.mean_votes, self.verdicts) != (None, None, "counted"):
            raise ConfigError(
                "--stop-at, --mean-votes and --verdicts are about votes on pairs; of a judge that "
                "reads single responses all that it wrote is averaged: leave them"
            )
        return self.sampling(seed=seed)

    def both_orders(self, judge: SamplingJudge) -> Judge:
        """The judge asked in both orders, as often as these settings say."""
        if self.stop_at is not None:
            return Adaptive(judge, stop_at=self.stop_at)
        if self.mean_votes is not None:
            return Budgeted(judge, mean_votes=self.mean_votes)
        return BothOrders(judge)


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeConfig:
    """A judge: which model, asked how, how often."""

    model: str
    """Checkpoint folder, run directory, hub id, or the name of a served model (--base-url)."""

    base_url: str = ""
    """Address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1. Empty: the model
    runs in this process. The key is read from the environment variable OPENAI_API_KEY."""

    max_concurrency: int = 8
    """Requests to a server in flight at once. Changes how fast it goes, not what comes out."""

    format: Literal["auto", "principles", "prometheus", FormatName, PointwiseName, AdditiveName] = (
        "auto"
    )
    """How the model is asked. auto: as jurist.json in its folder says, else pairwise. strength: how
    much better, from -3 to 3. scores: principles, critiques and a score for each. rubrics: by the
    type of the task. principles: by those of --principles alone. A pointwise format asks about one
    response at a time, and the surer Yes wins; additive for its points, prometheus for its score by
    --rubric, and the higher one wins."""

    principles: str = ""
    """JSON Lines file for --format principles: an object with "text", "opposite" and perhaps
    "negated" on each line."""

    rubric: str = ""
    """JSON file for --format prometheus: "criteria", and "levels" that say what each score from 1
    to 5 means."""

    references: str = ""
    """JSON Lines file for --format prometheus: a "prompt" and the "reference" answer to it on each
    line. Empty: there are none."""

    voting: VotingConfig = VotingConfig()

    bf16: bool = False
    """Run a local model in bfloat16 instead of float32."""

    processes: ProcessesConfig = ProcessesConfig()

    engine: EngineName = "transformers"
    """What runs a local model."""

    def __post_init__(self) -> None:
        if self.max_concurrency < 1:
            raise ConfigError(f"--max-concurrency must be at least 1, got {self.max_concurrency}")
        if self.base_url and self.processes.several:
            raise ConfigError(
                "--workers and --ray are for a model that runs here; behind --base-url, "
                "--max-concurrency says how much is asked at once"
            )
        if self.base_url and self.engine != "transformers":
            raise ConfigError(
                f"--engine {self.engine} runs the model in this process, and --base-url names a "
                f"server that runs it; give one of them"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenJudge:
    """A judge that is ready, and what it is."""

    judge: Judge
    """Reads each comparison in both orders."""

    kind: Literal["reasoning", "direct", "points", "verifier", "critic", "scalar", "comparer"]
    format: str
    """Name of the format; empty for a scalar model, which has none."""

    votes: int
    """Judgements of each pair in each order, at most."""

    whole_sets: bool = False
    """What is said of a pair depends on which others are judged with it, as a budget's votes do, so
    that a set must not be judged in parts."""

    @property
    def num_possible(self) -> int:
        """Judgements of each pair in both orders, had voting never been stopped early."""
        return 2 * self.votes


@contextmanager
def open_judge(config: JudgeConfig, *, seed: int, store: Path) -> Generator[OpenJudge]:
    """Load or reach the model a config names, and make a judge of it.

    Args:
        config: Which judge.
        seed: Of sampling and of the fences around what is judged.
        store: SQLite file that keeps the completions; the judge never asks for one twice.

    Raises:
        ConfigError: If there is no such model, or it cannot be asked as the config says.
    """
    if config.base_url:
        with _open_served(config, seed=seed, store=store) as judge:
            yield judge
        return
    folder = checkpoint_folder(config.model)
    card = read_card(folder)
    if card.get("kind") in ("scalar", "comparer"):
        yield _open_head(folder, card, config, seed=seed)
        return
    engine = open_engine(folder, name=config.engine, bf16=config.bf16, processes=config.processes)
    with engine as inner, Cached(inner, store, chunk_size=config.processes.chunk_size) as cached:
        if card.get("kind") == "critic":
            yield _critic(cached, folder, card, config, seed=seed)
        else:
            yield _generative(cached, card, config, seed=seed)


@contextmanager
def _open_served(config: JudgeConfig, *, seed: int, store: Path) -> Generator[OpenJudge]:
    from jurist.engines.openai import OpenAIEngine

    served = OpenAIEngine(config.base_url, config.model, max_concurrency=config.max_concurrency)
    with Cached(served, store) as cached:
        yield _generative(cached, {}, config, seed=seed)


def _open_head(folder: str, card: dict[str, Any], config: JudgeConfig, *, seed: int) -> OpenJudge:
    """A model with a head of one number, which says of a response or of a comparison what it is."""
    if config.format != "auto":
        raise ConfigError(
            f"{folder}: a reward model with a head is read as it was trained, not asked in a "
            f"format; asked for {config.format!r}"
        )
    if config.processes.several:
        raise ConfigError(
            f"{folder}: a reward model with a head runs in this process; leave --workers"
        )
    if config.engine != "transformers":
        raise ConfigError(
            f"{folder}: a reward model with a head is read by transformers, asked for --engine "
            f"{config.engine}"
        )
    from jurist.models.heads import TransformersComparer, TransformersScorer

    if card["kind"] == "scalar":
        scored = ScoredJudge(TransformersScorer.load(folder))
        return OpenJudge(judge=BothOrders(scored), kind="scalar", format="", votes=1)
    name = format_name("auto", card)
    comparer = TransformersComparer.load(folder, make_format(name, seed=seed).render)
    return OpenJudge(
        judge=BothOrders(ComparedJudge(comparer)), kind="comparer", format=name, votes=1
    )


def _critic(
    engine: Engine, folder: str, card: dict[str, Any], config: JudgeConfig, *, seed: int
) -> OpenJudge:
    """A model that writes critiques and has a head that reads them."""
    if config.format != "auto":
        raise ConfigError(
            f"{folder}: a critic writes as it was trained to, not in a format; asked for "
            f"{config.format!r}"
        )
    from jurist.models.heads import TransformersScorer

    name = pointwise_name("auto", card, reasoning=True)
    critic = Critic(
        engine=engine,
        format=make_pointwise(name, seed=seed),
        sampling=config.voting.of_responses(seed=seed),
        reward=TransformersScorer.load(folder),
    )
    return OpenJudge(judge=BothOrders(RatedJudge(critic)), kind="critic", format=name, votes=1)


def _verifier(engine: Engine, name: PointwiseName, config: JudgeConfig, *, seed: int) -> OpenJudge:
    """A model that says of one response whether it is good, and how sure that is."""
    form = make_pointwise(name, seed=seed)
    sampling = config.voting.of_responses(seed=seed)
    verifier = Verifier(engine=_telling(engine, name, config), format=form, sampling=sampling)
    return OpenJudge(judge=BothOrders(RatedJudge(verifier)), kind="verifier", format=name, votes=1)


def _telling(engine: Engine, name: str, config: JudgeConfig) -> LogprobEngine:
    if isinstance(engine, LogprobEngine):
        return engine
    raise ConfigError(
        f"{config.model}: the engine tells no log-probabilities, which format {name!r} "
        f"needs; use --format pairwise"
    )


def _generative(
    engine: Engine, card: dict[str, Any], config: JudgeConfig, *, seed: int
) -> OpenJudge:
    asked = config.format if config.format != "auto" else str(card.get("format", "pairwise"))
    if asked in get_args(PointwiseName):
        return _verifier(engine, cast(PointwiseName, asked), config, seed=seed)
    if asked in get_args(AdditiveName) or asked == "prometheus":
        if asked == "prometheus":
            scores = read_prometheus(config.rubric, config.references, seed=seed)
        else:
            scores = make_additive(cast(AdditiveName, asked), seed=seed)
        rater = open_rater(engine, scores, config.voting, seed=seed)
        return OpenJudge(judge=BothOrders(RatedJudge(rater)), kind="points", format=asked, votes=1)
    form: Format
    if asked == "principles":
        name = asked
        form = Principles(principles=read_principles(config.principles), seed=seed)
    else:
        name = format_name(asked, card)
        form = make_format(name, seed=seed)
    if not form.reasoning:
        direct = DirectJudge(engine=_telling(engine, name, config), format=form)
        return OpenJudge(judge=BothOrders(direct), kind="direct", format=name, votes=1)
    sampling = config.voting.sampling(seed=seed)
    if config.voting.verdicts == "counted":
        judge = config.voting.both_orders(PairwiseJudge(engine, format=form, sampling=sampling))
    elif isinstance(form, GradedFormat):
        raise ConfigError(
            f"format {name!r} states a verdict in several ways, so that --verdicts averaged has no "
            f"one text to weigh; leave it counted"
        )
    elif isinstance(engine, LogprobEngine):
        weighing = cast(SamplingAndScoring, engine)
        judge = BothOrders(AveragedJudge(engine=weighing, format=form, sampling=sampling))
    else:
        raise ConfigError(
            f"{config.model}: the engine tells no log-probabilities, which --verdicts averaged "
            f"needs; leave it counted"
        )
    return OpenJudge(
        judge=judge,
        kind="reasoning",
        format=name,
        votes=config.voting.votes,
        whole_sets=config.voting.mean_votes is not None,
    )


def open_rater(
    engine: Engine, format: ScoreFormat, voting: VotingConfig, *, seed: int
) -> MeanRater:
    """What asks an engine for the scores of responses, as often as the settings say.

    Raises:
        ConfigError: If they ask for what only votes on a comparison have.
    """
    return MeanRater(engine=engine, format=format, sampling=voting.of_responses(seed=seed))


def check_failure_rate(allowed: float) -> None:
    """Refuse a `max_failure_rate` that is no share: 5 is no way to say 5 %.

    Raises:
        ConfigError: If it is not from 0 to 1.
    """
    if not 0 <= allowed <= 1:
        raise ConfigError(f"--max-failure-rate is a share, from 0 to 1; got {allowed}")


def checkpoint_folder(model: str) -> str:
    """The checkpoint a model name stands for: a run directory stands for its last checkpoint.

    Raises:
        ConfigError: If a run has not come to its last checkpoint: which round is meant is then to
            be said.
    """
    run = Path(model)
    if not (run / "run.lock").exists():
        return model
    rounds = read_run_config(run / "config.json")["config"].get("star", {}).get("rounds")
    last = run / "checkpoint" if rounds is None else last_of(run, rounds)
    if last.exists():
        return str(last)
    found = [path for number in range(1, rounds or 1) if (path := last_of(run, number)).exists()]
    raise ConfigError(
        f"{model}: a run directory without {last.relative_to(run)}, so the run has not finished; "
        f"run it again to go on"
        + (f", or name the round that is meant: {found[-1]}" if found else "")
    )


def last_of(run: Path, number: int) -> Path:
    """The checkpoint that a round of a STaR run ends in."""
    return run / f"round-{number}" / "checkpoint"


def read_card(folder: str) -> dict[str, Any]:
    """What `jurist.json` in a checkpoint folder says of it; nothing if there is none."""
    path = Path(folder) / "jurist.json"
    try:
        content = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a JSON object")
    return cast(dict[str, Any], content)


def additive_name(asked: str, card: dict[str, Any]) -> AdditiveName | None:
    """The format to ask a model for points in, if such a one is asked for, or with auto the one
    that it was trained in; else None."""
    name = card.get("format") if asked == "auto" else asked
    return cast(AdditiveName, name) if name in get_args(AdditiveName) else None


def format_name(asked: str, card: dict[str, Any], *, reasoning: bool | None = None) -> FormatName:
    """The format to ask a model in: the one asked for, or with auto the one it was trained in.

    Args:
        asked: Name of a format, or auto.
        card: The model's `jurist.json`.
        reasoning: Whether auto means a format with reasoning or its sister without; None: as the
            card says.
    """
    if asked != "auto":
        return cast(FormatName, asked)
    name = str(card.get("format", "pairwise"))
    sisters = {"pairwise": "direct", "terse": "terse-direct"}
    if reasoning is False:
        name = sisters.get(name, name)
    if reasoning:
        name = {sister: one for one, sister in sisters.items()}.get(name, name)
    if name not in get_args(FormatName):
        raise ConfigError(f"jurist.json names a format {name!r}; there are {get_args(FormatName)}")
    return cast(FormatName, name)


def pointwise_name(asked: str, card: dict[str, Any], *, reasoning: bool) -> PointwiseName:
    """The format to ask a model about one response in; auto goes by the model's `jurist.json`.

    Args:
        asked: auto, pointwise or terse-pointwise.
        card: The model's `jurist.json`.
        reasoning: Whether the reply reasons before its verdict.
    """
    if asked == "auto":
        terse = str(card.get("format", "")).startswith("terse")
        asked = "terse-pointwise" if terse else "pointwise"
    return cast(PointwiseName, asked if reasoning else f"{asked}-direct")
