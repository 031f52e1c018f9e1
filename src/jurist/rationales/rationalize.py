"""Rationales: replies written by an author who knows the verdict, as if by one who does not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jurist.engines.base import Engine
from jurist.formats import Rationalizer
from jurist.rationales.leaks import disclosure
from jurist.rationales.rows import Trace
from jurist.rationales.sample import both_orders
from jurist.types import Failure, Preference, Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class Rationales:
    """What authors wrote on a set of preferences."""

    traces: list[Trace]
    """Those that come to the verdict they were given and do not say that it was given. Each stands
    with the judge's own prompt, in the order of the preferences, their orders, and the sides."""

    counts: dict[str, int]
    """`preferences`, `ties` that were left out, `rationales` written; and of those how many came to
    another verdict (`contrary`) or said what they had been told (`disclosed`), failed in each way,
    and were `kept`."""


def sample_rationales(
    author: Engine,
    rationalizer: Rationalizer,
    preferences: Sequence[Preference],
    sampling: Sampling,
    *,
    sides: Sequence[Literal["right", "wrong"]] = ("right",),
) -> Rationales:
    """Have an author explain verdicts on every preference in both orders, in one call.

    STaR-Rationalizer (Mahan et al. 2024, section 3 and Fig. 7): the author is shown which response
    is better. With both sides it also explains the wrong verdict, as convincingly as it can, which
    makes pairs to prefer one of (Con-J: Ye et al. 2024).

    Args:
        author: Who writes; the judge itself or another model.
        rationalizer: How it is asked, and its replies read.
        preferences: What to write about. Ties are left out, and counted.
        sampling: How many rationales of each preference in each order and side, and how.
        sides: Which verdicts are explained.

    Raises:
        DataError: A preference does not fit the model's context.
        EngineError: The model could not be reached.
    """
    labelled = [preference for preference in preferences if not preference.tie]
    asked = [
        (preference.id, comparison, label, label if side == "right" else label.swapped())
        for preference in labelled
        for comparison, label in both_orders(preference)
        for side in sides
    ]
    prompts = [rationalizer.render(comparison, given) for _, comparison, _, given in asked]
    replies = author.generate(prompts, sampling)
    counts: Counter[str] = Counter()
    traces: list[Trace] = []
    for (preference_id, comparison, label, given), completions in zip(asked, replies, strict=True):
        for completion in completions:
            outcome = rationalizer.parse(completion)
            counts["rationales"] += 1
            if isinstance(outcome, Failure):
                counts[outcome.value] += 1
            elif outcome is not given:
                counts["contrary"] += 1
            elif disclosure(completion.text) is not None:
                counts["disclosed"] += 1
            else:
                counts["kept"] += 1
                traces.append(
                    Trace(
                        preference_id=preference_id,
                        prompt=rationalizer.format.render(comparison),
                        label=label,
                        completion=completion,
                        outcome=outcome,
                    )
                )
    names = ("rationales", "kept", "contrary", "disclosed", *(one.value for one in Failure))
    return Rationales(
        traces=traces,
        counts={
            "preferences": len(labelled),
            "ties": len(preferences) - len(labelled),
            **{name: counts[name] for name in names},
        },
    )
