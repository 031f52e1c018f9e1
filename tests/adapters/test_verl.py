"""verl's `compute_score`, called as version 0.9 calls it: one response, by keyword."""

import math

import pytest

from jurist.adapters import from_verl, verl_compute_score
from jurist.errors import DataError, EngineError
from jurist.rewards import ReferenceReward
from jurist.types import user


def longer(first, second):
    return None if "x" in first else 0.9 if len(first) > len(second) else 0.1


def call(compute_score, text, ground_truth="two", **extra):
    """As verl's naive reward manager does."""
    info = {"prompt": [{"role": "user", "content": "Q"}], "num_turns": 2, **extra}
    return compute_score(
        data_source="primes",
        solution_str=text,
        ground_truth=ground_truth,
        extra_info=info,
        reward_router_address=None,
        reward_model_tokenizer=None,
    )


@pytest.fixture
def reward(make_stating):
    return ReferenceReward(judge=make_stating(longer))


def test_a_response_is_held_against_the_ground_truth(reward):
    compute_score = verl_compute_score(reward, ground_truth_is_reference=True)
    found = call(compute_score, "eleven")
    assert found == {"score": pytest.approx(math.log(9.0)), "without_reward": 0.0}
    text = compute_score("primes", "a", "two", {"prompt": "Q"})
    assert text["score"] == pytest.approx(-math.log(9.0))


def test_no_verdict_raises_or_counts_what_the_user_says_it_counts(reward):
    with pytest.raises(EngineError, match="primes: the judge came to no verdict"):
        call(verl_compute_score(reward, ground_truth_is_reference=True), "x")
    told = verl_compute_score(reward, ground_truth_is_reference=True, without_reward=-3.0)
    assert call(told, "x") == {"score": -3.0, "without_reward": 1.0}
    assert call(told, "a").keys() == call(told, "x").keys()


def test_what_is_missing_is_said(reward):
    compute_score = verl_compute_score(reward, ground_truth_is_reference=True)
    with pytest.raises(DataError, match=r"extra_info\['prompt'\], found \['question'\]"):
        compute_score("primes", "a", "two", {"question": "Q"})
    with pytest.raises(DataError, match="verl passes none"):
        compute_score("primes", "a", "two", None)
    with pytest.raises(DataError, match="ground truth that is the text"):
        call(compute_score, "a", ground_truth=7)
    asked = verl_compute_score(reward, prompt_key="question", ground_truth_is_reference=True)
    assert asked("primes", "eleven", "two", {"question": "Q"})["score"] > 0


def test_a_compute_score_becomes_a_scorer():
    def compute_score(data_source, solution_str, ground_truth, extra_info):
        assert data_source == "primes" and extra_info["prompt"][0]["content"] == "Q"
        return len(solution_str) if "y" in solution_str else {"score": -1.0, "other": 2.0}

    scorer = from_verl(compute_score, data_source="primes")
    assert scorer([user("Q"), user("Q")], ["yes", "no"]) == [3.0, -1.0]
