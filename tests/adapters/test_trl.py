"""What TRL asks of a reward function, without TRL: its call as version 1.16 makes it."""

import math

import pytest

from jurist.adapters import TRLCohortReward, TRLReward
from jurist.errors import ConfigError, DataError
from jurist.rewards import PairwiseReward, ReferenceReward


def longer(first: str, second: str) -> float | None:
    if "x" in (first, second):
        return None
    return 0.5 if len(first) == len(second) else 0.9 if len(first) > len(second) else 0.1


def turns(text, role="user"):
    return [{"role": role, "content": text}]


@pytest.fixture
def reward(make_stating):
    return TRLCohortReward(reward=PairwiseReward(judge=make_stating(longer)), num_generations=2)


def call(reward, prompts, completions, **columns):
    """As `GRPOTrainer._calculate_rewards` calls it."""
    logged = {}
    found = reward(
        prompts=prompts,
        completions=completions,
        completion_ids=[[1]] * len(prompts),
        trainer_state=object(),
        log_extra=lambda column, values: None,
        log_metric=logged.__setitem__,
        **columns,
    )
    return found, logged


def test_texts_are_rewarded_within_their_prompts(reward):
    found, logged = call(reward, ["p", "p", "q", "q"], ["aa", "b", "c", "x"], answer=[1, 1, 2, 2])
    assert found[0] == -found[1] > 0
    assert found[2:] == [None, None]
    assert logged == {
        "jurist/comparisons": 2.0,
        "jurist/failed_comparisons": 0.5,
        "jurist/without_reward": 0.5,
    }


def test_conversations_are_rewarded_as_texts_are(reward):
    prompts, completions = ["p", "q", "p", "q"], ["aa", "cc", "b", "d"]
    plain, _ = call(reward, prompts, completions)
    chat, _ = call(
        reward, [turns(p) for p in prompts], [turns(c, "assistant") for c in completions]
    )
    assert plain == chat
    assert all(value is not None for value in plain)


def test_groups_need_not_stand_together(reward):
    mixed, _ = call(reward, ["p", "q", "p", "q"], ["aa", "cc", "b", "d"])
    sorted_by_prompt, _ = call(reward, ["p", "p", "q", "q"], ["aa", "b", "cc", "d"])
    assert mixed == [sorted_by_prompt[i] for i in (0, 2, 1, 3)]


def test_part_of_a_group_is_refused(reward):
    with pytest.raises(ConfigError, match="3 completions of 'p' in one batch, and num_generations"):
        call(reward, ["p", "p", "p"], ["a", "b", "c"])


def test_two_groups_of_one_prompt_are_one_cohort(reward):
    found, logged = call(reward, ["p"] * 4, ["a", "bb", "ccc", "dddd"])
    assert sorted(found) == found
    assert logged["jurist/comparisons"] == 6.0


@pytest.mark.parametrize(
    "completion",
    [
        [],
        turns("a", "user"),
        turns("a", "assistant") + turns("b", "assistant"),
        [{"role": "assistant", "content": None}],
        7,
    ],
    ids=["empty", "user", "two turns", "no content", "number"],
)
def test_a_completion_that_is_not_one_answer_is_refused(reward, completion):
    with pytest.raises(DataError):
        call(reward, ["p", "p"], [completion, "b"])


def test_a_group_of_one_is_refused(make_stating):
    with pytest.raises(ConfigError, match="at least 2"):
        TRLCohortReward(reward=PairwiseReward(judge=make_stating(longer)), num_generations=1)


def test_trl_sees_the_name(reward, make_stating):
    assert reward.__name__ == "jurist"
    assert TRLCohortReward.__name__ == "TRLCohortReward"
    other = TRLReward(reward=ReferenceReward(judge=make_stating(longer)), name="mine")
    assert other.__name__ == "mine"


def test_a_column_holds_the_references(make_stating):
    reward = TRLReward(reward=ReferenceReward(judge=make_stating(longer)), column="reference")
    found, logged = call(reward, ["p", "p", "p"], ["aaa", "b", "x"], reference=["rr"] * 3)
    assert found == [pytest.approx(math.log(9)), pytest.approx(-math.log(9)), None]
    assert logged == {"jurist/without_reward": pytest.approx(1 / 3)}
    with pytest.raises(ConfigError, match=r"no column 'reference' .* it has \['answer'"):
        call(reward, ["p"], ["a"], answer=["1"])
