"""A judge and a reward behind `jurist serve`, before a server that lies or goes away."""

import json
import pickle

import pytest

from jurist.engines.patience import Patience
from jurist.errors import EngineError
from jurist.judges.served import ServedJudge
from jurist.rewards import ServedReward
from jurist.types import Comparison, Failure, Judgement, Verdict, user

READING = {
    "text": "[[A]]",
    "verdict": "first",
    "failure": None,
    "probability": 0.75,
    "strength": None,
    "swapped": False,
    "num_tokens": 3,
    "num_prompt_tokens": 9,
}
ASKED = [Comparison(prompt=user("Q"), first="a", second="b")]
HASTY = Patience(max_retries=1)


def rewards(*values) -> bytes:
    return json.dumps({"rewards": [{"reward": value} for value in values]}).encode()


def ask(reward, num=1):
    return reward([user("Q")] * num, [f"response {i}" for i in range(num)], [None] * num)


class TestJudge:
    def test_a_reading_is_a_reading(self, loopback, waits):
        served = loopback.serve(
            lambda _: loopback.reply(200, {"results": [{"readings": [READING]}]})
        )
        (judged,) = ServedJudge(served.url, clock=waits.clock)(ASKED)
        assert judged == [
            Judgement(
                text="[[A]]",
                outcome=Verdict.FIRST,
                probability=0.75,
                num_tokens=3,
                num_prompt_tokens=9,
            )
        ]

    @pytest.mark.fault(14, "not a reply")
    @pytest.mark.parametrize(
        "wrong",
        [
            {"probability": 1.5},
            {"probability": float("nan")},
            {"probability": True},
            {"probability": 10**400},
            {"probability": "0.9"},
            {"failure": "error"},  # and yet a probability
            {"failure": "tired"},
            {"verdict": "A"},
            {"verdict": None},
            {"text": None},
            {"strength": float("inf")},
            {"swapped": 1},
            {"num_tokens": -1},
            {"num_tokens": 1.5},
            {"num_prompt_tokens": 10**30},
        ],
        ids=str,
    )
    def test_one_that_cannot_be_is_a_failure(self, loopback, waits, wrong):
        served = loopback.serve(
            lambda _: loopback.reply(200, {"results": [{"readings": [READING | wrong]}]})
        )
        judge = ServedJudge(served.url, patience=HASTY, clock=waits.clock)
        assert judge(ASKED) == [[Judgement(text="", outcome=Failure.ERROR)]]
        assert len(served.requests) == 2


class TestReward:
    @pytest.mark.fault(14, "not a reply")
    @pytest.mark.parametrize(
        "body",
        [rewards(float("nan")), rewards(float("inf")), rewards(True), rewards("1"),
         rewards(10**400), rewards(), rewards(1.0, 2.0), b"{}", b'{"rewards": null}'],
        ids=["nan", "inf", "true", "text", "huge", "none", "two", "empty", "null"],
    )  # fmt: skip
    def test_what_is_no_number_is_no_reward(self, loopback, waits, body):
        served = loopback.serve(lambda _: loopback.raw(200, body))
        assert ask(ServedReward(served.url, patience=HASTY, clock=waits.clock)) == [None]
        assert len(served.requests) == 2

    @pytest.mark.fault(16, "down and up")
    def test_what_has_no_answer_in_its_time_has_no_reward_and_the_next_call_goes_on(
        self, loopback, waits, caplog
    ):
        up = True
        served = loopback.serve(
            lambda _: loopback.raw(200, rewards(1.0)) if up else loopback.reply(503, {})
        )
        patience = Patience(item_seconds=60.0)
        reward = ServedReward(served.url, patience=patience, clock=waits.clock)
        assert ask(reward, 8) == [1.0] * 8
        up = False
        for number in (1, 2, 3):
            assert ask(reward, 8) == [None] * 8
            assert waits.time == pytest.approx(60.0 * number, abs=2.0)
        up = True
        assert ask(reward, 8) == [1.0] * 8
        assert "8 of 8 requests got no answer: 8 x no answer within 60 s" in caplog.text

    @pytest.mark.fault(16, "down and up")
    def test_what_was_rewarded_before_it_went_down_is_kept(self, loopback, waits, caplog):
        served = loopback.serve(
            lambda request: (
                loopback.raw(200, rewards(1.0)) if request.number < 20 else loopback.reply(503, {})
            )
        )
        reward = ServedReward(served.url, max_concurrency=4, clock=waits.clock)
        found = ask(reward, 50)
        assert found.count(1.0) == 20 and found.count(None) == 30
        assert "30 of 50 without a reward" in caplog.text
        assert 900.0 <= waits.time < 1000.0

    def test_a_server_that_was_never_there_is_told(self, waits):
        with pytest.raises(EngineError, match="cannot reach the server"):
            ask(ServedReward("http://nowhere.invalid", clock=waits.clock))

    def test_a_copy_is_the_same_and_knows_nothing(self, loopback):
        served = loopback.serve(lambda _: loopback.raw(200, rewards(1.0)))
        reward = ServedReward(served.url)
        assert ask(reward) == [1.0]
        copy = pickle.loads(pickle.dumps(reward))
        assert copy.url == reward.url and ask(copy) == [1.0]
