"""The same prompt under another spelling is found; another prompt is not."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.data import normalised, overlap, refuse_overlap, without_overlap
from jurist.errors import DataError
from jurist.types import Message, Preference, user


def one(name: str, prompt: str, chosen: str = "x", rejected: str = "y") -> Preference:
    return Preference(id=name, prompt=user(prompt), chosen=chosen, rejected=rejected, group="g")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("What is NEW?", "what is new"),
        ("What  is\n\tnew", "what is new"),
        ("\uff37\uff48\uff41\uff54 is new", "what is new"),
        ("what\u2019s new", "what's new"),
        ("wh\u200bat is n\u00adew", "what is new"),
        ("caf\u00e9", "cafe\u0301"),
        ("STRASSE", "stra\u00dfe"),
        ("\ufb01ne", "fine"),
        ("... what, is -- new!", "what is new"),
    ],
)
def test_what_does_not_make_another_text_is_folded_away(text: str, other: str):
    assert normalised(text) == normalised(other)


def test_a_question_of_other_documents_is_another_prompt():
    def of(*documents: str) -> Preference:
        turns = (Message(role="document", content=text) for text in documents)
        question = "What do the documents say?"
        return Preference(
            id="-".join(documents), prompt=(*turns, *user(question)), chosen="x", rejected="y"
        )

    train = [of("Ada lives in Torv.", "The Osk is long.")]
    # Their order and their spelling make no other prompt.
    assert overlap(train, [of("The OSK is long", "Ada  lives in Torv")])
    assert not overlap(train, [of("Ada lives in Torv.")])
    assert not overlap(train, [of("Ada lives in Torv.", "The Ulm is long.")])
    assert not overlap(train, [one("b", "What do the documents say?")])


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("1 + 1", "1 - 1"),
        ("a b", "ab"),
        ("?", "!"),
        ("caf\u00e9", "cafe"),
        ("\u0915\u093f", "\u0915\u0941"),  # Devanagari ki and ku differ in a combining mark only
        ("\U0001f600", "\U0001f622"),
        ("version 1.0", "version 2.0"),
    ],
)
def test_what_makes_another_text_stays(text: str, other: str):
    assert normalised(text) != normalised(other)


@given(
    st.text("abcXYZ \u00e9\u00df\u0130", min_size=1), st.sampled_from([" ", "\n", "  ", "\u3000"])
)
def test_spacing_around_and_case_never_matter(text: str, space: str):
    assert normalised(space + text + space) == normalised(text)
    assert normalised(normalised(text)) == normalised(text)


def test_shared_prompts_and_rows_are_paired_by_id():
    train = [one("a", "Hello!"), one("b", "hello", "Y", "x."), one("c", "bye"), one("d", "Other")]
    test = [one("1", "HELLO"), one("2", "bye", "p", "q"), one("3", "new")]
    found = overlap(train, test)
    assert found.prompts == (("a", "1"), ("c", "2"))
    assert found.rows == (("a", "1"),)
    assert (found.num_train, found.num_test) == (3, 3)
    assert found


def test_the_same_responses_in_the_other_order_are_the_same_row():
    assert overlap([one("a", "p", "x", "y")], [one("1", "p", "y", "x")]).rows == (("a", "1"),)


@pytest.mark.fault(10, "train and test overlap")
def test_responses_are_compared_normalised():
    assert overlap([one("a", "p", "Yes.", "no")], [one("1", "p", "yes", "No!")]).rows
    assert not overlap([one("a", "p", "yes", "no")], [one("1", "p", "yes", "nay")]).rows


def test_prompts_are_compared_by_their_user_turns():
    def talk(answer: str, *asked: str) -> Preference:
        first = Message(role="assistant", content=answer)
        prompt = (*user(asked[0]), first, *user(asked[1]))
        return Preference(id=answer, prompt=prompt, chosen="x", rejected="y")

    assert overlap([talk("b", "a", "c")], [talk("z", "A", "C")])
    assert not overlap([talk("b", "a", "c")], [talk("b", "a", "d")])
    assert not overlap([one("s", "c")], [talk("b", "a", "c")])


@pytest.mark.fault(10, "train and test overlap")
def test_an_overlap_is_refused_with_counts_examples_and_what_to_do():
    train = [one(f"a{i}", f"prompt {i}") for i in range(5)]
    test = [one(f"b{i}", f"Prompt {i}?", "other", "one") for i in range(9)]
    with pytest.raises(DataError) as caught:
        refuse_overlap(train, test)
    assert str(caught.value) == (
        "train and test overlap: expected no shared prompt, found that 5 of 9 test rows have a "
        "prompt that 5 training rows have too (0 with the same responses); training = test: "
        "a0 = b0, a1 = b1, a2 = b2; drop the shared rows from training, split by group, or allow "
        "it with --allow-overlap"
    )


@pytest.mark.fault(10, "train and test overlap")
def test_an_overlap_that_is_allowed_is_returned_and_warned_of(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        assert refuse_overlap([one("a", "p")], [one("b", "p")], allow=True).num_train == 1
    assert "1 of 1 test rows" in caplog.text


def test_sets_with_nothing_in_common_pass_in_silence(caplog: pytest.LogCaptureFixture):
    assert not refuse_overlap([one("a", "p")], [one("b", "q")])
    assert not caplog.text


def test_dropping_the_shared_rows_leaves_no_overlap():
    train = [one("a", "Hello!"), one("b", "hello"), one("c", "bye")]
    test = [one("1", "HELLO")]
    left = without_overlap(train, test)
    assert (left.preferences, left.num_dropped) == ([train[2]], 2)
    assert not overlap(left.preferences, test)


def test_sums_that_differ_in_an_operator_are_not_the_same_prompt():
    sums = {normalised(f"4 {operator} 7 = ?") for operator in "+-*/%"}
    assert len(sums) == 5
    assert normalised("4-7") == normalised("4 - 7") != normalised("4 7")
    assert normalised("state-of-the-art - new") == normalised("State of the art: new")
