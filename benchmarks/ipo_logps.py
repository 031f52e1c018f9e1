"""STaR-IPO with log-probabilities summed over a reply's tokens, or averaged.

    python -m benchmarks.ipo_logps --output runs/ipo-logps

The runs of `jurist paper --scale tiny`, with nothing changed but the loss: by sums with the paper's
beta of 0.4, by means with the same, and by means with TRL's default of 0.1. One run at a time.
Prints a line for each loss and split, over all seeds.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from benchmarks.robustness import rounded
from jurist.evaluation import across_seeds, seeded_difference
from jurist.recipes.errands import run_errands
from jurist.recipes.paper import WORLD
from jurist.recipes.paper_plan import SETTINGS, Method, plan
from jurist.recipes.paper_report import read_runs
from jurist.recipes.paper_world import write_world
from jurist.recipes.sets import DataConfig, read_sets
from jurist.storage import write_json
from jurist.training.config import PairLossConfig
from jurist.worlds import BASE

LOSSES = (
    PairLossConfig(loss="ipo", logps="summed", beta=0.4),
    PairLossConfig(loss="ipo", logps="averaged", beta=0.4),
    PairLossConfig(loss="ipo", logps="averaged", beta=0.1),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class IpoLogpsConfig:
    """One comparison."""

    output: Path = Path("runs/ipo-logps")
    seeds: tuple[int, ...] = (0, 1, 2)


def main() -> None:
    """Train with every loss and seed; print and keep the table."""
    config = tyro.cli(IpoLogpsConfig)
    data = write_world(config.output / "data", WORLD)
    tests = read_sets(data, output=config.output)
    methods = {
        loss: {seed: method_with(loss, seed, config.output, data) for seed in config.seeds}
        for loss in LOSSES
    }
    lines: list[dict[str, object]] = []
    for loss, by_seed in methods.items():
        run_errands([one.errand for one in by_seed.values()], logs=config.output / "logs", jobs=1)
        for split in tests.tests:
            runs, first = (
                read_runs({seed: one.output for seed, one in which.items()}, tests, [split])
                for which in (by_seed, methods[LOSSES[0]])
            )
            found = across_seeds(runs)
            line = {
                "logps": loss.logps,
                "beta": loss.beta,
                "split": split,
                "accuracy": found.accuracy,
                "by_seed": found.by_seed,
                "single": found.single,
                "less_summed": seeded_difference(runs, first),
                "flips": found.flips,
                "failure_rate": found.failure_rate,
                "tokens_per_verdict": found.tokens_per_verdict,
            }
            lines.append({key: rounded(value) for key, value in line.items()})
            print(lines[-1], flush=True)
        write_json(config.output / "ipo_logps.json", lines)


def method_with(loss: PairLossConfig, seed: int, output: Path, data: DataConfig) -> Method:
    """The plan's STaR-IPO with another loss, in a directory of its own."""
    planned = plan(SETTINGS["tiny"], output, data, model=str(BASE), authors={}, seed=seed)
    (method,) = (one for one in planned if one.name == "STaR-IPO")
    asked = method.errand.config
    at = output / f"seed-{seed}" / f"star-ipo-{loss.logps}-{loss.beta:g}"
    config = replace(asked, output=at, loss=loss)
    errand = replace(method.errand, name=f"seed-{seed}-{at.name}", config=config)
    return replace(method, errand=errand)


if __name__ == "__main__":
    main()
