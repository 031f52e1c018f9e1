"""Training: one loop on Accelerate, checkpoints that are whole or not there, and the methods.

The configs import nothing heavy; the rest is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING

from jurist.extras import refuse_unfit
from jurist.training.config import CritiqueLossConfig, PairLossConfig, TrainingConfig

if TYPE_CHECKING:
    from jurist.training.methods import (
        train_comparer,
        train_critic,
        train_pairs,
        train_scalar,
        train_supervised,
        train_verdict,
    )

__all__ = [
    "CritiqueLossConfig",
    "PairLossConfig",
    "TrainingConfig",
    "train_comparer",
    "train_critic",
    "train_pairs",
    "train_scalar",
    "train_supervised",
    "train_verdict",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    refuse_unfit("train")
    from jurist.training import methods

    return getattr(methods, name)
