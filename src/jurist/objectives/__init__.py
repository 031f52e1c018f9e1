"""Losses as pure functions of tensors, one equation each, none reduced.

Mask, weight and denominator belong to the training loop, so that micro-batches, padding and the
number of processes cannot change a result.
"""

from jurist.objectives.likelihood import (
    sequence_logps,
    supervised_loss,
    token_logps,
    verdict_loss,
)
from jurist.objectives.preference import (
    bradley_terry_loss,
    comparison_loss,
    critique_loss,
    dpo_loss,
    ipo_loss,
)
from jurist.objectives.vocabulary import token_logps_from_hidden

__all__ = [
    "bradley_terry_loss",
    "comparison_loss",
    "critique_loss",
    "dpo_loss",
    "ipo_loss",
    "sequence_logps",
    "supervised_loss",
    "token_logps",
    "token_logps_from_hidden",
    "verdict_loss",
]
