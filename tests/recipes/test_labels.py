"""What ballots make of pairs and pools, said of each in its own terms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.data import Candidate, Pool
from jurist.data.labelled import Votes
from jurist.judges import Ballot
from jurist.recipes.labels import best_and_worst, label_of
from jurist.rewards import CohortRewards, Compared
from jurist.types import Failure, Judgement, Preference, Verdict, user

PAIR = Preference(id="0", prompt=user("q"), chosen="one", rejected="two", group="g", margin=9.0)


def ballot(given: str, swapped: str = "") -> Ballot:
    """Votes in either order, in terms of the pair: f, s, t, or x for a failure."""
    outcomes = {
        "f": Verdict.FIRST,
        "s": Verdict.SECOND,
        "t": Verdict.TIE,
        "x": Failure.UNPARSEABLE,
    }
    return Ballot.of(
        Judgement(text="", outcome=outcomes[letter], swapped=order)
        for votes, order in ((given, False), (swapped, True))
        for letter in votes
    )


@pytest.mark.parametrize(
    ("votes", "reason", "chosen"),
    [
        (("fff", "fff"), "preferred", "one"),
        (("sss", "sss"), "preferred", "two"),
        (("ffs", "fss"), "flipped", None),
        (("ffx", "xxx"), "preferred", "one"),
        (("fst", "fst"), "tied", None),
        (("xxx", "xxx"), "no verdict", None),
    ],
)
def test_votes_become_a_label(votes, reason, chosen):
    label = label_of(PAIR, ballot(*votes), min_confidence=0.6, consistent=True)
    assert label.reason == reason
    assert label.preference.tie is (chosen is None)
    if chosen is not None:
        assert label.preference.chosen == chosen
        assert label.preference.rejected == ({"one", "two"} - {chosen}).pop()


def test_the_margin_is_the_log_odds_and_the_threshold_is_on_the_probability():
    # 5 votes of 6, smoothed 5.5 / 7.
    votes = ballot("fff", "ffs")
    label = label_of(PAIR, votes, min_confidence=0.78, consistent=True)
    assert (label.reason, label.confidence) == ("preferred", pytest.approx(5.5 / 7))
    assert label.preference.margin == pytest.approx(math.log(5.5 / 1.5))
    unsure = label_of(PAIR, votes, min_confidence=0.79, consistent=True)
    assert (unsure.reason, unsure.preference.tie, unsure.preference.margin) == (
        "unsure",
        True,
        None,
    )


def test_contradicting_orders_may_be_allowed():
    votes = ballot("fff", "fss")
    assert label_of(PAIR, votes, min_confidence=0.5, consistent=True).reason == "flipped"
    assert label_of(PAIR, votes, min_confidence=0.5, consistent=False).reason == "preferred"


@given(
    given=st.text("fstx", min_size=1, max_size=5),
    swapped=st.text("fstx", max_size=5),
    min_confidence=st.floats(0.5, 0.95),
)
def test_which_response_is_called_chosen_does_not_matter(given, swapped, min_confidence):
    votes = ballot(given, swapped)
    mirrored = Ballot.of(judgement.mapped_back() for judgement in votes.judgements)
    turned = Preference(id="0", prompt=user("q"), chosen="two", rejected="one", group="g")
    one = label_of(PAIR, votes, min_confidence=min_confidence, consistent=True)
    other = label_of(turned, mirrored, min_confidence=min_confidence, consistent=True)
    assert one.reason == other.reason
    if not one.preference.tie:
        assert one.preference.chosen == other.preference.chosen
        assert one.preference.margin == pytest.approx(other.preference.margin)


def test_the_opinion_is_in_terms_of_what_was_chosen():
    label = label_of(PAIR, ballot("sst", "sx"), min_confidence=0.5, consistent=True)
    assert (label.preference.chosen, label.preference.rejected) == ("two", "one")
    opinion = label.labelled("f" * 16).opinion
    assert opinion.probability == opinion.confidence == pytest.approx(4 / 5)
    assert opinion.votes == Votes(num_for=3, num_against=0, num_tie=1, num_failed=1, num_possible=5)
    # A tie is told of in terms of the first.
    tied = label_of(PAIR, ballot("ffs", "sss"), min_confidence=0.5, consistent=True)
    opinion = tied.labelled("f" * 16).opinion
    assert (opinion.votes.num_for, opinion.votes.num_against) == (2, 4)
    assert opinion.probability == pytest.approx(2.5 / 7)
    assert opinion.confidence == pytest.approx(4.5 / 7)
    assert (opinion.margin, opinion.flip) == (None, True)


POOL = Pool(
    id="p", prompt=user("q"), candidates=tuple(Candidate(text=text) for text in "abc"), group="g"
)


def test_of_a_pool_the_two_that_never_met_have_no_votes_of_their_own():
    rewards = CohortRewards(
        rewards=(-1.0, 0.0, 1.0),
        comparisons=(Compared(first="a", second="b", ballot=ballot("s", "s")),),
    )
    label = best_and_worst(POOL, rewards, min_confidence=0.6, consistent=True)
    assert (label.preference.chosen, label.preference.rejected) == ("c", "a")
    opinion = label.labelled("f" * 16).opinion
    assert (opinion.probability, opinion.votes, opinion.flip) == (None, None, None)
    assert opinion.confidence == pytest.approx(1 / (1 + math.exp(-2)))
    assert opinion.margin == 2.0


def test_of_a_pool_what_was_said_of_the_two_is_told_in_their_order():
    rewards = CohortRewards(
        rewards=(-1.0, 0.0, 1.0),
        comparisons=(Compared(first="a", second="c", ballot=ballot("ss", "sf")),),
    )
    label = best_and_worst(POOL, rewards, min_confidence=0.6, consistent=True)
    assert label.ballot is not None
    assert (label.ballot.first, label.ballot.second) == (3, 1)


@pytest.mark.parametrize(
    ("rewards", "reason"),
    [
        ((0.0, 0.0, 0.0), "tied"),
        ((0.1, 0.0, 0.0), "unsure"),
        ((1.0, 0.0, 0.0), "preferred"),
        ((1.0, None, None), "no verdict"),
    ],
)
def test_a_pool_whose_best_is_hardly_better_has_no_preference(rewards, reason):
    label = best_and_worst(
        POOL, CohortRewards(rewards=rewards), min_confidence=0.6, consistent=True
    )
    assert label.reason == reason
