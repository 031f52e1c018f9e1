"""Rewards that are watched: what a broken training shows is found, and a healthy one is left."""

import asyncio
import logging
import math
import random

import pytest

from jurist.adapters import TRLAsyncReward, TRLReward, WatchedReward
from jurist.errors import ConfigError, TrainingError
from jurist.rewards import RewardWatch, ScoreReward

PROMPTS = [f"prompt {number}" for number in range(16)]


def steps(watch: RewardWatch, num: int, *, length: int = 600, text: str = "", reward=None) -> int:
    """Rewarded batches of a policy; returns the call it stopped at, or 0."""
    rng = random.Random(length)
    for call in range(1, num + 1):
        responses = [
            text or "".join(rng.choices("abcdef ", k=length + rng.randrange(60))) for _ in PROMPTS
        ]
        rewards = [rng.gauss(0, 1) if reward is None else reward for _ in PROMPTS]
        try:
            watch.look(PROMPTS, responses, rewards)
        except TrainingError as error:
            assert error.exit_code == 1
            return call
    return 0


def test_a_healthy_training_goes_on():
    assert steps(RewardWatch(), 200) == 0


@pytest.mark.fault(17, "constant signal")
def test_rewards_that_are_all_one_stop_after_so_many_calls():
    assert steps(RewardWatch(), 50, reward=1.0) == 10
    assert steps(RewardWatch(num_calls=3), 50, reward=-2.0) == 3


def test_one_call_that_differs_begins_the_count_again():
    watch = RewardWatch()
    assert steps(watch, 9, reward=1.0) == 0
    assert steps(watch, 1) == 0
    assert steps(watch, 9, reward=1.0) == 0
    assert steps(watch, 1, reward=1.0) == 1


def test_calls_without_rewards_are_no_constant_rewards():
    watch = RewardWatch()
    for _ in range(30):
        seen = watch.look(PROMPTS, [f"{'x' * 200}{n}" for n in range(16)], [None] * 16)
        assert seen.reward_std is None


def test_a_reward_that_is_no_number_is_none():
    seen = RewardWatch().look(["p"] * 4, ["a", "b", "c", "d"], [1.0, math.nan, None, 3.0])
    assert seen.reward_std == 1.0


@pytest.mark.parametrize("reward", [math.inf, -math.inf])
def test_an_infinite_reward_stops_at_once(reward, caplog):
    with pytest.raises(TrainingError, match="call 1 of the reward: 1 of 3 rewards are infinite"):
        RewardWatch().look(["p"] * 3, ["a", "b", "c"], [1.0, reward, 3.0])
    warned = RewardWatch(guard="warn").look(["p"] * 3, ["a", "b", "c"], [1.0, reward, 3.0])
    assert warned.reward_std == 1.0
    assert "rewards are infinite" in caplog.text


@pytest.mark.fault(17, "collapse")
def test_responses_that_shrink_to_nothing_are_stopped_while_they_are_rewarded():
    watch = RewardWatch()
    assert steps(watch, 10) == 0
    stopped = steps(watch, 50, length=20)
    # When the short ones are the greater part of the last ten calls.
    assert stopped in (6, 7)


def test_what_shrinks_by_and_by_is_held_against_the_start():
    watch = RewardWatch()
    assert steps(watch, 10) == 0
    assert steps(watch, 40, length=150) == 0
    assert steps(watch, 20, length=60) > 0


def test_short_answers_from_the_start_are_nobodys_collapse():
    watch = RewardWatch()
    assert steps(watch, 10, length=10) == 0
    assert steps(watch, 50, length=1) == 0


@pytest.mark.fault(17, "collapse")
def test_one_text_to_every_prompt_is_the_sign_of_a_master_key():
    watch = RewardWatch(shorter=0.01)
    assert steps(watch, 10) == 0
    assert steps(watch, 50, text="Thought process: " * 30) == 9


def test_one_text_to_few_prompts_may_be_right():
    watch = RewardWatch(least_prompts=17, shorter=0.01)
    assert steps(watch, 50, text="Yes. " * 40) == 0


def test_what_is_allowed_is_said_once(caplog):
    caplog.set_level(logging.WARNING)
    assert steps(RewardWatch(guard="warn"), 40, reward=1.0) == 0
    assert caplog.text.count("nothing to learn from") == 1


def test_what_was_seen_is_told():
    seen = RewardWatch().look(["p", "p", "q", "q"], ["a", "a", "a", "bbb"], [0.0, 2.0, None, 4.0])
    assert seen.reward_std == pytest.approx((8 / 3) ** 0.5)
    assert (seen.median_characters, seen.one_text_rate) == (1.0, 0.75)


@pytest.mark.parametrize(
    "wrong",
    [{"num_calls": 1}, {"shorter": 0.0}, {"shorter": 1.0}, {"one_text": 1.5}, {"guard": "raise"}],
)
def test_limits_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ConfigError):
        RewardWatch(**wrong)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="1 prompts, 2 responses and 2 rewards"):
        RewardWatch().look(["p"], ["a", "b"], [0.0, 1.0])


def test_in_trls_shape_the_reward_is_what_it_was_and_the_signs_are_logged():
    inner = TRLReward(
        reward=ScoreReward(scorer=lambda prompts, texts: [float(len(text)) for text in texts])
    )
    watched = WatchedReward(reward=inner)
    logged: dict[str, float] = {}
    prompts = [[{"role": "user", "content": "Name a prime."}]] * 2
    completions = [[{"role": "assistant", "content": text}] for text in ("7", "seventeen")]
    found = watched(prompts, completions, log_metric=logged.__setitem__, step=3)
    assert found == inner(prompts, completions) == [1.0, 9.0]
    assert watched.__name__ == "jurist"
    assert logged == {
        "jurist/without_reward": 0.0,
        "jurist/reward_std": 4.0,
        "jurist/median_characters": 5.0,
        "jurist/one_text_rate": 0.5,
    }


def test_a_reward_function_that_takes_no_prompts_is_watched_too():
    def length(completions, **columns):
        assert columns["step"] == 3
        return [float(len(text)) for text in completions]

    watched = WatchedReward(reward=length)
    assert watched(prompts=["q", "q"], completions=["a", "abc"], step=3) == [1.0, 3.0]


def test_an_asynchronous_reward_is_refused_before_it_is_called():
    async def later(completions, **columns):
        return [0.0 for _ in completions]

    inner = TRLReward(reward=ScoreReward(scorer=lambda prompts, texts: [0.0 for _ in texts]))
    for reward in (later, TRLAsyncReward(reward=inner)):
        for around in (WatchedReward, TRLAsyncReward):
            with pytest.raises(ConfigError, match="found an asynchronous one"):
                around(reward=reward)


def test_what_is_inside_an_asynchronous_reward_is_watched():
    inner = TRLReward(reward=ScoreReward(scorer=lambda prompts, texts: [0.5] * len(texts)))
    watched = WatchedReward(reward=inner, watch=RewardWatch(num_calls=3))
    reward = TRLAsyncReward(reward=watched)
    assert reward.__name__ == "jurist"
    logged: dict[str, float] = {}
    for call in range(2):
        texts = [f"text {call} {n}" for n in range(4)]
        assert asyncio.run(reward(["q"] * 4, texts, log_metric=logged.__setitem__)) == [0.5] * 4
    assert logged["jurist/reward_std"] == 0.0 and logged["jurist/one_text_rate"] == 0.125
    with pytest.raises(TrainingError, match="call 3 of the reward: all rewards"):
        asyncio.run(reward(["q"] * 4, list("abcd")))


@pytest.mark.fault(17, "constant signal")
def test_in_trls_shape_a_judge_that_rewards_all_alike_stops_the_training():
    watched = WatchedReward(
        reward=TRLReward(reward=ScoreReward(scorer=lambda prompts, texts: [0.5] * len(texts)))
    )
    for call in range(1, 20):
        try:
            watched(["q"] * 4, [f"text {call} {n}" for n in range(4)])
        except TrainingError as error:
            assert call == 10
            assert "call 10 of the reward" in str(error)
            return
    pytest.fail("nobody stopped it")
