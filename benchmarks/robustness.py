"""STaR-DPO against the zero-shot judge, on three seeds and three bases.

    python -m benchmarks.robustness --bases BASE1 BASE2 --output runs/robustness

The shipped base and each of `--bases` (made by `scripts/make_base.py` with other seeds) is the
start of a quickstart's zero-shot and STaR-DPO runs with each seed. Prints one line a run: the
accuracies with their intervals and the paired difference with its own.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from jurist.evaluation import compare, judged
from jurist.evaluation.intervals import Estimate
from jurist.recipes import quickstart
from jurist.recipes.evaluate import kept_readings
from jurist.recipes.quickstart import FULL, ZERO_SHOT, QuickstartConfig, write_world
from jurist.recipes.sets import read_sets
from jurist.reports import load_results
from jurist.storage import write_json
from jurist.worlds import BASE


@dataclass(frozen=True, kw_only=True, slots=True)
class RobustnessConfig:
    """One robustness check."""

    bases: tuple[Path, ...] = ()
    """Other bases than the shipped one."""

    seeds: tuple[int, ...] = (0, 1, 2)
    methods: tuple[str, ...] = (ZERO_SHOT, "STaR-DPO")
    """Methods to run; the first is what the others are compared with."""

    output: Path = Path("runs/robustness")


def main() -> None:
    """Run every base with every seed; print and keep the table."""
    config = tyro.cli(RobustnessConfig)
    lines: list[dict[str, object]] = []
    for base in (BASE, *config.bases):
        for seed in config.seeds:
            lines += run_one(config, base, seed)
            write_json(config.output / "robustness.json", lines)


def run_one(config: RobustnessConfig, base: Path, seed: int) -> list[dict[str, object]]:
    """One base, one seed: a line per method and test set."""
    output = config.output / f"{base.name}-seed-{seed}"
    data = write_world(output / "data", FULL, seed=seed)
    asked = QuickstartConfig(output=output, model=str(base), seed=seed)
    runs = quickstart.recipes(asked, FULL, data)
    for method in config.methods:
        runs[method]()
    sets = read_sets(data, output=output)
    lines: list[dict[str, object]] = []
    rows = {
        method: {
            name: judged(sets.tests[name], readings.judgements, seed=readings.seed)
            for name, readings in kept_readings(
                output / quickstart.FOLDERS[method], sets.tests
            ).items()
        }
        for method in config.methods
    }
    baseline = config.methods[0]
    for method in config.methods:
        results = load_results(output / quickstart.FOLDERS[method] / "results.json")
        for row in results.rows:
            paired = compare(rows[method][row.split], rows[baseline][row.split], seed=seed)
            line = {
                "base": base.name,
                "seed": seed,
                "method": method,
                "split": row.split,
                "accuracy": row.agreement.accuracy,
                "single": row.agreement.single,
                "flips": row.agreement.flips,
                "failure_rate": row.agreement.failure_rate,
                "difference": paired.difference,
                "num_pairs": paired.num_pairs,
            }
            lines.append({key: rounded(value) for key, value in line.items()})
            print(lines[-1], flush=True)
    return lines


def rounded(value: object) -> object:
    """An estimate as [value, low, high]; anything else as it is."""
    if isinstance(value, Estimate):
        return [round(number, 4) for number in (value.value, value.low, value.high)]
    return value


if __name__ == "__main__":
    main()
