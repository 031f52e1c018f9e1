"""Compare two judges that have read the same pairs: which is better, and where they differ.

jurist compare runs/star-dpo runs/star-sft --output runs/compared
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import tyro

from jurist.errors import ConfigError
from jurist.recipes.evaluate import (
    EXPLORER_MEGABYTES,
    check_explorer_megabytes,
    kept_readings,
    readings_path,
    show,
)
from jurist.recipes.readings import readings_pairs
from jurist.recipes.run import from_json, open_run, read_run_config
from jurist.recipes.sets import DataConfig, Sets, named_source, read_sets, read_tests
from jurist.showing import Console
from jurist.types import Preference

if TYPE_CHECKING:
    # Loads numpy and more, which `jurist --help` need not wait for.
    from jurist.reports import Results

_SHOWN = 3
"""Ids that a refusal names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareConfig:
    """Everything a comparison of two judges depends on."""

    runs: tyro.conf.Positional[tuple[str, str]]
    """Two runs that have judged the same pairs, each DIR or NAME=DIR: of `jurist evaluate`, or of a
    recipe that trains. Nothing is asked again."""

    output: Path
    """Run directory, with results.json and a report whose explorer begins with the pairs on which
    the two differ."""

    test: tuple[str, ...] = ()
    """The test sets, named as in those runs: each a source of preferences, or NAME=SOURCE. Default:
    as the first run's config.json names them."""

    test_split: str = ""
    """Split of Hugging Face data sets named by --test, if they have several."""

    layout: str = "auto"
    """Columns of the files named by --test, as for training."""

    explorer_megabytes: int = EXPLORER_MEGABYTES
    """Most text that the explorer of report.html carries, in millions of bytes before compression.
    Of a larger run it carries the pairs on which the two differ first, drawn at random, and says
    how many are left out."""

    seed: int = 0
    """Of the resamples that intervals are drawn from."""

    def __post_init__(self) -> None:
        check_explorer_megabytes(self.explorer_megabytes)
        one, other = (name for name, _ in map(named_source, self.runs))
        if one == other:
            raise ConfigError(
                f"both runs would be called {one!r} in the report; give one another name, as in "
                f"NAME={self.runs[1]}"
            )


def run_compare(config: CompareConfig) -> int:
    """Compare two judges that have read the same pairs, pair by pair.

    Returns:
        0.
    """
    from jurist.reports.section import section_table
    from jurist.reports.sections import sections

    results = compare_runs(config)
    show(config.output, results)
    console = Console()
    for section in sections(results):
        if section.title.startswith("Where they differ"):
            console.print(f"\n{section.title}", style="bold", markup=False)
            console.print(section_table(section))
    for line in _lines(results):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _lines(results: "Results") -> list[str]:
    """What the comparison comes to, a line for each test set."""
    from jurist.reports.table import percent

    lines: list[str] = []
    for row, between in zip(results.comparisons, results.differences, strict=True):
        paired, kappa = row.paired, between.differences.kappa
        lines.append(
            f"{row.split}: {row.method} wins {paired.wins:,} pairs and loses {paired.losses:,}, "
            f"both right {paired.both_right:,}, both wrong {paired.both_wrong:,}, "
            f"McNemar p = {paired.p_value:.2g}; the same verdict on "
            f"{percent(between.differences.same.value)} %, "
            + ("kappa undefined" if kappa is None else f"kappa {kappa.kappa.value:.2f}")
        )
    return lines


def compare_runs(config: CompareConfig) -> "Results":
    """The run behind `run_compare`, without its tables.

    Raises:
        ConfigError: If the two did not judge the same pairs, or the test sets are not those pairs.
    """
    from jurist.evaluation import differences
    from jurist.recipes.reporting import gathered, judged_of, publish
    from jurist.reports import DifferencesRow

    runs = {name: Path(path) for name, path in map(named_source, config.runs)}
    one, other = runs
    # Before anything is read or written: the usual mistake is to name two runs of different data.
    _refuse_unlike(runs)
    with open_run("compare", config) as run:
        tests = _tests(config, runs[one], output=run)
        readings = {name: kept_readings(of, tests) for name, of in runs.items()}
        results = gathered(
            run,
            Sets(train=[], tests=tests),
            readings,
            training_seconds=dict.fromkeys(runs),
            baselines={other: readings[other]},
            judging_runs=runs,
            seed=config.seed,
        )
        rows = judged_of(tests, readings)
        results = replace(
            results,
            differences=tuple(
                DifferencesRow(
                    method=one,
                    baseline=other,
                    split=name,
                    differences=differences(rows[one][name], rows[other][name], seed=config.seed),
                )
                for name in tests
            ),
        )
        publish(
            run,
            results,
            tests=tests,
            readings=readings,
            explorer_megabytes=config.explorer_megabytes,
            # By their places among the judges: what a reader of a comparison looks for first.
            explorer_preset={"judge": "0", "other": "1", "differ": "verdict"},
        )
        return results


def _refuse_unlike(runs: Mapping[str, Path]) -> None:
    """Refuse two runs that did not judge the same sets of the same pairs, and say what differs."""
    sets = {name: _judged_sets(of) for name, of in runs.items()}
    (one, mine), (other, theirs) = sets.items()
    if mine != theirs:
        raise ConfigError(
            f"{one} has judged {_named(mine)} and {other} {_named(theirs)}; a comparison needs the "
            f"same test sets of both, under the same names"
        )
    for name in mine:
        first, second = (readings_pairs(readings_path(of, name)) for of in runs.values())
        if first != second:
            raise ConfigError(
                f"{one} and {other} judged different pairs as {name!r}: "
                f"{_unlike(one, first, other, second)}"
            )


def _unlike(
    one: str, first: Sequence[tuple[str, str]], other: str, second: Sequence[tuple[str, str]]
) -> str:
    """How two lists of pairs, each an id and a digest, differ."""
    mine, theirs = Counter(pair for pair, _ in first), Counter(pair for pair, _ in second)
    told = [
        f"{count:,} only of {judge}, such as {_named(list(only)[:_SHOWN])}"
        for judge, only in ((one, mine - theirs), (other, theirs - mine))
        if (count := only.total())
    ]
    if told:
        return f"{len(first):,} against {len(second):,} pairs, {' and '.join(told)}"
    known = {*second}
    changed = [one for one in first if one not in known]
    if changed:
        return (
            f"{len(changed):,} have other content under the same id, such as "
            f"{_named([pair for pair, _ in changed[:_SHOWN]])}"
        )
    return "the same pairs in another order; judge again with the files as they were"


def _judged_sets(run: Path) -> list[str]:
    """Names of the sets that a run has judged."""
    found = sorted(
        path.name.removesuffix(".jsonl.gz") for path in (run / "judgements").glob("*.jsonl.gz")
    )
    if found:
        return found
    within = sorted(path.parent.parent for path in run.glob("*/judgements/*.jsonl.gz"))
    hint = f", or name a run in it: {_named(dict.fromkeys(map(str, within)))}" if within else ""
    raise ConfigError(f"{run}: has no judgements; evaluate a judge there first{hint}")


def _tests(config: CompareConfig, run: Path, *, output: Path) -> dict[str, list[Preference]]:
    """The test sets: as given, or as the run's own config.json names them."""
    if config.test:
        data = DataConfig(train="", layout=config.layout, test_split=config.test_split)
        return read_tests(config.test, data, output=output)
    kept = read_run_config(run / "config.json")
    settings = kept["config"]
    if "data" in settings and isinstance(settings["data"], dict):
        data = from_json(DataConfig, cast("dict[str, Any]", settings["data"]))
        return (
            read_tests(data.test, data, output=output)
            if data.test
            else read_sets(data, output=output).tests
        )
    if "test" in settings and "judge" in settings:
        data = DataConfig(
            train="",
            layout=settings["layout"],
            test_split=settings["test_split"],
            skip_bad=settings["skip_bad"],
        )
        return read_tests(tuple(settings["test"]), data, output=output)
    raise ConfigError(
        f"{run}: a run of {kept['recipe']!r}, whose config.json names no test sets as files; give "
        f"them with --test NAME=SOURCE"
    )


def _named(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(map(repr, names))
