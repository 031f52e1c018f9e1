"""Ballots: counts worked by hand, and the laws that hold whatever the votes."""

import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jurist.judges import PROBABILITY_FLOOR, Ballot, ballots
from jurist.types import Comparison, Failure, Judgement, Verdict, user

FIRST, SECOND, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE
OUTCOMES = st.sampled_from([*Verdict, *Failure])


def said(
    outcome, *, probability=None, strength=None, swapped=False, num_tokens=0, num_prompt_tokens=0
):
    return Judgement(
        text="",
        outcome=outcome,
        probability=probability,
        strength=strength,
        swapped=swapped,
        num_tokens=num_tokens,
        num_prompt_tokens=num_prompt_tokens,
    )


def of(*outcomes) -> Ballot:
    return Ballot.of(said(outcome) for outcome in outcomes)


JUDGEMENTS = st.builds(
    said,
    OUTCOMES,
    probability=st.one_of(st.none(), st.floats(0.0, 1.0)),
    strength=st.one_of(st.none(), st.floats(-3.0, 3.0)),
    swapped=st.booleans(),
    num_tokens=st.integers(0, 9),
)
BALLOTS = st.lists(JUDGEMENTS, min_size=1, max_size=12).map(Ballot.of)


class Reverse(random.Random):
    """Shuffles by turning round: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1."""

    def shuffle(self, x):
        x.reverse()


REVERSE = Reverse()
VOTES = st.lists(st.builds(said, OUTCOMES, swapped=st.booleans()), min_size=1, max_size=12)


def test_votes_ties_and_failures_are_counted_by_kind():
    ballot = of(FIRST, SECOND, FIRST, TIE, Failure.TRUNCATED, Failure.TRUNCATED, Failure.REFUSED)
    assert (ballot.first, ballot.second, ballot.ties) == (2, 1, 1)
    assert (ballot.num_verdicts, ballot.num_failures) == (4, 3)
    assert ballot.failures == {
        Failure.TRUNCATED: 2,
        Failure.UNPARSEABLE: 0,
        Failure.REFUSED: 1,
        Failure.ERROR: 0,
    }


@pytest.mark.parametrize(
    ("outcomes", "outcome", "probability"),
    [
        # (k + 0.5) / (n + 1), a tie half a vote
        ([FIRST], FIRST, 1.5 / 2),
        ([SECOND], SECOND, 0.5 / 2),
        ([TIE], TIE, 1 / 2),
        ([FIRST, SECOND], TIE, 1.5 / 3),
        ([FIRST, FIRST, SECOND], FIRST, 2.5 / 4),
        ([FIRST, TIE], FIRST, 2 / 3),
        ([FIRST, TIE, TIE, TIE, SECOND, SECOND], SECOND, 3 / 7),
        ([FIRST, Failure.TRUNCATED, Failure.TRUNCATED], FIRST, 1.5 / 2),
        ([FIRST] * 32, FIRST, 32.5 / 33),
        ([Failure.REFUSED], Failure.REFUSED, None),
        ([Failure.ERROR, Failure.UNPARSEABLE, Failure.ERROR], Failure.ERROR, None),
        # as common as each other: the one named first
        ([Failure.ERROR, Failure.REFUSED, Failure.UNPARSEABLE], Failure.UNPARSEABLE, None),
    ],
)
def test_the_majority_and_the_smoothed_share_of_votes(outcomes, outcome, probability):
    ballot = of(*outcomes)
    assert ballot.outcome is outcome
    assert ballot.probability == probability


def test_stated_probabilities_are_averaged_over_the_verdicts():
    ballot = Ballot.of(
        [
            said(FIRST, probability=0.9),
            said(SECOND, probability=0.2, swapped=True),
            said(Failure.ERROR),
        ]
    )
    # (0.9 + 0.2) / 2: the orders contradict each other, and the surer one settles it.
    assert ballot.probability == pytest.approx(0.55, abs=1e-15)
    assert ballot.outcome is FIRST
    assert ballot.flip is True


def test_one_verdict_without_a_probability_makes_it_a_matter_of_votes():
    ballot = Ballot.of([said(FIRST, probability=0.9), said(FIRST)])
    assert ballot.probability == 2.5 / 3


def test_certainty_is_kept_off_by_the_floor():
    sure = Ballot.of([said(FIRST, probability=1.0)])
    assert sure.probability == 1.0 - PROBABILITY_FLOOR
    assert sure.log_odds == pytest.approx(math.log(999_999))
    assert Ballot.of([said(SECOND, probability=0.0)]).probability == PROBABILITY_FLOOR


def test_log_odds_of_three_to_one():
    assert of(FIRST).log_odds == pytest.approx(math.log(3))
    assert of(SECOND).log_odds == pytest.approx(-math.log(3))
    assert of(Failure.TRUNCATED).log_odds is None


@pytest.mark.parametrize(
    ("given_order", "swapped_order", "flip"),
    [
        ([FIRST], [FIRST], False),
        ([FIRST], [SECOND], True),
        ([TIE], [TIE], False),
        ([FIRST, SECOND], [TIE], False),
        ([FIRST], [TIE], True),
        ([FIRST, FIRST, SECOND], [SECOND, SECOND, FIRST], True),
        ([FIRST, FIRST, SECOND], [FIRST, Failure.ERROR], False),
        ([FIRST], [], None),
        ([], [FIRST], None),
        ([FIRST], [Failure.TRUNCATED], None),
        ([Failure.TRUNCATED], [Failure.TRUNCATED], None),
    ],
)
def test_a_flip_is_two_orders_that_disagree(given_order, swapped_order, flip):
    ballot = Ballot.of(
        [*(said(o) for o in given_order), *(said(o, swapped=True) for o in swapped_order)]
    )
    assert ballot.flip is flip


def test_the_first_slot_share_goes_by_what_the_judge_was_shown():
    # Swapped, a verdict for the second response is one for what stood first.
    ballot = Ballot.of(
        [said(FIRST), said(SECOND), said(TIE), said(SECOND, swapped=True), said(Failure.ERROR)]
    )
    assert ballot.num_first_slot == 2
    assert ballot.first_slot_share == pytest.approx(2 / 3)
    assert of(TIE, Failure.ERROR).first_slot_share is None


def test_the_bill_counts_failures_too():
    ballot = Ballot.of(
        [
            said(FIRST, num_tokens=5, num_prompt_tokens=100),
            said(Failure.TRUNCATED, num_tokens=64, num_prompt_tokens=100),
        ]
    )
    assert (ballot.num_tokens, ballot.num_prompt_tokens) == (69, 200)


def test_a_ballot_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one judgement"):
        Ballot.of([])


def test_ballots_are_one_per_comparison_in_order():
    shown = [
        Comparison(prompt=user("q"), first=first, second=second)
        for first, second in ("ab", "ba", "cc")
    ]

    def judge(comparisons):
        return [
            [said(FIRST if c.first < c.second else SECOND if c.second < c.first else TIE)]
            for c in comparisons
        ]

    assert [ballot.outcome for ballot in ballots(judge, shown)] == [FIRST, SECOND, TIE]


def test_a_judge_that_loses_a_comparison_is_caught():
    shown = [Comparison(prompt=user("q"), first="a", second="b")] * 2
    with pytest.raises(ValueError, match="about 2 comparisons and answered on 1"):
        ballots(lambda comparisons: [[said(FIRST)]], shown)


@settings(deadline=None)
@given(BALLOTS)
def test_log_odds_are_finite_whatever_the_votes(ballot: Ballot):
    if ballot.num_verdicts:
        assert ballot.probability is not None
        assert 0.0 < ballot.probability < 1.0
        assert math.isfinite(ballot.log_odds)
    else:
        assert ballot.probability is None
        assert ballot.log_odds is None
        assert isinstance(ballot.outcome, Failure)


def test_a_strength_is_the_mean_of_those_stated_and_no_vote():
    ballot = Ballot.of(
        (
            said(FIRST, strength=1.0),
            said(FIRST, strength=0.5),
            said(SECOND, strength=-3.0, swapped=True),
            said(Failure.TRUNCATED),
        )
    )
    assert ballot.strength == pytest.approx(-0.5)
    assert ballot.outcome is FIRST
    assert of(FIRST, SECOND).strength is None


def test_a_mean_a_rounding_away_from_a_half_is_even():
    ballot = Ballot.of((said(FIRST, probability=0.0), said(FIRST, probability=0.9999999999999999)))
    assert ballot.outcome is TIE


@settings(deadline=None)
@given(BALLOTS)
def test_the_judgements_of_the_swapped_comparison_give_the_swapped_ballot(ballot: Ballot):
    other = Ballot.of(judgement.mapped_back() for judgement in ballot.judgements)
    assert (other.first, other.second, other.ties) == (ballot.second, ballot.first, ballot.ties)
    assert other.failures == ballot.failures
    assert other.flip is ballot.flip
    assert other.first_slot_share == ballot.first_slot_share
    if ballot.strength is not None:
        assert other.strength == pytest.approx(-ballot.strength)
    if isinstance(ballot.outcome, Verdict):
        assert other.outcome is ballot.outcome.swapped()
        assert other.probability == pytest.approx(1 - ballot.probability, abs=1e-9)
        assert other.log_odds == pytest.approx(-ballot.log_odds, abs=1e-6)
    else:
        assert other.outcome is ballot.outcome


@settings(deadline=None)
@given(VOTES)
def test_of_votes_outcome_and_probability_never_contradict(votes):
    ballot = Ballot.of(votes)
    if ballot.num_verdicts:
        sides = {FIRST: 1, TIE: 0, SECOND: -1}
        above = (ballot.probability > 0.5) - (ballot.probability < 0.5)
        assert sides[ballot.outcome] == above


@settings(deadline=None)
@given(st.lists(JUDGEMENTS, min_size=1, max_size=8), st.randoms())
@example([said(FIRST, probability=p) for p in (0.1, 0.2, 0.3)], REVERSE)
def test_the_order_of_the_judgements_does_not_matter(judgements, random):
    shuffled = list(judgements)
    random.shuffle(shuffled)
    one, other = Ballot.of(judgements), Ballot.of(shuffled)
    for name in ("first", "second", "ties", "failures", "outcome", "probability", "flip"):
        assert getattr(one, name) == getattr(other, name)
    assert one.first_slot_share == other.first_slot_share
