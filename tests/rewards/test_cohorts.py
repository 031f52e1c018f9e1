"""Cohorts rewarded by a judge or a scorer: laws of order, copies, failures and ties."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.judges import Ballot, BothOrders
from jurist.rewards import (
    Cohort,
    Compared,
    PairwiseReward,
    PointwiseReward,
    ReferenceReward,
    aggregated,
    cohort_comparisons,
    drawn_order,
)
from jurist.types import Failure, Judgement, Verdict, user

PROMPT = user("q")
AGGREGATIONS = ("bradley-terry", "win-rate")


def by_table(first: str, second: str) -> float | None:
    """A probability of its own for each pair, whichever is first; some fail, some tie."""
    dice = random.Random(" ".join(sorted((first, second))))
    kind = dice.random()
    if kind < 0.15:
        return None
    p = 0.5 if kind < 0.25 else dice.uniform(0.02, 0.98)
    return p if first < second else 1 - p


def cohort(*responses: str) -> Cohort:
    return Cohort(prompt=PROMPT, responses=responses)


responses = st.lists(st.text("abcdef", min_size=1, max_size=2), min_size=1, max_size=7)


@given(
    texts=responses,
    order=st.randoms(use_true_random=False),
    num_opponents=st.none() | st.integers(2, 5),
    aggregation=st.sampled_from(AGGREGATIONS),
    seed=st.integers(0, 3),
)
def test_permuting_the_responses_permutes_the_rewards(
    make_stating, texts, order, num_opponents, aggregation, seed
):
    places = list(range(len(texts)))
    order.shuffle(places)
    straight, turned = make_stating(by_table), make_stating(by_table)
    settings = {"num_opponents": num_opponents, "aggregation": aggregation, "seed": seed}
    (one,) = PairwiseReward(judge=straight, **settings)([cohort(*texts)])
    (other,) = PairwiseReward(judge=turned, **settings)([cohort(*(texts[i] for i in places))])
    # To the last bit, and the judge is asked the same.
    assert other.rewards == tuple(one.rewards[i] for i in places)
    assert set(straight.asked) == set(turned.asked)


@given(texts=responses, aggregation=st.sampled_from(AGGREGATIONS))
def test_rewards_are_centred_and_copies_have_one_reward(make_stating, texts, aggregation):
    reward = PairwiseReward(judge=make_stating(by_table), aggregation=aggregation)
    (found,) = reward([cohort(*texts)])
    known = [value for value in found.rewards if value is not None]
    assert math.fsum(known) == pytest.approx(0, abs=1e-9)
    assert len(set(zip(texts, found.rewards, strict=True))) == len(set(texts))
    assert all({one.first, one.second} <= set(texts) for one in found.comparisons)


@given(cohorts=st.lists(responses, min_size=1, max_size=4))
def test_other_cohorts_do_not_matter_and_one_call_asks_for_all(make_stating, cohorts):
    judge = make_stating(by_table)
    together = PairwiseReward(judge=judge)([cohort(*texts) for texts in cohorts])
    assert judge.calls == 1
    for texts, found in zip(cohorts, together, strict=True):
        (alone,) = PairwiseReward(judge=make_stating(by_table))([cohort(*texts)])
        assert found.rewards == pytest.approx(alone.rewards)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("texts", [("a",), ("a", "a", "a")])
def test_a_response_alone_is_the_average_and_nobody_is_asked(make_stating, aggregation, texts):
    judge = make_stating(by_table)
    (found,) = PairwiseReward(judge=judge, aggregation=aggregation)([cohort(*texts)])
    assert (found.rewards, judge.asked, found.best) == (
        (0.0,) * len(texts),
        [],
        (0, 1, 2)[: len(texts)],
    )


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_ties_all_round_are_no_difference(make_stating, aggregation):
    reward = PairwiseReward(judge=make_stating(lambda *_: 0.5), aggregation=aggregation)
    (found,) = reward([cohort("a", "b", "c")])
    assert found.rewards == pytest.approx((0, 0, 0), abs=1e-12)
    assert found.num_failed == 0


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_where_all_fails_there_is_no_reward_and_all_is_counted(make_stating, aggregation):
    reward = PairwiseReward(judge=make_stating(lambda *_: None), aggregation=aggregation)
    (found,) = reward([cohort("a", "b", "c")])
    assert found.rewards == (None, None, None)
    assert (found.num_failed, found.num_unknown, found.num_tokens) == (3, 3, 9)
    assert found.best == (0, 1, 2)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_only_what_never_came_to_a_verdict_is_without_a_reward(make_stating, aggregation):
    judge = make_stating(lambda *texts: None if "x" in texts else 0.8 if texts[0] == "a" else 0.2)
    (found,) = PairwiseReward(judge=judge, aggregation=aggregation)([cohort("x", "a", "b")])
    unknown, better, worse = found.rewards
    assert unknown is None
    assert better == pytest.approx(-worse)
    assert better > 0
    assert found.best == (1,)
    assert (found.num_failed, len(found.comparisons)) == (2, 3)


def test_votes_of_both_orders_become_a_smoothed_probability(make_stating):
    # A judge that always says first: one vote each way in both orders, so half and half.
    def first(comparisons):
        return [[Judgement(text="", outcome=Verdict.FIRST)] * 4 for _ in comparisons]

    (found,) = PairwiseReward(judge=BothOrders(first))([cohort("a", "bb", "ccc")])
    assert found.rewards == pytest.approx((0, 0, 0), abs=1e-12)
    assert [one.ballot.probability for one in found.comparisons] == [0.5] * 3


@given(texts=responses, num_opponents=st.integers(2, 4))
def test_no_response_is_always_the_first(texts, num_opponents):
    made = cohort_comparisons(cohort(*texts), num_opponents=num_opponents)
    for text in set(texts):
        shown = [one.first == text for one in made if text in (one.first, one.second)]
        assert len(shown) < 3 or 0 < sum(shown) < len(shown)


def test_the_drawn_order_is_of_the_seed_and_prompt_too():
    texts = [str(i) for i in range(9)]
    orders = [drawn_order(user(q), texts, seed=seed) for q in "pq" for seed in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert all(sorted(order) == texts for order in orders)


def ballot(p: float) -> Ballot:
    return Ballot.of([Judgement(text="", outcome=Verdict.FIRST, probability=p)])


@pytest.mark.parametrize(
    "pairs", [[("a", "a")], [("a", "c")], [("a", "b"), ("b", "a")]], ids=["self", "else", "twice"]
)
def test_comparisons_of_something_else_are_refused(pairs):
    compared = [Compared(first=a, second=b, ballot=ballot(0.9)) for a, b in pairs]
    with pytest.raises(ValueError, match="two different responses of it, no pair twice"):
        aggregated([cohort("a", "b")], [compared])


@given(texts=responses, order=st.randoms(use_true_random=False))
def test_scores_become_rewards_less_their_mean(texts, order):
    asked = []

    def scorer(prompts, given):
        asked.extend(given)
        return [math.nan if "f" in text else float(len(text)) for text in given]

    (found,) = PointwiseReward(scorer=scorer)([cohort(*texts)])
    known = [len(text) for text in texts if "f" not in text]
    for text, reward in zip(texts, found.rewards, strict=True):
        if "f" in text:
            assert reward is None
        else:
            assert reward == pytest.approx(len(text) - sum(known) / len(known))
    assert sorted(asked) == sorted(set(texts))


def test_a_scorer_that_loses_a_response_is_refused():
    with pytest.raises(ValueError, match="given 2 responses and gave 1"):
        PointwiseReward(scorer=lambda *_: [1.0])([cohort("a", "b")])


def test_the_reward_over_a_reference_is_the_smoothed_log_odds(make_stating):
    # 3 votes of 4, smoothed (3 + 0.5) / (4 + 1) = 0.7.
    def judge(comparisons):
        votes = [Verdict.FIRST] * 3 + [Verdict.SECOND]
        return [[Judgement(text="", outcome=vote) for vote in votes] for _ in comparisons]

    assert ReferenceReward(judge=judge)([PROMPT], ["a"], ["b"]) == [pytest.approx(math.log(7 / 3))]


def test_the_reference_itself_has_nothing_and_is_not_judged(make_stating):
    judge = make_stating(by_table)
    assert ReferenceReward(judge=judge)([PROMPT] * 2, ["b", "b"], ["b", "b"]) == [0.0, 0.0]
    assert judge.asked == []


def test_a_failure_against_the_reference_is_no_reward_and_copies_are_judged_once(make_stating):
    judge = make_stating(lambda first, _: None if first == "x" else 0.9)
    found = ReferenceReward(judge=judge)([PROMPT] * 3, ["a", "x", "a"], ["r"] * 3)
    assert found == [pytest.approx(math.log(9)), None, pytest.approx(math.log(9))]
    assert len(judge.asked) == 2


def test_failures_are_told_apart_from_ties():
    failed = Ballot.of([Judgement(text="", outcome=Failure.TRUNCATED)])
    assert Compared(first="a", second="b", ballot=failed).failed
    assert not Compared(first="a", second="b", ballot=ballot(0.5)).failed
