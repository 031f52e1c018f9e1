"""A judge's fingerprint: the same for the same judge, wherever it lies; another for another."""

import shutil

import pytest

import jurist
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.judge_identity import judge_identity
from jurist.recipes.open_judge import open_judge
from jurist.worlds import BASE

SERVED = JudgeConfig(model="m", base_url="http://user:secret@host:8000/v1")


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(lambda p, i: ""))


@pytest.fixture
def identity(tmp_path):
    def of(config):
        with open_judge(config, seed=0, store=tmp_path / "store.sqlite") as opened:
            return judge_identity(config, opened)

    return of


def test_a_served_judge_is_its_name_and_host_and_nothing_secret(identity):
    found = identity(SERVED)
    assert found.parts["model"] == {"served": "m", "host": "host:8000", "api": "chat"}
    assert found.parts["format"] == "pairwise"
    assert found.parts["jurist"] == jurist.__version__
    assert len(found.fingerprint) == 16


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "other"},
        {"base_url": "http://elsewhere/v1"},
        {"format": "terse"},
        {"voting": VotingConfig(votes=9)},
        {"voting": VotingConfig(temperature=0.5)},
        {"voting": VotingConfig(stop_at=0.01)},
    ],
)
def test_another_judge_has_another_fingerprint(identity, changes):
    known = {"model": SERVED.model, "base_url": SERVED.base_url}
    assert identity(JudgeConfig(**{**known, **changes})).fingerprint != (
        identity(SERVED).fingerprint
    )


def test_how_fast_it_runs_is_not_what_it_is(identity):
    faster = JudgeConfig(model=SERVED.model, base_url=SERVED.base_url, max_concurrency=64)
    assert identity(faster).fingerprint == identity(SERVED).fingerprint


def test_a_local_judge_is_the_content_of_its_files(identity, tmp_path):
    shutil.copytree(BASE, tmp_path / "moved")
    moved = JudgeConfig(model=str(tmp_path / "moved"))
    assert identity(moved) == identity(JudgeConfig(model=BASE))
    config = tmp_path / "moved" / "config.json"
    config.write_text(config.read_text("utf-8") + "\n", "utf-8")
    assert identity(moved).fingerprint != identity(JudgeConfig(model=BASE)).fingerprint


def test_votes_say_nothing_of_a_judge_that_does_not_vote(identity):
    few, many = (
        JudgeConfig(model=BASE, format="terse-direct", voting=VotingConfig(votes=votes))
        for votes in (1, 9)
    )
    assert identity(few) == identity(many)
    assert identity(few).parts["voting"] is None


def test_what_it_goes_by_is_part_of_it(identity, tmp_path):
    found = set()
    for text in ("Be kind.", "Be brief."):
        path = tmp_path / "principles.jsonl"
        path.write_text(f'{{"text": "{text}", "opposite": "Do not."}}\n', "utf-8")
        config = JudgeConfig(
            model="m", base_url="http://h", format="principles", principles=str(path)
        )
        found.add(identity(config).fingerprint)
    assert len(found) == 2
