"""A run is run again from its config.json: there, or elsewhere."""

import json

import pytest

from jurist.data import write_preferences
from jurist.digest import derive_seed
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError, StoreError
from jurist.recipes.evaluate import EvaluateConfig, run_evaluate
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.rerun import RerunConfig, run_rerun
from jurist.recipes.run import read_run_config
from jurist.worlds import preferences


@pytest.fixture
def asked(monkeypatch):
    """The prompts that a served model was asked."""
    prompts = []

    def reply(prompt, index):
        prompts.append(prompt)
        return ("[[A]]", "[[B]]", "hm")[derive_seed(prompt, index) % 3]

    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(reply))
    return prompts


@pytest.fixture
def finished(tmp_path, asked):
    pairs = tmp_path / "pairs.jsonl"
    write_preferences(pairs, preferences("in_distribution", "test", num=4, seed=0))
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=VotingConfig(votes=2))
    run = tmp_path / "run"
    run_evaluate(EvaluateConfig(judge=judge, test=(str(pairs),), output=run, max_failure_rate=0.0))
    assert len(asked) == 4 * 2 * 2
    return run


def contents(run):
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and not path.name.startswith(("completions.sqlite", "run.lock"))
    }


def test_a_finished_run_is_left_as_it_is(finished, asked):
    before = contents(finished)
    # Its exit code too: some of the replies fail.
    assert run_rerun(RerunConfig(directory=finished)) == 1
    assert contents(finished) == before
    assert len(asked) == 16


def test_elsewhere_it_is_done_over_and_judges_the_same(finished, asked, tmp_path):
    assert run_rerun(RerunConfig(directory=finished, output=tmp_path / "copy")) == 1
    assert len(asked) == 32
    name = "judgements/pairs.jsonl.gz"
    assert (tmp_path / "copy" / name).read_bytes() == (finished / name).read_bytes()
    rows = [
        json.loads((run / "results.json").read_text())["rows"][0]["agreement"]
        for run in (finished, tmp_path / "copy")
    ]
    assert rows[0] == rows[1]
    kept = [read_run_config(run / "config.json") for run in (finished, tmp_path / "copy")]
    assert kept[1]["config"].pop("output") == str(tmp_path / "copy")
    assert kept[0]["config"].pop("output") == str(finished)
    assert kept[0] == kept[1]


def test_a_moved_run_is_run_again_where_it_lies_now(finished, asked):
    moved = finished.rename(finished.with_name("moved"))
    assert run_rerun(RerunConfig(directory=moved)) == 1
    assert len(asked) == 16
    assert not finished.exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.json: no such file"):
        run_rerun(RerunConfig(directory=tmp_path))


def test_a_recipe_of_another_version_is_refused_with_those_there_are(tmp_path):
    (tmp_path / "config.json").write_text('{"recipe": "ppo", "config": {}}')
    with pytest.raises(ConfigError, match=r"'ppo', which this version does not know.*star-dpo"):
        run_rerun(RerunConfig(directory=tmp_path))


def test_a_damaged_config_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"recipe": ["star-dpo"], "config": {}}')
    with pytest.raises(StoreError, match="not a run's config"):
        run_rerun(RerunConfig(directory=tmp_path))
