"""STaR: a judge's own traces that came to the right verdict, as rows to learn from."""

from collections.abc import Sequence

from jurist.rationales.draw import balanced, by_prompt, drawn, refuse_none
from jurist.rationales.rows import Selection, SupervisedRow, Trace


def right_traces(
    traces: Sequence[Trace], *, per_prompt: int, seed: int
) -> Selection[SupervisedRow]:
    """Keep traces whose verdict is the label (STaR-SFT: Mahan et al. 2024, eq. 8).

    Of each prompt at most `per_prompt` different ones, drawn by hash; then as
    many that end in either verdict. A trace without a verdict, a cut one above all, is never kept.

    Args:
        traces: Of one round, in any order.
        per_prompt: Most rows of one preference in one order, or of one response.
        seed: Of the draws.

    Returns:
        The rows, and counts: of `traces` the `right` ones; of those how many were `repeated`, went
        over the limit (`spare`) or were left out for balance (`unbalanced`); and `rows`.

    Raises:
        ConfigError: If no row comes of it.
    """
    kept: list[tuple[int, SupervisedRow]] = []
    num_right = num_distinct = 0
    for group in by_prompt(traces):
        right = [trace for trace in group if trace.right]
        distinct = drawn(right, seed)
        num_right += len(right)
        num_distinct += len(distinct)
        kept += [
            (
                rank,
                SupervisedRow(
                    preference_id=trace.preference_id,
                    label=trace.label,
                    prompt=trace.prompt,
                    completion=trace.completion.text,
                    weight=trace.weight,
                ),
            )
            for rank, trace in enumerate(distinct[:per_prompt])
        ]
    rows = balanced(kept, seed)
    counts = {
        "traces": len(traces),
        "right": num_right,
        "repeated": num_right - num_distinct,
        "spare": num_distinct - len(kept),
        "unbalanced": len(kept) - len(rows),
        "rows": len(rows),
    }
    refuse_none(rows, counts, "right traces are needed for either right verdict")
    return Selection(rows=rows, counts=counts)
