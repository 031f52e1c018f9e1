"""Whether verdicts follow from their traces, of the methods of a finished replication.

    python -m benchmarks.faithfulness --paper runs/paper --output runs/faithfulness

`jurist faithfulness` on every pair of every run that `jurist paper` re-reads some pairs of, seeds
brought together. Prints the table in Markdown, then, by the way of judging, how many traces were
followed with no response shown; keeps the rows.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import tyro

from jurist.data import read_preferences
from jurist.evaluation import faithfulness
from jurist.recipes.evaluate import kept_readings
from jurist.recipes.faithfulness import FaithfulnessConfig, measure_faithfulness, read_rereadings
from jurist.reports import FaithfulnessRow, faithfulness_section
from jurist.reports.markdown import table
from jurist.storage import write_json
from jurist.worlds import SPLITS


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
    for name in config.runs:
        for habit, followed in sorted(by_habit(config, name).items()):
            print(f"{name}, {habit}: {100 * fmean(followed):.1f} % of {len(followed):,}")


def by_habit(config: FaithfulnessBenchmarkConfig, name: str) -> dict[str, list[float]]:
    """Whether each re-read trace of a judge was followed alone, by its first word.

    In the chains world that is the way of judging; a redone question may end undecided.
    """
    data = config.paper / "data"
    found: dict[str, list[float]] = defaultdict(list)
    for seed in config.seeds:
        for split in SPLITS:
            pairs = read_preferences(data / f"{split}.jsonl.gz").preferences
            run = config.paper / f"seed-{seed}" / name
            kept = kept_readings(run, {split: pairs})[split]
            said = {
                (pair.id, one.swapped): one.text
                for pair, readings in zip(pairs, kept.judgements, strict=True)
                for one in reversed(readings)  # So that the first of each order is what stays.
            }
            for one in read_rereadings(config.output / f"seed-{seed}" / name, split):
                if one.seen:
                    text = said[one.preference_id, one.swapped]
                    ending = ", undecided" if "unsure" in text else ""
                    found[text.split()[0] + ending].append(one.followed("trace"))
    return found


if __name__ == "__main__":
    main()
