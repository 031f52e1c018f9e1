"""Does the verdict follow from the trace? Re-read what a judge wrote, without the responses.

jurist faithfulness --run runs/star-dpo --output runs/star-dpo-faithfulness

The readings that a finished run keeps are shown to a reader again, by default the judge's own
weights: trace without responses, responses without trace, another pair's trace, and so on
(`jurist.evaluation.View`). Nothing is sampled; the reader's verdict is the likelier one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from jurist.data import limited
from jurist.data.lines import json_rows
from jurist.digest import canonical
from jurist.engines import Cached
from jurist.engines.base import LogprobEngine
from jurist.errors import ConfigError, DataError, StoreError
from jurist.formats import Format, FormatName, make_format, reasoning, without_statements
from jurist.judges import verdicts_after
from jurist.recipes.checkpoints import checkpoint_folder, format_name, read_card
from jurist.recipes.evaluate import EvaluateConfig, kept_readings
from jurist.recipes.judge import JudgeFileConfig
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_engine import EngineName, ProcessesConfig, open_engine
from jurist.recipes.run import from_json, open_run, read_run_config, stopwatch
from jurist.recipes.sets import DataConfig, read_set, read_sets, read_tests
from jurist.showing import Console
from jurist.storage import replacing
from jurist.types import Comparison, Failure, Judgement, Preference, Verdict

if TYPE_CHECKING:
    # Loads numpy and more, which `jurist --help` need not wait for.
    from jurist.evaluation import Judged, Rereading, View
    from jurist.reports import FaithfulnessRow

NOT_SHOWN: Final = "(not shown)"
"""Stands in the place of either response: the same in both, so that it speaks for neither."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaithfulnessConfig:
    """Everything a re-reading depends on."""

    run: Path
    """Finished run whose judgements are re-read: one of evaluate, judge, or a method that trains a
    judge to reason."""

    output: Path
    """Run directory. The same command run again goes on where it was."""

    reader: str = ""
    """Checkpoint folder, run directory or hub id of another model to read the traces. Empty: the
    judge that wrote them."""

    readings: int = 1
    """Readings of a pair in each of its two orders to re-read, the first ones."""

    limit: int | None = None
    """About how many pairs to re-read of each set: whole groups, drawn from the seed. Default:
    all."""

    bf16: bool = False
    """Run the reader in bfloat16 instead of float32."""

    engine: EngineName = "transformers"
    """What runs the reader."""

    seed: int = 0
    """Draws the pairs of --limit."""

    def __post_init__(self) -> None:
        if self.readings < 1:
            raise ConfigError(f"--readings must be at least 1, got {self.readings}")
        if self.limit is not None and self.limit < 2:
            raise ConfigError(f"--limit must be at least 2, got {self.limit}")


def run_faithfulness(config: FaithfulnessConfig) -> None:
    """Measure whether a judge's verdicts follow from its traces."""
    from jurist.reports import views_section
    from jurist.reports.section import section_table

    rows = measure_faithfulness(config)
    console = Console()
    console.print(section_table(views_section(rows)))
    console.print(f"report: {config.output / 'report.md'}", markup=False, soft_wrap=True)


def measure_faithfulness(config: FaithfulnessConfig) -> "list[FaithfulnessRow]":
    """The run behind `run_faithfulness`, without its table."""
    from jurist.evaluation import faithfulness
    from jurist.reports import FaithfulnessRow, save_faithfulness

    with open_run("faithfulness", config) as run:
        kept = _kept_run(config.run, output=run)
        _reread_tests(kept, config, run=run)
        rows = [
            FaithfulnessRow(
                method=config.run.name,
                split=name,
                faithfulness=faithfulness([read_rereadings(run, name)]),
            )
            for name in kept.tests
        ]
        save_faithfulness(run, rows, judge=kept.judge.model, reader=config.reader or "itself")
        return rows


class _Kept(NamedTuple):
    """What a finished run says of itself."""

    judge: JudgeConfig
    tests: dict[str, list[Preference]]
    seed: int


def _kept_run(run: Path, *, output: Path) -> _Kept:
    kept = read_run_config(run / "config.json")
    recipe, values = kept["recipe"], kept["config"]
    if recipe == "evaluate":
        asked = from_json(EvaluateConfig, values)
        data = DataConfig(
            train="",
            test_split=asked.test_split,
            layout=asked.layout,
            skip_bad=asked.skip_bad,
        )
        tests = read_tests(asked.test, data, output=output)
        return _Kept(judge=asked.judge, tests=tests, seed=asked.seed)
    if recipe == "judge":
        asked = from_json(JudgeFileConfig, values)
        data = DataConfig(train="", layout=asked.layout, skip_bad=asked.skip_bad)
        pairs = read_set(asked.pairs, data, output=output, name="pairs", split=asked.split)
        return _Kept(judge=asked.judge, tests={"pairs": pairs}, seed=asked.seed)
    if "star" in values:
        tests = read_sets(from_json(DataConfig, values["data"]), output=output).tests
        return _Kept(judge=JudgeConfig(model=str(run)), tests=tests, seed=values["seed"])
    raise ConfigError(
        f"{run}: a run of {recipe!r}, which keeps no reasoning of one judge; name a run of "
        f"evaluate, judge, or a method that trains a judge to reason"
    )


def _reread_tests(kept: _Kept, config: FaithfulnessConfig, *, run: Path) -> None:
    """Re-read every set, once: what came of it is kept in the run's `rereadings/`."""
    from jurist.evaluation import judged

    if all(rereadings_path(run, name).exists() for name in kept.tests):
        return
    form, folder = _format_and_reader(kept, config)
    # First, since it may be refused, and loading is dear.
    readings = kept_readings(config.run, kept.tests)
    opened = open_engine(folder, name=config.engine, bf16=config.bf16, processes=ProcessesConfig())
    with opened as inner, Cached(inner, run / "completions.sqlite") as engine:
        if not isinstance(engine, LogprobEngine):
            raise ConfigError(
                f"{folder}: --engine {config.engine} tells no log-probabilities, which a reader "
                f"goes by"
            )
        for name, said in readings.items():
            if rereadings_path(run, name).exists():
                continue
            rows = judged(
                kept.tests[name], said.judgements, seed=said.seed, num_unasked=said.num_unasked
            )
            rows = limited(rows, lambda row: row.preference.group, config.limit, config.seed)
            with stopwatch(run, f"reread/{name}") as note_time:
                found = reread(engine, form, rows, num_readings=config.readings)
                note_time()
                _write_rereadings(rereadings_path(run, name), found)


def _format_and_reader(kept: _Kept, config: FaithfulnessConfig) -> tuple[Format, str]:
    """How the judge was asked, and the checkpoint that is to read."""
    served = kept.judge.base_url
    if served and not config.reader:
        raise ConfigError(
            f"{config.run}: its judge ran behind {served}; name a model that can read its traces "
            f"here with --reader"
        )
    card: dict[str, Any] = {} if served else read_card(checkpoint_folder(kept.judge.model))
    name: FormatName = format_name(kept.judge.format, card)
    form = make_format(name, seed=kept.seed)
    if not form.reasoning or card.get("kind") in ("scalar", "comparer"):
        raise ConfigError(f"{config.run}: its judge does not reason, so there is nothing to read")
    return form, checkpoint_folder(config.reader or kept.judge.model)


class _Case(NamedTuple):
    """A reading as its judge read it."""

    row: "Judged"
    swapped: bool
    comparison: Comparison
    outcome: Verdict | Failure
    trace: str


def reread(
    engine: LogprobEngine, format: Format, rows: "Sequence[Judged]", *, num_readings: int
) -> "list[Rereading]":
    """Show a reader what a judge wrote, in every view, and take the likelier verdict.

    Args:
        engine: The reader.
        format: The judge's, in which its readings were asked for.
        rows: What was judged.
        num_readings: Readings of a pair in each order to re-read, the first ones.
    """
    from jurist.evaluation import Rereading

    cases = [
        _case(row, judgement, format)
        for row in rows
        for swapped in (False, True)
        for judgement in [one for one in row.ballot.judgements if one.swapped is swapped][
            :num_readings
        ]
    ]
    others = iter(_others([case for case in cases if isinstance(case.outcome, Verdict)]))
    views = [
        _views(case, next(others)) if isinstance(case.outcome, Verdict) else {} for case in cases
    ]
    # What several readings are shown alike is read once.
    shown: dict[Comparison, dict[str, Verdict | Failure]] = {}
    for comparison, trace in (item for seen in views for item in seen.values()):
        shown.setdefault(comparison, {})[trace] = Failure.ERROR
    weights = verdicts_after(engine, format, list(shown), [list(found) for found in shown.values()])
    for found, weighed in zip(shown.values(), weights, strict=True):
        found.update(zip(found, (one.outcome for one in weighed), strict=True))
    return [
        Rereading(
            preference_id=case.row.preference.id,
            group=case.row.preference.group,
            swapped=case.swapped,
            outcome=case.outcome,
            stated=without_statements(case.trace) != case.trace,
            seen={view: shown[comparison][trace] for view, (comparison, trace) in seen.items()},
        )
        for case, seen in zip(cases, views, strict=True)
    ]


def _case(row: "Judged", judgement: Judgement, format: Format) -> _Case:
    swapped = judgement.swapped
    as_read = judgement.mapped_back() if swapped else judgement
    outcome = as_read.outcome
    return _Case(
        row=row,
        swapped=swapped,
        comparison=row.comparison.swapped() if swapped else row.comparison,
        outcome=outcome,
        trace=(
            reasoning(judgement.text, format.verdicts[outcome])
            if isinstance(outcome, Verdict)
            else ""
        ),
    )


def _others(cases: Sequence[_Case]) -> list[_Case | None]:
    """For each case the next one of the same order and another group, the first after the last."""
    found: list[_Case | None] = []
    for number, case in enumerate(cases):
        following = (cases[(number + step) % len(cases)] for step in range(1, len(cases)))
        group = case.row.preference.group
        fits = (
            one
            for one in following
            if one.swapped is case.swapped and one.row.preference.group != group
        )
        found.append(next(fits, None))
    return found


def _views(case: _Case, other: _Case | None) -> "dict[View, tuple[Comparison, str]]":
    """What the reader is shown of a reading, and what stands before its verdict."""
    shown = case.comparison
    hidden = Comparison(prompt=shown.prompt, first=NOT_SHOWN, second=NOT_SHOWN)
    views: dict[View, tuple[Comparison, str]] = {
        "trace": (hidden, case.trace),
        "argument": (hidden, without_statements(case.trace)),
        "nothing": (hidden, ""),
        "responses": (shown, ""),
        "both": (shown, case.trace),
        "exchanged": (shown.swapped(), case.trace),
    }
    return views if other is None else {**views, "other": (hidden, other.trace)}


def rereadings_path(run: Path, name: str) -> Path:
    """Where a run keeps what came of re-reading a set."""
    return run / "rereadings" / f"{name}.jsonl"


def _write_rereadings(path: Path, found: "Sequence[Rereading]") -> None:
    with replacing(path) as file:
        for one in found:
            file.write(f"{canonical(asdict(one))}\n".encode())


def read_rereadings(run: Path, name: str) -> "list[Rereading]":
    """What came of re-reading a set, one line each.

    Raises:
        ConfigError: If the run has not re-read it.
        StoreError: If the file is damaged.
    """
    from jurist.evaluation import Rereading

    path = rereadings_path(run, name)
    if not path.exists():
        raise ConfigError(f"{run}: has re-read no {name!r}; run jurist faithfulness there first")
    found: list[Rereading] = []
    for row in json_rows(path):
        try:
            if row.columns is None:
                raise DataError(row.reason)
            values: dict[str, Any] = row.columns
            seen = cast(dict[Any, str], values.pop("seen"))
            outcome = values.pop("outcome")
            found.append(
                Rereading(
                    **values,
                    outcome=_outcome(outcome),
                    seen={view: _outcome(one) for view, one in seen.items()},
                )
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(
                f"{path}:{row.number}: damaged ({error!r}); delete it and run again"
            ) from error
    return found


def _outcome(value: str) -> Verdict | Failure:
    verdicts = {str(verdict): verdict for verdict in Verdict}
    return verdicts.get(value) or Failure(value)
