"""Show a model all candidates at once: have it choose one, or write a better one.

jurist listwise --model models/m --pools pools.jsonl --output runs/listwise
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.data import Pool
from jurist.digest import canonical
from jurist.engines.base import Engine
from jurist.errors import ConfigError
from jurist.recipes.choice import chosen_line, expected_correctness, told, whole_pools_point
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_judge import open_writer
from jurist.recipes.pools import PoolsConfig, cohort_of, read_pool_sets
from jurist.recipes.run import open_run, stopwatch
from jurist.showing import Console
from jurist.storage import replacing, write_json
from jurist.types import Failure

if TYPE_CHECKING:
    # Loads numpy, which `jurist --help` need not wait for.
    from jurist.evaluation import SelectionPoint

MOST_SHOWN = 16
"""Candidates in one prompt, at most, as many as GenSelect shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListwiseConfig:
    """Everything that a choice among all candidates at once depends on."""

    judge: JudgeConfig
    """Who reads them. --votes is how often it reads each pool, each time in another order; of
    --aim new, how many responses it writes."""

    pools: tuple[str, ...]
    """Sets of pools, each a JSON Lines file (plain or .gz), or NAME=FILE, of at most 16 candidates
    each (--max-candidates)."""

    output: Path
    """Run directory. `selected.jsonl` in it gets a line per pool, `listwise.json` what was
    measured. The same command run again goes on where it was."""

    aim: Literal["best", "consistent", "new"] = "best"
    """best: which response is right. consistent: which one most others agree with. new: a response
    of its own, made from all of them."""

    limits: PoolsConfig = PoolsConfig()

    answers: Literal["number", "text"] = "number"
    """How a new response is found right: its last number, or its whole text without case and
    punctuation, is that of the pool's own answer."""

    seed: int = 0

    def __post_init__(self) -> None:
        if not self.pools:
            raise ConfigError("--pools names no set of pools; give at least one")
        self.judge.voting.of_responses(seed=self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    """What came of one set."""

    correct: list[float | None]
    """Expected correctness of what is taken, for each pool. None: not known."""

    num_failed: int
    num_asked: int
    num_tokens: list[int]
    """For each pool."""


def run_listwise(config: ListwiseConfig) -> int:
    """Have a model that sees all candidates choose one, or write a better one.

    Returns:
        0.
    """
    console = Console()
    for line in read_all_at_once(config):
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"chosen: {config.output / 'selected.jsonl'}", markup=False, soft_wrap=True)
    return 0


def read_all_at_once(config: ListwiseConfig) -> list[str]:
    """The run behind `run_listwise`.

    Returns:
        What was measured, a line for each set.

    Raises:
        ConfigError: If a pool has more than 16 candidates, or there is no such model.
    """
    with open_run("listwise", config) as run:
        sets = read_pool_sets(config.pools, config.limits, seed=config.seed)
        _refuse_wide(sets)
        measured: dict[str, _Measured] = {}
        with (
            open_writer(config.judge, store=run / "completions.sqlite") as engine,
            replacing(run / "selected.jsonl") as file,
        ):
            for name, pools in sets.items():
                with stopwatch(run, f"read/{name}"):
                    read = _written if config.aim == "new" else _chosen
                    lines, measured[name] = read(config, engine, pools)
                for pool, line in zip(pools, lines, strict=True):
                    whole = {"set": name, "id": pool.id, **line}
                    file.write(f"{canonical(whole)}\n".encode())
        points = {name: _point(pools, measured[name], config.seed) for name, pools in sets.items()}
        write_json(
            run / "listwise.json",
            {
                name: {
                    "num_pools": len(sets[name]),
                    "num_asked": of.num_asked,
                    "num_failed": of.num_failed,
                    "num_tokens": sum(of.num_tokens),
                    "measured": None if (point := points[name]) is None else asdict(point),
                }
                for name, of in measured.items()
            },
        )
        return [_line(config.aim, name, of, points[name]) for name, of in measured.items()]


def _refuse_wide(sets: Mapping[str, Sequence[Pool]]) -> None:
    for name, pools in sets.items():
        wide = [pool for pool in pools if len(pool.candidates) > MOST_SHOWN]
        if wide:
            raise ConfigError(
                f"{name}: pool {wide[0].id!r} has {len(wide[0].candidates)} candidates, and at "
                f"most {MOST_SHOWN} are shown at once; give --max-candidates {MOST_SHOWN}"
            )


def _chosen(
    config: ListwiseConfig, engine: Engine, pools: Sequence[Pool]
) -> tuple[list[dict[str, object]], _Measured]:
    """Have one candidate of each pool chosen; of several in front, the one drawn first."""
    from jurist.formats import Listwise
    from jurist.search import select_listwise, taken

    cohorts = [cohort_of(pool) for pool in pools]
    found = select_listwise(
        engine,
        cohorts,
        Listwise(aim="consistent" if config.aim == "consistent" else "best", seed=config.seed),
        config.judge.voting.of_responses(seed=config.seed),
        num_readings=config.judge.voting.votes,
    )
    lines: list[dict[str, object]] = []
    correct: list[float | None] = []
    for pool, of in zip(pools, found, strict=True):
        chances = taken(of.votes).tolist()
        correct.append(expected_correctness(pool, chances))
        lines.append(
            {
                **chosen_line(pool, chances, seed=config.seed),
                "votes": list(of.votes),
                "num_failed": of.num_failed,
                "num_tokens": of.num_tokens,
            }
        )
    return lines, _Measured(
        correct=correct,
        num_failed=sum(of.num_failed for of in found),
        num_asked=config.judge.voting.votes * len(pools),
        num_tokens=[of.num_tokens for of in found],
    )


def _written(
    config: ListwiseConfig, engine: Engine, pools: Sequence[Pool]
) -> tuple[list[dict[str, object]], _Measured]:
    """Have new responses written to each prompt."""
    from jurist.formats import Synthesis
    from jurist.search import ANSWERS, synthesise

    found = synthesise(
        engine,
        [cohort_of(pool) for pool in pools],
        Synthesis(seed=config.seed),
        config.judge.voting.of_responses(seed=config.seed),
    )
    answer_of = ANSWERS[config.answers]
    lines: list[dict[str, object]] = []
    correct: list[float | None] = []
    for pool, of in zip(pools, found, strict=True):
        wanted = answer_of(pool.answer) if pool.answer else None
        rows = [
            {"failure": one}
            if isinstance(one, Failure)
            else {"text": one, "correct": None if wanted is None else answer_of(one) == wanted}
            for one in of.responses
        ]
        # A reply that holds no response answers nothing: it counts as wrong.
        right = fsum(row.get("correct") is True for row in rows)
        correct.append(None if wanted is None else right / len(rows))
        lines.append({"responses": rows, "num_tokens": of.num_tokens})
    replies = [one for of in found for one in of.responses]
    return lines, _Measured(
        correct=correct,
        num_failed=sum(isinstance(one, Failure) for one in replies),
        num_asked=len(replies),
        num_tokens=[of.num_tokens for of in found],
    )


def _point(pools: Sequence[Pool], of: _Measured, seed: int) -> "SelectionPoint | None":
    correct = [value for value in of.correct if value is not None]
    if len(correct) < len(pools):
        return None
    return whole_pools_point(pools, correct, of.num_tokens, seed=seed)


def _line(aim: str, name: str, of: _Measured, point: "SelectionPoint | None") -> str:
    failed = f"{of.num_failed:,} of {of.num_asked:,} replies of no use"
    if point is None:
        return f"{name}: {len(of.correct):,} pools, {failed}; what is right is not known"
    what = "a new response" if aim == "new" else f"the {aim} of up to {point.n}"
    return f"{name}: {what}: {told(point)}, {len(of.correct):,} pools, {failed}"
