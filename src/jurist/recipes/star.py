"""What the STaR recipes share: the settings of a round, and the sampling it begins with."""

import json
import logging
import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from jurist.data import parts
from jurist.digest import UNLESS_DEFAULT
from jurist.engines import Cached
from jurist.engines.base import Engine
from jurist.errors import ConfigError, DataError, TrainingError
from jurist.formats import Format, Rationalizer, ResponseFormat
from jurist.rationales import (
    PairRow,
    Selection,
    SupervisedRow,
    Trace,
    TraceSignals,
    collapses,
    refuse_leaks,
    sample_rationales,
    sample_traces,
    trace_signals,
    write_rows,
)
from jurist.recipes.open_engine import ProcessesConfig, open_engine
from jurist.recipes.patience_config import PatienceConfig
from jurist.recipes.run import stopwatch
from jurist.rehearsal import begin_work
from jurist.storage import write_json
from jurist.training.config import GuardMode
from jurist.types import Preference, Sampling

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorConfig:
    """Another model that writes traces in the judge's stead (Mahan et al. 2024, Table 1)."""

    author: str = ""
    """Checkpoint, hub id, or the name of a served model (--author-url). Empty: the judge itself."""

    author_url: str = ""
    """Address of an OpenAI-compatible server that has the author, such as
    http://127.0.0.1:8000/v1. The key is read from the environment variable OPENAI_API_KEY."""

    author_rounds: Literal["first", "all"] = "first"
    """Rounds that the author writes in; in the others the latest judge writes."""

    max_concurrency: int = 8
    """Requests to the author's server in flight at once."""

    patience: PatienceConfig = field(default=PatienceConfig(), metadata=UNLESS_DEFAULT)

    def __post_init__(self) -> None:
        if self.author_url and not self.author:
            raise ConfigError(
                "--author-url needs --author, the name of a model that is served there"
            )
        if self.max_concurrency < 1:
            raise ConfigError(f"--max-concurrency must be at least 1, got {self.max_concurrency}")

    def writes(self, number: int) -> bool:
        """Whether there is an author who writes in round `number`, counted from 1."""
        return bool(self.author) and (number == 1 or self.author_rounds == "all")


@dataclass(frozen=True, kw_only=True, slots=True)
class StarConfig:
    """How the rounds of a STaR recipe sample, and where each begins."""

    rounds: int = 3
    """Rounds of sampling and training."""

    round_data: Literal["fresh", "all"] = "fresh"
    """What each round works on: an equal part of the training preferences of its own (Mahan et al.
    2024, App. A.3), or all of them."""

    num_samples: int = 8
    """Traces sampled per preference and order."""

    per_prompt: int = 2
    """Most training rows made of one preference in one order."""

    sampling_temperature: float = 1.0
    """Temperature of the traces that are trained on."""

    init_from: Literal["previous", "base"] = "previous"
    """Weights that each round's training starts from: the previous round's, or the base's."""

    author: AuthorConfig = AuthorConfig()
    processes: ProcessesConfig = ProcessesConfig()

    def __post_init__(self) -> None:
        for name, least in (("rounds", 1), ("num_samples", 2), ("per_prompt", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.sampling_temperature < math.inf:
            raise ConfigError(
                f"sampling_temperature must be positive and finite; at 0 all traces of a "
                f"prompt are one trace; got {self.sampling_temperature}"
            )

    def sampling(self, *, seed: int, max_tokens: int) -> Sampling:
        """How traces are sampled."""
        return Sampling(
            num_samples=self.num_samples,
            temperature=self.sampling_temperature,
            max_tokens=max_tokens,
            seed=seed,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One round of a STaR recipe: what it works on, and with which models."""

    number: int
    """From 1."""

    preferences: list[Preference]
    """What it works on of the training preferences."""

    folder: Path
    judge: str
    """Checkpoint of the latest judge."""

    start: str
    """Checkpoint that training starts from: the latest judge's, or the base's."""

    @property
    def checkpoint(self) -> Path:
        """What the round's training makes."""
        return self.folder / "checkpoint"


def star_rounds(
    run: Path, model: str, preferences: list[Preference], config: StarConfig, *, seed: int
) -> Generator[Round]:
    """The rounds of a recipe, each after the one before it has made its checkpoint.

    The time that the body of the loop takes is noted as training.
    """
    judge = model
    shares = (
        parts(preferences, config.rounds, seed=seed)
        if config.round_data == "fresh"
        else [preferences] * config.rounds
    )
    for number, part in enumerate(shares, 1):
        turn = Round(
            number=number,
            preferences=part,
            folder=run / f"round-{number}",
            judge=judge,
            start=judge if config.init_from == "previous" else model,
        )
        with stopwatch(run, f"train/round-{number}"):
            yield turn
        judge = str(turn.checkpoint)


@contextmanager
def open_author(
    turn: Round, config: StarConfig, *, store: Path, bf16: bool
) -> Generator[tuple[Engine, str]]:
    """Who writes the traces of a round, and what to call them: the latest judge, or an author."""
    author = config.author
    if not author.writes(turn.number):
        engine = open_engine(turn.judge, bf16=bf16, processes=config.processes)
        name = "the latest judge"
    elif author.author_url:
        engine, name = _served(author), author.author
    else:
        engine = open_engine(author.author, bf16=bf16, processes=config.processes)
        name = author.author
    with engine as inner, Cached(inner, store, chunk_size=config.processes.chunk_size) as cached:
        yield cached, name


@contextmanager
def _served(config: AuthorConfig) -> Generator[Engine]:
    begin_work()
    from jurist.engines.openai import OpenAIEngine

    yield OpenAIEngine(
        config.author_url,
        config.author,
        max_concurrency=config.max_concurrency,
        patience=config.patience.patience(),
    )


def sample_round(
    turn: Round,
    config: StarConfig,
    *,
    format: Format | ResponseFormat,
    seed: int,
    store: Path,
    max_tokens: int,
    bf16: bool,
    guard: GuardMode,
    labelled: bool = True,
) -> list[Trace]:
    """Sample the traces of one round, and note how they came out.

    Args:
        turn: The round. `traces.json` in its folder gets the counts of right, wrong and failed,
            `signals.json` what shows a collapse.
        config: How many traces, how, and by whom.
        format: How the judge is asked.
        seed: The run's seed.
        store: SQLite file of completions; what it holds is not sampled again.
        max_tokens: Longest trace. One that is cut never becomes a training row.
        bf16: Sample in bfloat16.
        guard: Whether a collapse ends the run, or is only said.
        labelled: Whether there are labels to be right by.

    Returns:
        One trace per sample, in both orders of every preference that is no tie.

    Raises:
        TrainingError: If whoever wrote them fell apart (`jurist.rationales.collapses`), and that is
            not allowed.
    """
    with open_author(turn, config, store=store, bf16=bf16) as (author, name):
        sampled = sample_traces(
            author, format, turn.preferences, config.sampling(seed=seed, max_tokens=max_tokens)
        )
    note(turn, "traces.json", {"author": name, **sampled.counts(labelled=labelled)})
    if sampled.traces:
        _refuse_collapse(turn, trace_signals(sampled.traces, author=name), guard)
    return sampled.traces


def _refuse_collapse(turn: Round, signals: TraceSignals, guard: GuardMode) -> None:
    """Stop before a round learns from the traces of a judge that fell apart in the one before."""
    write_json(turn.folder / "signals.json", asdict(signals))
    found = list(collapses(signals, _signals_before(turn)))
    if not found:
        return
    said = f"{turn.folder.name}: {signals.author} has fallen apart: {'; '.join(found)}"
    if guard == "warn":
        logger.warning("%s; going on, as --guard warn has it", said)
        return
    last = turn.folder.with_name(f"round-{turn.number - 2}") / "checkpoint"
    good = f"the last judge before it is {last}" if turn.number > 2 else "the base is as it was"
    raise TrainingError(
        f"{said}; nothing is trained on that, and {good}. Look at the traces of {turn.folder}, try "
        f"a lower --learning-rate, or go on in spite of it with --guard warn"
    )


def _signals_before(turn: Round) -> TraceSignals | None:
    path = turn.folder.with_name(f"round-{turn.number - 1}") / "signals.json"
    return TraceSignals(**json.loads(path.read_text("utf-8"))) if path.exists() else None


def rationalize_round(
    turn: Round,
    config: StarConfig,
    *,
    rationalizer: Rationalizer,
    sides: Sequence[Literal["right", "wrong"]],
    num_samples: int,
    seed: int,
    store: Path,
    max_tokens: int,
    bf16: bool,
) -> list[Trace]:
    """Have the verdicts of one round explained, and note how the rationales came out.

    Args:
        turn: The round. `rationales.json` in its folder gets the counts.
        config: How they are sampled, and by whom.
        rationalizer: How the author is asked.
        sides: Which verdicts are explained.
        num_samples: Rationales of each preference in each order and side.
        seed: The run's seed.
        store: SQLite file of completions; what it holds is not sampled again.
        max_tokens: Longest rationale. One that is cut never becomes a training row.
        bf16: Sample in bfloat16.

    Returns:
        What may be trained on, each with the judge's own prompt.
    """
    with open_author(turn, config, store=store, bf16=bf16) as (author, name):
        written = sample_rationales(
            author,
            rationalizer,
            turn.preferences,
            replace(config.sampling(seed=seed, max_tokens=max_tokens), num_samples=num_samples),
            sides=sides,
        )
    note(turn, "rationales.json", {"author": name, **written.counts})
    return written.traces


def keep_rows(
    turn: Round,
    selection: Selection[SupervisedRow] | Selection[PairRow],
    format: Format | ResponseFormat,
    *,
    told: bool,
    guard: GuardMode,
    labelled: bool = True,
) -> None:
    """Write down what a round trains on, after a last look for labels in it.

    Args:
        turn: The round; `rows.jsonl.gz`, `rows.json` and `scan.json` go to its folder.
        selection: The rows, and how they were chosen.
        format: The judge's.
        told: Whether some replies are of an author who knew the verdict.
        guard: Whether prompts that give their labels away end the run, or are only spoken of.
        labelled: Whether the rows were made by the preferences' labels.

    Raises:
        DataError: If a row says more than a judge is shown, or the words of the prompts all but
            say the labels.
    """
    refuse_leaks(selection.rows, turn.preferences, format, told=told, labelled=labelled)
    write_rows(turn.folder / "rows.jsonl.gz", selection.rows)
    write_json(turn.folder / "rows.json", selection.counts)
    _scan(turn, selection, guard)


def _scan(
    turn: Round, selection: Selection[SupervisedRow] | Selection[PairRow], guard: GuardMode
) -> None:
    """Look for shortcuts that the rows would teach, and say what there are."""
    from jurist.evaluation import scan_rows

    found = scan_rows(selection.rows, {one.id: one.source for one in turn.preferences})
    write_json(turn.folder / "scan.json", asdict(found) | {"findings": list(found.findings)})
    for finding in found.findings:
        logger.warning("%s: %s", turn.folder.name, finding)
    if found.given_away and guard == "stop":
        raise DataError(
            f"{turn.folder}: {'; '.join(found.findings)}; a judge would learn that and nothing "
            f"else. Look at scan.json there, or go on in spite of it with --guard warn"
        )


def note(turn: Round, name: str, counts: Mapping[str, object]) -> None:
    """Keep how a part of a round came out, and say it."""
    write_json(turn.folder / name, counts)
    logger.info("%s: %s", turn.folder.name, json.dumps(counts))
