"""`jurist.load_judge`: one line, any thread, pickled and opened again."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import jurist
from jurist.data import write_preferences
from jurist.errors import ConfigError, DataError
from jurist.recipes.bradley_terry import BradleyTerryConfig, bradley_terry
from jurist.recipes.sets import DataConfig
from jurist.training.config import TrainingConfig
from jurist.types import Comparison, Verdict
from jurist.worlds import BASE, preferences

PAIRS = preferences("in_distribution", "test", 4, seed=3)
PROMPT, RIGHT, WRONG = PAIRS[0].prompt[-1].content, PAIRS[0].chosen, PAIRS[0].rejected


def load(**settings):
    return jurist.load_judge(str(BASE), votes=4, max_tokens=64, **settings)


@pytest.fixture(scope="module")
def judge():
    with load() as judge:
        yield judge


def test_two_responses_are_compared_in_both_orders(judge):
    ballot = judge.compare(PROMPT, RIGHT, WRONG)
    assert [one.swapped for one in ballot.judgements].count(True) == 4 == ballot.num_possible / 2
    other = judge.compare([{"role": "user", "content": PROMPT}], WRONG, RIGHT)
    assert other.probability == pytest.approx(1.0 - ballot.probability)


def test_the_best_is_chosen_and_its_place_follows_it(judge):
    assert judge.select(PROMPT, [WRONG, RIGHT, "?"]) == 1
    assert judge.select(PROMPT, [RIGHT, "?", WRONG]) == 0
    rewards = judge.rewards(PROMPT, [WRONG, RIGHT, "?"])
    assert rewards[1] == max(rewards) and sum(rewards) == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(DataError, match="at least two responses, got 1"):
        judge.select(PROMPT, [RIGHT])


def test_it_is_called_from_any_thread(judge):
    asked = [Comparison(prompt=p.prompt, first=p.chosen, second=p.rejected) for p in PAIRS]
    alone = [judge([one])[0] for one in asked]
    with ThreadPoolExecutor(4) as threads:
        assert [found[0] for found in threads.map(lambda one: judge([one]), asked)] == alone


def test_pickled_it_is_the_same_judge_opened_again(judge):
    with pickle.loads(pickle.dumps(judge)) as again:
        assert again is not judge
        assert again.compare(PROMPT, RIGHT, WRONG) == judge.compare(PROMPT, RIGHT, WRONG)
        assert again.identity == judge.identity


def test_closed_it_opens_again_and_a_store_outlives_it(tmp_path):
    store = tmp_path / "kept.sqlite"
    with load(store=store) as judge:
        first = judge.compare(PROMPT, RIGHT, WRONG)
        judge.close()
        judge.close()
        assert judge.compare(PROMPT, RIGHT, WRONG) == first
    assert store.exists()


def test_a_model_that_is_not_there_is_said_at_the_first_use_and_every_time(tmp_path):
    judge = jurist.load_judge(str(tmp_path / "nowhere"))
    for _ in range(2):
        with pytest.raises(ConfigError, match="nowhere"):
            judge.compare(PROMPT, RIGHT, WRONG)


def test_behind_a_gate_a_response_without_content_loses_and_the_model_is_not_asked():
    # The model is not there: to ask it would be an error.
    judge = jurist.load_judge("absent", base_url="http://127.0.0.1:9/v1", gate=2)
    with judge:
        for ballot in (judge.compare(PROMPT, RIGHT, "Solution"), judge.compare(PROMPT, RIGHT, "")):
            assert ballot.outcome is Verdict.FIRST
        assert judge.select(PROMPT, ["Solution", RIGHT]) == 1


def test_a_server_that_went_away_is_waited_for_as_long_as_it_was_said():
    judge = jurist.load_judge("absent", base_url="http://127.0.0.1:9/v1", outage_seconds=3.0)
    assert judge.config.patience.outage_seconds == 3.0
    assert jurist.load_judge("absent", reply_seconds=7.0).config.patience.reply_seconds == 7.0
    with pytest.raises(ConfigError, match="--outage-seconds must be positive"):
        jurist.load_judge("absent", outage_seconds=0.0)


def test_a_judge_of_single_responses_has_a_scorer_and_its_rewards_are_its_scores(tmp_path):
    write_preferences(tmp_path / "train.jsonl", preferences("in_distribution", "train", 32, seed=0))
    bradley_terry(
        BradleyTerryConfig(
            model=str(BASE),
            data=DataConfig(train=str(tmp_path / "train.jsonl")),
            training=TrainingConfig(epochs=1, batch_size=8),
            output=tmp_path / "run",
        )
    )
    with jurist.load_judge(str(tmp_path / "run")) as judge:
        scores = judge.scorer([PAIRS[0].prompt] * 2, [RIGHT, WRONG])
        rewards = judge.rewards(PROMPT, [RIGHT, WRONG])
        assert rewards[0] - rewards[1] == pytest.approx(scores[0] - scores[1])
        better = judge.compare(PROMPT, RIGHT, WRONG).outcome
        assert better is (Verdict.FIRST if scores[0] > scores[1] else Verdict.SECOND)
    with load() as judge:
        assert judge.scorer is None


@pytest.mark.slow
def test_a_process_that_forgets_to_close_it_ends():
    code = (
        "import jurist; from jurist.worlds import BASE\n"
        "judge = jurist.load_judge(str(BASE), votes=1, max_tokens=64)\n"
        f"print(judge.compare({PROMPT!r}, {RIGHT!r}, {WRONG!r}).num_possible)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0 and run.stdout.strip() == "2", run.stderr


def test_the_package_has_nothing_else_by_that_way():
    with pytest.raises(AttributeError, match="no attribute 'load_jury'"):
        _ = jurist.load_jury
