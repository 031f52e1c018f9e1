"""Choose each method's learning rate on validation pairs, with one budget for all.

    python -m benchmarks.tuning --output runs/tuning

Every method is trained with each of the same number of settings on the quickstart's training pairs
and scored on validation pairs, which no reported number uses; that for each of two seeds. The rate
with the best mean is taken, the lower one of two that are equal, and stands in
`jurist.recipes.quickstart.TUNED`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from jurist.data import write_preferences
from jurist.recipes import quickstart
from jurist.recipes.quickstart import FULL, QuickstartConfig, write_world
from jurist.reports import load_results
from jurist.storage import write_json
from jurist.worlds import preferences

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3)
"""The same four for every method."""

METHODS = {
    "bradley-terry": "Bradley-Terry",
    "genrm": "GenRM",
    "star-sft": "STaR-SFT",
    "star-dpo": "STaR-DPO",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TuningConfig:
    """One tuning."""

    output: Path = Path("runs/tuning")
    num_validation: int = 300
    seeds: tuple[int, ...] = (100, 101)
    """They draw other training pairs than the seeds that results are reported for."""


def main() -> None:
    """Train and score every method with every learning rate; print and keep the table."""
    config = tyro.cli(TuningConfig)
    found: dict[str, dict[str, list[float]]] = {}
    for seed in config.seeds:
        for method, by_rate in tune(config.output / f"seed-{seed}", config.num_validation, seed):
            for rate, accuracy in by_rate.items():
                found.setdefault(method, {}).setdefault(rate, []).append(accuracy)
            write_json(config.output / "tuning.json", found)
    for method, by_rate in found.items():
        best = max(by_rate, key=lambda rate: sum(by_rate[rate]))
        print(method, "takes", best, "of", json.dumps(by_rate))


def tune(output: Path, num_validation: int, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Validation accuracy by learning rate, method by method."""
    data = write_world(output / "data", FULL, seed=seed)
    validation = output / "data" / "validation.jsonl.gz"
    write_preferences(
        validation, preferences("in_distribution", "validation", num=num_validation, seed=seed)
    )
    data = replace(data, test=(f"validation={validation}",))
    for method, name in METHODS.items():
        found: dict[str, float] = {}
        for rate in LEARNING_RATES:
            at = output / f"{method}-{rate:g}"
            quickstart.TUNED[method] = replace(quickstart.TUNED[method], learning_rate=rate)
            quickstart.recipes(QuickstartConfig(output=at, seed=seed), FULL, data)[name]()
            results = load_results(at / quickstart.FOLDERS[name] / "results.json")
            accuracy = results.rows[0].agreement.accuracy
            found[f"{rate:g}"] = round(accuracy.value, 4)
            print(seed, method, rate, accuracy, flush=True)
        yield method, found


if __name__ == "__main__":
    main()
