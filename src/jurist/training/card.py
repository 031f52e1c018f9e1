"""The top of a model card: what the hub reads, and the card of a checkpoint not evaluated yet.

`jurist.reports.model_card` writes the card of one that is. Imports nothing heavy.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

MARK: Final = "<!-- Written by jurist, which writes it anew; delete this line to keep your own. -->"
"""What a card has that may be replaced. People edit cards."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def front_matter(
    card: Mapping[str, object],
    *,
    base_model: str = "",
    model_index: Sequence[Mapping[str, object]] = (),
) -> str:
    """What the hub reads of a card, between its lines of dashes.

    Args:
        card: The facts of the checkpoint's `jurist.json`.
        base_model: What it was trained from. Told if it is an id of the hub, never if it is a
            folder of somebody's machine.
        model_index: Results, as the hub lays them out.
    """
    scalar = card.get("kind") in ("scalar", "comparer")
    values: dict[str, object] = {
        "library_name": "transformers",
        "pipeline_tag": "text-classification" if scalar else "text-generation",
        "tags": ["reward-model", "llm-as-a-judge", "jurist", *_tag(card.get("method"))],
    }
    if is_hub_id(base_model):
        values["base_model"] = base_model
    if model_index:
        values["model-index"] = list(model_index)
    # JSON is YAML, and needs no other library to be written.
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "\n".join(["---", *lines, "---"])


def is_hub_id(model: str) -> bool:
    """Whether a model's name is an id of the hub and no folder here."""
    return bool(_HUB_ID.fullmatch(model)) and not Path(model).exists()


def _tag(method: object) -> list[str]:
    return [re.sub(r"[^a-z0-9]+", "-", str(method).lower()).strip("-")] if method else []


def loader_of(card: Mapping[str, object]) -> str:
    """The class of transformers that loads the checkpoint."""
    scalar = card.get("kind") in ("scalar", "comparer")
    return f"AutoModelFor{'SequenceClassification' if scalar else 'CausalLM'}"


def bare_card(card: Mapping[str, object], recipe: Mapping[str, object]) -> str:
    """The card of a checkpoint that nobody has evaluated yet."""
    facts = "\n".join(f"- {name}: {value}" for name, value in card.items())
    return (
        f"{front_matter(card)}\n\n{MARK}\n\n# {card.get('method', 'A judge')}\n\n"
        f"Trained by jurist on {recipe['num_rows']} rows. "
        f"Loads with `transformers.{loader_of(card)}`.\n\n"
        f"{facts}\n\nTraining:\n\n```json\n{json.dumps(recipe, indent=2)}\n```\n"
    )
