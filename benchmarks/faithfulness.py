"""Whether verdicts follow from their traces, of the methods of a finished replication.

    python -m benchmarks.faithfulness --paper runs/paper --output runs/faithfulness

`jurist faithfulness` on every pair of every run that `jurist paper` re-reads some pairs of, seeds
brought together. Prints the table in Markdown and keeps the rows.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from jurist.evaluation import faithfulness
from jurist.recipes.faithfulness import FaithfulnessConfig, measure_faithfulness, read_rereadings
from jurist.reports import FaithfulnessRow, faithfulness_section
from jurist.reports.markdown import table
from jurist.storage import write_json


@dataclass(frozen=True, kw_only=True, slots=True)
class FaithfulnessBenchmarkConfig:
    """One measurement."""

    paper: Path = Path("runs/paper")
    """A finished replication."""

    output: Path = Path("runs/faithfulness")
    runs: tuple[str, ...] = ("zero-shot", "star-sft", "star-dpo", "star-rationalizer")
    """Runs of each seed to re-read."""

    seeds: tuple[int, ...] = (0, 1, 2)


def main() -> None:
    """Re-read every run, bring the seeds together; print and keep the table."""
    config = tyro.cli(FaithfulnessBenchmarkConfig)
    rows: list[FaithfulnessRow] = []
    for name in config.runs:
        outputs = [config.output / f"seed-{seed}" / name for seed in config.seeds]
        splits: list[str] = []
        for seed, output in zip(config.seeds, outputs, strict=True):
            run = config.paper / f"seed-{seed}" / name
            found = measure_faithfulness(FaithfulnessConfig(run=run, output=output))
            splits = [row.split for row in found]
        rows += [
            FaithfulnessRow(
                method=name,
                split=split,
                faithfulness=faithfulness([read_rereadings(one, split) for one in outputs]),
            )
            for split in splits
        ]
    write_json(config.output / "faithfulness.json", [asdict(row) for row in rows])
    section = faithfulness_section(rows)
    print(table(section.headings, section.cells))


if __name__ == "__main__":
    main()
