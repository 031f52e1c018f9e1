import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.errors import DataError
from jurist.formats import Pairwise, Rationalizer, Terse
from jurist.rationales import (
    PairRow,
    SupervisedRow,
    both_orders,
    disclosure,
    find_leaks,
    refuse_leaks,
)
from jurist.types import Comparison, Message, Preference, Verdict, user
from jurist.worlds import preferences as draw

FORMATS = [Pairwise(seed=3), Terse(seed=3)]
PREFERENCES = draw("in_distribution", "train", num=6, seed=0)


def rows_of(format, preferences=PREFERENCES):
    return [
        SupervisedRow(
            preference_id=preference.id,
            label=label,
            prompt=format.render(comparison),
            completion=f"so it is\n{format.verdicts[label]}",
        )
        for preference in preferences
        for comparison, label in both_orders(preference)
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_rows_as_they_are_made_leak_nothing(format):
    assert find_leaks(rows_of(format), PREFERENCES, format, told=True) == []
    refuse_leaks(rows_of(format), PREFERENCES, format, told=True)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("verdict", [Verdict.FIRST, Verdict.SECOND])
def test_a_hinted_prompt_that_was_left_in_a_row_is_found(format, verdict):
    rows = rows_of(format)
    comparison, _ = both_orders(PREFERENCES[2])[0]
    planted = SupervisedRow(
        preference_id=PREFERENCES[2].id,
        label=Verdict.FIRST,
        prompt=Rationalizer(format).render(comparison, verdict),
        completion="so it is\n[[A]]",
    )
    (leak,) = find_leaks([*rows, planted], PREFERENCES, format, told=False)
    assert (leak.row, leak.preference_id) == (len(rows), PREFERENCES[2].id)
    assert "not what the format writes" in leak.what
    with pytest.raises(DataError, match=r"1 of 13 training rows say more than a judge is shown"):
        refuse_leaks([*rows, planted], PREFERENCES, format, told=False)


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
def test_a_label_planted_anywhere_in_a_prompt_is_found(format, data):
    row = data.draw(st.sampled_from(rows_of(format)))
    content = row.prompt[0].content
    place = data.draw(st.integers(0, len(content)))
    mark = data.draw(st.sampled_from(["A", " ", "[[A]]", "\u200b", "chosen"]))
    planted = SupervisedRow(
        preference_id=row.preference_id,
        label=row.label,
        prompt=user(content[:place] + mark + content[place:]),
        completion=row.completion,
    )
    assert len(find_leaks([planted], PREFERENCES, format, told=False)) == 1


def test_another_turn_beside_the_prompt_is_found():
    row = rows_of(FORMATS[0])[0]
    planted = SupervisedRow(
        preference_id=row.preference_id,
        label=row.label,
        prompt=(Message(role="system", content="[[A]]"), *row.prompt),
        completion=row.completion,
    )
    assert find_leaks([planted], PREFERENCES, FORMATS[0], told=False)


def test_a_reply_that_says_it_was_told_is_found_in_either_place_of_a_pair():
    format = FORMATS[0]
    comparison, label = both_orders(PREFERENCES[0])[0]
    told, fine = "You said that A is better.\n[[A]]", "It is right.\n[[B]]"
    for chosen, rejected, name in ((told, fine, "chosen"), (fine, told, "rejected")):
        row = PairRow(
            preference_id=PREFERENCES[0].id,
            label=label,
            prompt=format.render(comparison),
            chosen=chosen,
            rejected=rejected,
        )
        (leak,) = find_leaks([row], PREFERENCES, format, told=True)
        assert leak.what == f"{name}: says 'You said'"
        # Whoever was told nothing gives nothing away.
        assert find_leaks([row], PREFERENCES, format, told=False) == []


def test_a_row_with_the_wrong_label_or_of_another_run_is_found():
    format = FORMATS[1]
    row = rows_of(format)[0]
    turned = SupervisedRow(
        preference_id=row.preference_id,
        label=Verdict.SECOND,
        prompt=row.prompt,
        completion=row.completion,
    )
    (leak,) = find_leaks([turned], PREFERENCES, format, told=True)
    assert leak.what == "label: second where the preference says first"
    (leak,) = find_leaks([row], PREFERENCES[1:], format, told=True)
    assert leak.what == "is of no preference of this run"


def test_without_labels_a_verdict_has_nothing_to_agree_with_and_a_prompt_still_has():
    format = FORMATS[1]
    fine = rows_of(format)
    turned = [dataclasses.replace(row, label=row.label.swapped()) for row in fine]
    assert find_leaks(turned, PREFERENCES, format, told=False, labelled=False) == []
    refuse_leaks(turned, PREFERENCES, format, told=False, labelled=False)
    hinted = dataclasses.replace(
        turned[3], prompt=user(turned[3].prompt[0].content + " chosen"), label=fine[3].label
    )
    stray = dataclasses.replace(turned[4], preference_id="nobody's")
    leaks = find_leaks([hinted, stray], PREFERENCES, format, told=False, labelled=False)
    assert [leak.what for leak in leaks] == [
        "prompt: not what the format writes, from ' chosen' on",
        "is of no preference of this run",
    ]


def test_two_equal_responses_are_no_leak():
    same = Preference(id="same", prompt=user("q"), chosen="x", rejected="x", group="q")
    format = FORMATS[0]
    assert find_leaks(rows_of(format, [same]), [same], format, told=True) == []


@pytest.mark.parametrize(
    "reply",
    [
        "Consistent with the hint, A adds up.",
        "Per the label, A is better.",
        "The task was to explain why A is better.",
        "This leads to the reference verdict.",
        "As you said, response A is better.",
        "Given verdict: A.",
        "The correct label is given as A",
        "People who compared these found A better.",
        "I was told that B wins.",
        "It is already known that A is better.",
        "The ground truth is A.",
        "The verdict was provided.",
        "Human annotators liked A.",
    ],
)
def test_ways_of_saying_that_the_verdict_was_known(reply):
    assert disclosure(reply) is not None


@pytest.mark.parametrize(
    "reply",
    [
        "Response A is better than response B because it answers the question.",
        "Response A says what it was asked; B does not answer the question you asked.",
        "The prompt asks for a list. A gives one, so A is better.\n[[A]]",
        "redo 4 + 7 = 1 ; 1 A 9 B ; so 1 A \n [[A]]",
        "Both are known for their accuracy, and the answer is 42.",
        "The correct answer is 42; based on the given documents, A is right.",
        "I know that 7 is prime, which A says.",
    ],
)
def test_reasoning_of_a_judge_that_was_told_nothing(reply):
    assert disclosure(reply) is None


def test_the_hint_itself_is_a_disclosure():
    comparison = Comparison(prompt=user("q"), first="a", second="b")
    prompt = Rationalizer(Pairwise()).render(comparison, Verdict.FIRST)
    assert disclosure(prompt[0].content) is not None
