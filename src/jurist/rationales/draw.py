"""Drawing among traces by hash, so that what is drawn does not depend on their order."""

from collections.abc import Mapping, Sequence

from jurist.digest import canonical, derive_seed
from jurist.errors import ConfigError
from jurist.rationales.rows import RowT, Trace
from jurist.types import Verdict


def by_prompt(traces: Sequence[Trace]) -> list[list[Trace]]:
    """Traces grouped by preference and order, sorted by those."""
    groups: dict[str, list[Trace]] = {}
    for trace in traces:
        key = canonical((trace.preference_id, trace.label, trace.prompt))
        groups.setdefault(key, []).append(trace)
    return [group for _, group in sorted(groups.items(), key=lambda item: item[0])]


def drawn(traces: Sequence[Trace], seed: int) -> list[Trace]:
    """One trace of each different text, in an order drawn by hash."""
    distinct = {trace.completion.text: trace for trace in traces}
    return sorted(
        distinct.values(),
        key=lambda trace: derive_seed(
            "trace", seed, trace.preference_id, trace.label, trace.completion.text
        ),
    )


def balanced(ranked: Sequence[tuple[int, RowT]], seed: int) -> list[RowT]:
    """As many rows with either label: of the commoner one, those drawn last are left out.

    A judge that leans to one place is right more often where the right verdict lies there, and
    would learn from its right traces to lean further.

    Args:
        ranked: Rows, no two the same, each with its rank among those of its prompt. Later ones of
            a prompt are left out before any prompt's first.
        seed: Of the draw.

    Returns:
        The rows that stay, in the order given.
    """
    alone = any(isinstance(row.label, bool) for _, row in ranked)
    places = [
        sorted(
            ((rank, row) for rank, row in ranked if row.label is label),
            key=lambda item: (item[0], derive_seed("balance", seed, item[1])),
        )
        for label in ((True, False) if alone else (Verdict.FIRST, Verdict.SECOND))
    ]
    smaller = min(len(place) for place in places)
    kept = {row for place in places for _, row in place[:smaller]}
    return [row for _, row in ranked if row in kept]


def refuse_none(rows: Sequence[object], counts: Mapping[str, int], wanted: str) -> None:
    """Stop a run that has nothing to train on.

    Raises:
        ConfigError: If there are no rows.
    """
    if not rows:
        found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        raise ConfigError(
            f"no training rows: {wanted}; there are {found or 'no traces'}. Sample more traces, "
            f"allow longer ones, give more preferences, or start from a stronger model"
        )
