"""A model's name is made into the judge it was trained to be."""

import importlib.util
import json
import shutil

import pytest

from jurist.engines import ScriptedEngine, systemone
from jurist.engines import openai as served
from jurist.errors import ConfigError
from jurist.recipes.checkpoints import checkpoint_folder, format_name, read_card
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.open_judge import open_judge
from jurist.storage import write_json
from jurist.types import Comparison, Verdict, user
from jurist.worlds import BASE, preferences


@pytest.fixture
def run_directory(tmp_path):
    """A run directory with the folders named, of a recipe of so many rounds, if it has any."""

    def make(*folders: str, rounds: int | None = None):
        run = tmp_path / "run"
        run.mkdir()
        (run / "run.lock").touch()
        settings = {} if rounds is None else {"star": {"rounds": rounds}}
        write_json(run / "config.json", {"recipe": "any", "config": settings})
        for folder in folders:
            (run / folder).mkdir(parents=True)
        return run

    return make


def test_a_run_directory_stands_for_its_last_rounds_checkpoint(run_directory):
    run = run_directory(*(f"round-{i}/checkpoint" for i in (1, 9, 10, 2)), "round-old", rounds=10)
    assert checkpoint_folder(str(run)) == str(run / "round-10" / "checkpoint")


def test_a_run_of_one_stage_stands_for_its_checkpoint(run_directory):
    run = run_directory("checkpoint", "checkpoint.training")
    assert checkpoint_folder(str(run)) == str(run / "checkpoint")


def test_a_run_that_has_not_finished_is_refused(run_directory):
    run = run_directory("round-1", rounds=3)
    with pytest.raises(
        ConfigError, match=r"without round-3/checkpoint, .*; run it again to go on$"
    ):
        checkpoint_folder(str(run))


def test_of_a_run_that_has_not_finished_the_last_round_is_named(run_directory):
    run = run_directory("round-1/checkpoint", "round-2/checkpoint", "round-3", rounds=3)
    with pytest.raises(ConfigError, match=r"without round-3.* is meant: .*run/round-2/checkpoint$"):
        checkpoint_folder(str(run))


def test_a_run_that_trains_nothing_is_refused(run_directory):
    with pytest.raises(ConfigError, match=r"a run directory without checkpoint"):
        checkpoint_folder(str(run_directory("judgements")))


@pytest.mark.parametrize("model", ["org/model", str(BASE)])
def test_anything_else_stands_for_itself(model):
    assert checkpoint_folder(model) == model


def test_a_card_says_what_a_checkpoint_is_and_need_not_be_there(tmp_path):
    assert read_card(str(tmp_path)) == read_card("org/model") == {}
    assert read_card(str(BASE))["format"] == "terse"
    for bad in ("{", "[]", "\udcff"):
        (tmp_path / "jurist.json").write_bytes(bad.encode("utf-8", "surrogateescape"))
        with pytest.raises(ConfigError, match=r"jurist\.json(:1)?: expected"):
            read_card(str(tmp_path))


@pytest.mark.parametrize(
    ("asked", "card", "reasoning", "name"),
    [
        ("auto", {}, None, "pairwise"),
        ("auto", {"format": "direct"}, None, "direct"),
        ("auto", {"format": "terse"}, None, "terse"),
        ("auto", {}, False, "direct"),
        ("auto", {"format": "terse"}, False, "terse-direct"),
        ("auto", {"format": "terse-direct"}, False, "terse-direct"),
        # STaR from a GenRM checkpoint reasons: a verdict alone is no trace.
        ("auto", {"format": "direct"}, True, "pairwise"),
        ("auto", {"format": "terse-direct"}, True, "terse"),
        ("pairwise", {"format": "direct"}, None, "pairwise"),
        ("terse-direct", {"format": "pairwise"}, True, "terse-direct"),
    ],
)
def test_auto_goes_by_the_card(asked, card, reasoning, name):
    assert format_name(asked, card, reasoning=reasoning) == name


def test_a_card_of_an_unknown_format_is_refused():
    with pytest.raises(ConfigError, match=r"'haiku'; there are .*'pairwise'"):
        format_name("auto", {"format": "haiku"})
    assert format_name("pairwise", {"format": "haiku"}) == "pairwise"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"votes": 0}, "votes must be at least 1"),
        ({"top_p": 0.0}, "top_p"),
        ({"temperature": -1.0}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop_at": 1.0}, "--stop-at is a probability below 1; got 1.0"),
        ({"stop_at": -0.1}, "--stop-at"),
        ({"stop_at": float("nan")}, "--stop-at"),
        ({"mean_votes": 1.5}, "--mean-votes must be at least 2"),
        ({"mean_votes": float("inf")}, "--mean-votes"),
        ({"mean_votes": 4.0, "stop_at": 0.0}, "give one of them"),
    ],
)
def test_voting_is_checked_before_any_model_is_loaded(changes, said):
    with pytest.raises(ConfigError, match=said):
        VotingConfig(**changes)


def open_with(config, tmp_path):
    return open_judge(config, seed=0, store=tmp_path / "completions.sqlite")


def test_a_served_model_is_asked_in_both_orders(tmp_path, monkeypatch):
    monkeypatch.setattr(
        served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(lambda prompt, index: "[[A]]")
    )
    config = JudgeConfig(model="m", base_url="http://x", voting=VotingConfig(votes=3))
    (pair,) = preferences("in_distribution", "test", num=1, seed=0)
    with open_with(config, tmp_path) as opened:
        assert (opened.kind, opened.format, opened.votes) == ("reasoning", "pairwise", 3)
        (found,) = opened.judge([pair.shown(0).comparison])
    # Whoever always says "the first" contradicts itself once the order is turned.
    assert [one.outcome for one in found] == [Verdict.FIRST] * 3 + [Verdict.SECOND] * 3


class SamplesOnly:
    """An engine that tells no log-probabilities."""

    fingerprint = "samples only"

    def generate(self, prompts, sampling, rule=None):
        raise AssertionError("not asked")


def test_a_direct_format_needs_log_probabilities(tmp_path, monkeypatch):
    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: SamplesOnly())
    config = JudgeConfig(model="m", base_url="http://x", format="direct")
    with (
        pytest.raises(ConfigError, match=r"no log-probabilities.*--format pairwise"),
        open_with(config, tmp_path),
    ):
        pass


def test_a_direct_format_with_them_gives_one_judgement_an_order(tmp_path, monkeypatch):
    engine = ScriptedEngine(lambda *_: "", logp=lambda prompt, text: -float(len(text)))
    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: engine)
    config = JudgeConfig(model="m", base_url="http://x", format="direct")
    (pair,) = preferences("in_distribution", "test", num=1, seed=0)
    with open_with(config, tmp_path) as opened:
        assert (opened.kind, opened.format, opened.votes) == ("direct", "direct", 1)
        (found,) = opened.judge([pair.shown(0).comparison])
    assert [one.swapped for one in found] == [False, True]


@pytest.mark.parametrize(
    ("asked", "name"),
    [("auto", "direct"), ("direct", "direct"), ("terse-direct", "terse-direct")],
)
def test_a_server_may_be_asked_to_decide_in_one_pass(tmp_path, monkeypatch, asked, name):
    engine = ScriptedEngine(lambda *_: "", logp=lambda prompt, text: -float(len(text)))
    monkeypatch.setattr(systemone, "SystemOneEngine", lambda *_, **__: engine)
    config = JudgeConfig(model="m", base_url="http://x", api="systemone", format=asked)
    with open_with(config, tmp_path) as opened:
        assert (opened.kind, opened.format, opened.votes) == ("direct", name, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_url": ""}, "asked of a server: give its --base-url"),
        ({"format": "pairwise"}, "writes? nothing, which --format pairwise does not ask for"),
        ({"format": "pointwise-direct"}, "which --format pointwise-direct does not ask for"),
    ],
)
def test_decisions_are_asked_of_a_server_in_a_format_of_verdicts_alone(changes, said):
    settings = {"model": "m", "base_url": "http://h/v1", "api": "systemone"}
    with pytest.raises(ConfigError, match=said):
        JudgeConfig(**{**settings, **changes})


def test_a_local_model_is_what_its_card_says(tmp_path):
    with open_with(JudgeConfig(model=str(BASE)), tmp_path) as opened:
        assert (opened.kind, opened.format) == ("reasoning", "terse")
    direct = shutil.copytree(BASE, tmp_path / "direct")
    card = {**json.loads((BASE / "jurist.json").read_text()), "format": "terse-direct"}
    (direct / "jurist.json").write_text(json.dumps(card))
    with open_with(JudgeConfig(model=str(direct)), tmp_path) as opened:
        assert (opened.kind, opened.format, opened.votes) == ("direct", "terse-direct", 1)


def test_a_scalar_model_is_asked_in_no_format(tmp_path):
    (tmp_path / "jurist.json").write_text('{"kind": "scalar"}')
    config = JudgeConfig(model=str(tmp_path), format="pairwise")
    with (
        pytest.raises(ConfigError, match="read as it was trained, not asked in a format"),
        open_with(config, tmp_path),
    ):
        pass


def test_vllm_runs_no_model_behind_a_server():
    with pytest.raises(ConfigError, match="--engine vllm runs the model in this process, and --ba"):
        JudgeConfig(model="m", base_url="http://127.0.0.1:1/v1", engine="vllm")


def test_vllm_reads_no_scalar_model(tmp_path):
    (tmp_path / "jurist.json").write_text('{"kind": "scalar"}')
    config = JudgeConfig(model=str(tmp_path), engine="vllm")
    with (
        pytest.raises(ConfigError, match="is read by transformers, asked for --engine vllm"),
        open_judge(config, seed=0, store=tmp_path / "s.sqlite"),
    ):
        pass


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_without_vllm_the_way_to_get_it_is_said(tmp_path):
    with (
        pytest.raises(ConfigError, match="vLLM, which is not installed here"),
        open_judge(JudgeConfig(model=str(BASE), engine="vllm"), seed=0, store=tmp_path / "s"),
    ):
        pass


def test_averaged_verdicts_are_those_of_the_same_readings_with_their_probabilities(tmp_path):
    shown = [pair.shown(0).comparison for pair in preferences("in_distribution", "test", 3, seed=0)]
    found = {}
    for verdicts in ("counted", "averaged"):
        voting = VotingConfig(votes=3, max_tokens=64, verdicts=verdicts)
        config = JudgeConfig(model=str(BASE), voting=voting)
        with open_judge(config, seed=0, store=tmp_path / "store") as opened:
            found[verdicts] = opened.judge(shown)
    for counted, averaged in zip(found["counted"], found["averaged"], strict=True):
        assert [one.text for one in averaged] == [one.text for one in counted]
        assert [one.outcome for one in averaged] == [one.outcome for one in counted]
        assert all(0 < one.probability < 1 for one in averaged if isinstance(one.outcome, Verdict))
        # The conclusion names the letter, so what was written is nearly always the likelier one.
        agreeing = [
            (one.probability > 0.5) == (one.outcome is Verdict.FIRST)
            for one in averaged
            if isinstance(one.outcome, Verdict)
        ]
        assert sum(agreeing) >= len(agreeing) - 1


@pytest.mark.parametrize("stop", [{"stop_at": 0.01}, {"mean_votes": 4.0}])
def test_averaged_verdicts_have_no_majority_to_stop_by(stop):
    with pytest.raises(ConfigError, match="--verdicts averaged has no majority"):
        VotingConfig(verdicts="averaged", **stop)


def test_a_model_may_be_asked_for_points_and_one_that_was_trained_so_is(tmp_path, monkeypatch):
    scores = {"right": "5", "wrong": "2"}

    def reply(prompt, index):
        content = prompt[0].content
        (name,) = (name for name in scores if f"response]\n{name}" in content)
        return f"so\nScore: {scores[name]}"

    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(reply))
    served_judge = JudgeConfig(
        model="m", base_url="http://127.0.0.1:1/v1", format="additive", voting=VotingConfig(votes=3)
    )
    shown = Comparison(prompt=user("q"), first="wrong", second="right")
    with open_judge(served_judge, seed=0, store=tmp_path / "store.sqlite") as opened:
        (judgements,) = opened.judge([shown])
    assert (opened.kind, opened.format, opened.num_possible) == ("points", "additive", 2)
    assert [one.outcome for one in judgements] == [Verdict.SECOND] * 2
    assert judgements[0].text.count("Score: ") == 6

    trained = tmp_path / "trained"
    shutil.copytree(BASE, trained)
    write_json(trained / "jurist.json", {"kind": "points", "format": "terse-additive"})
    with open_judge(JudgeConfig(model=str(trained)), seed=0, store=tmp_path / "s") as opened:
        assert (opened.kind, opened.format) == ("points", "terse-additive")
    # Asked otherwise, it is a judge like any other.
    asked = JudgeConfig(model=str(trained), format="terse")
    with open_judge(asked, seed=0, store=tmp_path / "s") as opened:
        assert (opened.kind, opened.format) == ("reasoning", "terse")


@pytest.mark.parametrize(
    ("flag", "wanted"),
    [("principles", "principles"), ("rubric", "prometheus"), ("references", "prometheus")],
)
def test_what_a_format_does_not_go_by_is_refused(flag, wanted):
    with pytest.raises(ConfigError, match=f"--{flag} is what --format {wanted} goes by; with"):
        JudgeConfig(model="m", format="pairwise", **{flag: "file"})
    assert getattr(JudgeConfig(model="m", format=wanted, **{flag: "file"}), flag) == "file"


@pytest.mark.parametrize(
    "voting",
    [VotingConfig(stop_at=0.01), VotingConfig(mean_votes=4), VotingConfig(verdicts="averaged")],
)
def test_points_are_no_votes_to_stop_or_to_average(tmp_path, voting):
    config = JudgeConfig(model=str(BASE), format="terse-additive", voting=voting)
    with (
        pytest.raises(
            ConfigError, match="are about votes on pairs; of a judge that reads single responses"
        ),
        open_judge(config, seed=0, store=tmp_path / "s"),
    ):
        pass
