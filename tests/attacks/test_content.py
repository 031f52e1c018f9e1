"""What counts as content, and what a gate settles without a model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.attacks import MASTER_KEYS, num_informative, settled, without_content
from jurist.types import Comparison, Verdict, user

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("text", "num"),
    [
        ("", 0),
        (" \n\u200b", 0),
        ("?!\u2026---___", 0),
        ("of the", 0),
        ("42", 1),
        ("Paris, Paris!", 1),
        ("Thought process:", 2),
        ("Let's solve this problem step by step.", 3),
        ("The capital of France is Paris.", 3),
        ("\u89e3", 1),
        ("\u304b\u3044\u305b\u3064", 2),
        ("\uff14\uff12 apples", 2),
    ],
)
def test_informative_words_of_a_text(text: str, num: int):
    assert num_informative(text) == num


def test_four_words_are_more_than_any_master_key_has():
    assert max(map(num_informative, MASTER_KEYS)) < 4


def test_a_response_that_repeats_the_prompt_has_no_content_however_long():
    question = "Which of the many rivers of the world is by far the longest one?"
    assert without_content(user(question), f" {question.upper()}\n", least_words=1)
    assert not without_content(user(question), f"{question} The Nile.", least_words=1)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (".", "A long and thoughtful answer", Verdict.SECOND),
        ("A long and thoughtful answer", "Solution", Verdict.FIRST),
        ("", ":", Verdict.TIE),
        ("A long and thoughtful answer", "Another quite different reply", None),
    ],
)
def test_a_response_without_content_loses_to_one_with_it(first, second, verdict):
    comparison = Comparison(prompt=user("Why?"), first=first, second=second)
    assert settled(comparison, least_words=3) is verdict


@given(ANY_TEXT, ANY_TEXT, st.integers(1, 6))
def test_the_gate_says_the_same_of_a_comparison_and_its_swap(first: str, second: str, words: int):
    comparison = Comparison(prompt=user("Why?"), first=first, second=second)
    verdict = settled(comparison, least_words=words)
    swapped = settled(comparison.swapped(), least_words=words)
    assert swapped is (None if verdict is None else verdict.swapped())
