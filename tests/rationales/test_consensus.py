"""Majorities in the place of labels: who is paired with whom, and what a pair weighs."""

import dataclasses
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.digest import derive_seed
from jurist.engines import ScriptedEngine
from jurist.errors import ConfigError
from jurist.formats import Terse
from jurist.rationales import (
    Trace,
    majority_and_minority,
    sample_traces,
    unlabelled,
)
from jurist.types import Completion, Failure, Preference, Sampling, Verdict, user

FIRST, SECOND = Verdict.FIRST, Verdict.SECOND
FORM = Terse()


def poll(says: str, *, order: Verdict = FIRST, id: str = "p") -> list[Trace]:
    """Traces of one prompt, each saying A, B, or nothing that can be read (C); all unlike."""
    found = []
    for number, letter in enumerate(says):
        completion = Completion(text=f"thought {number}\n[[{letter}]]", finish_reason="stop")
        found.append(
            Trace(
                preference_id=id,
                prompt=user(f"{id} {order}"),
                label=order,
                completion=completion,
                outcome=FORM.parse(completion),
            )
        )
    return found


def paired(traces, *, min_margin=0.0, voters="both-orders", per_prompt=9):
    return majority_and_minority(
        traces, per_prompt=per_prompt, seed=0, min_margin=min_margin, voters=voters
    )


def verdict(text: str) -> str:
    return text[-3]


def test_votes_of_both_orders_are_counted_for_the_response_and_not_for_the_place():
    # Five of eight for the response that stands first in one order and second in the other.
    traces = [*poll("AAAB", order=FIRST), *poll("BBAA", order=SECOND)]
    found = paired(traces)
    assert {row.weight for row in found.rows} == {(5 - 3) / 8}
    assert {(row.label, verdict(row.chosen), verdict(row.rejected)) for row in found.rows} == {
        (FIRST, "A", "B"),
        (SECOND, "B", "A"),
    }
    # Three against one in the first order make one pair, two against two in the second make two,
    # of which balance leaves one.
    assert len(found.rows) == 2
    assert found.counts == {
        "traces": 8,
        "polls": 1,
        "even": 0,
        "unsure": 0,
        "majority": 5,
        "minority": 3,
        "prompts": 2,
        "unanimous": 0,
        "dissenting": 0,
        "no_verdict": 0,
        "spare": 0,
        "unbalanced": 1,
        "rows": 2,
    }


def test_votes_of_each_order_may_contradict_each_other_and_weigh_by_themselves():
    traces = [*poll("AAAB", order=FIRST), *poll("AABA", order=SECOND), *poll("BBBBA", id="q")]
    rows = paired(traces, voters="each-order").rows
    # Three orders have a majority: two for the first place, so that one of those is left out.
    weights = Counter((row.preference_id, row.label, row.weight) for row in rows)
    assert weights.total() == 2
    assert ("q", SECOND, (4 - 1) / 5) in weights
    # Over both orders the liking for the first place is no opinion of anything.
    assert paired(traces[:8] + poll("BBBBA", id="q") + poll("AAAAB", id="r")).counts["even"] == 1


def test_what_has_no_verdict_has_no_vote_and_makes_the_majority_less_sure():
    traces = [*poll("AACB", order=FIRST), *poll("BBAC", order=SECOND)]
    assert {row.weight for row in paired(traces).rows} == {(4 - 2) / 8}
    assert all(verdict(row.rejected) != "C" for row in paired(traces).rows)


def test_even_unsure_and_unanimous_polls_make_no_pair_and_are_counted():
    traces = [
        *poll("AB", id="even"),
        *poll("CC", id="silent"),
        *poll("AAAAAABBBB", id="unsure"),
        *poll("AAA", id="unanimous"),
        *poll("AAAB", id="kept"),
        *poll("BBBA", id="turned", order=SECOND),
    ]
    counts = paired(traces, min_margin=0.5, voters="each-order").counts
    assert (counts["polls"], counts["even"], counts["unsure"]) == (6, 2, 1)
    assert (counts["prompts"], counts["unanimous"]) == (3, 1)


def test_an_order_in_which_all_dissent_makes_no_pair():
    traces = [*poll("AAAAAB", order=FIRST), *poll("AA", order=SECOND), *poll("BBBA", id="q")]
    found = paired(traces)
    assert found.counts["dissenting"] == 1
    assert {row.prompt for row in found.rows} == {user(f"p {FIRST}"), user(f"q {FIRST}")}


def test_a_margin_is_enough_when_it_is_reached():
    traces = [*poll("AAAB"), *poll("BBBA", id="q")]
    assert len(paired(traces, min_margin=0.5).rows) == 2
    with pytest.raises(ConfigError, match=r"with and against a majority are needed.*2 unsure"):
        paired(traces, min_margin=0.51)


@given(st.integers(0, 99))
def test_the_order_of_the_traces_changes_nothing(seed):
    traces = [
        *poll("AAAB", order=FIRST),
        *poll("BBAA", order=SECOND),
        *poll("BAB", id="q"),
        *poll("ABA", id="r", order=SECOND),
    ]
    shuffled = random.Random(seed).sample(traces, len(traces))
    for voters in ("both-orders", "each-order"):
        assert paired(shuffled, voters=voters) == paired(traces, voters=voters)


# ---- without labels


PREFERENCES = [
    Preference(
        id=f"p{number}",
        prompt=user(f"{number} + 1"),
        chosen=f"{number + 1}",
        rejected=f"{number + 2}",
        margin=2.0,
        group=f"g{number}",
    )
    for number in range(16)
]


def relabelled(preference: Preference, *, tie: bool) -> Preference:
    return dataclasses.replace(
        preference,
        chosen=preference.rejected,
        rejected=preference.chosen,
        tie=tie,
        margin=None,
    )


def test_nothing_of_a_label_is_left():
    for preference in PREFERENCES:
        plain = unlabelled(preference)
        assert {plain.chosen, plain.rejected} == {preference.chosen, preference.rejected}
        for tie in (False, True):
            assert unlabelled(relabelled(preference, tie=tie)) == plain
        assert (plain.tie, plain.margin) == (False, None)
    # A draw, not the place it was read in.
    drawn = [unlabelled(one).chosen == one.chosen for one in PREFERENCES]
    assert set(drawn) == {True, False}


def test_rows_are_the_same_whatever_people_preferred():
    def reply(prompt, index):
        number = derive_seed("reply", prompt, index)
        return f"thought {number % 97}\n[[{'AABC'[number % 4]}]]"

    def rows(preferences):
        traces = sample_traces(
            ScriptedEngine(reply),
            FORM,
            [unlabelled(one) for one in preferences],
            Sampling(num_samples=8),
        ).traces
        return paired(traces).rows

    ours = rows(PREFERENCES)
    assert len(ours) > 8
    assert rows([relabelled(one, tie=False) for one in PREFERENCES]) == ours
    assert rows([relabelled(one, tie=True) for one in PREFERENCES]) == ours


def test_without_labels_verdicts_are_counted_and_none_is_right():
    traces = sample_traces(
        ScriptedEngine(lambda prompt, index: f"so\n[[{'ABC'[index]}]]"),
        FORM,
        PREFERENCES[:2],
        Sampling(num_samples=3),
    )
    assert traces.counts(labelled=False) == {
        "preferences": 2,
        "ties": 0,
        "traces": 12,
        "first": 4,
        "second": 4,
        "tie": 0,
        **{failure.value: 4 if failure is Failure.UNPARSEABLE else 0 for failure in Failure},
    }
