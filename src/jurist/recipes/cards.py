"""The model card of a checkpoint that a run has evaluated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jurist.recipes.checkpoints import read_card
from jurist.recipes.run import read_run_config
from jurist.reports import Results
from jurist.reports.model_card import CardFacts, model_card
from jurist.storage import write_text
from jurist.training.card import MARK


def write_model_card(run: Path, checkpoint: Path, results: Results) -> None:
    """Write what a run found out about its checkpoint into the checkpoint's `README.md`.

    A card that somebody made their own stays as it is.

    Raises:
        StoreError: If it cannot be written.
    """
    path = checkpoint / "README.md"
    if path.exists() and MARK not in path.read_text("utf-8", "replace"):
        return
    config: Mapping[str, Any] = read_run_config(run / "config.json")["config"]
    card = read_card(str(checkpoint))
    sampled = card.get("kind") not in ("scalar", "comparer", "direct")
    facts = CardFacts(
        name=run.absolute().name,
        card=card,
        base_model=str(config.get("model", "")),
        seed=int(config.get("seed", 0)),
        voting=config.get("voting", {}) if sampled else {},
    )
    write_text(path, model_card(facts, results))
