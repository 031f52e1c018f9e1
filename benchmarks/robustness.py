"""STaR-DPO against the zero-shot judge, on three seeds and three bases.

    python -m benchmarks.robustness --bases BASE1 BASE2 --output runs/robustness

The shipped base and each of `--bases` (made by `scripts/make_base.py` with other seeds) is the
start of a quickstart's zero-shot and STaR-DPO runs with each seed. The judges are then asked about
more test pairs, drawn anew: the quickstart's own are few for a difference of a few points. Prints
one line a run and test set: accuracies with intervals and the paired difference with its own.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from jurist.data import read_preferences, write_preferences
from jurist.evaluation import compare, judged
from jurist.evaluation.intervals import Estimate
from jurist.recipes import quickstart
from jurist.recipes.evaluate import EvaluateConfig, evaluate, kept_readings
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.quickstart import FULL, ZERO_SHOT, QuickstartConfig, write_world
from jurist.recipes.sets import read_sets
from jurist.reports import load_results
from jurist.storage import write_json
from jurist.types import Preference
from jurist.worlds import BASE, preferences

MORE_SEED = 1000
"""Added to a run's seed, draws its further test pairs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RobustnessConfig:
    """One robustness check."""

    bases: tuple[Path, ...] = ()
    """Other bases than the shipped one."""

    seeds: tuple[int, ...] = (0, 1, 2)
    methods: tuple[str, ...] = (ZERO_SHOT, "STaR-DPO")
    """Methods to run; the first is what the others are compared with."""

    num_more: int = 1000
    """Test pairs in distribution beside the quickstart's own."""

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
    more = output / "data" / "more.jsonl.gz"
    write_preferences(
        more, preferences("in_distribution", "test", num=config.num_more, seed=MORE_SEED + seed)
    )
    for method in config.methods:
        trained = output / quickstart.FOLDERS[method]
        judge = JudgeConfig(
            model=str(base if method == ZERO_SHOT else trained),
            voting=VotingConfig(votes=FULL.votes, max_tokens=quickstart.MAX_TOKENS),
        )
        evaluate(
            EvaluateConfig(
                judge=judge,
                test=(str(more),),
                output=trained.with_name(f"{trained.name}-more"),
                method=method,
                seed=seed,
            )
        )
    own = lines_of(config, base, seed, read_sets(data, output=output).tests, suffix="")
    tests = {"more": read_preferences(more).preferences}
    return own + lines_of(config, base, seed, tests, suffix="-more")


def lines_of(
    config: RobustnessConfig,
    base: Path,
    seed: int,
    tests: dict[str, list[Preference]],
    *,
    suffix: str,
) -> list[dict[str, object]]:
    """A line per method and test set, of finished runs."""
    output = config.output / f"{base.name}-seed-{seed}"
    runs = {method: output / (quickstart.FOLDERS[method] + suffix) for method in config.methods}
    rows = {
        method: {
            name: judged(tests[name], readings.judgements, seed=readings.seed)
            for name, readings in kept_readings(run, tests).items()
        }
        for method, run in runs.items()
    }
    lines: list[dict[str, object]] = []
    for method, run in runs.items():
        for row in load_results(run / "results.json").rows:
            paired = compare(rows[method][row.split], rows[config.methods[0]][row.split], seed=seed)
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
