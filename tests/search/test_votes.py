"""Votes over samples: values worked by hand, laws, and what each is worth in the scripted world."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jurist.search import (
    NO_ANSWER,
    answer_numbers,
    approvals,
    borda_votes,
    majority_votes,
    mean_scores,
    pessimistic_scores,
    self_certainty,
    summed_scores,
    taken,
    weighted_votes,
)
from jurist.worlds.scripted import RIGHT, Rater, Solver, Verifier

SEEDS = (11, 12, 13)


def accuracy(support, answers) -> float:
    """How often a right answer is taken, ties shared."""
    return float((taken(support) * (answers == RIGHT)).sum(axis=-1).mean())


VOTES = {
    "majority": lambda answers, scores: majority_votes(answers),
    "weighted": weighted_votes,
    "mean": mean_scores,
    "pessimistic": lambda a, s: pessimistic_scores(a, s[..., None], alpha=0.5),
    "borda": lambda a, s: borda_votes(a, s, power=1.2),
}
voting = pytest.mark.parametrize("vote", VOTES.values(), ids=VOTES)


@st.composite
def sampled(draw, least=NO_ANSWER):
    num = draw(st.integers(1, 8))
    answers = draw(st.lists(st.integers(least, 3), min_size=num, max_size=num))
    # Coarse scores, so that there are ties.
    scores = draw(st.lists(st.integers(0, 4), min_size=num, max_size=num))
    return np.array(answers), np.array(scores) / 4


# Samples of answers 0, 0, 1 and none, worth 1/4, 1/2, 1 and 1.
ANSWERS = np.array([0, 0, 1, NO_ANSWER])
SCORES = np.array([0.25, 0.5, 1.0, 1.0])


def test_votes_match_hand_worked_values():
    inf = math.inf
    np.testing.assert_allclose(majority_votes(ANSWERS), [2, 2, 1, -inf])
    np.testing.assert_allclose(weighted_votes(ANSWERS, SCORES), [0.75, 0.75, 1, -inf])
    np.testing.assert_allclose(mean_scores(ANSWERS, SCORES), [0.375, 0.375, 1, -inf])


def test_the_penalty_for_rarity_matches_a_hand_worked_value():
    # Four samples of two readings: ln 8 over 2 * 2 + 1 readings of answer 0, 2 + 1 of answer 1.
    found = pessimistic_scores(ANSWERS, np.stack([SCORES, SCORES], axis=-1), alpha=0.5)
    common, rare = 0.375 - 0.5 * math.log(8) / 5, 1 - 0.5 * math.log(8) / 3
    np.testing.assert_allclose(found, [common, common, rare, -math.inf])


def test_borda_votes_match_hand_worked_values():
    # Ranks by 1, 1, .5 and .25: two share 1.5, then 3 and 4; weights 3.5, 3.5, 2, 1 squared.
    found = borda_votes(ANSWERS, SCORES, power=2)
    np.testing.assert_allclose(found, [1 + 4, 1 + 4, 3.5**2, -math.inf])


def test_self_certainty_is_the_divergence_of_uniform_from_each_distribution():
    # KL(uniform || (3/4, 1/4)) = 1/2 ln(2/3) + 1/2 ln 2 = 1/2 ln(4/3), and 0 for a uniform one.
    logps = np.log([[[0.75, 0.25], [0.5, 0.5]]])
    np.testing.assert_allclose(self_certainty(logps), [math.log(4 / 3) / 4])
    np.testing.assert_allclose(self_certainty(logps, [[True, False]]), [math.log(4 / 3) / 2])
    with pytest.raises(ValueError, match="no token that counts"):
        self_certainty(logps, [[False, False]])


def test_answers_are_numbered_as_they_come():
    assert answer_numbers(["a", None, "b", "a"]).tolist() == [0, NO_ANSWER, 1, 0]


@voting
@given(drawn=sampled(), dice=st.randoms())
def test_the_order_of_samples_does_not_matter(vote, drawn, dice):
    answers, scores = drawn
    order = list(range(len(answers)))
    dice.shuffle(order)
    np.testing.assert_allclose(vote(answers, scores)[order], vote(answers[order], scores[order]))


@voting
@given(drawn=sampled(), names=st.permutations(range(4)))
def test_what_answers_are_called_does_not_matter(vote, drawn, names):
    answers, scores = drawn
    called = np.array([*names, NO_ANSWER])[answers]
    np.testing.assert_allclose(vote(answers, scores), vote(called, scores))


@voting
@given(drawn=sampled(least=0), at=st.integers(0, 7))
def test_a_better_score_never_hurts_its_answer(vote, drawn, at):
    answers, scores = drawn
    at %= len(answers)
    better = scores.copy()
    better[at] += 0.5
    ahead = taken(vote(answers, better)) * (answers == answers[at])
    before = taken(vote(answers, scores)) * (answers == answers[at])
    assert ahead.sum() >= before.sum() - 1e-9


@voting
@given(drawn=sampled(least=0))
def test_one_more_sample_of_the_winner_as_good_as_its_own_keeps_it_winning(vote, drawn):
    answers, scores = drawn
    first = int(taken(vote(answers, scores)).argmax())
    best = scores[answers == answers[first]].max()
    more = np.append(answers, answers[first]), np.append(scores, max(best, scores.max()))
    support = vote(*more)
    assert support[-1] >= support.max() - 1e-9


@voting
@given(score=st.floats(0, 1))
def test_a_single_sample_is_taken(vote, score):
    assert taken(vote(np.array([0]), np.array([score]))).tolist() == [1.0]


@voting
def test_what_nothing_sets_apart_is_as_likely(vote):
    np.testing.assert_allclose(taken(vote(np.arange(4), np.full(4, 0.5))), np.full(4, 0.25))
    np.testing.assert_allclose(taken(vote(np.full(3, NO_ANSWER), np.ones(3))), np.full(3, 1 / 3))


@voting
def test_questions_are_voted_on_each_for_itself(vote):
    dice = np.random.default_rng(0)
    answers, scores = dice.integers(-1, 4, (5, 7)), dice.random((5, 7))
    whole = vote(answers, scores)
    for i in range(5):
        np.testing.assert_array_equal(whole[i], vote(answers[i], scores[i]))


@given(drawn=sampled())
def test_votes_without_their_extra_are_the_plain_ones(drawn):
    answers, scores = drawn
    plain = majority_votes(answers)
    np.testing.assert_allclose(borda_votes(answers, scores, power=0), plain)
    np.testing.assert_allclose(weighted_votes(answers, np.ones(len(answers))), plain)
    np.testing.assert_allclose(
        pessimistic_scores(answers, scores[:, None], alpha=0), mean_scores(answers, scores)
    )


def test_votes_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="none of them negative"):
        weighted_votes([0, 1], [0.5, -0.1])
    with pytest.raises(ValueError, match=r"expected scores of shape \[2\]"):
        weighted_votes([0, 1], [0.5])
    with pytest.raises(ValueError, match="alpha must not be negative"):
        pessimistic_scores([0], [[1.0]], alpha=-1)
    with pytest.raises(ValueError, match="power must not be negative"):
        borda_votes([0], [1.0], power=-1)


RUNS = np.array([[8.0, 2.0, 5.0], [4.0, 6.0, 5.0], [math.nan, 1.0, 1.0]])


def test_summed_scores_match_hand_worked_values():
    np.testing.assert_allclose(summed_scores(RUNS), [12, 8, 10])
    np.testing.assert_allclose(summed_scores(RUNS, [0.1, 0.9, 1.0], keep=1), [4, 6, 5])
    # Two runs tie for one place and have half of it each.
    np.testing.assert_allclose(summed_scores(RUNS, [0.5, 0.5, 1.0], keep=1), [6, 4, 5])
    assert np.isneginf(summed_scores(RUNS[2:])).all()
    with pytest.raises(ValueError, match="quality and keep together"):
        summed_scores(RUNS, keep=1)


@given(
    scores=arrays.arrays(np.float64, (4, 3), elements=st.integers(1, 10)),
    quality=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    keep=st.integers(1, 5),
    order=st.permutations(range(4)),
)
def test_the_order_of_runs_does_not_matter_and_keeping_all_is_no_filter(
    scores, quality, keep, order
):
    order = list(order)
    rated = np.array(quality)
    np.testing.assert_allclose(
        summed_scores(scores, rated, keep=keep),
        summed_scores(scores[order], rated[order], keep=keep),
    )
    np.testing.assert_allclose(summed_scores(scores, rated, keep=4), summed_scores(scores))


def test_approvals_are_shares_of_those_that_said_something():
    verdicts = [[1, 0, 1], [1, math.nan, math.nan], [math.nan] * 3]
    np.testing.assert_allclose(approvals(verdicts), [2 / 3, 1, -math.inf])


# What each vote is worth in the scripted world: three seeds, each with a margin of its own.

NUM = 2_000


@pytest.mark.parametrize("seed", SEEDS)
def test_pessimism_beats_weights_beats_means_beats_majority(seed):
    # Fitted on other seeds to .947, .928, .757 and .621; each within .03 on these.
    dice = np.random.default_rng(seed)
    answers = Solver().sample(NUM, 16, dice).answers
    readings = Verifier().readings(answers, 4, dice)
    mean = readings.mean(axis=-1)
    assert accuracy(pessimistic_scores(answers, readings, alpha=0.5), answers) == pytest.approx(
        0.947, abs=0.03
    )
    assert accuracy(weighted_votes(answers, mean), answers) == pytest.approx(0.928, abs=0.03)
    assert accuracy(mean_scores(answers, mean), answers) == pytest.approx(0.757, abs=0.03)
    assert accuracy(majority_votes(answers), answers) == pytest.approx(0.621, abs=0.03)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("solver", "verifier"),
    [
        (Solver(ability=(2, 3)), Verifier()),
        (Solver(), Verifier(sensitivity=0.8, specificity=0.8)),
        (Solver(num_rare=40), Verifier(fooled=0.3)),
    ],
    ids=["harder", "weaker verifier", "more fooled"],
)
def test_the_order_of_the_votes_holds_in_other_worlds_too(seed, solver, verifier):
    # By .02 at least, but that pessimism and weights come within .05 of each other.
    dice = np.random.default_rng(seed)
    answers = solver.sample(NUM, 16, dice).answers
    readings = verifier.readings(answers, 4, dice)
    found = {
        "pessimistic": accuracy(pessimistic_scores(answers, readings, alpha=0.5), answers),
        "weighted": accuracy(weighted_votes(answers, readings.mean(axis=-1)), answers),
        "mean": accuracy(mean_scores(answers, readings.mean(axis=-1)), answers),
        "majority": accuracy(majority_votes(answers), answers),
    }
    assert abs(found["pessimistic"] - found["weighted"]) < 0.05
    assert found["weighted"] > max(found["mean"], found["majority"]) + 0.02


@pytest.mark.parametrize("seed", SEEDS)
def test_borda_with_certainty_beats_majority_by_its_power(seed):
    # A power of 1.2 by .08 at N = 8 and .15 at 32; .3 does less, and 0 nothing.
    solver = Solver(ability=(2.0, 3.3))
    for num_samples, gain in ((8, 0.08), (32, 0.15)):
        drawn = solver.sample(NUM, num_samples, np.random.default_rng(seed))
        by_power = [
            accuracy(borda_votes(drawn.answers, drawn.certainty, power=power), drawn.answers)
            for power in (0, 0.3, 1.2)
        ]
        assert by_power[0] == accuracy(majority_votes(drawn.answers), drawn.answers)
        assert by_power == sorted(by_power)
        assert by_power[2] > by_power[0] + gain


@pytest.mark.parametrize("seed", SEEDS)
def test_summed_scores_gain_with_runs_and_a_meta_judge_adds_to_it(seed):
    dice = np.random.default_rng(seed)
    answers = np.tile(np.arange(4), (NUM, 1))
    scores, rating = Rater().runs(answers, 32, dice)
    plain = [accuracy(summed_scores(scores[:, :k]), answers) for k in (1, 4, 16, 32)]
    assert all(more > fewer + 0.03 for fewer, more in itertools.pairwise(plain))
    kept = accuracy(summed_scores(scores[:, :16], rating[:, :16], keep=8), answers)
    assert kept > plain[2] + 0.015


@pytest.mark.parametrize("seed", SEEDS)
def test_approvals_gain_with_verifiers_and_beat_the_best_of_them(seed):
    dice = np.random.default_rng(seed)
    answers = Solver().sample(NUM, 16, dice).answers
    aspects = Verifier(sensitivity=0.8, specificity=0.7)
    verdicts = np.concatenate([aspects.readings(answers, 1, dice) for _ in range(8)], axis=-1)
    by_number = [accuracy(approvals(verdicts[..., :m]), answers) for m in (1, 2, 4, 8)]
    assert all(more > fewer + 0.02 for fewer, more in itertools.pairwise(by_number))
    singly = [accuracy(approvals(verdicts[..., m : m + 1]), answers) for m in range(8)]
    assert by_number[-1] > max(singly) + 0.1
