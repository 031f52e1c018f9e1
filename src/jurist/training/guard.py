"""Signs that a training is breaking though every number of it is finite yet.

A loss that explodes, drifts away or stands still, a gradient that explodes or vanishes, a preferred
reply that the judge would no longer write: each has a limit here, far beyond what 20,545 steps of
386 trainings of this package's own experiments showed (`docs/reliability.md` has both). Sums and
medians of numbers that all processes have alike, so that all stop at the same step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

WINDOW: Final = 32
"""Steps before the present one that it is held against."""

EARLY: Final = 8
"""Steps that a loss must have been seen for before a lesser jump than the wildest counts."""

LOSS_SPIKE: Final = 200.0
"""Times the median loss of the steps before. In healthy trainings at most 48."""

EARLY_LOSS_SPIKE: Final = 1_000.0
"""The same in the first steps, whose rows may be of very different lengths: there at most 99."""

GRADIENT_SPIKE: Final = 1_000.0
"""Times the median norm of the steps before. In healthy trainings at most 95."""

DIVERGENCE: Final = 10.0
"""Times the median of the first losses, by that of the latest; at the end, times the very first. In
healthy trainings at most 3.7, and at the end 2.9."""

FLOOR: Final = 1.0
"""Nats: a median below this counts as this, since a jump from nothing to little is no jump."""

CONSTANT_STEPS: Final = 8
"""Steps without change that are too many."""

NO_CHANGE: Final = 1e-5
"""Spread of the losses of those steps, over the greatest of them, that is none: the noise of
rounding. In healthy trainings at least 0.00017."""

NO_GRADIENT: Final = 1e-10
"""Norm below which nothing is learnt. In healthy trainings at least 0.007."""

LEARNT: Final = 0.9
"""Share of the very first loss below which a training that stands still has come to rest: then it
has learnt what there was to learn."""

CHOSEN_DROP: Final = 1.0
"""Nats a token by which preferred replies may fall below the reference. In healthy trainings at
most 0.14; at ten times the best learning rate 1.9, and the judge writes nothing to the point."""

WEIGHT_GROWTH: Final = 10.0
"""Times the norm of all trained weights at the start. In healthy trainings at most 1.02."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Instability:
    """A sign that a training is breaking."""

    signal: str
    """What shows it, by its name in `metrics.jsonl` where it has one."""

    value: float
    limit: float
    """What the value would have to be within."""

    what: str
    """What it means, and what to do."""

    def __str__(self) -> str:
        """One clause for a message."""
        return f"{self.signal} is {self.value:.6g}, limit {self.limit:.6g}: {self.what}"


class TrainingGuard:
    """Holds every step of a training against the steps before it."""

    def __init__(self, *, num_steps: int, history: Iterable[Mapping[str, float]] = ()) -> None:
        """Begin, or go on after steps that were done before.

        Args:
            num_steps: Of the whole training.
            history: Lines of `metrics.jsonl` of the steps that are done.
        """
        self._constant_steps = min(CONSTANT_STEPS, num_steps)
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._first: list[float] = []
        for line in history:
            self._note(line["train/loss"], line["train/grad_norm"])

    def instability(
        self, loss: float, grad_norm: float, chosen_drop: float | None = None
    ) -> Instability | None:
        """Look at one step, and remember it.

        Args:
            loss: Mean loss of its rows. Finite.
            grad_norm: Norm of its gradient before clipping. Finite.
            chosen_drop: Mean by which preferred replies are less likely than under the reference,
                in nats a token, if the method has such.

        Returns:
            The first sign found, or None.
        """
        found = self._spike(loss, grad_norm)
        self._note(loss, grad_norm)
        return found or self._drift() or self._standstill() or _collapse(chosen_drop)

    def at_the_end(self) -> Instability | None:
        """Look back on the whole: a loss that exploded in the first steps is no jump any more."""
        if len(self._losses) < EARLY:
            return None
        limit = DIVERGENCE * max(self._first[0], FLOOR)
        latest = median(self._losses[-EARLY:])
        if latest <= limit:
            return None
        return Instability(
            signal="train/loss",
            value=latest,
            limit=limit,
            what=f"the median of the last {EARLY} steps is over {DIVERGENCE:g} times the loss that "
            f"training began with; try a lower --learning-rate",
        )

    def _note(self, loss: float, grad_norm: float) -> None:
        self._losses = [*self._losses[1 - WINDOW :], loss]
        self._norms = [*self._norms[1 - WINDOW :], grad_norm]
        self._first = [*self._first, loss] if len(self._first) < EARLY else self._first

    def _spike(self, loss: float, grad_norm: float) -> Instability | None:
        if not self._losses:
            return None
        factor = LOSS_SPIKE if len(self._losses) >= EARLY else EARLY_LOSS_SPIKE
        for signal, value, before, times in (
            ("train/loss", loss, self._losses, factor),
            ("train/grad_norm", grad_norm, self._norms, GRADIENT_SPIKE),
        ):
            limit = times * max(median(before), FLOOR)
            if value > limit:
                return Instability(
                    signal=signal,
                    value=value,
                    limit=limit,
                    what=f"a spike, over {times:g} times the median of the {len(before)} steps "
                    f"before; look at the rows, and try a lower --learning-rate",
                )
        return None

    def _drift(self) -> Instability | None:
        if len(self._losses) < WINDOW:
            return None
        limit = DIVERGENCE * max(median(self._first), FLOOR)
        latest = median(self._losses[-EARLY:])
        if latest <= limit:
            return None
        return Instability(
            signal="train/loss",
            value=latest,
            limit=limit,
            what=f"the median of the last {EARLY} steps is over {DIVERGENCE:g} times that of the "
            f"first; try a lower --learning-rate",
        )

    def _standstill(self) -> Instability | None:
        if median(self._losses[-CONSTANT_STEPS:]) < LEARNT * self._first[0]:
            return None
        if len(self._norms) >= self._constant_steps:
            greatest = max(self._norms[-self._constant_steps :])
            if greatest < NO_GRADIENT:
                return Instability(
                    signal="train/grad_norm",
                    value=greatest,
                    limit=NO_GRADIENT,
                    what=f"no gradient for {self._constant_steps} steps, so nothing is learnt; "
                    f"look for rows that contradict or repeat each other",
                )
        latest = self._losses[-CONSTANT_STEPS:]
        spread = max(latest) - min(latest)
        if len(latest) == CONSTANT_STEPS and spread <= NO_CHANGE * max(latest):
            return Instability(
                signal="change of train/loss",
                value=spread,
                limit=NO_CHANGE * max(latest),
                what=f"{latest[-1]:.6g} for {CONSTANT_STEPS} steps, so nothing is learnt; look for "
                f"rows that contradict or repeat each other, and at the --learning-rate",
            )
        return None


def _collapse(chosen_drop: float | None) -> Instability | None:
    if chosen_drop is None or chosen_drop <= CHOSEN_DROP:
        return None
    return Instability(
        signal="drop of the preferred replies' log-probability a token",
        value=chosen_drop,
        limit=CHOSEN_DROP,
        what="a collapse: the judge unlearns to write either reply, however well it tells them "
        "apart; try a lower --learning-rate, or --sft-weight 1",
    )


def weight_growth(norm: float, start: float) -> Instability | None:
    """Look at the weights, where there is no loss yet to show what they do.

    Args:
        norm: Norm of all trained weights together.
        start: The same before the first step.
    """
    limit = WEIGHT_GROWTH * start
    if norm <= limit or start == 0.0:
        return None
    return Instability(
        signal="norm of the trained weights",
        value=norm,
        limit=limit,
        what=f"over {WEIGHT_GROWTH:g} times what it was at the start; try a lower --learning-rate",
    )
