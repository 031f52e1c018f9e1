"""ScPO: a judge's own majority where there are no labels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, cast

from jurist.digest import derive_seed
from jurist.rationales.contrast import right_and_wrong
from jurist.rationales.draw import refuse_none
from jurist.rationales.rows import PairRow, Selection, Trace
from jurist.types import Preference, Verdict

Voters: TypeAlias = Literal["both-orders", "each-order"]
"""Whose votes are counted together: all traces of a preference, or those in one of its orders."""


def unlabelled(preference: Preference) -> Preference:
    """The same two responses with nothing left of what people said of them.

    Which of them is called chosen is drawn by hash from the texts; a tie is no tie any more, and
    there is no margin.
    """
    chosen, rejected = sorted(
        (preference.chosen, preference.rejected),
        key=lambda text: derive_seed("unlabelled", preference.id, text),
    )
    return replace(preference, chosen=chosen, rejected=rejected, tie=False, margin=None)


def majority_and_minority(
    traces: Sequence[Trace], *, per_prompt: int, seed: int, min_margin: float, voters: Voters
) -> Selection[PairRow]:
    """Pair traces whose verdict is the majority's with traces of the same prompt that dissent.

    Self-consistency preference optimization: Prasad et al. 2024 (arXiv:2411.04109). Of k traces V+
    vote with the majority and V- against it; a row weighs (V+ - V-) / k, failures and ties counted
    in k. The paper has one prompt and many answers. Here there are two verdicts, and two prompts of
    one comparison: counted over both orders, a liking for a place cancels, while the majority of
    one order may be nothing else. Both traces of a row are of one prompt either way.

    Args:
        traces: Of one round, in any order. Only which order each is in is read off its label.
        per_prompt: Most pairs of one preference in one order.
        seed: Of the draws.
        min_margin: Least (V+ - V-) / k of a row.
        voters: Whose votes are counted together.

    Returns:
        The rows, and counts: of `traces` those with the `majority` and in the `minority`; `polls`,
        and of those how many were `even`, or `unsure` by the margin; of the `prompts` of the others
        how many have the majority alone (`unanimous`), dissent alone (`dissenting`) or neither
        (`no_verdict`), and so make no pair; pairs over the limit (`spare`) or left out for balance
        (`unbalanced`); and `rows`.

    Raises:
        ConfigError: If no row comes of it.
    """
    polls: dict[tuple[str, ...], list[Trace]] = {}
    for trace in traces:
        order = (_order(trace),) if voters == "each-order" else ()
        polls.setdefault((trace.preference_id, *order), []).append(trace)
    elected: list[Trace] = []
    even = unsure = 0
    for poll in polls.values():
        lead = sum(
            (trace.outcome is _order(trace)) - (trace.outcome is _order(trace).swapped())
            for trace in poll
        )
        weight = abs(lead) / len(poll)
        even += lead == 0
        unsure += 0 < weight < min_margin
        if lead and weight >= min_margin:
            elected += [
                replace(
                    trace,
                    label=_order(trace) if lead > 0 else _order(trace).swapped(),
                    weight=weight,
                )
                for trace in poll
            ]
    pairs = right_and_wrong(elected, per_prompt=per_prompt, seed=seed, none_is_fine=True)
    names = {
        "right": "majority",
        "wrong": "minority",
        "all_right": "unanimous",
        "all_wrong": "dissenting",
    }
    counts = {
        **{names.get(name, name): count for name, count in pairs.counts.items()},
        "traces": len(traces),
        "polls": len(polls),
        "even": even,
        "unsure": unsure,
    }
    refuse_none(
        pairs.rows, counts, "traces with and against a majority are needed, for either verdict"
    )
    return Selection(rows=pairs.rows, counts=counts)


def _order(trace: Trace) -> Verdict:
    """The label of a trace about two responses, which says what order they were shown in."""
    return cast(Verdict, trace.label)
