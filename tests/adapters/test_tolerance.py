"""A judge that goes away while a policy trains: rewards as TRL asks for them, and TRL itself."""

import json
import math
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jurist.adapters import TRLAsyncReward, TRLCohortReward, TRLReward
from jurist.adapters.tolerance import Tolerance
from jurist.errors import EngineError, OutageError
from jurist.rewards import PairwiseReward, ScoreReward


def call(reward, num=4):
    """A batch as TRL asks for it: the rewards and what was logged, or the error."""
    logged = {}
    found = reward(
        prompts=["p"] * num,
        completions=["a" * i for i in range(num)],
        log_metric=logged.__setitem__,
    )
    return found, logged


@dataclass
class Away:
    """A judge and a reward that is away for the calls named."""

    away: set[int]
    calls: int = 0
    found: list[float | None] = field(default_factory=lambda: [0.5] * 4)

    def __call__(self, comparisons, *others):
        self.calls += 1
        if self.calls - 1 in self.away:
            raise OutageError("the server has not answered for 900 s")
        return self.found


class TestTolerance:
    def test_a_batch_that_has_enough_rewards_starts_the_count_again(self):
        tolerance = Tolerance("jurist", 0.5, 3)
        for _ in range(5):
            tolerance.note(3, 4)
            tolerance.note(4, 4)
            tolerance.note(2, 4)
        tolerance.note(3, 4)
        tolerance.note(3, 4)
        with pytest.raises(
            EngineError, match=r"3 batches in a row .*, 4 of 4 in the last one; see"
        ):
            tolerance.note(4, 4)

    def test_the_error_says_what_share_was_too_much(self):
        with pytest.raises(EngineError, match="for over 10% of their completions, 1 of 8 in"):
            Tolerance("jurist", 0.1, 1).note(1, 8)

    @pytest.mark.parametrize("settings", [(-0.1, 3), (1.1, 3), (math.nan, 3), (0.5, 0)])
    def test_numbers_without_sense_are_refused(self, settings):
        with pytest.raises(ValueError, match="max_"):
            Tolerance("jurist", *settings)


class TestRewards:
    @pytest.mark.fault(16, "down and up")
    def test_an_outage_is_a_batch_without_rewards_and_training_goes_on(self):
        reward = TRLReward(reward=Away({1, 2}))
        shares = []
        for number in range(4):
            found, logged = call(reward)
            assert found == ([None] * 4 if number in (1, 2) else [0.5] * 4)
            shares.append(logged["jurist/without_reward"])
        assert shares == [0.0, 1.0, 1.0, 0.0]

    @pytest.mark.fault(16, "down for good")
    def test_too_many_in_a_row_stop_it_and_the_error_says_why(self):
        reward = TRLReward(reward=Away(set(range(2, 99))), max_lost_batches=3)
        for _ in range(4):
            call(reward)
        with pytest.raises(EngineError, match=r"3 batches in a row .* has not answered for 900 s"):
            call(reward)

    @pytest.mark.fault(16, "down for good")
    def test_completions_without_a_reward_count_whatever_the_reason(self):
        reward = TRLReward(
            reward=Away(set(), found=[None, None, None, 1.0]), max_lost_batches=2, name="mine"
        )
        assert call(reward)[0] == [None, None, None, 1.0]
        with pytest.raises(EngineError, match=r"^mine: 2 batches"):
            call(reward)
        bearing = TRLReward(reward=Away(set(), found=[None] * 4), max_without_reward=1.0)
        for _ in range(50):
            call(bearing)

    @pytest.mark.fault(16, "down and up")
    def test_cohorts_bear_it_too(self):
        away = Away({0}, found=[])
        reward = TRLCohortReward(reward=PairwiseReward(judge=away), num_generations=4)
        found, logged = call(reward)
        assert found == [None] * 4
        assert logged == {
            "jurist/comparisons": 0.0,
            "jurist/failed_comparisons": 0.0,
            "jurist/without_reward": 1.0,
        }

    def test_what_no_waiting_mends_stops_at_once(self):
        def refused(*_):
            raise EngineError("no such path or model there")

        with pytest.raises(EngineError, match="no such path"):
            call(TRLReward(reward=refused))

    def test_a_copy_counts_for_itself(self):
        reward = TRLAsyncReward(reward=TRLReward(reward=ScoreReward(scorer=_nothing)))
        copy = pickle.loads(pickle.dumps(reward))
        assert copy == reward
        assert call(copy.reward)[0] == [None] * 4


def _nothing(prompts, texts):
    return [math.nan for _ in texts]


@pytest.mark.slow
@pytest.mark.fault(16, "down and up", "down for good")
@pytest.mark.timeout(300)
def test_trl_trains_on_while_its_judge_is_killed_and_stops_when_it_stays_away(tmp_path, figure):
    """GRPO with TRL, on a judge in a process of its own that is killed after steps 2 and 6, and
    started again after step 4."""
    pytest.importorskip("trl")
    pytest.importorskip("uvicorn")
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("grpo_outage.py"), tmp_path / "policy"],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["without_reward"] == [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    assert all(map(math.isfinite, found["losses"]))
    # Without rewards nothing is learnt, and nothing is unlearnt.
    assert [loss == 0.0 for loss in found["losses"]] == [
        share == 1.0 for share in found["without_reward"]
    ]
    assert "3 batches in a row were left without rewards" in found["ended"]
    assert found["finite"] and found["moved"]
    figure("kills", 2)
