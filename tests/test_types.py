import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.types import (
    Comparison,
    Completion,
    Failure,
    Judgement,
    Preference,
    Sampling,
    Verdict,
    user,
)

PREFERENCE = Preference(id="7", prompt=user("2 + 2?"), chosen="4", rejected="5", group="g")


def judgement(outcome, probability=None, swapped=False):
    return Judgement(
        text="t",
        outcome=outcome,
        probability=probability,
        swapped=swapped,
        num_tokens=3,
        num_prompt_tokens=9,
    )


@pytest.mark.parametrize(
    ("verdict", "swapped"),
    [
        (Verdict.FIRST, Verdict.SECOND),
        (Verdict.SECOND, Verdict.FIRST),
        (Verdict.TIE, Verdict.TIE),
    ],
)
def test_a_swapped_verdict_names_the_same_response(verdict, swapped):
    assert verdict.swapped() is swapped


def test_a_swapped_comparison_exchanges_the_responses_and_nothing_else():
    comparison = Comparison(prompt=user("q"), first="a", second="b")
    assert comparison.swapped() == Comparison(prompt=user("q"), first="b", second="a")
    assert comparison.swapped().swapped() == comparison


@given(seed=st.integers(0, 10_000))
def test_the_label_always_points_at_the_chosen_response(seed):
    shown = PREFERENCE.shown(seed)
    place = {Verdict.FIRST: shown.comparison.first, Verdict.SECOND: shown.comparison.second}
    assert place[shown.label] == "4"
    assert {shown.comparison.first, shown.comparison.second} == {"4", "5"}


def test_places_are_drawn_evenly_and_from_the_seed_and_the_id_alone():
    first = [
        dataclasses.replace(PREFERENCE, id=str(i)).shown(0).label is Verdict.FIRST
        for i in range(2000)
    ]
    # Binomial(2000, 1/2): four standard deviations are 89.
    assert abs(sum(first) - 1000) < 90
    assert PREFERENCE.shown(3) == dataclasses.replace(PREFERENCE, category="other").shown(3)
    assert len({PREFERENCE.shown(seed).label for seed in range(20)}) == 2


def test_a_tie_is_labelled_a_tie_in_whichever_place():
    tied = dataclasses.replace(PREFERENCE, tie=True)
    assert {tied.shown(seed).label for seed in range(20)} == {Verdict.TIE}
    assert len({tied.shown(seed).comparison.first for seed in range(20)}) == 2


@given(
    outcome=st.sampled_from([*Verdict, *Failure]),
    probability=st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    swapped=st.booleans(),
)
def test_mapping_back_twice_changes_nothing(outcome, probability, swapped):
    one = judgement(outcome, probability, swapped)
    assert one.mapped_back().mapped_back() == one
    assert one.mapped_back().swapped is not swapped


def test_mapping_back_turns_the_verdict_and_the_probability_and_keeps_the_cost():
    back = judgement(Verdict.FIRST, 0.75).mapped_back()
    assert (back.outcome, back.probability) == (Verdict.SECOND, 0.25)
    assert (back.text, back.num_tokens, back.num_prompt_tokens) == ("t", 3, 9)
    assert judgement(Failure.TRUNCATED).mapped_back().outcome is Failure.TRUNCATED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_samples", 0),
        ("temperature", -0.1),
        ("temperature", float("inf")),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("max_tokens", 0),
        ("first_index", -1),
    ],
)
def test_sampling_that_makes_no_sense_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"{field} must be"):
        Sampling(**{field: value})


def test_values_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Completion(text="", finish_reason="stop").text = "other"  # pyright: ignore
