"""From a checkpoint folder, a hub id or a served model to a judge that reads both orders."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from jurist.engines import Cached
from jurist.engines.base import Engine, LogprobEngine
from jurist.errors import ConfigError
from jurist.formats import (
    AdditiveName,
    Format,
    GradedFormat,
    PointwiseName,
    Principles,
    make_additive,
    make_format,
    make_pointwise,
)
from jurist.judges import (
    AveragedJudge,
    BothOrders,
    ComparedJudge,
    Critic,
    DirectJudge,
    Gated,
    Judge,
    MeanRater,
    PairwiseJudge,
    RatedJudge,
    RatedScorer,
    Rater,
    SamplingAndScoring,
    ScoredJudge,
    Scorer,
    Verifier,
)
from jurist.recipes.checkpoints import checkpoint_folder, format_name, pointwise_name, read_card
from jurist.recipes.guidelines import read_principles, read_prometheus
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_engine import open_engine
from jurist.rehearsal import begin_work


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

    scorer: Scorer | None = None
    """Its scores of single responses, in log-odds; None of a judge of pairs. NaN: it has none."""

    whole_sets: bool = False
    """What is said of a pair depends on which others are judged with it, as a budget's votes do, so
    that a set must not be judged in parts."""

    @property
    def rereads(self) -> bool:
        """Whether what it writes is read once more, to weigh the verdicts after it."""
        return self.kind == "verifier"

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
    begin_work()
    if config.base_url:
        with Cached(_served(config), store) as cached:
            yield _gated(_generative(cached, _served_card(config), config, seed=seed), config)
        return
    folder = checkpoint_folder(config.model)
    card = read_card(folder)
    if card.get("kind") in ("scalar", "comparer"):
        yield _gated(_open_head(folder, card, config, seed=seed), config)
        return
    engine = open_engine(folder, name=config.engine, bf16=config.bf16, processes=config.processes)
    with engine as inner, Cached(inner, store, chunk_size=config.processes.chunk_size) as cached:
        if card.get("kind") == "critic":
            yield _gated(_critic(cached, folder, card, config, seed=seed), config)
        else:
            yield _gated(_generative(cached, card, config, seed=seed), config)


def _gated(opened: OpenJudge, config: JudgeConfig) -> OpenJudge:
    """The judge behind the gate that its config asks for. Scores of single responses have none."""
    if not config.gate:
        return opened
    gated = Gated(opened.judge, least_words=config.gate, votes=opened.votes)
    return replace(opened, judge=gated)


def judge_over(engine: SamplingAndScoring, config: JudgeConfig, *, seed: int) -> OpenJudge | None:
    """The judge a config names, over another engine than its model: to see what it would ask.

    Returns:
        The judge, or None if its model has a head, which no engine stands in for.

    Raises:
        ConfigError: If it cannot be asked as the config says.
    """
    card = _served_card(config) if config.base_url else read_card(checkpoint_folder(config.model))
    if card.get("kind") in ("scalar", "comparer", "critic"):
        return None
    return _generative(engine, card, config, seed=seed)


def _served_card(config: JudgeConfig) -> dict[str, Any]:
    return {"format": "direct"} if config.api == "systemone" else {}


@contextmanager
def open_writer(config: JudgeConfig, *, store: Path) -> Generator[Engine]:
    """Load or reach the model a config names, to ask it for something else than a judgement.

    Args:
        config: Which model. What it says of formats and votes is the caller's to use.
        store: SQLite file that keeps the completions; the model is never asked for one twice.

    Raises:
        ConfigError: If there is no such model, it has a head and does not write, or a format is
            named, which would have no effect.
    """
    if config.format != "auto":
        raise ConfigError(
            f"--format {config.format} is how a judge is asked about responses one by one or in "
            f"pairs, and would have no effect here; leave it"
        )
    if config.api == "systemone":
        raise ConfigError("--api systemone tells decisions and writes nothing; leave it")
    begin_work()
    if config.base_url:
        with Cached(_served(config), store) as cached:
            yield cached
        return
    folder = checkpoint_folder(config.model)
    kind = read_card(folder).get("kind")
    if kind in ("scalar", "comparer", "critic"):
        raise ConfigError(f"{folder}: a reward model with a head ({kind}); name one that writes")
    engine = open_engine(folder, name=config.engine, bf16=config.bf16, processes=config.processes)
    with engine as inner, Cached(inner, store, chunk_size=config.processes.chunk_size) as cached:
        yield cached


def _served(config: JudgeConfig) -> Engine:
    if config.api == "systemone":
        from jurist.engines.systemone import SystemOneEngine

        engine = SystemOneEngine
    else:
        from jurist.engines.openai import OpenAIEngine

        engine = OpenAIEngine
    return engine(
        config.base_url,
        config.model,
        max_concurrency=config.max_concurrency,
        patience=config.patience.patience(),
    )


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
        scorer = TransformersScorer.load(folder)
        judge = BothOrders(ScoredJudge(scorer))
        return OpenJudge(judge=judge, kind="scalar", format="", votes=1, scorer=scorer)
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
    reward = TransformersScorer.load(folder)
    critic = Critic(
        engine=engine,
        format=make_pointwise(name, seed=seed),
        sampling=config.voting.of_responses(seed=seed),
        reward=reward,
        readable=reward.can_read,
    )
    return _rated(critic, "critic", name)


def _verifier(engine: Engine, name: PointwiseName, config: JudgeConfig, *, seed: int) -> OpenJudge:
    """A model that says of one response whether it is good, and how sure that is."""
    form = make_pointwise(name, seed=seed)
    sampling = config.voting.of_responses(seed=seed)
    verifier = Verifier(engine=_telling(engine, name, config), format=form, sampling=sampling)
    return _rated(verifier, "verifier", name)


def _rated(rater: Rater, kind: Literal["points", "verifier", "critic"], name: str) -> OpenJudge:
    """A judge that rates single responses."""
    judge = BothOrders(RatedJudge(rater))
    return OpenJudge(judge=judge, kind=kind, format=name, votes=1, scorer=RatedScorer(rater))


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
        sampling = config.voting.of_responses(seed=seed)
        rater = MeanRater(engine=engine, format=scores, sampling=sampling)
        return _rated(rater, "points", asked)
    form: Format
    if asked == "principles":
        name = asked
        form = Principles(principles=read_principles(config.principles), seed=seed)
    else:
        name = format_name(config.format, card)
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
