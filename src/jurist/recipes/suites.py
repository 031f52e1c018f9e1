"""Evaluate a judge on every public benchmark that is present: judge both orders, score, report.

jurist suites --model runs/star-dpo --data benchmarks --output runs/suites
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jurist.data.suites import (
    FoundSuite,
    SuiteForm,
    SuiteRows,
    SuiteSearch,
    default_hub_cache,
    find_suites,
    read_suite,
    suites_named,
)
from jurist.errors import ConfigError
from jurist.recipes.evaluate import failure_status, read_tests_with, show
from jurist.recipes.judge_config import JudgeConfig, check_failure_rate
from jurist.recipes.readings import Readings
from jurist.recipes.run import open_run
from jurist.recipes.sets import Sets
from jurist.showing import Console

if TYPE_CHECKING:
    # Loads numpy and more, which `jurist --help` need not wait for.
    from jurist.reports import OfficialRow, Results

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SuitesConfig:
    """Everything an evaluation on public benchmarks depends on."""

    judge: JudgeConfig
    output: Path
    """Run directory. The same command run again goes on where it was."""

    data: Path | None = None
    """Folder with a file or a folder of each benchmark, called after it; docs/suites.md lists the
    names. What is not there is looked for in the cache of the Hugging Face hub."""

    hub_cache: bool = True
    """Look into the cache of the Hugging Face hub. Nothing is downloaded in any case."""

    only: tuple[str, ...] = ()
    """Names of the benchmarks to evaluate on. Default: all that are present."""

    limit: int | None = None
    """About how many pairs or prompts to judge of each benchmark: whole groups, drawn from the
    seed. Default: all."""

    skip_bad: bool = False
    """Set bad rows aside in the run's directory and go on, instead of refusing the file."""

    max_failure_rate: float = 1.0
    """Exit with 1, everything kept, if a greater share of the judgements has no verdict."""

    method: str = "judge"
    """Name of the judge in tables and figures."""

    seed: int = 0

    def __post_init__(self) -> None:
        suites_named(self.only)
        if self.data is None and not self.hub_cache:
            raise ConfigError("--no-hub-cache leaves --data to look in, which is not given")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit must be at least 1, got {self.limit}")
        check_failure_rate(self.max_failure_rate)


def run_suites(config: SuitesConfig) -> int:
    """Evaluate a judge on every public benchmark that is present, and write a report.

    Returns:
        0, or 1 if more judgements failed than `max_failure_rate` allows.
    """
    results = evaluate_suites(config)
    show(config.output, results)
    _show_official(results)
    return failure_status(results, allowed=config.max_failure_rate, output=config.output)


def evaluate_suites(config: SuitesConfig) -> "Results":
    """The run behind `run_suites`, without its tables.

    Raises:
        ConfigError: If no benchmark with anything to judge is present.
        DataError: If a row is refused.
    """
    from jurist.recipes.reporting import gathered, publish

    with open_run("suites", config) as run:
        search = find_suites(
            config.data, hub_cache=default_hub_cache() if config.hub_cache else None
        )
        wanted = suites_named(config.only)
        found = [one for one in search.found if one.suite.name in wanted]
        judged = [one for one in found if one.suite.form is not SuiteForm.QUESTIONS]
        if not judged:
            raise ConfigError(
                f"no benchmark to judge is present in {_where(config)}; give a folder with files "
                f"or folders called {', '.join(wanted)}"
            )
        rows = {one.suite.name: _read(one, config, run=run) for one in found}
        tests = {one.suite.name: rows[one.suite.name].preferences for one in judged}
        sets = Sets(train=[], tests=tests)
        readings = read_tests_with(config.judge, tests, run=run, seed=config.seed)
        results = gathered(
            run,
            sets,
            {config.method: readings},
            training_seconds={config.method: None},
            baselines={},
            seed=config.seed,
            notes=(*_presence(search, found, config), *_reductions(rows)),
        )
        results = replace(
            results,
            official=tuple(row for one in judged for row in _official(one, rows, readings, config)),
        )
        publish(run, results, tests=tests, readings={config.method: readings})
        return results


def _read(found: FoundSuite, config: SuitesConfig, *, run: Path) -> SuiteRows:
    from jurist.evaluation.suites import check_sections

    rejects = run / "rejects" if config.skip_bad else None
    rows = read_suite(found, rejects=rejects, limit=config.limit, seed=config.seed)
    # First, since judging is dear.
    check_sections(found.suite.name, (one.category for one in rows.preferences))
    logger.info("%s: %s, %d pairs to judge", found.suite.name, found.root, len(rows.preferences))
    return rows


def _official(
    found: FoundSuite,
    rows: dict[str, SuiteRows],
    readings: dict[str, Readings],
    config: SuitesConfig,
) -> "list[OfficialRow]":
    from jurist.evaluation import judged, official_scores
    from jurist.reports import OfficialRow

    name = found.suite.name
    said = readings[name]
    pairs = judged(
        rows[name].preferences, said.judgements, seed=said.seed, num_unasked=said.num_unasked
    )
    scores = official_scores(name, pairs, candidates=rows[name].candidates, seed=config.seed)
    return [OfficialRow(method=config.method, split=name, score=score) for score in scores]


def _presence(search: SuiteSearch, found: list[FoundSuite], config: SuitesConfig) -> list[str]:
    """What was found where, what was not, and what was there and is no benchmark."""
    wanted = suites_named(config.only)
    notes = ["Found: " + "; ".join(f"{one.suite.name} in {one.root}" for one in found) + "."]
    if missing := [suite.name for suite in search.missing if suite.name in wanted]:
        notes.append(f"Not present in {_where(config)}: {', '.join(missing)}.")
    if search.ignored:
        notes.append(f"Called after no benchmark, and not read: {', '.join(search.ignored)}.")
    if questions := [one.suite.name for one in found if one.suite.form is SuiteForm.QUESTIONS]:
        notes.append(
            f"Prompts without responses, which there is nothing to judge of: "
            f"{', '.join(questions)}."
        )
    return notes


def _reductions(rows: dict[str, SuiteRows]) -> list[str]:
    """What of a benchmark was not judged: its numbers are then not quite the benchmark's."""
    notes: list[str] = []
    for what, counts in (
        (
            "Bad rows set aside, which no number counts",
            {name: one.num_rejected for name, one in rows.items()},
        ),
        (
            "Pairs or prompts left out by --limit, so that no number is the benchmark's",
            {name: one.num_left_out for name, one in rows.items()},
        ),
    ):
        if any(counts.values()):
            named = ", ".join(f"{name} {num:,}" for name, num in counts.items() if num)
            notes.append(f"{what}: {named}.")
    return notes


def _where(config: SuitesConfig) -> str:
    places = [] if config.data is None else [str(config.data)]
    return " and ".join([*places, *(["the hub's cache"] if config.hub_cache else [])])


def _show_official(results: "Results") -> None:
    from jurist.reports.table import percent, with_interval

    console = Console()
    for row in results.official:
        score = row.score
        value = percent(score.value) if score.interval is None else with_interval(score.interval)
        console.print(f"{row.split}, {score.name}: {value}", markup=False, soft_wrap=True)
