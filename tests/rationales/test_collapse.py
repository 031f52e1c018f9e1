"""Rounds whose judge fell apart, and rounds whose judge did not."""

import random
from dataclasses import replace

import pytest

from jurist.rationales import Trace, TraceSignals, collapses, trace_signals
from jurist.rationales.collapse import (
    FAILURE_JUMP,
    LESS_DISTINCT,
    ONE_TEXT,
    ONE_VERDICT,
    SHORTER,
)
from jurist.types import Completion, Failure, Verdict, user

HEALTHY = TraceSignals(
    author="the latest judge",
    num_traces=400,
    num_prompts=100,
    failure_rate=0.02,
    one_verdict_rate=0.55,
    median_tokens=100.0,
    distinct_rate=0.8,
    one_text_rate=0.05,
)


def trace(prompt: int, text: str, outcome: Verdict | Failure | bool, num_tokens: int = 10) -> Trace:
    return Trace(
        preference_id=f"p{prompt // 2}",
        prompt=user(f"q{prompt}"),
        label=Verdict.FIRST,
        completion=Completion(text=text, finish_reason="stop", num_tokens=num_tokens),
        outcome=outcome,
    )


def test_signals_by_hand():
    traces = [
        trace(0, "one", Verdict.FIRST, 4),
        trace(0, "one", Verdict.FIRST, 4),
        trace(1, "two", Verdict.SECOND, 6),
        trace(1, "one", Failure.TRUNCATED, 9),
    ]
    assert trace_signals(traces, author="x") == TraceSignals(
        author="x",
        num_traces=4,
        num_prompts=2,
        failure_rate=0.25,
        one_verdict_rate=2 / 3,
        median_tokens=5.0,
        distinct_rate=0.75,
        one_text_rate=0.75,
    )


def test_verdicts_on_single_responses_need_not_be_even():
    signals = trace_signals([trace(n, "yes", True) for n in range(200)], author="x")
    assert signals.one_verdict_rate is None


def test_no_traces_are_refused():
    with pytest.raises(ValueError, match="no traces"):
        trace_signals([], author="x")


def test_the_order_of_traces_changes_nothing():
    rng = random.Random(0)
    traces = [
        trace(n % 30, rng.choice("abc"), rng.choice(list(Verdict)), rng.randrange(9))
        for n in range(90)
    ]
    shuffled = rng.sample(traces, len(traces))
    one, other = (trace_signals(some, author="x") for some in (traces, shuffled))
    assert replace(one, distinct_rate=0.0) == replace(other, distinct_rate=0.0)
    assert one.distinct_rate == pytest.approx(other.distinct_rate)


@pytest.mark.fault(17, "collapse")
@pytest.mark.parametrize(
    ("name", "at", "beyond", "said"),
    [
        ("failure_rate", 0.02 + FAILURE_JUMP, 0.03 + FAILURE_JUMP, "end without a verdict"),
        ("one_verdict_rate", ONE_VERDICT, ONE_VERDICT + 0.001, "are the same one"),
        ("one_text_rate", ONE_TEXT, ONE_TEXT + 0.001, "are one text"),
        ("median_tokens", SHORTER * 100, SHORTER * 100 - 1, "tokens"),
        ("distinct_rate", LESS_DISTINCT * 0.8, LESS_DISTINCT * 0.8 - 0.001, "different ones"),
    ],
)
def test_every_signal_has_a_limit(name, at, beyond, said):
    assert list(collapses(replace(HEALTHY, **{name: at}), HEALTHY)) == []
    (found,) = collapses(replace(HEALTHY, **{name: beyond}), HEALTHY)
    assert said in found


def test_rounds_of_two_authors_are_not_held_against_each_other():
    worse = replace(HEALTHY, failure_rate=0.9, median_tokens=1.0, distinct_rate=0.01)
    assert len(list(collapses(worse, HEALTHY))) == 3
    assert list(collapses(worse, replace(HEALTHY, author="another"))) == []
    assert list(collapses(worse, None)) == []


def test_of_few_traces_nothing_is_said():
    assert list(collapses(replace(HEALTHY, num_traces=99, one_text_rate=1.0), None)) == []
    assert list(collapses(replace(HEALTHY, num_prompts=19, one_text_rate=1.0), None)) == []
    worse = replace(HEALTHY, failure_rate=0.9)
    assert list(collapses(worse, replace(HEALTHY, num_traces=99))) == []
    short = replace(HEALTHY, median_tokens=19.0)
    assert list(collapses(replace(HEALTHY, median_tokens=1.0), short)) == []
