"""Critiques of single responses: pairs of them for a reward model to read, and what goes with them.

A critique is a `Trace` whose prompt shows one response; `sample_traces` has them sampled.
"""

from collections.abc import Sequence

from jurist.rationales.draw import by_prompt, drawn, refuse_none
from jurist.rationales.rows import CritiquePair, Label, Selection, SupervisedRow, Trace
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
    by_preference: dict[str, dict[Label, list[Trace]]] = {}
    for group in by_prompt(traces):
        by_preference.setdefault(group[0].preference_id, {})[group[0].label] = [
            trace for trace in group if _whole(trace) and (trace.right or not agreeing)
        ]
    rows: list[CritiquePair] = []
    for sides in by_preference.values():
        chosen, rejected = (
            [_row(trace) for trace in drawn(sides.get(good, []), seed)] for good in (True, False)
        )
        # The shorter list decides how many pairs there are.
        rows += map(CritiquePair, chosen[:per_preference], rejected)
    counts = {
        "traces": len(traces),
        "cut": sum(not _whole(trace) for trace in traces),
        "contrary": sum(_whole(trace) and agreeing and not trace.right for trace in traces),
        "preferences": len(by_preference),
        "one_sided": sum(
            not (len(sides) == 2 and all(sides.values())) for sides in by_preference.values()
        ),
    }
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


def _row(trace: Trace) -> SupervisedRow:
    return SupervisedRow(
        preference_id=trace.preference_id,
        label=trace.label,
        prompt=trace.prompt,
        completion=trace.completion.text,
    )


def _whole(trace: Trace) -> bool:
    return trace.completion.finish_reason == "stop"
