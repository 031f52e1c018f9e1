"""Choose each method's learning rate on validation pairs, with one budget for all.

    python -m benchmarks.tuning --output runs/tuning

Every method is trained with each of the same number of settings on the quickstart's training pairs
and scored on validation pairs, which no reported number uses. The choice stands in
`jurist.recipes.quickstart.TUNED`.
"""

import json
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
    seed: int = 100
    """Draws other training pairs than the seeds that results are reported for."""


def main() -> None:
    """Train and score every method with every learning rate; print and keep the table."""
    config = tyro.cli(TuningConfig)
    data = write_world(config.output / "data", FULL, seed=config.seed)
    validation = config.output / "data" / "validation.jsonl.gz"
    write_preferences(
        validation,
        preferences("in_distribution", "validation", num=config.num_validation, seed=config.seed),
    )
    data = replace(data, test=(f"validation={validation}",))
    found: dict[str, dict[str, float]] = {}
    for method, name in METHODS.items():
        for rate in LEARNING_RATES:
            output = config.output / f"{method}-{rate:g}"
            quickstart.TUNED[method] = replace(quickstart.TUNED[method], learning_rate=rate)
            base = QuickstartConfig(output=output, seed=config.seed)
            quickstart.recipes(base, FULL, data)[name]()
            results = load_results(output / quickstart.FOLDERS[name] / "results.json")
            accuracy = results.rows[0].agreement.accuracy
            found.setdefault(method, {})[f"{rate:g}"] = round(accuracy.value, 4)
            print(method, rate, accuracy, flush=True)
    write_json(config.output / "tuning.json", found)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
