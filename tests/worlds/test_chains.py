"""The chains world: its labels are exact, its parts apart, its draws fixed by their seed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.errors import DataError
from jurist.types import Preference, user
from jurist.worlds import SPLITS, check, preferences

PARTS = ("train", "validation", "test")
SPLIT_NAMES = ("in_distribution", "shifted")

draws = st.tuples(
    st.sampled_from(SPLIT_NAMES),
    st.sampled_from(PARTS),
    st.integers(0, 12),
    st.integers(0, 2**32),
)


def example(question: str) -> Preference:
    return Preference(id="x", prompt=user(question), chosen="", rejected="", group=question)


def recompute(question: str, response: str) -> list[str]:
    """The errors of a response, found without the package: one word for each wrong step."""
    asked = question.split(" ")
    words = response.removesuffix(" as shown").split(" ")
    assert words[0] == asked[0]
    errors, value = [], int(words[0])
    for place, start in enumerate(range(1, len(words), 4)):
        operator, operand, equals, result = words[start : start + 4]
        assert equals == "="
        assert operator == asked[2 * place + 1]
        if operand != asked[2 * place + 2]:
            errors.append("misread")
        sign, other = operator, int(operand)
        true = {"+": value + other, "-": value - other, "*": value * other}[sign] % 10
        if int(result) != true:
            errors.append("calc")
        value = int(result)
    return errors


def final(response: str) -> str:
    return response.removesuffix(" as shown").split(" ")[-1]


class TestPreferences:
    @given(draws)
    @settings(max_examples=40, deadline=None)
    def test_the_chosen_response_is_right_and_the_rejected_has_the_one_error_it_is_filed_under(
        self, draw
    ):
        for preference in preferences(*draw):
            assert recompute(preference.group, preference.chosen) == []
            assert recompute(preference.group, preference.rejected) == [preference.category]

    @given(draws)
    @settings(max_examples=40, deadline=None)
    def test_the_last_digits_of_a_pair_differ(self, draw):
        for preference in preferences(*draw):
            assert final(preference.chosen) != final(preference.rejected)

    @given(draws)
    @settings(max_examples=40, deadline=None)
    def test_the_oracle_agrees_with_the_labels(self, draw):
        for preference in preferences(*draw):
            right = check(preference, preference.chosen)
            wrong = check(preference, preference.rejected)
            assert (right.correct, right.error_step, right.kind) == (True, None, None)
            assert (wrong.correct, wrong.num_errors) == (False, 1)
            assert wrong.kind == preference.category

    @given(draws)
    @settings(max_examples=20, deadline=None)
    def test_questions_ids_and_groups_are_distinct_and_the_number_is_as_asked(self, draw):
        drawn = preferences(*draw)
        assert len(drawn) == draw[2]
        assert len({preference.group for preference in drawn}) == draw[2]
        assert len({preference.id for preference in drawn}) == draw[2]
        assert all(preference.prompt == user(preference.group) for preference in drawn)
        assert {preference.source for preference in drawn} <= {"chains"}

    @given(draws)
    @settings(max_examples=20, deadline=None)
    def test_the_same_arguments_give_the_same_preferences(self, draw):
        assert preferences(*draw) == preferences(*draw)

    def test_another_seed_gives_other_preferences(self):
        first, second = (preferences("in_distribution", "train", 50, seed) for seed in (0, 1))
        assert {p.group for p in first} != {p.group for p in second}

    @pytest.mark.parametrize("split", SPLIT_NAMES)
    def test_a_longer_draw_begins_with_the_shorter_one(self, split):
        assert preferences(split, "test", 20, 0)[:5] == preferences(split, "test", 5, 0)

    @given(st.sampled_from(SPLIT_NAMES), st.integers(0, 2**32), st.integers(0, 2**32))
    @settings(max_examples=10, deadline=None)
    def test_parts_share_no_question_whatever_their_seeds(self, split, one, other):
        train = {p.group for p in preferences(split, "train", 150, one)}
        validation = {p.group for p in preferences(split, "validation", 40, other)}
        test = {p.group for p in preferences(split, "test", 40, one)}
        assert not train & validation
        assert not train & test
        assert not validation & test

    @pytest.mark.parametrize("split", SPLIT_NAMES)
    def test_questions_have_the_number_of_steps_of_their_split(self, split):
        steps = {len(p.group.split(" ")) // 2 for p in preferences(split, "train", 200, 3)}
        assert steps == set(SPLITS[split].num_steps)

    @pytest.mark.parametrize(
        ("split", "chosen", "rejected"),
        [("in_distribution", 0.75, 0.30), ("shifted", 0.30, 0.75)],
    )
    def test_the_flourish_goes_with_the_chosen_response_and_shifted_with_the_rejected(
        self, split, chosen, rejected
    ):
        num = 2000
        drawn = preferences(split, "train", num, seed=11)
        for responses, rate in (
            ([p.chosen for p in drawn], chosen),
            ([p.rejected for p in drawn], rejected),
        ):
            found = sum(response.endswith(" as shown") for response in responses) / num
            # Five standard errors: one run in some two million strays so far by chance.
            assert abs(found - rate) < 5 * math.sqrt(rate * (1 - rate) / num)

    def test_both_kinds_of_error_are_about_as_common(self):
        num = 2000
        kinds = [p.category for p in preferences("in_distribution", "train", num, seed=4)]
        # A misread operand is cancelled by a later `* 0` just as a wrong result is, but never by
        # its own step unless that is `* 0` or `* 5`; so somewhat fewer of them survive.
        assert 0.40 < kinds.count("calc") / num < 0.65

    @pytest.mark.parametrize("num", [-1, 10**9])
    def test_a_number_out_of_range_is_refused(self, num):
        with pytest.raises(ValueError, match="num must be 0 to"):
            preferences("in_distribution", "test", num, 0)


class TestCheck:
    @pytest.mark.parametrize(
        ("response", "correct", "step", "kind", "errors"),
        [
            ("4 + 7 = 1 - 2 = 9", True, None, None, 0),
            ("4 + 7 = 1 - 2 = 9 as shown", True, None, None, 0),
            ("4 + 7 = 2 - 2 = 0", False, 0, "calc", 1),
            ("4 + 7 = 1 - 3 = 8", False, 1, "misread", 1),
            ("4 - 7 = 7 - 2 = 5", False, 0, "misread", 1),
            ("4 + 7 = 2 - 2 = 9", False, 0, "calc", 2),
        ],
    )
    def test_reads_responses_worked_by_hand(self, response, correct, step, kind, errors):
        found = check(example("4 + 7 - 2"), response)
        assert (found.correct, found.error_step, found.kind, found.num_errors) == (
            correct,
            step,
            kind,
            errors,
        )

    @pytest.mark.parametrize(
        "response",
        [
            "",
            "as shown",
            "4",
            "4 + 7 = 1",
            "5 + 7 = 2 - 2 = 0",
            "4 + 7 = 1 - 2 = 19",
            "4 + 7 = 1 - 2 : 9",
            "4 + 7 = 1 / 2 = 9",
            "4 + 7 = 1 - 2 = 9 as shown as shown",
            "4  + 7 = 1 - 2 = 9",
            "4 + 7 = 1 - 2 = ٩",
        ],
    )
    def test_refuses_what_does_not_work_out_the_question(self, response):
        with pytest.raises(DataError):
            check(example("4 + 7 - 2"), response)

    @pytest.mark.parametrize("question", ["", "4 +", "4 / 2", "14 + 2", "four + 2", "4 + 7 -  2"])
    def test_refuses_a_question_of_another_world(self, question):
        with pytest.raises(DataError, match="expected a question"):
            check(example(question), "4")

    @given(draws, st.booleans())
    @settings(max_examples=20, deadline=None)
    def test_the_flourish_changes_nothing(self, draw, on_chosen):
        for preference in preferences(*draw):
            response = preference.chosen if on_chosen else preference.rejected
            bare = response.removesuffix(" as shown")
            assert check(preference, bare) == check(preference, f"{bare} as shown")
