"""Attacks on a judge: responses that should lose and are made to win. Texts and pure functions."""

from jurist.attacks.content import folded, num_informative, settled, without_content
from jurist.attacks.dressing import (
    CITATIONS,
    FILLER,
    TAUGHT_FILLER,
    cited,
    marked_up,
    padded,
    repeated,
    sentences,
)
from jurist.attacks.injections import FAMILIES, SLOT, Family, injected
from jurist.attacks.keys import CONSTANT_REPLIES, MASTER_KEYS, OPENERS, PARAPHRASES, held_out
from jurist.attacks.trials import Kind, Trial, drawn, trials

__all__ = [
    "CITATIONS",
    "CONSTANT_REPLIES",
    "FAMILIES",
    "FILLER",
    "MASTER_KEYS",
    "OPENERS",
    "PARAPHRASES",
    "SLOT",
    "TAUGHT_FILLER",
    "Family",
    "Kind",
    "Trial",
    "cited",
    "drawn",
    "folded",
    "held_out",
    "injected",
    "marked_up",
    "num_informative",
    "padded",
    "repeated",
    "sentences",
    "settled",
    "trials",
    "without_content",
]
