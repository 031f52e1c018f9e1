"""Choose each method's learning rate on validation pairs, with one budget for all.

    python -m benchmarks.tuning --bases BASE1 BASE2 --output runs/tuning

Every method is trained with each of the same number of settings on the quickstart's training pairs
and scored on validation pairs, which no reported number uses: from the shipped base with two seeds,
and from each of `--bases` with the first of them, for what suits one base may not suit another. The
rate with the best mean is taken, the lower one of two that are equal, and stands in
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
from jurist.worlds import BASE, preferences

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

    bases: tuple[Path, ...] = ()
    """Other bases than the shipped one, made by `scripts/make_base.py` with other seeds."""


def main() -> None:
    """Train and score every method with every learning rate; print and keep the table."""
    config = tyro.cli(TuningConfig)
    found: dict[str, dict[str, list[float]]] = {}
    starts = [(BASE, seed) for seed in config.seeds]
    starts += [(base, config.seeds[0]) for base in config.bases]
    for base, seed in starts:
        for method, by_rate in tune(config, base, seed):
            for rate, accuracy in by_rate.items():
                found.setdefault(method, {}).setdefault(rate, []).append(accuracy)
            write_json(config.output / "tuning.json", found)
    for method, by_rate in found.items():
        best = max(by_rate, key=lambda rate: sum(by_rate[rate]))
        print(method, "takes", best, "of", json.dumps(by_rate))


def tune(config: TuningConfig, base: Path, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Validation accuracy by learning rate, method by method."""
    output = config.output / f"{base.name}-seed-{seed}"
    data = write_world(output / "data", FULL, seed=seed)
    validation = output / "data" / "validation.jsonl.gz"
    write_preferences(
        validation,
        preferences("in_distribution", "validation", num=config.num_validation, seed=seed),
    )
    data = replace(data, test=(f"validation={validation}",))
    for method, name in METHODS.items():
        found: dict[str, float] = {}
        for rate in LEARNING_RATES:
            at = output / f"{method}-{rate:g}"
            # Rates that break a judge are tried too: how bad it then is, is what is measured.
            quickstart.TUNED[method] = replace(
                quickstart.TUNED[method], learning_rate=rate, guard="warn"
            )
            asked = QuickstartConfig(output=at, model=str(base), seed=seed)
            quickstart.recipes(asked, FULL, data)[name]()
            results = load_results(at / quickstart.FOLDERS[name] / "results.json")
            accuracy = results.rows[0].agreement.accuracy
            found[f"{rate:g}"] = round(accuracy.value, 4)
            print(base.name, seed, method, rate, accuracy, flush=True)
        yield method, found


if __name__ == "__main__":
    main()
