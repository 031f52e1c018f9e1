"""What the traces of a round show of the judge that wrote them, before it learns from them.

A judge that learns from itself can come to write one text whatever it reads, or ever shorter ones,
or nothing that ends in a verdict; rows made of such traces look right one by one. So a round is
held against the one before it, by limits that lie far beyond what the rounds of this package's own
experiments showed (`docs/reliability.md`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from jurist.rationales.rows import Trace
from jurist.types import Failure, Verdict

FAILURE_JUMP: Final = 0.2
"""By how much the share of traces without a verdict may rise from one round to the next. In healthy
rounds at most 0.04."""

ONE_VERDICT: Final = 0.99
"""Share of verdicts that may be one and the same, where both orders are asked."""

ONE_TEXT: Final = 0.9
"""Share of all traces that may be one text."""

SHORTER: Final = 0.2
"""Share of the length of the round before that the median trace must have."""

LESS_DISTINCT: Final = 0.25
"""Share of the different traces of a prompt that there must be, of those the round before."""

LEAST_TRACES: Final = 100
"""Traces below which nothing is said of shares."""

LEAST_PROMPTS: Final = 20
"""Prompts below which one text may well be right for all."""

LEAST_TOKENS: Final = 20
"""Median length below which there is nothing to shorten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceSignals:
    """The traces of one round in a few numbers."""

    author: str
    """Who wrote them. Only rounds of one author are held against each other."""

    num_traces: int
    num_prompts: int
    failure_rate: float
    """Share without a verdict."""

    one_verdict_rate: float | None
    """Share of the commonest verdict among those with one; None if there is none, or responses are
    judged one by one, where no order keeps the verdicts even."""

    median_tokens: float
    """Length of a trace."""

    distinct_rate: float
    """Different texts of a prompt over its traces, mean of the prompts."""

    one_text_rate: float
    """Share of the commonest text among all traces."""


def trace_signals(traces: Sequence[Trace], *, author: str) -> TraceSignals:
    """Sum up a round's traces.

    Raises:
        ValueError: If there are none.
    """
    if not traces:
        raise ValueError("there are no traces to sum up")
    texts: dict[tuple[str, object], Counter[str]] = {}
    for trace in traces:
        key = (trace.preference_id, trace.prompt)
        texts.setdefault(key, Counter())[trace.completion.text] += 1
    outcomes = Counter(trace.outcome for trace in traces)
    num_failed = sum(outcomes[failure] for failure in Failure)
    spoken = [count for said, count in outcomes.items() if isinstance(said, Verdict)]
    common = Counter(trace.completion.text for trace in traces).most_common(1)
    return TraceSignals(
        author=author,
        num_traces=len(traces),
        num_prompts=len(texts),
        failure_rate=num_failed / len(traces),
        one_verdict_rate=max(spoken) / sum(spoken) if spoken else None,
        median_tokens=float(median(trace.completion.num_tokens for trace in traces)),
        distinct_rate=sum(len(one) / one.total() for one in texts.values()) / len(texts),
        one_text_rate=common[0][1] / len(traces),
    )


def collapses(now: TraceSignals, before: TraceSignals | None) -> Iterator[str]:
    """Each way in which a judge fell apart, as a clause for a message.

    Args:
        now: Of the round whose traces are to be learnt from.
        before: Of the round before it, if there was one of the same author.
    """
    if now.num_traces < LEAST_TRACES:
        return
    if now.one_verdict_rate is not None and now.one_verdict_rate > ONE_VERDICT:
        yield (
            f"{now.one_verdict_rate:.1%} of the verdicts are the same one, limit {ONE_VERDICT:.0%}"
        )
    if now.num_prompts >= LEAST_PROMPTS and now.one_text_rate > ONE_TEXT:
        yield f"{now.one_text_rate:.1%} of the traces are one text, limit {ONE_TEXT:.0%}"
    if before is None or before.author != now.author or before.num_traces < LEAST_TRACES:
        return
    if now.failure_rate > before.failure_rate + FAILURE_JUMP:
        yield (
            f"{now.failure_rate:.1%} of the traces end without a verdict, "
            f"{before.failure_rate:.1%} the round before, limit {FAILURE_JUMP:.0%} more"
        )
    if before.median_tokens >= LEAST_TOKENS and now.median_tokens < SHORTER * before.median_tokens:
        yield (
            f"the median trace has {now.median_tokens:g} tokens, {before.median_tokens:g} the "
            f"round before, limit {SHORTER:.0%} of that"
        )
    if now.distinct_rate < LESS_DISTINCT * before.distinct_rate:
        yield (
            f"{now.distinct_rate:.1%} of a prompt's traces are different ones, "
            f"{before.distinct_rate:.1%} the round before, limit {LESS_DISTINCT:.0%} of that"
        )
