"""OpenRLHF's `reward_func`, called as version 0.11 calls it: lists of one, from several threads."""

import importlib.util
import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from jurist.adapters import from_openrlhf, openrlhf_reward_func
from jurist.errors import DataError, EngineError
from jurist.rewards import ReferenceReward, ScoreReward
from jurist.types import user

PROMPT = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"


def longer(first, second):
    return None if "x" in first else 0.9 if len(first) > len(second) else 0.1


@pytest.fixture
def reward_func(make_stating):
    return openrlhf_reward_func(
        ReferenceReward(judge=make_stating(longer)), labels="references", end_texts=["<|im_end|>"]
    )


def test_a_response_is_held_against_its_label(reward_func):
    found = reward_func([f"{PROMPT}eleven<|im_end|>\n<|im_end|>"], [PROMPT], ["eleven"])
    assert found["rewards"] == [0.0]  # it is the reference, without what ends a turn
    found = reward_func([f"{PROMPT}eleven<|im_end|>\n"], [PROMPT], ["two"])
    assert found["rewards"] == [pytest.approx(math.log(9.0))]
    assert found["scores"] == [pytest.approx(0.9)]
    assert found["extra_logs"] == {"jurist_reward": found["rewards"]}


def test_threads_get_what_they_asked_for(reward_func):
    def ask(text):
        return reward_func([PROMPT + text], [PROMPT], ["four"])["rewards"][0]

    texts = ["a", "eleven"] * 8
    with ThreadPoolExecutor(8) as threads:
        assert [value > 0 for value in threads.map(ask, texts)] == [False, True] * 8


def test_no_verdict_is_an_error_and_no_number(reward_func):
    with pytest.raises(EngineError, match="1 of 2 responses have no reward"):
        reward_func([f"{PROMPT}x", f"{PROMPT}a"], [PROMPT] * 2, ["two"] * 2)


@pytest.mark.parametrize(
    ("query", "label", "said"),
    [
        ("other", "two", "begins with its prompt"),
        (f"{PROMPT}<|im_end|>", "two", "expected a response"),
        (f"{PROMPT}a", None, "labels that are the texts"),
    ],
)
def test_what_cannot_be_read_is_said(reward_func, query, label, said):
    with pytest.raises(DataError, match=said):
        reward_func([query], [PROMPT], [label])


def test_a_judge_of_pairs_without_references_says_what_it_needs(make_stating):
    reward_func = openrlhf_reward_func(ReferenceReward(judge=make_stating(longer)))
    with pytest.raises(DataError, match="expected a reference"):
        reward_func([f"{PROMPT}a"], [PROMPT], [None])


def test_a_file_is_loaded_as_openrlhf_loads_it(tmp_path):
    path = tmp_path / "reward.py"
    path.write_text(
        "from jurist.adapters import openrlhf_reward_func\n"
        "from jurist.rewards import ScoreReward\n"
        "reward_func = openrlhf_reward_func(\n"
        "    ScoreReward(scorer=lambda prompts, texts: [float(len(text)) for text in texts])\n"
        ")\n"
    )
    spec = importlib.util.spec_from_file_location("reward_func", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.reward_func(["Qabc"], ["Q"], [None])["rewards"] == [3.0]


def test_a_reward_func_becomes_a_scorer_and_back():
    scorer = from_openrlhf(
        lambda queries, prompts, labels: {
            "rewards": [None if "x" in q else float(len(q)) for q in queries]
        }
    )
    one, none = scorer([user("Q"), user("Q")], ["ab", "x"])
    assert one == 3.0 and math.isnan(none)
    again = openrlhf_reward_func(ScoreReward(scorer=scorer))
    assert again(["Qab"], ["Q"], [None])["rewards"] == [3.0]
