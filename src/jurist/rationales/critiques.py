"""Critiques of single responses: pairs of them for a reward model to read, and what goes with them.

A critique is a `Trace` whose prompt shows one response; `sample_traces` has them sampled.
"""

from collections.abc import Sequence
from itertools import groupby

from jurist.rationales.draw import by_prompt, drawn, refuse_none
from jurist.rationales.rows import CritiquePair, Selection, SupervisedRow, Trace
from jurist.types import Preference


def critique_pairs(
    traces: Sequence[Trace], *, per_preference: int, agreeing: bool, seed: int
) -> Selection[CritiquePair]:
    """Set critiques of the chosen response beside critiques of the rejected one.

    With `agreeing` only those stay whose own verdict is the label: that of the chosen response says
    that it is good, that of the rejected one that it is not (the filter of Critic-RM, Yu et al.
    2024, with two scores for its ten). Without, a critique need only have ended (CLoud, Ankner et
    al. 2024). They are drawn by hash, and none stands in two pairs.

    Args:
        traces: Critiques of both responses of some preferences, in any order.
        per_preference: Most pairs of one preference.
        agreeing: Leave out critiques whose verdict is not the label.
        seed: Of the draws.

    Returns:
        The pairs, and counts: of `traces` those `cut` before their end, or else `contrary` to the
        label and so left out; `preferences`, and those of them `one_sided`, where one response has
        no critique left; and `rows`.

    Raises:
        ConfigError: If no pair comes of it.
    """
    groups = sorted(
        (group[0].preference_id, group[0].label is True, group) for group in by_prompt(traces)
    )
    counts = {
        "traces": len(traces),
        "cut": sum(not _whole(trace) for trace in traces),
        "contrary": sum(_whole(trace) and agreeing and not trace.right for trace in traces),
        "preferences": 0,
        "one_sided": 0,
    }
    rows: list[CritiquePair] = []
    for _, sides in groupby(groups, key=lambda group: group[0]):
        rejected, chosen = (
            [
                SupervisedRow(
                    preference_id=trace.preference_id,
                    label=trace.label,
                    prompt=trace.prompt,
                    completion=trace.completion.text,
                )
                for trace in drawn(
                    [one for one in group if _whole(one) and (one.right or not agreeing)], seed
                )
            ]
            for _, _, group in sides
        )
        counts["preferences"] += 1
        counts["one_sided"] += not (chosen and rejected)
        # The shorter list decides how many pairs there are.
        pairs = zip(chosen[:per_preference], rejected, strict=False)
        rows += [CritiquePair(*pair) for pair in pairs]
    counts["rows"] = len(rows)
    wanted = "critiques of both responses of a preference are needed"
    refuse_none(rows, counts, wanted + (", each with the label's verdict" if agreeing else ""))
    return Selection(rows=rows, counts=counts)


def response_rows(preferences: Sequence[Preference], *, weight: float) -> list[SupervisedRow]:
    """The chosen responses as replies to learn to write (Zhang et al. 2024, section 3.2).

    Args:
        preferences: Ties are left out: neither response is the better one.
        weight: Of each row's loss. At 0 there are no rows.
    """
    return [
        SupervisedRow(
            preference_id=preference.id,
            label=True,
            prompt=preference.prompt,
            completion=preference.chosen,
            weight=weight,
        )
        for preference in preferences
        if weight and not preference.tie
    ]


def _whole(trace: Trace) -> bool:
    return trace.completion.finish_reason == "stop"
