"""The scripted world keeps to its numbers."""

import math

import numpy as np
import pytest

from jurist.judges import BothOrders, ballots
from jurist.search import majority_accuracy
from jurist.types import Comparison, Failure, Verdict, user
from jurist.worlds.scripted import (
    COMMON,
    RIGHT,
    Rater,
    ScriptedJudge,
    Solver,
    Verifier,
    confusion_of,
    juror_votes,
)

SHOWN = [Comparison(prompt=user(f"q{i}"), first="aa", second="a") for i in range(4_000)]


def outcomes(judge, comparisons=SHOWN):
    said = [one.outcome for (one,) in judge(comparisons)]
    return {outcome: said.count(outcome) / len(said) for outcome in set(said)}


def longer(confusion, **settings):
    return ScriptedJudge(quality=len, confusion=confusion, **settings)


def test_a_judge_errs_as_its_confusion_says():
    found = outcomes(longer(confusion_of(0.7, ties=0.2, failures=0.1)))
    wanted = {
        Verdict.FIRST: 0.504,
        Verdict.SECOND: 0.216,
        Verdict.TIE: 0.18,
        Failure.UNPARSEABLE: 0.1,
    }
    assert found == pytest.approx(wanted, abs=0.03)
    assert sum(wanted.values()) == pytest.approx(1)


def test_biases_are_log_odds_for_the_first_and_for_the_longer():
    even = confusion_of(0.5)
    first = longer(even, first_bias=math.log(3))
    assert first.probabilities(SHOWN[0])[Verdict.FIRST] == pytest.approx(0.75)
    assert first.probabilities(SHOWN[0].swapped())[Verdict.FIRST] == pytest.approx(0.75)
    wordy = longer(even, length_bias=math.log(3))
    assert wordy.probabilities(SHOWN[0])[Verdict.FIRST] == pytest.approx(0.75)
    assert wordy.probabilities(SHOWN[0].swapped())[Verdict.SECOND] == pytest.approx(0.75)


def test_a_reading_depends_on_the_seed_the_comparison_and_its_number_alone():
    judge = longer(confusion_of(0.6), num_samples=3)
    assert judge(SHOWN[:9])[4] == judge(SHOWN[4:5])[0]
    assert judge(SHOWN[:50]) != longer(confusion_of(0.6), num_samples=3, seed=1)(SHOWN[:50])
    fewer = longer(confusion_of(0.6), num_samples=2)
    assert [one[:2] for one in judge(SHOWN[:9])] == fewer(SHOWN[:9])


def test_equal_responses_are_tied():
    equal = Comparison(prompt=user("q"), first="a", second="b")
    assert longer(confusion_of(0.9))([equal])[0][0].outcome is Verdict.TIE


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("votes", [1, 3, 8, 15])
def test_accuracy_over_votes_is_the_binomial_curve(seed, votes):
    # Within three standard errors of 4,000 ballots.
    judge = longer(confusion_of(0.62), num_samples=votes, seed=seed)
    verdicts = [ballot.outcome for ballot in ballots(judge, SHOWN)]
    credit = {Verdict.FIRST: 1.0, Verdict.TIE: 0.5, Verdict.SECOND: 0.0}
    found = np.mean([credit[verdict] for verdict in verdicts])
    assert found == pytest.approx(majority_accuracy(0.62, votes), abs=3 * 0.5 / math.sqrt(4_000))


def test_both_orders_take_a_bias_for_the_first_place_away():
    judge = longer(confusion_of(0.7), first_bias=2.0, states_probability=True)
    for shown in (SHOWN[0], SHOWN[0].swapped()):
        (ballot,) = ballots(BothOrders(judge), [shown])
        assert ballot.outcome is (Verdict.FIRST if shown is SHOWN[0] else Verdict.SECOND)
    (one,) = judge(SHOWN[:1])[0]
    assert one.probability == pytest.approx(0.7 * math.e**2 / (0.7 * math.e**2 + 0.3))


def test_a_solver_is_right_and_wrong_as_often_as_it_says():
    drawn = Solver(ability=(3.0, 1.0), common=0.5).sample(5_000, 4, np.random.default_rng(1))
    right, common = drawn.answers == RIGHT, drawn.answers == COMMON
    assert right.mean() == pytest.approx(0.75, abs=0.02)
    assert common.sum() / (~right).sum() == pytest.approx(0.5, abs=0.03)
    gap = drawn.certainty[right].mean() - drawn.certainty[~right].mean()
    assert gap == pytest.approx(1.2, abs=0.05)


def test_a_verifier_says_yes_to_what_is_right_and_to_what_fools_it_alike():
    answers = np.tile([RIGHT, COMMON, 5, 5], (4_000, 1))
    readings = Verifier(fooled=0.3).readings(answers, 1, np.random.default_rng(1))[..., 0]
    assert readings[:, 0].mean() == pytest.approx(0.9, abs=0.02)
    assert readings[:, 1].mean() == pytest.approx(0.15, abs=0.02)
    assert readings[:, 2].mean() == pytest.approx(0.3 * 0.9 + 0.7 * 0.15, abs=0.03)
    # Fooled by an answer, it is fooled by it wherever it stands.
    assert np.corrcoef(readings[:, 2], readings[:, 3])[0, 1] > 0.3


def test_only_sound_runs_tell_the_right_answer_and_their_ratings_tell_them():
    answers = np.tile([RIGHT, COMMON], (4_000, 1))
    scores, rating = Rater(soundness=0.5).runs(answers, 1, np.random.default_rng(1))
    assert set(np.unique(scores)) <= set(range(1, 11))
    gap = scores[:, 0, 0] - scores[:, 0, 1]
    assert gap.mean() == pytest.approx(1.0, abs=0.15)
    assert np.corrcoef(gap, rating[:, 0])[0, 1] > 0.15


def test_jurors_say_what_their_confusion_says():
    confusion = np.array([[[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]]])
    truth = np.repeat([0, 1], 5_000)
    said = juror_votes(truth, confusion, np.random.default_rng(1))
    assert said.shape == (10_000, 1)
    for kind in (0, 1):
        shares = np.bincount(said[truth == kind, 0], minlength=3) / 5_000
        np.testing.assert_allclose(shares, confusion[0, kind], atol=0.03)
