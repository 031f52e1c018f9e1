"""Formats that say how much better a response is, by what and by whose principles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.errors import DataError
from jurist.formats import (
    GradedFormat,
    Pairwise,
    Principle,
    Principles,
    Prometheus,
    Rubric,
    Rubrics,
    Scores,
    Strength,
)
from jurist.formats.scores import LETTERS
from jurist.types import Comparison, Completion, Failure, FinishReason, Verdict, user

SHOWN = Comparison(prompt=user("Why?"), first="So.", second="Hm.")


def said(text: str, finish_reason: FinishReason = "stop") -> Completion:
    return Completion(text=text, finish_reason=finish_reason)


@pytest.mark.parametrize(
    ("text", "strength", "verdict"),
    [
        ("A is fine.\nPreference: -3", 3.0, Verdict.FIRST),
        ("Preference: -1", 1.0, Verdict.FIRST),
        ("Preference: 0", 0.0, Verdict.TIE),
        ("Preference: -0", 0.0, Verdict.TIE),
        ("Preference: +2", -2.0, Verdict.SECOND),
        ("Preference: 3  \n\n", -3.0, Verdict.SECOND),
        ("Preference: 3\nPreference: -3", 3.0, Verdict.FIRST),
        ("<think>Preference: 3</think>\nPreference: -2", 2.0, Verdict.FIRST),
        ("Preference: 4", Failure.UNPARSEABLE, Failure.UNPARSEABLE),
        ("Preference: 1.5", Failure.UNPARSEABLE, Failure.UNPARSEABLE),
        ("Preference: 2.", Failure.UNPARSEABLE, Failure.UNPARSEABLE),
        ("preference: 2", Failure.UNPARSEABLE, Failure.UNPARSEABLE),
        ("2", Failure.UNPARSEABLE, Failure.UNPARSEABLE),
        ("Preference: 2\nI am sure.", Failure.UNPARSEABLE, Failure.UNPARSEABLE),
        ("", Failure.UNPARSEABLE, Failure.UNPARSEABLE),
    ],
)
def test_a_strength_is_all_of_the_last_line_and_its_sign_is_turned(text, strength, verdict):
    form = Strength()
    assert form.strength(said(text)) == strength
    assert form.parse(said(text)) is verdict


def test_a_strength_of_nothing_is_no_minus_nothing():
    assert str(Strength().strength(said("Preference: 0"))) in {"0.0", "-0.0"}
    assert Strength().strength(said("Preference: 1", "length")) is Failure.TRUNCATED


@pytest.mark.parametrize(
    ("text", "num", "scores"),
    [
        ("1. Truth, 100 %\nA lies.\nScores: 2, 9", 2, (2, 9)),
        ("Scores: 10, 10", 2, (10, 10)),
        ("Scores: 1,10,5", 3, (1, 10, 5)),
        ("Scores: 2, 9", 3, Failure.UNPARSEABLE),
        ("Scores: 2, 9, 4", 2, Failure.UNPARSEABLE),
        ("Scores: 0, 9", 2, Failure.UNPARSEABLE),
        ("Scores: 11, 9", 2, Failure.UNPARSEABLE),
        ("Scores: 7.5, 9", 2, Failure.UNPARSEABLE),
        ("Scores: 7", 1, (7,)),
        ("Scores: 7, 9.", 2, Failure.UNPARSEABLE),
        ("Scores: A 7, B 9", 2, Failure.UNPARSEABLE),
        ("Scores: 7, 9\nThat is all.", 2, Failure.UNPARSEABLE),
        ("Scores: " + ", ".join("5" * 16), 16, (5,) * 16),
        ("Scores: " + ", ".join("5" * 17), 17, Failure.UNPARSEABLE),
    ],
)
def test_scores_are_as_many_as_there_are_responses_or_none(text, num, scores):
    assert Scores().scores(said(text), num=num) == scores


def test_of_two_responses_the_strength_is_the_difference_of_their_scores():
    form = Scores()
    assert form.strength(said("Scores: 7, 4")) == 3.0
    assert form.parse(said("Scores: 7, 4")) is Verdict.FIRST
    assert form.parse(said("Scores: 4, 7")) is Verdict.SECOND
    assert form.parse(said("Scores: 6, 6")) is Verdict.TIE
    assert form.parse(said("Scores: 6, 6", "refused")) is Failure.REFUSED


def test_up_to_sixteen_responses_are_shown_by_letters_in_their_order():
    responses = [f"response number {i}" for i in range(16)]
    shown = Scores().render_all(user("Why?"), responses)[-1].content
    place = 0
    for letter, text in zip(LETTERS, responses, strict=True):
        place = shown.index(f" response {letter}]\n{text}\n", place)
    assert "Scores: N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N and" in shown
    pair = Scores().render_all(SHOWN.prompt, (SHOWN.first, SHOWN.second))
    assert pair == Scores().render(SHOWN)
    for num in (0, 1, 17):
        with pytest.raises(DataError, match=f"2 to 16 responses to score together, got {num}"):
            Scores().render_all(user("Why?"), ["x"] * num)


def test_formats_that_grade_are_told_from_those_that_do_not():
    assert isinstance(Strength(), GradedFormat)
    assert isinstance(Scores(), GradedFormat)
    assert not isinstance(Pairwise(), GradedFormat)
    assert not isinstance(Rubrics(), GradedFormat)


@given(st.text(max_size=60), st.sampled_from(["Preference: -2", "Scores: 3, 9", "x"]))
def test_a_verdict_is_the_sign_of_its_strength_whatever_stands_before(before, ending):
    for form in (Strength(), Scores()):
        reply = said(f"{before}\n{ending}")
        strength, outcome = form.strength(reply), form.parse(reply)
        if isinstance(strength, Failure):
            assert outcome is strength
        else:
            assert outcome is (Verdict.FIRST if strength > 0 else Verdict.SECOND)


@pytest.mark.parametrize(
    ("text", "kind", "verdict"),
    [
        ("Type: Reasoning\n2 + 2 = 4\n[[A]]", "Reasoning", Verdict.FIRST),
        ("Type: Chat\nTact 100 %\n[[B]]", "Chat", Verdict.SECOND),
        ("  Type: Chat \n[[B]]", "Chat", Verdict.SECOND),
        ("Type: Poetry\n[[A]]", Failure.UNPARSEABLE, Verdict.FIRST),
        ("It is Type: Chat\n[[A]]", Failure.UNPARSEABLE, Verdict.FIRST),
        ("Type: Chat", "Chat", Failure.UNPARSEABLE),
        ("<think>Type: Chat</think>Type: Reasoning\n[[A]]", "Reasoning", Verdict.FIRST),
    ],
)
def test_the_type_of_a_task_is_the_first_line_and_the_verdict_the_last(text, kind, verdict):
    form = Rubrics()
    assert form.task_type(said(text)) == kind
    assert form.parse(said(text)) is verdict


HONEST = Principle(
    text="The response should say what it does not know.",
    opposite="The response should claim to know everything.",
)
KIND = Principle(text="The response should be kind.", opposite="The response should be unkind.")


def test_principles_are_listed_as_they_are_or_turned_round():
    form = Principles(principles=(HONEST, KIND.negation()))
    shown = form.render(SHOWN)[-1].content
    assert f"1. {HONEST.text}\n2. {KIND.opposite}" in shown
    assert HONEST.opposite not in shown and KIND.text not in shown
    assert KIND.negation().negation() == KIND
    other = Principles(principles=(HONEST, KIND))
    assert other.fingerprint != form.fingerprint
    assert form.parse(said("Both are kind.\n[[B]]")) is Verdict.SECOND
    assert form.parse(said("[[B]] it is")) is Failure.UNPARSEABLE


def test_principles_that_are_none_are_refused():
    with pytest.raises(ValueError, match="needs at least one"):
        Principles(principles=())
    with pytest.raises(ValueError, match="opposite of a principle must be one line"):
        Principle(text="x", opposite=" ")
    with pytest.raises(ValueError, match="text of a principle must be one line"):
        Principle(text="x\ny", opposite="z")


RUBRIC = Rubric(criteria="Is it so?", levels=("no", "hardly", "fairly", "rather", "yes"))


def test_a_rubric_is_shown_whole_and_a_reference_where_there_is_one():
    form = Prometheus(rubric=RUBRIC, references={user("2 + 2?"): "Four, 4."})
    with_one = form.render(user("2 + 2?"), "5")[-1].content
    assert "Is it so?\n\n1: no\n2: hardly\n3: fairly\n4: rather\n5: yes\n" in with_one
    assert " reference answer]\nFour, 4.\n" in with_one
    assert "deserves a 5" in with_one
    without = form.render(user("Why?"), "5")[-1].content
    assert "reference answer" not in without
    assert "deserves a 5" not in without
    bare = Prometheus(rubric=RUBRIC)
    other = Prometheus(rubric=RUBRIC, seed=1)
    assert len({form.fingerprint, bare.fingerprint, other.fingerprint}) == 3


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("It is.\n[RESULT] 4", 4),
        ("[RESULT] 1  \n", 1),
        ("[RESULT] 5\n[RESULT] 2", 2),
        ("[RESULT] 6", Failure.UNPARSEABLE),
        ("[RESULT] 4.5", Failure.UNPARSEABLE),
        ("So the score is [RESULT] 4", Failure.UNPARSEABLE),
        ("4", Failure.UNPARSEABLE),
        ("<think>[RESULT] 4", Failure.UNPARSEABLE),
    ],
)
def test_a_score_by_a_rubric_stands_alone_on_the_last_line(text, score):
    assert Prometheus(rubric=RUBRIC).parse(said(text)) == score
    assert Prometheus(rubric=RUBRIC).parse(said(text, "length")) is Failure.TRUNCATED


def test_its_own_score_is_read_back_and_a_rubric_that_is_none_is_refused():
    form = Prometheus(rubric=RUBRIC)
    assert {score: form.parse(said(text)) for score, text in form.scores.items()} == {
        score: score for score in range(1, 6)
    }
    with pytest.raises(ValueError, match="5 levels, got 2"):
        Rubric(criteria="x", levels=("a", "b"))  # pyright: ignore[reportArgumentType]
