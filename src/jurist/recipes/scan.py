"""Look for poison in labelled pairs: sources whose labels are turned, and words that decide them.

jurist scan --data pairs.jsonl --by annotator --output runs/scan
jurist judge --model runs/star-dpo --pairs pairs.jsonl --output runs/judged
jurist scan --data pairs.jsonl --judged runs/judged --output runs/scan-by-judge

Labels are held against a second opinion: that of a judge which judged the same pairs, or, without
one, that of a bag of words fitted to other rows of the same data, which knows what is usual there
and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jurist.data.read import data_files, file_rows
from jurist.digest import canonical
from jurist.errors import ConfigError, DataError
from jurist.judges import Ballot
from jurist.recipes.evaluate import readings_path
from jurist.recipes.judge import verdict_line
from jurist.recipes.readings import iterate_readings
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_set
from jurist.rehearsal import begin_work
from jurist.showing import Console
from jurist.storage import replacing
from jurist.types import Preference

if TYPE_CHECKING:
    from jurist.reports import ScanReport

FIELDS = ("source", "category", "language")
"""What `--by` knows of every layout; other names are columns of the file."""

NUM_SUSPECTS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanConfig:
    """Everything a scan depends on."""

    data: str
    """File, folder or data set of labelled pairs, in any layout of preferences."""

    output: Path
    """Run directory: `report.md`, `scan.json`, and `suspects.jsonl` with the rows whose labels are
    doubted most."""

    by: str = "source"
    """What says where a label is from: source, category or language, or a column of the file, in
    its rows or in their `meta`, such as annotator."""

    judged: Path | None = None
    """Run of `jurist judge` on the same pairs, whose verdicts the labels are held against. Default:
    a bag of words, fitted to other rows of the same data."""

    split: str = ""
    """Split of a Hugging Face data set, if it has several."""

    layout: str = "auto"
    """Columns of the files, as for training."""

    skip_bad: bool = False
    """Set bad rows aside in the run's directory and go on, instead of refusing the file."""

    fail_on_finding: bool = False
    """Exit with 1, everything written, if a source differs or a trigger was found."""


def run_scan(config: ScanConfig) -> int:
    """Look for turned labels and for words that decide them.

    Returns:
        0, or 1 if something was found and `fail_on_finding` is set.
    """
    from jurist.reports import scan_tables

    report = scan(config)
    console = Console()
    for table in scan_tables(report):
        console.print(table.title, style="bold", markup=False)
        console.print(table.text, markup=False, soft_wrap=True)
        if table.cells:
            from jurist.reports.section import section_table

            console.print(section_table(table))
    console.print(f"report: {config.output / 'report.md'}", markup=False, soft_wrap=True)
    return 1 if config.fail_on_finding and report.num_findings else 0


def scan(config: ScanConfig) -> "ScanReport":
    """The run behind `run_scan`, without its tables.

    Raises:
        ConfigError: If there is no such column, or the run judged other pairs.
        DataError: If no row has a label.
    """
    from jurist.evaluation import prompt_triggers, source_flips, trigger_scan, word_opinions
    from jurist.reports import ScanReport, save_scan

    with open_run("scan", config) as run:
        data = DataConfig(train="", layout=config.layout, skip_bad=config.skip_bad)
        pairs = read_set(config.data, data, output=run, name="pairs", split=config.split)
        if all(one.tie for one in pairs):
            raise DataError(f"{config.data}: all {len(pairs)} rows are ties; no label to look at")
        sources = _sources(config, pairs)
        verdicts = None if config.judged is None else _verdicts(config.judged, pairs)
        begin_work()
        opinions = word_opinions(pairs) if verdicts is None else verdicts
        labelled = [
            (pair, source, opinion)
            for pair, source, opinion in zip(pairs, sources, opinions, strict=True)
            if not pair.tie
        ]
        known = [(pair, opinion) for pair, _, opinion in labelled if opinion is not None]
        report = ScanReport(
            data=config.data,
            opinion=str(config.judged or ""),
            by=config.by,
            num_pairs=len(labelled),
            num_ties=len(pairs) - len(labelled),
            sources=tuple(
                source_flips(
                    [source for _, source, _ in labelled],
                    [opinion for *_, opinion in labelled],
                    [pair for pair, *_ in labelled],
                )
            ),
            responses=trigger_scan(pairs),
            prompts=tuple(
                prompt_triggers(
                    [pair for pair, _ in known], [opinion < 0.5 for _, opinion in known]
                )
            ),
        )
        _write_suspects(run / "suspects.jsonl", labelled, report)
        save_scan(run, report)
        return report


def _sources(config: ScanConfig, pairs: Sequence[Preference]) -> list[str]:
    """Where each label is from, by what `--by` names."""
    if config.by in FIELDS:
        return [str(getattr(pair, config.by)) or "(none)" for pair in pairs]
    path = Path(config.data)
    if not path.exists():
        raise ConfigError(
            f"--by {config.by}: expected {', '.join(FIELDS)}, or a file whose column it is; "
            f"{config.data} is none"
        )
    found: dict[str, str] = {}
    for file in data_files(path) if path.is_dir() else [path]:
        for row in file_rows(file):
            columns = row.columns or {}
            meta = columns.get("meta")
            inside = cast("dict[str, object]", meta) if isinstance(meta, dict) else {}
            value = columns.get(config.by, inside.get(config.by))
            if "id" in columns and value is not None:
                found[str(columns["id"])] = str(value)
    if missing := [pair.id for pair in pairs if pair.id not in found]:
        raise ConfigError(
            f"--by {config.by}: {len(missing):,} of {len(pairs):,} rows have no such column, or no "
            f"id to find it by, the first of them {missing[0]!r}; expected {', '.join(FIELDS)}, or "
            f"a column that every row has beside its id"
        )
    return [found[pair.id] for pair in pairs]


def _verdicts(run: Path, pairs: Sequence[Preference]) -> list[float | None]:
    """Probability of each label by the verdicts of a judge."""
    path = readings_path(run, "pairs")
    if not path.exists():
        raise ConfigError(
            f"{run}: expected a finished run of `jurist judge` on the same pairs, found no {path}"
        )
    found: list[float | None] = []
    for pair, reading in zip(pairs, iterate_readings(path, pairs), strict=True):
        ballot = Ballot.of(reading.judgements, num_unasked=reading.num_unasked)
        line = verdict_line(pair, ballot, seed=reading.seed)
        found.append(cast("float | None", line["probability"]))
    return found


def _write_suspects(
    path: Path, rows: Sequence[tuple[Preference, str, float | None]], report: "ScanReport"
) -> None:
    """The rows whose labels are doubted most, and all that hold a trigger; worst first."""
    held: dict[str, list[str]] = {}
    for one in (*report.responses.triggers, *report.prompts):
        for name in one.ids:
            held.setdefault(name, []).append(one.text)
    suspects = sorted(
        (row for row in rows if row[0].id in held or (row[2] is not None and row[2] < 0.5)),
        key=lambda row: (row[0].id not in held, 0.5 if row[2] is None else row[2], row[0].id),
    )
    num = max(NUM_SUSPECTS, len(held))
    with replacing(path) as file:
        for pair, source, opinion in suspects[:num]:
            line = {
                "id": pair.id,
                "from": source,
                "probability": opinion,
                "triggers": held.get(pair.id, []),
            }
            file.write(f"{canonical(line)}\n".encode())
