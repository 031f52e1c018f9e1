"""Tournaments: who meets whom, what they end with, and what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.judges import Ballot, BothOrders
from jurist.rewards import Cohort, Compared, Matches, aggregated, win_rates
from jurist.search import (
    knockout,
    knockout_failure_bound,
    knockout_rounds,
    knockout_success,
    league_failure_bound,
    league_rounds,
    majority_accuracy,
    met,
    play,
    replay,
    swiss_rounds,
)
from jurist.types import Failure, Judgement, Verdict, user
from jurist.worlds.scripted import ScriptedJudge, confusion_of

SEEDS = (11, 12, 13)
PROMPT = user("q")


def swiss(order, num_rounds=4):
    return swiss_rounds(order, num_rounds=num_rounds)


def league(order):
    return league_rounds(order, num_opponents=4)


TOURNAMENTS = {
    "all-pairs": league_rounds,
    "league": league,
    "swiss": swiss,
    "knockout": knockout_rounds,
}
tournaments = pytest.mark.parametrize("tournament", TOURNAMENTS.values(), ids=TOURNAMENTS)


def by_length(accuracy: float, **faults) -> ScriptedJudge:
    return ScriptedJudge(quality=len, confusion=confusion_of(accuracy), **faults)


def texts_of(lengths) -> list[str]:
    return ["a" * length for length in lengths]


lengths = st.lists(st.integers(1, 40), min_size=1, max_size=14, unique=True)


@tournaments
@given(lengths=lengths, seed=st.integers(0, 3))
def test_nobody_meets_anyone_twice_and_rounds_are_of_different_responses(tournament, lengths, seed):
    cohort = Cohort(prompt=PROMPT, responses=tuple(texts_of(lengths)))
    (compared,) = play(by_length(0.7), [cohort], tournament, seed=seed)
    pairs = [frozenset((one.first, one.second)) for one in compared]
    assert len(set(pairs)) == len(pairs)
    assert all(len(pair) == 2 for pair in pairs)


@tournaments
@given(lengths=lengths, seed=st.integers(0, 3), dice=st.randoms())
def test_the_order_of_responses_changes_nothing(tournament, lengths, seed, dice):
    texts = texts_of(lengths)
    turned = list(texts)
    dice.shuffle(turned)
    one, two = (
        play(by_length(0.7), [Cohort(prompt=PROMPT, responses=tuple(of))], tournament, seed=seed)
        for of in (texts, turned)
    )
    assert one == two


@tournaments
@given(lengths=lengths, seed=st.integers(0, 3))
def test_a_replay_takes_what_was_played(tournament, lengths, seed):
    cohort = Cohort(prompt=PROMPT, responses=tuple(texts_of(lengths)))
    judge = by_length(0.7)
    (everyone,) = play(judge, [cohort], league_rounds, seed=seed)
    # The judge's readings hang on who is shown first, so the tournament replays itself.
    (live,) = play(judge, [cohort], tournament, seed=seed)
    assert replay(cohort, met(live), tournament, seed=seed) == live
    again = replay(cohort, met(everyone), tournament, seed=seed)
    assert len(replay(cohort, met(again), tournament, seed=seed)) == len(again)


@tournaments
@given(lengths=st.lists(st.integers(1, 40), min_size=2, max_size=12, unique=True))
def test_by_a_judge_that_never_errs_the_best_wins_or_nobody_wins_more(tournament, lengths):
    texts = texts_of(lengths)
    cohort = Cohort(prompt=PROMPT, responses=tuple(texts))
    if tournament is knockout_rounds:
        (choice,) = knockout(by_length(1.0), [cohort])
        assert texts[choice.place] == max(texts, key=len)
        return
    (compared,) = play(by_length(1.0), [cohort], tournament)
    # Strengths would weigh whom it beat; of who never met it a league knows nothing.
    (found,) = aggregated([cohort], [compared], aggregation="win-rate")
    assert max(texts, key=len) in {texts[place] for place in found.best}


@pytest.mark.parametrize("num", [2, 5, 8, 16])
def test_a_swiss_tournament_costs_half_a_comparison_a_round_and_response(num):
    cohort = Cohort(prompt=PROMPT, responses=tuple(texts_of(range(1, num + 1))))
    (compared,) = play(by_length(1.0), [cohort], swiss)
    most = min(4 * num // 2, num * (num - 1) // 2)
    # An odd one out sits the round out.
    assert most - 2 <= len(compared) <= most
    meetings = [
        sum(text in (one.first, one.second) for one in compared) for text in cohort.responses
    ]
    assert max(meetings) <= 4


def test_the_second_round_of_a_swiss_tournament_has_winners_meet_winners():
    rounds = swiss(["w", "x", "y", "z"], num_rounds=2)
    assert next(rounds) == [("w", "x"), ("y", "z")]
    outcomes = [compared("w", "x", Verdict.SECOND), compared("y", "z", Verdict.FIRST)]
    assert rounds.send(outcomes) == [("x", "y"), ("w", "z")]


def test_a_failure_moves_nobody_and_is_not_asked_again():
    rounds = swiss(["w", "x", "y", "z"], num_rounds=2)
    next(rounds)
    outcomes = [compared("w", "x", Failure.REFUSED), compared("y", "z", Verdict.SECOND)]
    # z leads, w and x stand where they stood, y is last.
    assert rounds.send(outcomes) == [("z", "w"), ("x", "y")]


def compared(first, second, outcome) -> Compared:
    ballot = Ballot.of([Judgement(text="", outcome=outcome)])
    return Compared(first=first, second=second, ballot=ballot)


def test_a_liking_for_the_first_place_cancels_over_both_orders():
    texts = texts_of(range(1, 9))
    cohort = Cohort(prompt=PROMPT, responses=tuple(texts))
    biased = by_length(1 - 1e-9, first_bias=5.0, states_probability=True)
    (choice,) = knockout(BothOrders(biased), [cohort])
    assert texts[choice.place] == texts[-1]


@given(
    accuracy=st.floats(0.5, 1.0),
    right=st.floats(0.0, 1.0),
    power=st.integers(0, 7),
    votes=st.integers(1, 15),
)
def test_a_bound_is_never_below_what_it_bounds(accuracy, right, power, votes):
    asked = {"num_responses": 2**power, "num_votes": votes}
    failing = 1 - knockout_success(right, accuracy, **asked)
    assert failing <= knockout_failure_bound(right, accuracy, **asked) + 1e-12


@given(accuracy=st.floats(0.5, 1.0), votes=st.integers(1, 20))
def test_a_majority_is_at_least_as_good_as_a_vote_and_a_tie_adds_nothing(accuracy, votes):
    assert majority_accuracy(accuracy, votes) >= accuracy - 1e-9
    if votes % 2:
        assert majority_accuracy(accuracy, votes + 1) == pytest.approx(
            majority_accuracy(accuracy, votes)
        )


def test_bounds_match_hand_worked_values():
    # (1 - .2)^16 + 4 exp(-34 * .09); and where the votes say nothing, no more than 1.
    bound = knockout_failure_bound(0.2, 0.8, num_responses=16, num_votes=17)
    assert bound == pytest.approx(0.8**16 + 4 * math.exp(-3.06))
    assert knockout_failure_bound(0.2, 0.5, num_responses=16, num_votes=17) == 1.0
    # One round of two: both right, or one of them and the comparison of one vote.
    assert knockout_success(0.5, 0.8, num_responses=2, num_votes=1) == pytest.approx(0.25 + 0.4)
    league_bound = league_failure_bound(0.5, 0.45, num_responses=64, num_opponents=63)
    assert league_bound == pytest.approx(0.5**64 + 64 * math.exp(-63 * 0.45**2 / 2))
    with pytest.raises(ValueError, match="power of 2, got 6"):
        knockout_success(0.2, 0.8, num_responses=6, num_votes=1)


def cohorts_of(num, size, right, dice) -> list[Cohort]:
    """Cohorts of responses of which each is right with a probability, all texts different."""
    return [
        Cohort(
            prompt=user(f"q{i}"),
            responses=tuple(
                f"{'right' if draw < right else 'wrong'} {j}"
                for j, draw in enumerate(dice.random(size))
            ),
        )
        for i in range(num)
    ]


def knocked_out(num, size, right, accuracy, votes, seed) -> float:
    """How often a knockout of scripted judges ends with a right response."""
    judge = ScriptedJudge(
        quality=lambda text: float(text.startswith("right")),
        # Of two right or two wrong ones it says a tie, and the draw decides.
        confusion=confusion_of(accuracy),
        num_samples=votes,
        seed=seed,
    )
    cohorts = cohorts_of(num, size, right, np.random.default_rng(seed))
    chosen = knockout(judge, cohorts, seed=seed)
    return float(
        np.mean(
            [
                cohort.responses[one.place].startswith("right")
                for cohort, one in zip(cohorts, chosen, strict=True)
            ]
        )
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_failures_of_a_knockout_stay_below_the_bound_where_it_bites(seed):
    found = knocked_out(150, 16, 0.2, 0.8, 17, seed)
    bound = knockout_failure_bound(0.2, 0.8, num_responses=16, num_votes=17)
    assert 1 - found <= bound < 0.25
    exact = knockout_success(0.2, 0.8, num_responses=16, num_votes=17)
    assert found == pytest.approx(exact, abs=3 * math.sqrt(exact * (1 - exact) / 150) + 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_knockout_of_64_turns_a_fifth_into_nineteen_twentieths(seed):
    # .95 by the recursion; within .03 of it.
    assert knocked_out(600, 64, 0.2, 0.65, 9, seed) == pytest.approx(0.95, abs=0.03)


def test_the_recursion_says_what_the_slow_test_finds():
    assert knockout_success(0.2, 0.65, num_responses=64, num_votes=9) == pytest.approx(
        0.95, abs=0.005
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_failures_of_a_league_stay_below_the_bound_where_it_bites(seed):
    dice, size, accuracy, right = np.random.default_rng(seed), 64, 0.95, 0.3
    bound = league_failure_bound(right, accuracy - 0.5, num_responses=size, num_opponents=size - 1)
    failed = 0
    for _ in range(200):
        good = dice.random(size) < right
        chance = 0.5 + (accuracy - 0.5) * np.subtract.outer(good * 1.0, good * 1.0)
        won = np.triu(dice.random((size, size)) < chance, 1)
        wins = won + np.tril(~won.T, -1)
        everyone = Matches(
            wins=wins.astype(float), met=~np.eye(size, dtype=bool), copies=np.ones(size)
        )
        failed += not good[int(win_rates(everyone).argmax())]
    assert failed / 200 <= bound < 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_swiss_finds_the_best_more_often_than_a_league_of_as_many_comparisons(seed):
    # 16 responses a nat apart, at most 32 comparisons: by .2 at least.
    qualities = {f"{i:02d}": float(i) for i in range(16)}
    judge = BradleyTerry(qualities, np.random.default_rng(seed))
    cohorts = [Cohort(prompt=user(f"q{i}"), responses=tuple(qualities)) for i in range(150)]
    swiss_made, league_made = (play(judge, cohorts, tournament) for tournament in (swiss, league))
    assert {len(made) for made in league_made} == {32}
    assert max(len(made) for made in swiss_made) == 32
    found = [
        np.mean([(15 in one.best) / len(one.best) for one in aggregated(cohorts, made)])
        for made in (swiss_made, league_made)
    ]
    assert found[0] > found[1] + 0.2


class BradleyTerry:
    """Prefers a response with the probability that its quality gives it over the other."""

    def __init__(self, qualities, dice):
        self.qualities, self.dice = qualities, dice

    def __call__(self, comparisons):
        return [[self.judgement(one)] for one in comparisons]

    def judgement(self, one):
        ahead = self.qualities[one.first] - self.qualities[one.second]
        won = self.dice.random() < 1 / (1 + math.exp(-ahead))
        return Judgement(text="", outcome=Verdict.FIRST if won else Verdict.SECOND)
