"""From preferences to training rows: what a row may hold, and what it never holds."""

import dataclasses
import random
from collections.abc import Sequence

import pytest

from jurist.digest import derive_seed
from jurist.errors import ConfigError
from jurist.formats import Direct, Pairwise, Terse
from jurist.rationales import (
    PairRow,
    SupervisedRow,
    Trace,
    joined,
    right_and_wrong,
    right_traces,
    sample_traces,
    verdict_rows,
)
from jurist.types import (
    Completion,
    Conversation,
    Failure,
    Preference,
    Sampling,
    StoppingRule,
    Verdict,
    user,
)

FIRST, SECOND, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE
FORM = Terse(seed=2)


class Erratic:
    """An engine whose replies are drawn by hash from the prompt: right, wrong and broken ones."""

    fingerprint = "erratic"
    replies: tuple[tuple[str, str], ...] = (
        ("long thought {n}\n[[A]]", "stop"),
        ("long thought {n}\n[[B]]", "stop"),
        ("gut\n[[A]]", "stop"),
        ("gut\n[[B]]", "stop"),
        ("cut {n}\n[[A]]", "length"),
        ("cut {n}\n[[B]]", "length"),
        ("rambling {n}", "stop"),
        ("[[A]] {n}", "refused"),
        ("", "error"),
    )

    def __init__(self) -> None:
        self.calls: list[tuple[list[Conversation], Sampling]] = []

    def generate(
        self, prompts: Sequence[Conversation], sampling: Sampling, rule: StoppingRule | None = None
    ) -> list[list[Completion]]:
        self.calls.append((list(prompts), sampling))
        return [
            [self._reply(prompt, sampling.seed, index) for index in range(sampling.num_samples)]
            for prompt in prompts
        ]

    def _reply(self, prompt: Conversation, seed: int, index: int) -> Completion:
        number = derive_seed("erratic", prompt, seed, index)
        text, finish_reason = self.replies[number % len(self.replies)]
        return Completion(
            text=text.format(n=number // 100 % 3), finish_reason=finish_reason, logp=-1.0
        )


def preference(number: int, *, tie: bool = False) -> Preference:
    return Preference(
        id=f"p{number}",
        prompt=user(f"{number} + 1"),
        chosen=f"{number} + 1 = {number + 1}",
        rejected=f"{number} + 1 = {number + 2}",
        tie=tie,
        group=f"g{number}",
    )


PREFERENCES = [preference(number) for number in range(12)]
SAMPLED = sample_traces(Erratic(), FORM, PREFERENCES, Sampling(num_samples=24, seed=1))


def said(text: str, finish_reason="stop") -> Completion:
    return Completion(text=text, finish_reason=finish_reason)


def trace(text: str, label: Verdict, *, id: str = "p", finish_reason="stop") -> Trace:
    completion = said(text, finish_reason)
    return Trace(
        preference_id=id,
        prompt=user(f"{id} {label}"),
        label=label,
        completion=completion,
        outcome=FORM.parse(completion),
    )


# ---- sampling


def test_every_preference_is_asked_about_in_both_orders_in_one_call():
    engine, sampling = Erratic(), Sampling(num_samples=3, seed=9)
    sampled = sample_traces(engine, FORM, PREFERENCES[:2], sampling)
    ((prompts, used),) = engine.calls
    assert used == sampling
    assert len(prompts) == 4
    assert len(sampled.traces) == 12
    for number, found in enumerate(sampled.traces):
        row = PREFERENCES[number // 6]
        label = SECOND if number // 3 % 2 else FIRST
        assert (found.preference_id, found.label) == (row.id, label)
        content = found.prompt[-1].content
        assert (content.index(row.chosen) < content.index(row.rejected)) == (label is FIRST)
        assert found.outcome is FORM.parse(found.completion)


def test_ties_are_left_out_and_counted():
    rows = [preference(0), preference(1, tie=True), preference(2)]
    sampled = sample_traces(Erratic(), FORM, rows, Sampling())
    assert {found.preference_id for found in sampled.traces} == {"p0", "p2"}
    assert sampled.counts()["preferences"] == 2
    assert sampled.counts()["ties"] == 1


def test_the_counts_add_up():
    counts = SAMPLED.counts()
    assert counts["traces"] == len(SAMPLED.traces) == 12 * 2 * 24
    assert counts["right"] == sum(found.outcome == found.label for found in SAMPLED.traces)
    kinds = ("right", "wrong", *(failure.value for failure in Failure))
    assert all(counts[kind] > 0 for kind in kinds)
    assert sum(counts[kind] for kind in kinds) == counts["traces"]


def test_no_label_leaks_into_a_prompt():
    # Exchange chosen and rejected everywhere: the same prompts are asked, with the other label.
    relabelled = [
        dataclasses.replace(row, chosen=row.rejected, rejected=row.chosen) for row in PREFERENCES
    ]
    other = sample_traces(Erratic(), FORM, relabelled, Sampling(num_samples=24, seed=1))
    labels = {found.prompt: found.label for found in SAMPLED.traces}
    other_labels = {found.prompt: found.label for found in other.traces}
    assert labels.keys() == other_labels.keys()
    assert all(other_labels[prompt] is label.swapped() for prompt, label in labels.items())
    replies = {(found.prompt, found.completion) for found in SAMPLED.traces}
    assert replies == {(found.prompt, found.completion) for found in other.traces}

    # And so for the rows: what was a chosen reply to a prompt is now a rejected one, and the
    # prompts are the same bytes.
    pairs = right_and_wrong(SAMPLED.traces, per_prompt=9, seed=0).rows
    other_pairs = right_and_wrong(other.traces, per_prompt=9, seed=0).rows
    assert {row.prompt for row in pairs} <= labels.keys()
    assert {row.prompt for row in other_pairs} <= labels.keys()
    assert {(row.prompt, row.chosen) for row in pairs} & {
        (row.prompt, row.rejected) for row in other_pairs
    }


# ---- selection


def rows_of(traces: Sequence[Trace], seed: int = 0) -> list[SupervisedRow]:
    return right_traces(traces, per_prompt=2, seed=seed).rows


def pairs_of(traces: Sequence[Trace], seed: int = 0) -> list[PairRow]:
    return right_and_wrong(traces, per_prompt=2, seed=seed, unparseable="wrong").rows


def test_a_supervised_row_always_ends_in_its_label_and_answers_its_prompt():
    rows = rows_of(SAMPLED.traces)
    assert rows
    for row in rows:
        assert FORM.parse(said(row.completion)) is row.label
        content = row.prompt[-1].content
        (source,) = [found for found in PREFERENCES if found.id == row.preference_id]
        assert (content.index(source.chosen) < content.index(source.rejected)) == (
            row.label is FIRST
        )


@pytest.mark.parametrize("unparseable", ["skip", "wrong", "only"])
def test_chosen_ends_in_the_label_and_rejected_never_does(unparseable):
    rows = right_and_wrong(SAMPLED.traces, per_prompt=3, seed=0, unparseable=unparseable).rows
    assert rows
    outcomes = set()
    for row in rows:
        assert FORM.parse(said(row.chosen)) is row.label
        outcome = FORM.parse(said(row.rejected))
        outcomes.add("swapped" if outcome is row.label.swapped() else outcome)
    expected = {
        "skip": {"swapped"},
        "wrong": {"swapped", Failure.UNPARSEABLE},
        "only": {Failure.UNPARSEABLE},
    }
    assert outcomes == expected[unparseable]


def test_selections_are_joined_without_repeating_a_row():
    own = right_and_wrong(SAMPLED.traces, per_prompt=2, seed=0)
    more = right_and_wrong(SAMPLED.traces, per_prompt=3, seed=0)
    both = joined({"own": own, "more": more})
    assert both.rows[: len(own.rows)] == own.rows
    assert set(both.rows) == set(own.rows) | set(more.rows)
    assert len(both.rows) == len(set(both.rows)) == both.counts["rows"]
    assert both.counts["repeated"] == len(own.rows) + len(more.rows) - len(both.rows) > 0
    assert both.counts["own/rows"] == own.counts["rows"]
    assert both.counts["more/traces"] == len(SAMPLED.traces)


def test_no_rows_are_refused_unless_others_are_to_be_added():
    right = [trace for trace in SAMPLED.traces if trace.right]
    none = right_and_wrong(right, per_prompt=1, seed=0, none_is_fine=True)
    assert none.rows == []
    with pytest.raises(ConfigError, match="no training rows"):
        right_and_wrong(right, per_prompt=1, seed=0)
    with pytest.raises(ConfigError, match="no training rows"):
        joined({"none": none})


def test_no_cut_refused_or_failed_trace_becomes_a_row():
    texts = {
        found.completion.text
        for found in SAMPLED.traces
        if found.completion.finish_reason != "stop"
    }
    assert {"cut 0\n[[A]]", "cut 0\n[[B]]", "[[A]] 0", ""} <= texts
    assert not {row.completion for row in rows_of(SAMPLED.traces)} & texts
    for row in pairs_of(SAMPLED.traces):
        assert not {row.chosen, row.rejected} & texts


def test_either_place_is_right_in_as_many_rows():
    for rows in (rows_of(SAMPLED.traces), pairs_of(SAMPLED.traces)):
        labels = [row.label for row in rows]
        assert labels.count(FIRST) == labels.count(SECOND) > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_rows_do_not_depend_on_the_order_of_the_traces(seed):
    shuffled = list(SAMPLED.traces)
    random.Random(seed).shuffle(shuffled)
    assert rows_of(shuffled, seed) == rows_of(SAMPLED.traces, seed)
    assert pairs_of(shuffled, seed) == pairs_of(SAMPLED.traces, seed)


def test_rows_stand_by_preference_and_chosen_first_before_chosen_second():
    for rows in (rows_of(SAMPLED.traces), pairs_of(SAMPLED.traces)):
        places = [(row.preference_id, row.label) for row in rows]
        assert places == sorted(places)


def test_another_seed_draws_other_rows():
    assert rows_of(SAMPLED.traces, 0) != rows_of(SAMPLED.traces, 1)
    assert pairs_of(SAMPLED.traces, 0) != pairs_of(SAMPLED.traces, 1)


@pytest.mark.parametrize("per_prompt", [1, 2, 3])
def test_a_prompt_has_at_most_so_many_rows_and_none_twice(per_prompt):
    selected = right_traces(SAMPLED.traces, per_prompt=per_prompt, seed=0).rows
    pairs = right_and_wrong(SAMPLED.traces, per_prompt=per_prompt, seed=0).rows
    for rows in (selected, pairs):
        counts = [[row.prompt for row in rows].count(row.prompt) for row in rows]
        assert max(counts) == per_prompt
        assert len(set(rows)) == len(rows)
    assert len({(row.prompt, row.chosen) for row in pairs}) == len(pairs)
    assert len({(row.prompt, row.rejected) for row in pairs}) == len(pairs)


def test_the_counts_of_right_traces_worked_by_hand():
    traces = [
        *(trace(f"{n}\n[[A]]", FIRST) for n in (1, 2, 2, 3)),  # 4 right, 1 repeated, 1 spare
        trace("4\n[[B]]", FIRST),
        trace("5\n[[B]]", SECOND),  # 1 right, so one row of the other label is left out
        trace("6\n[[A]]", SECOND),
        trace("7\n[[B]]", SECOND, finish_reason="length"),
    ]
    selected = right_traces(traces, per_prompt=2, seed=0)
    assert selected.counts == {
        "traces": 8,
        "right": 5,
        "repeated": 1,
        "spare": 1,
        "unbalanced": 1,
        "rows": 2,
    }
    assert [row.label for row in selected.rows] == [FIRST, SECOND]


def test_the_counts_of_pairs_worked_by_hand():
    traces = [
        *(trace(f"{n}\n[[A]]", FIRST, id="a") for n in (1, 2, 3)),
        *(trace(f"{n}\n[[B]]", FIRST, id="a") for n in (1, 2, 3)),  # 3 pairs, 1 spare
        trace("1\n[[B]]", SECOND, id="a"),
        trace("1\n[[A]]", SECOND, id="a"),  # 1 pair, so one of the other label is left out
        trace("1\n[[A]]", FIRST, id="b"),
        trace("1\n[[A]]", SECOND, id="b"),
        trace("hm", FIRST, id="c"),
        trace("1\n[[A]]", SECOND, id="c", finish_reason="length"),
    ]
    selected = right_and_wrong(traces, per_prompt=2, seed=0)
    assert selected.counts == {
        "traces": 12,
        "right": 5,
        "wrong": 5,
        "prompts": 6,
        "all_right": 1,
        "all_wrong": 1,
        "no_verdict": 2,
        "spare": 1,
        "unbalanced": 1,
        "rows": 2,
    }
    assert all(row.reference_chosen_logp is None for row in selected.rows)


def test_balance_leaves_out_a_prompts_second_row_before_any_prompts_only_one():
    for seed in range(20):
        traces = [
            *(trace(f"{n}\n[[A]]", FIRST, id="many") for n in range(3)),
            trace("1\n[[A]]", FIRST, id="one"),
            trace("1\n[[B]]", SECOND, id="many"),
            trace("1\n[[B]]", SECOND, id="one"),
        ]
        rows = right_traces(traces, per_prompt=3, seed=seed).rows
        assert sorted((row.preference_id, row.label) for row in rows) == [
            ("many", FIRST),
            ("many", SECOND),
            ("one", FIRST),
            ("one", SECOND),
        ]


def test_which_prompts_balance_leaves_out_is_drawn_from_the_seed():
    traces = [
        *(trace("1\n[[A]]", FIRST, id=f"p{n}") for n in range(8)),
        *(trace("1\n[[B]]", SECOND, id=f"p{n}") for n in range(4)),
    ]
    drawn = {
        tuple(row.preference_id for row in rows_of(traces, seed) if row.label is FIRST)
        for seed in range(4)
    }
    assert {len(ids) for ids in drawn} == {4}
    assert len(drawn) > 1


def test_a_judge_that_only_reads_position_leaves_nothing_to_learn_and_is_told_so():
    traces = [trace(f"{n}\n[[A]]", label) for n in range(3) for label in (FIRST, SECOND)]
    with pytest.raises(ConfigError, match=r"either right verdict.*6 traces, 3 right.*unbalanced"):
        right_traces(traces, per_prompt=2, seed=0)
    with pytest.raises(ConfigError, match=r"right and wrong traces of one prompt.*2 prompts"):
        right_and_wrong(traces, per_prompt=2, seed=0)


def test_a_verdict_of_a_tie_is_wrong_where_one_response_is_better():
    form = Pairwise(ties=True)
    traces = [
        dataclasses.replace(found, outcome=form.parse(found.completion))
        for label, mark in ((FIRST, "[[A]]"), (SECOND, "[[B]]"))
        for found in (trace(mark, label), trace("[[C]]", label))
    ]
    rows = right_and_wrong(traces, per_prompt=2, seed=0).rows
    assert [(row.chosen, row.rejected) for row in rows] == [("[[A]]", "[[C]]"), ("[[B]]", "[[C]]")]


# ---- verdicts alone


@pytest.mark.parametrize("form", [Direct(), Terse(reasoning=False)])
def test_verdict_rows_state_the_label_in_both_orders(form):
    rows = verdict_rows(form, PREFERENCES)
    assert [row.label for row in rows] == [FIRST, SECOND] * len(PREFERENCES)
    for number, row in enumerate(rows):
        source = PREFERENCES[number // 2]
        content = row.prompt[-1].content
        assert (content.index(source.chosen) < content.index(source.rejected)) == (
            row.label is FIRST
        )
        assert form.parse(said(row.completion)) is row.label


def test_verdict_rows_have_the_same_prompts_whichever_response_is_chosen():
    relabelled = [
        dataclasses.replace(row, chosen=row.rejected, rejected=row.chosen) for row in PREFERENCES
    ]
    one, other = (verdict_rows(Direct(), rows) for rows in (PREFERENCES, relabelled))
    assert {row.prompt for row in one} == {row.prompt for row in other}
    completions = {row.prompt: row.completion for row in one}
    assert all(completions[row.prompt] != row.completion for row in other)


def test_ties_are_learnt_where_the_format_has_a_word_for_them_and_else_left_out(caplog):
    rows = [preference(0), preference(1, tie=True)]
    assert [row.label for row in verdict_rows(Direct(ties=True), rows)] == [FIRST, SECOND, TIE, TIE]
    with caplog.at_level("INFO"):
        assert [row.preference_id for row in verdict_rows(Direct(), rows)] == ["p0", "p0"]
    assert "1 ties left out" in caplog.text


def test_verdict_rows_of_nothing_or_of_a_format_that_reasons_are_refused():
    with pytest.raises(ConfigError, match="1 preferences, 1 of them ties"):
        verdict_rows(Direct(), [preference(0, tie=True)])
    with pytest.raises(ConfigError, match="without reasoning, not Pairwise"):
        verdict_rows(Pairwise(), PREFERENCES)
