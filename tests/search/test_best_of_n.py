"""Knockouts, and what is chosen where nothing is better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.rewards import Cohort, PairwiseReward, drawn_order
from jurist.search import best_of_n, knockout, last_number, plain_text
from jurist.types import Failure, Judgement, Verdict, user

PROMPT = user("q")


def cohort(*responses: str) -> Cohort:
    return Cohort(prompt=PROMPT, responses=responses)


class Longer:
    """Prefers the longer response; asked with an x, it fails, and of equal length they tie."""

    def __init__(self):
        self.calls: list[int] = []

    def __call__(self, comparisons):
        self.calls.append(len(comparisons))
        return [[Judgement(text="", outcome=self.outcome(one))] for one in comparisons]

    def outcome(self, one):
        if "x" in one.first + one.second:
            return Failure.UNPARSEABLE
        if len(one.first) == len(one.second):
            return Verdict.TIE
        return Verdict.FIRST if len(one.first) > len(one.second) else Verdict.SECOND


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=12, unique=True))
def test_a_knockout_finds_the_best_in_one_comparison_less_than_responses(lengths):
    texts = ["a" * length for length in lengths]
    (choice,) = knockout(Longer(), [cohort(*texts)])
    assert texts[choice.place] == "a" * max(lengths)
    assert len(choice.comparisons) == len(texts) - 1
    assert choice.rewards == ()


def test_a_round_of_all_cohorts_is_one_call():
    judge = Longer()
    many = [cohort("a", "aa", "aaa", "aaaa"), cohort("b"), cohort("c", "cc", "ccc")]
    choices = knockout(judge, many)
    assert [choice.place for choice in choices] == [3, 0, 2]
    assert judge.calls == [3, 2]


@pytest.mark.parametrize("texts", [("x", "a", "b", "c"), ("a", "b", "c", "d")])
def test_ties_and_failures_send_on_whom_the_draw_put_first(texts):
    texts = ("x", "xx", "xxx", "xxxx") if "x" in texts else texts
    for seed in range(4):
        (choice,) = knockout(Longer(), [cohort(*texts)], seed=seed)
        assert texts[choice.place] == drawn_order(PROMPT, texts, seed=seed)[0]


def test_of_equal_rewards_the_first_drawn_is_chosen_and_copies_are_one():
    texts = ("a", "b", "c", "b")
    for seed in range(6):
        (choice,) = best_of_n(
            PairwiseReward(judge=Longer(), seed=seed), [cohort(*texts)], seed=seed
        )
        assert choice.place == texts.index(drawn_order(PROMPT, texts, seed=seed)[0])
        assert len(choice.comparisons) == 3


def test_where_all_fails_something_is_chosen_and_has_no_reward():
    (choice,) = best_of_n(PairwiseReward(judge=Longer()), [cohort("x", "xx")])
    assert choice.rewards == (None, None)
    assert len(choice.comparisons) == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A: 26", "26"),
        ("It makes $1,200.00 a day", "1200"),
        ("5 - 7 = -2", "-2"),
        ("5 \N{MINUS SIGN} 7 = \N{MINUS SIGN}2.50", "-2.5"),
        ("half is .5", "0.5"),
        ("-0", "0"),
        ("100", "100"),
        ("007,000.50", "7000.5"),
        ("\u0663.\u0665", "3.5"),
        ("one", None),
    ],
)
def test_the_last_number_of_a_text(text, number):
    assert last_number(text) == number


@pytest.mark.parametrize("num_digits", [29, 1_000_001])
def test_a_long_number_is_neither_rounded_nor_too_long(num_digits):
    digits = "1" * num_digits
    assert last_number(f"So -{digits}2.50 it is") == f"-{digits}2.5"


def test_texts_that_say_the_same_are_the_same():
    assert plain_text("The Eiffel-Tower!") == plain_text("an  EIFFEL tower") == "eiffel tower"
    assert plain_text("\N{FULLWIDTH DIGIT ONE}") == "1"
