"""Prompts alone: responses sampled, kept as pools, and labelled."""

import json

import pytest

from jurist.data import read_pools
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError, DataError
from jurist.recipes import responses
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.label import run_label
from jurist.recipes.label_config import LabelConfig
from jurist.recipes.responses import PolicyConfig
from jurist.recipes.select import SelectConfig, run_select
from jurist.types import Completion
from jurist.worlds import BASE

POLICY = PolicyConfig(policy="writer", policy_url="http://writer", num_responses=4)


def ended(text, reason="stop"):
    return Completion(text=text, finish_reason=reason, num_tokens=3, num_prompt_tokens=5)


REPLIES = {
    "good": [ended("is $1"), ended("is $3"), ended("is $2"), ended("is $3")],
    "cut": [ended("is $1"), ended("is $9", "length"), ended("is $2"), ended(" \n")],
    "alike": [ended("is $1")] * 4,
    "odd": [ended("x", "refused"), ended("", "error"), ended("half \ud800"), ended("is $1")],
}


def judged(prompt, index):
    prices = [int(word[1:]) for word in prompt[-1].content.split() if word.startswith("$")]
    return "[[A]]" if prices[0] > prices[1] else "[[B]]"


@pytest.fixture
def asked(monkeypatch):
    seen = []

    def reply(prompt, index):
        seen.append((prompt[-1].content, index))
        return REPLIES[prompt[-1].content][index]

    def engine(url, model, **_):
        return ScriptedEngine(reply if model == "writer" else judged, fingerprint=model)

    monkeypatch.setattr(served, "OpenAIEngine", engine)
    return seen


def label(output, prompts, policy=POLICY, **changes):
    judge = JudgeConfig(model="m", base_url="http://judge", voting=VotingConfig(votes=2))
    return run_label(
        LabelConfig(judge=judge, output=output, prompts=str(prompts), policy=policy, **changes)
    )


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_prompts_become_pools_and_pools_become_labels(tmp_path, write_rows, asked):
    path = write_rows(*({"id": name, "prompt": name} for name in REPLIES), name="asked.jsonl")
    output = tmp_path / "run"
    assert label(output, path) == 0
    good, cut = read_pools(output / "pools.jsonl")
    assert [one.text for one in good.candidates] == ["is $1", "is $3", "is $2"]
    assert [one.text for one in cut.candidates] == ["is $1", "is $2"]
    assert {one.model for one in good.candidates} == {"writer"}
    first, second = lines(output / "labelled.jsonl")
    assert (first["chosen"], first["rejected"]) == ("is $3", "is $1")
    assert (second["chosen"], second["rejected"]) == ("is $2", "is $1")
    aside = {row["id"]: row for row in lines(output / "unlabelled.jsonl")}
    assert {name: row["reason"] for name, row in aside.items()} == {
        "alike": "one response",
        "odd": "one response",
    }
    assert aside["alike"]["responses"] == {
        "candidates": 1,
        "cut": 0,
        "empty": 0,
        "failed": 0,
        "repeated": 3,
    }
    assert aside["odd"]["responses"]["failed"] == 3
    counted = json.loads((output / "labels.json").read_text())["responses"]
    assert len(counted.pop("digest")) == 64
    assert counted == {
        "prompts": 4,
        "responses": 16,
        "cut": 1,
        "empty": 1,
        "failed": 3,
        "repeated": 4,
        "candidates": 7,
        "pools": 2,
        "read": 80,
        "written": 48,
    }


def test_what_was_sampled_is_not_sampled_again_and_select_reads_it(tmp_path, write_rows, asked):
    path = write_rows({"id": "good", "prompt": "good"}, name="asked.jsonl")
    label(tmp_path / "run", path)
    assert len(asked) == 4
    before = (tmp_path / "run" / "labelled.jsonl").read_bytes()
    label(tmp_path / "run", path)
    assert len(asked) == 4
    assert (tmp_path / "run" / "labelled.jsonl").read_bytes() == before
    judge = JudgeConfig(model="m", base_url="http://judge", voting=VotingConfig(votes=1))
    pools = str(tmp_path / "run" / "pools.jsonl")
    run_select(SelectConfig(judge=judge, pools=(pools,), output=tmp_path / "selected"))
    (chosen,) = lines(tmp_path / "selected" / "selected.jsonl")
    assert chosen["text"] == "is $3"


@pytest.mark.parametrize("after", [2, 5, 7])
def test_sampling_that_is_broken_off_goes_on_where_it_was(
    tmp_path, write_rows, asked, monkeypatch, after
):
    monkeypatch.setattr(responses, "PART_PROMPTS", 1)
    path = write_rows(*({"id": name, "prompt": name} for name in REPLIES), name="asked.jsonl")
    label(tmp_path / "whole", path)
    whole, engine = len(asked), served.OpenAIEngine

    def breaking(url, model, **_):
        inner = engine(url, model)

        def reply(prompt, index):
            if len(asked) == whole + after:
                raise KeyboardInterrupt
            return inner.reply(prompt, index)

        return ScriptedEngine(reply, fingerprint=model) if model == "writer" else inner

    monkeypatch.setattr(served, "OpenAIEngine", breaking)
    with pytest.raises(KeyboardInterrupt):
        label(tmp_path / "run", path)
    assert not (tmp_path / "run" / "pools.jsonl").exists()
    monkeypatch.setattr(served, "OpenAIEngine", engine)
    label(tmp_path / "run", path)
    for name in ("pools.jsonl", "unpaired.jsonl", "labelled.jsonl", "labels.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_other_prompts_than_were_responded_to_are_refused(tmp_path, write_rows, asked):
    label(tmp_path / "run", write_rows({"prompt": "good"}, name="asked.jsonl"))
    path = write_rows({"prompt": "cut"}, name="asked.jsonl")
    with pytest.raises(ConfigError, match="responses to other prompts than --prompts holds now"):
        label(tmp_path / "run", path)


def test_where_no_prompt_has_two_responses_it_says_what_became_of_them(tmp_path, write_rows, asked):
    path = write_rows({"prompt": "alike"}, name="asked.jsonl")
    with pytest.raises(DataError, match=r"of 4 responses 0 cut, 0 empty, 0 failed, 3 repeated"):
        label(tmp_path / "run", path)


def test_a_bad_prompt_is_told_before_anything_is_sampled(tmp_path, write_rows, asked):
    path = write_rows({"prompt": "good"}, {"question": "good"}, name="asked.jsonl")
    with pytest.raises(DataError, match=r"asked\.jsonl:2: expected a column 'prompt'"):
        label(tmp_path / "run", path)
    assert asked == []
    assert label(tmp_path / "run", path, skip_bad=True) == 0


def test_a_policy_in_this_process_responds(tmp_path, write_rows, monkeypatch):
    monkeypatch.setattr(
        served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(lambda p, i: "[[A]]")
    )
    path = write_rows({"prompt": "hi"}, {"prompt": "there"}, name="asked.jsonl")
    policy = PolicyConfig(policy=str(BASE), num_responses=8, max_response_tokens=200)
    for name in ("one", "two"):
        label(tmp_path / name, path, policy=policy)
    one, two = ((tmp_path / name / "pools.jsonl").read_bytes() for name in ("one", "two"))
    assert one == two
    assert len(read_pools(tmp_path / "one" / "pools.jsonl")[0].candidates) > 1


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"num_responses": 1}, "--num-responses must be at least 2"),
        ({"response_temperature": 0.0}, "--response-temperature must be positive"),
        ({"response_temperature": -1.0}, "--response-temperature must be finite and not negative"),
        ({"response_top_p": 0.0}, r"--response-top-p must be in \(0, 1\]"),
        ({"max_response_tokens": 0}, "--max-response-tokens must be at least 1"),
        ({"policy": "", "policy_url": "http://x"}, "--policy-url needs --policy"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(changes, wanted):
    with pytest.raises(ConfigError, match=wanted):
        PolicyConfig(**{"policy": "m", **changes})
