"""Scores of right responses against wrong ones: worked by hand, and laws they obey."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.data import Candidates, pairs_of
from jurist.errors import DataError
from jurist.evaluation import judged
from jurist.evaluation.candidates import (
    Scores,
    beats_all,
    best_of,
    reciprocal_rank,
    rows_of,
    scores_of,
    scores_of_rows,
    signs,
    style_scores,
    ties_score,
)
from jurist.judges import BothOrders, ScoredJudge
from jurist.types import Failure, Judgement, user


@pytest.mark.parametrize(
    ("scores", "credit", "all_beaten", "rank"),
    [
        # The right response's score comes first.
        ([4.0, 3.0, 2.0, 1.0], 1.0, True, 1.0),
        ([4.0, 4.0, 2.0, 1.0], 1 / 2, False, 1 / 2),
        ([4.0, 4.0, 4.0, 4.0], 1 / 4, False, 1 / 4),
        ([3.0, 4.0, 3.0, 1.0], 0.0, False, 1 / 3),
        ([0.0, 1.0, 2.0, 3.0], 0.0, False, 1 / 4),
    ],
)
def test_best_of_four_and_one_against_nine_match_hand_worked_values(
    scores: list[float], credit: float, all_beaten: bool, rank: float
):
    right, *wrong = scores
    won = [[(right > other) - (right < other) for other in wrong]]
    assert best_of(won) == credit
    assert beats_all(won) is all_beaten
    assert reciprocal_rank(won) == rank


def test_styles_match_a_matrix_worked_by_hand():
    # Rows: right response concise, detailed, formatted; columns: the wrong one. Right in
    # (1,1), (2,1), (2,2), (3,1), (3,2): normal 2 of 3, easy 3 of 3, hard 0 of 3.
    found = style_scores([[1, -1, -1], [1, 1, 0], [1, 1, 0]])
    assert (found.easy, found.normal, found.hard) == (1.0, 2 / 3, 0.0)
    assert found.mean == pytest.approx(5 / 9)
    # Right in (1,2), (1,3), (2,3), the hard ones, alone.
    only_hard = style_scores([[-1, 1, 1], [-1, -1, 1], [-1, -1, -1]])
    assert (only_hard.easy, only_hard.normal, only_hard.hard) == (0.0, 0.0, 1.0)


def test_styles_are_three():
    with pytest.raises(DataError, match="expected 3 styles of each response, found 2"):
        style_scores([[1, 1], [1, 1]])


def test_ties_match_arithmetic_worked_by_hand():
    # a: margin 3 - 1 = 2, spread 5 - 3 = 2. Reference margin 1.
    # b: margin 6 - 1 = 5, spread 7 - 6 = 1. Reference margin 2.
    # c: margin 0 - 1 = -1, spread 0.    Reference margin -3.
    tied = {
        "a": Scores(right=[5.0, 3.0, 4.0], wrong=[1.0, 0.0]),
        "b": Scores(right=[7.0, 6.0], wrong=[1.0]),
        "c": Scores(right=[0.0, 0.0], wrong=[1.0]),
    }
    references = {
        "a": Scores(right=[2.0], wrong=[1.0, -4.0]),
        "b": Scores(right=[2.0], wrong=[0.0]),
        "c": Scores(right=[0.0], wrong=[3.0]),
    }
    found = ties_score(references, tied)
    assert found.tied_accuracy == pytest.approx(2 / 3)
    assert found.reference_accuracy == pytest.approx(2 / 3)
    # 2 > 2 does not hold, 5 > 1 does, -1 > 0 does not.
    assert found.preferred == pytest.approx(1 / 3)
    # Smaller margins 1, 2, -3: of these 2 > 1 alone.
    assert found.preferred_hard == pytest.approx(1 / 3)
    # tanh(1/2 - 1), tanh(2/1 - 1), and -1 where the spread is nothing.
    gap = (math.tanh(-0.5) + math.tanh(1.0) - 1.0) / 3
    assert found.gap == pytest.approx(gap)
    assert found.overall == pytest.approx(
        0.3 * 2 / 3 + 0.3 * 2 / 3 + 0.2 / 3 + 0.2 / 3 + 0.01 * gap
    )


def test_a_perfect_scorer_of_ties_has_a_little_more_than_one():
    tied = {"a": Scores(right=[1.0, 1.0], wrong=[0.0])}
    references = {"a": Scores(right=[1.0], wrong=[0.0])}
    assert ties_score(references, tied).overall == pytest.approx(1.01)


def test_scores_that_are_equal_but_for_rounding_are_equal():
    # Of 4 and 5 against 1 and 4, through probabilities: the worst right is no better than the best
    # wrong, though it comes out 2e-16 above.
    one = candidates(["4", "5"], ["1", "4.0"])
    said = BothOrders(ScoredJudge(number))([pair.shown(0).comparison for pair in pairs_of(one)])
    (rows,) = rows_of([one], judged(pairs_of(one), said, seed=0))
    found = scores_of_rows(rows)
    assert found is not None and found.margin == pytest.approx(0.0, abs=1e-12)
    score = ties_score({"a": Scores(right=[1.0], wrong=[0.0])}, {"a": found})
    assert (score.tied_accuracy, score.preferred) == (0.0, 0.0)
    # A margin that is the spread but for rounding is not above it.
    level = Scores(right=[2.0, 1.0 + 1e-15], wrong=[0.0])
    assert ties_score({"a": level}, {"a": level}).preferred == 0.0


def test_prompts_in_one_form_alone_count_for_accuracy_and_for_no_margin():
    good, bad = Scores(right=[2.0, 2.0], wrong=[0.0]), Scores(right=[0.0, 0.0], wrong=[2.0])
    found = ties_score({"a": good, "b": bad}, {"a": good, "c": bad})
    assert (found.tied_accuracy, found.reference_accuracy) == (0.5, 0.5)
    assert (found.preferred, found.preferred_hard) == (1.0, 1.0)
    with pytest.raises(DataError, match="expected prompts in Ties that have a reference"):
        ties_score({"a": good}, {"b": good})


@pytest.mark.parametrize("failed", ["reference", "tied"])
def test_a_prompt_without_a_verdict_is_wrong_in_every_respect_it_is_in(failed: str):
    good = Scores(right=[1.0, 0.5], wrong=[0.0, -1.0])
    reference = None if failed == "reference" else good
    tied = None if failed == "tied" else Scores(right=[3.0, 2.5], wrong=[0.0])
    found = ties_score({"a": reference}, {"a": tied})
    assert found.reference_accuracy == (failed != "reference")
    assert found.tied_accuracy == (failed != "tied")
    assert found.preferred == (failed != "tied")
    assert (found.preferred_hard, found.gap) == (0.0, -1.0)


scores = st.lists(st.floats(-5, 5), min_size=1, max_size=5)


@given(right=scores, wrong=scores, shift=st.floats(-3, 3))
def test_scores_come_back_from_their_differences(right: list[float], wrong: list[float], shift):
    found = scores_of([[one - other for other in wrong] for one in right])
    whole = Scores(right=[one + shift for one in right], wrong=[one + shift for one in wrong])
    assert found.margin == pytest.approx(whole.margin, abs=1e-9)
    assert found.spread == pytest.approx(whole.spread, abs=1e-9)
    differences = [
        (a - b, c - d)
        for a, c in zip(found.right, right, strict=True)
        for b, d in zip(found.wrong, wrong, strict=True)
    ]
    assert all(mine == pytest.approx(theirs, abs=1e-9) for mine, theirs in differences)


def candidates(right: list[str], wrong: list[str], name: str = "c") -> Candidates:
    return Candidates(
        id=name, prompt=user(name), right=tuple(right), wrong=tuple(wrong), group=name
    )


def number(prompts, responses):
    """A scorer that takes a response for its score."""
    return [float(response) for response in responses]


@given(
    right=st.lists(st.integers(-4, 4), min_size=1, max_size=3),
    wrong=st.lists(st.integers(5, 9) | st.integers(-9, -5), min_size=1, max_size=3),
    seed=st.integers(0, 5),
)
def test_a_scorer_is_scored_by_pairs_as_by_its_scores(right, wrong, seed):
    one = candidates([str(x) for x in right], [str(x) for x in wrong])
    pairs = pairs_of(one)
    said = BothOrders(ScoredJudge(number))([pair.shown(seed).comparison for pair in pairs])
    (rows,) = rows_of([one], judged(pairs, said, seed=seed))
    assert signs(rows) == [[(x > y) - (x < y) for y in wrong] for x in right]
    found = scores_of_rows(rows)
    assert found is not None
    # Log-odds are held within those of one in a million, 13.8 nats.
    if max(right) - min(wrong) < 13 and max(wrong) - min(right) < 13:
        assert found.margin == pytest.approx(min(right) - max(wrong), abs=1e-4)
        assert found.spread == pytest.approx(max(right) - min(right), abs=1e-4)


def test_a_pair_without_a_verdict_is_lost_and_leaves_no_scores():
    one = candidates(["a"], ["b", "c"])
    failed = Judgement(text="", outcome=Failure.TRUNCATED)
    rows = judged(pairs_of(one), [[failed], [failed]], seed=0)
    (parted,) = rows_of([one], rows)
    assert signs(parted) == [[-1, -1]]
    assert scores_of_rows(parted) is None


def test_judged_pairs_that_are_not_those_of_the_candidates_are_refused():
    one, other = candidates(["a"], ["b"]), candidates(["a"], ["c"], "d")
    said = [Judgement(text="", outcome=Failure.ERROR)]
    rows = judged([*pairs_of(one), *pairs_of(other)], [said, said], seed=0)
    assert [len(parted) for parted in rows_of([one, other], rows)] == [1, 1]
    with pytest.raises(DataError, match="expected the pairs of 'd' in their order"):
        rows_of([other, one], rows)
    with pytest.raises(DataError, match="expected 1 judged pairs, found 2"):
        rows_of([one], rows)


ratings = st.lists(st.integers(1, 6), min_size=2, max_size=3)


@given(
    prompts=st.lists(
        st.tuples(ratings, ratings, st.integers(1, 6), ratings), min_size=1, max_size=4
    )
)
def test_whole_ratings_are_scored_by_pairs_as_by_themselves(prompts):
    # Margins and spreads that are equal as whole numbers must not differ by rounding.
    whole: tuple[dict[str, Scores], dict[str, Scores]] = ({}, {})
    paired: tuple[dict[str, Scores | None], dict[str, Scores | None]] = ({}, {})
    for number_, (right, wrong, reference, others) in enumerate(prompts):
        name = str(number_)
        for sort, (good, bad) in enumerate((([reference], others), (right, wrong))):
            scores_ = Scores(right=list(map(float, good)), wrong=list(map(float, bad)))
            whole[sort][name] = scores_
            one = candidates(
                [f"{score}" + "0" * i for i, score in enumerate(scores_.right)],
                [f"{score}" + "0" * (i + 5) for i, score in enumerate(scores_.wrong)],
                name,
            )
            pairs = pairs_of(one)
            said = BothOrders(ScoredJudge(number))([pair.shown(0).comparison for pair in pairs])
            (rows,) = rows_of([one], judged(pairs, said, seed=0))
            paired[sort][name] = scores_of_rows(rows)
    mine, theirs = ties_score(*paired), ties_score(*whole)
    assert mine.overall == pytest.approx(theirs.overall, abs=1e-6)
    assert (mine.tied_accuracy, mine.preferred) == (theirs.tied_accuracy, theirs.preferred)
