"""The terse layout, exactly: the base model that ships has been trained on it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.errors import DataError
from jurist.formats import Terse
from jurist.formats.fence import responses_mark
from jurist.types import Comparison, Completion, Message, Verdict, user

TEXTS = st.one_of(st.text(), st.text(alphabet="#0123456789abcdefQABT "))


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS, st.booleans())
def test_the_line_is_laid_out_to_the_space_and_can_be_taken_apart(question, first, second, think):
    comparison = Comparison(prompt=user(question), first=first, second=second)
    form = Terse(seed=1, reasoning=think)
    mark = responses_mark(1, comparison.prompt, first, second, digits=2, prefix="#")
    (message,) = form.render(comparison)
    cue = "Think" if think else "Verdict"
    assert message.content == f"{mark} Q {question} {mark} A {first} {mark} B {second} {mark} {cue}"
    assert message.content.count(mark) == 4
    parts = message.content.split(mark)
    assert parts == ["", f" Q {question} ", f" A {first} ", f" B {second} ", f" {cue}"]


def test_a_mark_is_a_hash_sign_and_two_digits():
    content = Terse().render(Comparison(prompt=user("1 + 1"), first="2", second="3"))[0].content
    mark = content.split(" ")[0]
    assert mark[0] == "#"
    assert len(mark) == 3
    assert set(mark[1:]) <= set("0123456789abcdef")


def test_a_prompt_of_several_turns_has_each_role_before_its_turn():
    prompt = (
        Message(role="user", content="1 + 1"),
        Message(role="assistant", content="2"),
        Message(role="user", content="and + 1"),
    )
    content = Terse().render(Comparison(prompt=prompt, first="3", second="4"))[0].content
    assert " Q user 1 + 1 assistant 2 user and + 1 #" in content


def test_content_with_every_mark_is_refused():
    first = "".join(f"#{number:02X}" for number in range(256))
    with pytest.raises(DataError, match="all 256 marks"):
        Terse().render(Comparison(prompt=user("q"), first=first, second="b"))


def test_a_trace_of_the_shipped_world_is_read():
    trace = "redo 4 + 7 = 1 ; 9 A 8 B ; so 9 A \n [[A]]"
    assert Terse().parse(Completion(text=trace, finish_reason="stop")) is Verdict.FIRST
