"""STaR-DPO: right traces set against wrong ones of the same prompt."""

from collections.abc import Mapping, Sequence
from typing import Literal

from jurist.rationales.draw import balanced, by_prompt, drawn, refuse_none
from jurist.rationales.rows import PairRow, Selection, Trace
from jurist.types import Failure, Verdict


def right_and_wrong(
    traces: Sequence[Trace],
    *,
    per_prompt: int,
    seed: int,
    unparseable: Literal["skip", "wrong", "only"] = "skip",
    none_is_fine: bool = False,
) -> Selection[PairRow]:
    """Pair traces whose verdict is the label with traces whose verdict is not.

    STaR-DPO: Mahan et al. 2024, eq. 9. Both are drawn by hash, and no text stands in two pairs of
    a prompt; then as many pairs whose right verdict is either. A trace that was cut, refused or
    never answered is on neither side.

    Args:
        traces: Of one round, in any order.
        per_prompt: Most pairs of one preference in one order.
        seed: Of the draws.
        unparseable: Whether a trace that ended without a verdict may stand as a wrong one, or
            nothing but such a trace may.
        none_is_fine: Give no rows, where there are none, for others to be added.

    Returns:
        The rows, and counts: of `traces` the `right` and `wrong` ones; `prompts`, and of those how
        many have only right (`all_right`), only wrong (`all_wrong`) or neither (`no_verdict`), and
        so make no pair; pairs over the limit (`spare`) or left out for balance (`unbalanced`); and
        `rows`.

    Raises:
        ConfigError: If no row comes of it, unless that is fine.
    """
    groups = by_prompt(traces)
    kept: list[tuple[int, PairRow]] = []
    counts = {
        "traces": len(traces),
        "right": 0,
        "wrong": 0,
        "prompts": len(groups),
        "all_right": 0,
        "all_wrong": 0,
        "no_verdict": 0,
        "spare": 0,
    }
    for group in groups:
        right = [trace for trace in group if trace.right]
        wrong = [trace for trace in group if _is_wrong(trace, unparseable)]
        counts["right"] += len(right)
        counts["wrong"] += len(wrong)
        if not (right and wrong):
            counts["all_right" if right else "all_wrong" if wrong else "no_verdict"] += 1
        # The shorter list decides how many pairs there are.
        pairs = list(zip(drawn(right, seed), drawn(wrong, seed), strict=False))
        counts["spare"] += len(pairs[per_prompt:])
        kept += [
            (
                rank,
                PairRow(
                    preference_id=chosen.preference_id,
                    label=chosen.label,
                    prompt=chosen.prompt,
                    chosen=chosen.completion.text,
                    rejected=rejected.completion.text,
                    weight=chosen.weight,
                ),
            )
            for rank, (chosen, rejected) in enumerate(pairs[:per_prompt])
        ]
    rows = balanced(kept, seed)
    counts["unbalanced"] = len(kept) - len(rows)
    counts["rows"] = len(rows)
    if not none_is_fine:
        refuse_none(
            rows,
            counts,
            "right and wrong traces of one prompt are needed, for either right verdict",
        )
    return Selection(rows=rows, counts=counts)


def joined(selections: Mapping[str, Selection[PairRow]]) -> Selection[PairRow]:
    """Selections of one round together; a row that stands in several is there once.

    Args:
        selections: By a name, which their counts are called by as well.

    Returns:
        The rows in the order of the selections, and counts: of each selection as `NAME/COUNT`, rows
        left out as `repeated`, and `rows`.
    """
    every = [row for selection in selections.values() for row in selection.rows]
    rows = list(dict.fromkeys(every))
    counts = {
        f"{name}/{count}": value
        for name, selection in selections.items()
        for count, value in selection.counts.items()
    }
    counts |= {"repeated": len(every) - len(rows), "rows": len(rows)}
    refuse_none(rows, counts, "right and wrong traces of one prompt are needed")
    return Selection(rows=rows, counts=counts)


def _is_wrong(trace: Trace, unparseable: Literal["skip", "wrong", "only"]) -> bool:
    if isinstance(trace.outcome, Verdict):
        return not trace.right and unparseable != "only"
    return trace.outcome is Failure.UNPARSEABLE and unparseable != "skip"
