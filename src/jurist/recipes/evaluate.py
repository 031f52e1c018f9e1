"""Evaluate a judge on labelled preferences: judge both orders, compare, report.

jurist evaluate --model runs/star-dpo --test pairs.jsonl --output runs/evaluation
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from jurist.digest import UNLESS_DEFAULT
from jurist.errors import ConfigError
from jurist.progress import progress
from jurist.recipes.judge_config import JudgeConfig, check_failure_rate
from jurist.recipes.open_judge import OpenJudge, open_judge
from jurist.recipes.readings import Readings, read_readings, write_readings
from jurist.recipes.resistance import check_robustness, drop_status
from jurist.recipes.run import open_run, read_run_config, seconds_spent, stopwatch
from jurist.recipes.sets import DataConfig, Sets, read_set, read_tests
from jurist.showing import Console
from jurist.tracking import TrackerName, tracking
from jurist.types import Judgement, Preference

if TYPE_CHECKING:
    # Loads numpy and more, which `jurist --help` need not wait for.
    from jurist.reports import Results

AttackName: TypeAlias = Literal[
    "paraphrase", "empty", "constant", "injection", "padding", "copy", "dressing", "cycle"
]
"""Kinds of attack that may be left out: those of `jurist.attacks.Kind` but the master keys."""

EXPLORER_MEGABYTES: Final = 64
"""Most text that the explorer of a report carries, unless another bound is given."""

PART_SIZE: Final = 2_000
"""Pairs judged at a time, all in one call of the engine. More would only take more memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Everything an evaluation depends on."""

    judge: JudgeConfig
    test: tuple[str, ...]
    """Test sets, each a file, folder or data set of preferences, or NAME=SOURCE."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    train: str = ""
    """What the judge was trained on, if anything: checked for overlap with the test sets, and the
    bag-of-words shortcut is fitted on it."""

    split: str = ""
    """Split of a Hugging Face data set named by --train, if it has several."""

    test_split: str = ""
    """Split of Hugging Face data sets to test on, if they have several."""

    layout: str = "auto"
    """Columns of the files, as for training."""

    skip_bad: bool = False
    """Set bad rows aside in the run's directory and go on, instead of refusing the file."""

    allow_overlap: bool = False
    """Go on though a prompt of a test set is in --train."""

    baseline: Path | None = None
    """Directory of another evaluation of the same test sets, to compare with pair by pair."""

    reference_language: str = ""
    """Language that the others are compared with, where rows have a language. Default: English."""

    max_failure_rate: float = 1.0
    """Exit with 1, everything kept, if a greater share of the judgements has no verdict."""

    robustness: int = field(default=0, metadata=UNLESS_DEFAULT)
    """Pairs of each test set to attack, drawn by --seed: keys without content, injections, padding
    and more, some 48 trials a pair, in both orders. 0: none."""

    attacks: tuple[AttackName, ...] = field(default=(), metadata=UNLESS_DEFAULT)
    """With --robustness: ways to attack besides the master keys, which are always tried. With
    injection alone there are some 27 trials a pair. Default: all of them."""

    max_resistance_drop: float = field(default=2.0, metadata=UNLESS_DEFAULT)
    """With --robustness and a --baseline that has it too, exit with 1 if resistance is lower than
    there by more points than this, or master keys win more often by more than this."""

    method: str = "judge"
    """Name of the judge in tables and figures."""

    explorer_megabytes: int = EXPLORER_MEGABYTES
    """Most text that the explorer of report.html carries, in millions of bytes before compression.
    Of a larger run it carries pairs drawn at random, and says how many are left out."""

    track: tuple[TrackerName, ...] = ()
    """Experiment trackers that get the numbers as well (docs/tracking.md)."""

    seed: int = 0

    def __post_init__(self) -> None:
        check_explorer_megabytes(self.explorer_megabytes)
        if not self.test:
            raise ConfigError("--test names no test set; give at least one")
        if self.baseline is not None and self.baseline.name == self.method:
            raise ConfigError(
                f"--baseline and the judge would both be called {self.method!r} in the report; "
                f"give the judge another name with --method"
            )
        check_failure_rate(self.max_failure_rate)
        check_robustness(self.robustness, self.max_resistance_drop)
        if self.attacks and not self.robustness:
            raise ConfigError(
                "--attacks says how to attack, and --robustness, which says how many pairs, is 0"
            )


def run_evaluate(config: EvaluateConfig) -> int:
    """Evaluate a judge on labelled preferences, and write a report.

    Returns:
        0, or 1 if more judgements failed than `max_failure_rate` allows, or attacks succeed more
        often than they did on the baseline by more than `max_resistance_drop` allows.
    """
    results = evaluate(config)
    show(config.output, results)
    failed = failure_status(results, allowed=config.max_failure_rate, output=config.output)
    baseline = config.baseline if config.robustness else None
    return max(
        failed,
        drop_status(results, baseline, allowed=config.max_resistance_drop, seed=config.seed),
    )


def check_explorer_megabytes(megabytes: int) -> None:
    """Refuse an explorer without room.

    Raises:
        ConfigError: If there is none.
    """
    if megabytes < 1:
        raise ConfigError(f"--explorer-megabytes must be at least 1, got {megabytes}")


def failure_status(results: "Results", *, allowed: float, output: Path) -> int:
    """1, and a word on it, if more judgements of a set failed than are allowed; else 0."""
    failed = max(row.agreement.failure_rate for row in results.rows)
    if failed <= allowed:
        return 0
    Console(stderr=True).print(
        f"jurist: {failed:.1%} of the judgements have no verdict, more than the {allowed:.1%} "
        f"allowed by --max-failure-rate; all are kept in {output}",
        markup=False,
        soft_wrap=True,
    )
    return 1


def evaluate(config: EvaluateConfig) -> "Results":
    """The run behind `run_evaluate`, without its table."""
    with open_run("evaluate", config) as run:
        data = DataConfig(
            train=config.train,
            split=config.split,
            test_split=config.test_split,
            layout=config.layout,
            skip_bad=config.skip_bad,
            allow_overlap=config.allow_overlap,
        )
        sets = Sets(
            train=(
                read_set(config.train, data, output=run, name="train", split=config.split)
                if config.train
                else []
            ),
            tests=read_tests(config.test, data, output=run),
        )
        sets.refuse_overlap(allow=config.allow_overlap)
        _refuse_unknown(config.reference_language, sets.tests)
        return finish(
            run,
            config.method,
            config.judge,
            sets,
            seed=config.seed,
            trained=False,
            baseline=config.baseline,
            reference_language=config.reference_language,
            explorer_megabytes=config.explorer_megabytes,
            robustness=config.robustness,
            attacks=config.attacks,
            track=config.track,
        )


def _refuse_unknown(language: str, tests: Mapping[str, Sequence[Preference]]) -> None:
    """Refuse a language to compare with that no row is in, before anything is judged."""
    there = sorted({one.language for test in tests.values() for one in test if one.language})
    if language and language not in there:
        raise ConfigError(
            f"--reference-language {language!r}: expected a language of the test sets, which have "
            f"{', '.join(map(repr, there)) or 'none; rows say it in a column language'}"
        )


def finish(
    run: Path,
    method: str,
    judge: JudgeConfig,
    sets: Sets,
    *,
    seed: int,
    trained: bool = True,
    baseline: Path | None = None,
    reference_language: str = "",
    explorer_megabytes: int = EXPLORER_MEGABYTES,
    robustness: int = 0,
    attacks: tuple[AttackName, ...] = (),
    track: tuple[TrackerName, ...] = (),
) -> "Results":
    """Judge every test set, and write `results.json`, the report and the model card.

    Args:
        run: Directory of the run. What was judged before is read back, not judged again.
        method: Name of the judge in tables and figures.
        judge: Which judge.
        sets: What it was trained on, if anything, and what it is tested on.
        seed: Of places, sampling and resamples.
        trained: The judge was made in this run, so that its training time is the run's.
        baseline: Another run's directory to compare with pair by pair.
        reference_language: Language that drops are from, where a set has it; else English.
        explorer_megabytes: Most text that the explorer of the page carries, in millions of bytes.
        robustness: Pairs of each test set to attack.
        attacks: Kinds of attack besides the master keys. None: all.
        track: Experiment trackers that get the numbers as well.
    """
    from jurist.recipes.attacked import attacked_rows
    from jurist.recipes.cards import write_model_card
    from jurist.recipes.reporting import gathered, publish

    # First, since it may be refused, and judging is dear.
    baselines = {} if baseline is None else {baseline.name: kept_readings(baseline, sets.tests)}
    readings = read_tests_with(judge, sets.tests, run=run, seed=seed)
    under_attack = attacked_rows(
        judge,
        sets.tests,
        readings,
        method=method,
        run=run,
        num=robustness,
        seed=seed,
        kinds=attacks,
    )
    results = gathered(
        run,
        sets,
        {method: readings},
        training_seconds={method: seconds_spent(run, "train") if trained else None},
        baselines=baselines,
        seed=seed,
        robustness=under_attack,
        reference_language=reference_language,
    )
    publish(
        run,
        results,
        tests=sets.tests,
        readings={method: readings, **baselines},
        explorer_megabytes=explorer_megabytes,
    )
    if trained:
        write_model_card(run, Path(judge.model), results)
    settings = read_run_config(run / "config.json")["config"]
    with tracking(track, run=run, part="evaluation", settings=settings) as told:
        told(1, tracked_numbers(results))
    return results


def tracked_numbers(results: "Results") -> dict[str, float]:
    """What experiment trackers are told of an evaluation: numbers by slash names."""
    found: dict[str, float] = {}
    for row in results.rows:
        agreement = row.agreement
        numbers = {
            "accuracy": agreement.accuracy.value,
            "accuracy_low": agreement.accuracy.low,
            "accuracy_high": agreement.accuracy.high,
            "failure_rate": agreement.failure_rate,
            "num_pairs": float(agreement.num_pairs),
        }
        if agreement.flips is not None:
            numbers["flip_rate"] = agreement.flips.value
        found |= {f"eval/{row.split}/{name}": value for name, value in numbers.items()}
    return found


def read_tests_with(
    judge: JudgeConfig, tests: Mapping[str, Sequence[Preference]], *, run: Path, seed: int
) -> dict[str, Readings]:
    """Judge every test set in both orders, once, and read back what was said."""
    judge_tests_with(judge, tests, run=run, seed=seed)
    return kept_readings(run, tests)


def judge_tests_with(
    judge: JudgeConfig, tests: Mapping[str, Sequence[Preference]], *, run: Path, seed: int
) -> None:
    """Judge every test set in both orders, once: readings are kept in the run's `judgements/`."""
    missing = {name: test for name, test in tests.items() if not readings_path(run, name).exists()}
    if not missing:
        return
    with open_judge(judge, seed=seed, store=run / "completions.sqlite") as opened:
        for name, preferences in missing.items():
            judge_set(opened, name, preferences, run=run, seed=seed, stage=f"judge/{name}")


def judge_set(
    opened: OpenJudge,
    name: str,
    preferences: Sequence[Preference],
    *,
    run: Path,
    seed: int,
    stage: str,
) -> None:
    """Judge one set in both orders, and keep the readings in the run's `judgements/`."""
    with stopwatch(run, stage) as note_time:

        def judged() -> Generator[list[Judgement]]:
            yield from _judged_in_parts(opened, preferences, name=name, seed=seed)
            note_time()

        write_readings(
            readings_path(run, name),
            preferences,
            judged(),
            num_possible=opened.num_possible,
            seed=seed,
        )


def _judged_in_parts(
    opened: OpenJudge, preferences: Sequence[Preference], *, name: str, seed: int
) -> Generator[list[Judgement]]:
    """Judge a set part by part, so that prompts and replies of one part are held and no more."""
    size = len(preferences) if opened.whole_sets else PART_SIZE
    with progress(f"judging {name}", len(preferences), "pairs") as done:
        for start in range(0, len(preferences), size):
            part = preferences[start : start + size]
            yield from opened.judge([preference.shown(seed).comparison for preference in part])
            done(len(part))


def readings_path(run: Path, name: str) -> Path:
    """Where a run keeps what its judge said of a set."""
    return run / "judgements" / f"{name}.jsonl.gz"


def kept_readings(run: Path, tests: Mapping[str, Sequence[Preference]]) -> dict[str, Readings]:
    """What a run's judge said of the test sets.

    Raises:
        ConfigError: If the run has not judged one of them, or judged other pairs by that name.
    """
    found: dict[str, Readings] = {}
    for name, preferences in tests.items():
        path = readings_path(run, name)
        if not path.exists():
            raise ConfigError(f"{run}: has no judgements of {name!r}; evaluate it there first")
        found[name] = read_readings(path, preferences)
    return found


def show(run: Path, results: "Results") -> None:
    """Print the table, the paired comparisons, and where the report is."""
    from jurist.reports import summary_table
    from jurist.reports.table import signed_with_interval

    console = Console()
    console.print(summary_table(results))
    for row in results.comparisons:
        difference = signed_with_interval(row.paired.difference)
        console.print(
            f"{row.method} against {row.baseline}, {row.split}: {difference} points",
            markup=False,
            soft_wrap=True,
        )
    console.print(f"report: {run / 'report.html'}", markup=False, soft_wrap=True)
