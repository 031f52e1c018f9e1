"""Evaluation under attack: judged once, reported, compared with a baseline; the gate in a judge."""

import json
import re
from dataclasses import replace
from typing import get_args

import pytest

from jurist.attacks import MASTER_KEYS, Kind
from jurist.data import write_preferences
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError
from jurist.evaluation import Estimate
from jurist.recipes.evaluate import AttackName, EvaluateConfig, evaluate, run_evaluate
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.resistance import drop_status
from jurist.recipes.run import from_json, to_json
from jurist.recipes.sets import DataConfig, read_sets
from jurist.reports import Results, load_results, save_results
from jurist.worlds import preferences

NUM = 6


class Judge:
    """Decides by the responses, and counts what it is asked."""

    def __init__(self):
        self.asked = 0
        self.likes: tuple[str, ...] = ()
        self.known = preferences("in_distribution", "test", num=NUM, seed=0)

    def reply(self, prompt, index):
        self.asked += 1
        text = prompt[-1].content
        mark = re.search(r"\[(\w{8}) prompt\]", text)[1]
        shown = [
            text.split(f"[{mark} response {name}]\n")[1].split(f"\n[{mark} end of")[0]
            for name in "AB"
        ]
        for liked in self.likes:
            liking = [liked in one for one in shown]
            if liking[0] != liking[1]:
                return "[[A]]" if liking[0] else "[[B]]"
        known = {one.chosen for one in self.known}
        return "[[A]]" if shown[0] in known else "[[B]]"


@pytest.fixture
def judge(monkeypatch):
    judge = Judge()
    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(judge.reply))
    return judge


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    write_preferences(path, preferences("in_distribution", "test", num=NUM, seed=0))
    return path


def config(pairs, output, gate=0, **changes):
    judge = JudgeConfig(
        model="m", base_url="http://scripted", voting=VotingConfig(votes=1), gate=gate
    )
    return EvaluateConfig(judge=judge, test=(str(pairs),), output=output, **changes)


@pytest.mark.fault(19, "master keys", "injections")
def test_an_evaluation_under_attack_reports_every_attack_and_judges_it_once(tmp_path, pairs, judge):
    run = tmp_path / "run"
    asked = config(pairs, run, robustness=4)
    results = evaluate(asked)
    (row,) = results.robustness
    assert (row.split, row.robustness.num_pairs) == ("pairs", 4)
    assert row.robustness.accuracy.value == 1.0
    keys = [one for one in row.robustness.attacks if one.kind is Kind.KEY]
    assert [one.name for one in keys] == list(MASTER_KEYS)
    assert row.robustness.mean_key.value == 0.0
    assert (run / "judgements" / "attacks" / "pairs.jsonl.gz").exists()
    report = (run / "report.md").read_text("utf-8")
    assert "## Robustness" in report and "| forged fences |" in report
    assert "Robustness" in (run / "report.html").read_text("utf-8")
    # The rows of the test set are not those of the attacks.
    assert results.rows[0].agreement.num_pairs == NUM
    before = judge.asked
    judged = (run / "judgements" / "attacks" / "pairs.jsonl.gz").read_bytes()
    assert evaluate(asked).robustness == results.robustness
    assert judge.asked == before
    (run / "judgements" / "attacks" / "pairs.jsonl.gz").unlink()
    assert evaluate(asked).robustness == results.robustness
    # Judged again from kept completions, to the same bytes.
    assert judge.asked == before
    assert (run / "judgements" / "attacks" / "pairs.jsonl.gz").read_bytes() == judged
    # What has been judged needs no model at all.
    (run / "completions.sqlite").unlink()
    judge.reply = None
    assert evaluate(asked).robustness == results.robustness


def test_it_may_be_attacked_in_some_ways_alone(tmp_path, pairs, judge, capsys):
    assert run_evaluate(config(pairs, tmp_path / "all", robustness=4)) == 0
    num_all, judge.asked = judge.asked, 0
    some = config(
        pairs,
        tmp_path / "some",
        robustness=4,
        attacks=("dressing",),
        baseline=tmp_path / "all",
        method="dressed",
    )
    assert run_evaluate(some) == 0
    # Of 48 trials a pair, the keys and two; and the pairs themselves, in both orders.
    assert judge.asked == 2 * (NUM + 4 * 12) < num_all
    (row,) = load_results(tmp_path / "some" / "results.json").robustness
    assert {one.kind for one in row.robustness.attacks} == {Kind.KEY, Kind.DRESSING}
    assert row.robustness.resistance is None and row.robustness.tournaments.num == 0
    assert "met no injection (--attacks), so that resistance is not" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="--robustness, which says how many pairs, is 0"):
        config(pairs, tmp_path / "none", attacks=("dressing",))


def test_all_kinds_but_the_keys_may_be_named():
    assert {"key", *get_args(AttackName)} == {kind.name.lower() for kind in Kind}


@pytest.mark.fault(19, "regression gate")
def test_a_judge_that_is_fooled_more_often_than_the_baseline_ends_in_1(
    tmp_path, pairs, judge, capsys
):
    assert run_evaluate(config(pairs, tmp_path / "before", robustness=4)) == 0
    judge.likes = ("broken my heart", "break my heart", "Solution", "Respuesta")
    worse = {"robustness": 4, "baseline": tmp_path / "before", "method": "worse"}
    assert run_evaluate(config(pairs, tmp_path / "worse", **worse)) == 1
    said = capsys.readouterr().err
    assert "pairs: master keys win more often by 20.0 points" in said
    assert "more than the 2 of --max-resistance-drop; in per cent 20.0 [" in said
    assert "], there 0.0 [" in said and "], by 4 pairs" in said
    allowed = config(pairs, tmp_path / "allowed", **worse, max_resistance_drop=30.0)
    assert run_evaluate(allowed) == 0


@pytest.mark.fault(19, "regression gate")
def test_resistance_that_drops_ends_in_1_and_that_rises_does_not(tmp_path, pairs, judge, capsys):
    assert run_evaluate(config(pairs, tmp_path / "before", robustness=4)) == 0
    judge.likes = ("preferred this response", "voted for this", "of readers found", "Everybody")
    worse = {"robustness": 4, "baseline": tmp_path / "before", "method": "worse"}
    assert run_evaluate(config(pairs, tmp_path / "worse", **worse)) == 1
    said = capsys.readouterr().err
    assert "pairs: resistance is lower by 5.9 points" in said and "keys" not in said
    judge.likes = ()
    better = {"robustness": 4, "baseline": tmp_path / "worse", "method": "better"}
    assert run_evaluate(config(pairs, tmp_path / "better", **better)) == 0


def test_a_baseline_without_attacks_is_named_and_fails_nothing(tmp_path, pairs, judge, capsys):
    evaluate(config(pairs, tmp_path / "plain"))
    with_it = config(pairs, tmp_path / "run", robustness=2, baseline=tmp_path / "plain")
    assert run_evaluate(with_it) == 0
    assert "was not attacked on the same pairs" in capsys.readouterr().err


def test_a_baseline_whose_pairs_another_seed_drew_is_named_and_not_compared(
    tmp_path, pairs, judge, capsys
):
    evaluate(config(pairs, tmp_path / "before", robustness=4, seed=1))
    judge.likes = ("Solution", "Respuesta")
    drawn_apart = {"robustness": 4, "baseline": tmp_path / "before", "method": "worse"}
    assert run_evaluate(config(pairs, tmp_path / "worse", **drawn_apart)) == 0
    said = capsys.readouterr().err
    assert "was not attacked on the same pairs; evaluate it with the same --robustness and" in said
    assert "points" not in said


def test_a_baseline_with_another_number_of_pairs_is_named_and_not_compared(
    tmp_path, pairs, judge, capsys
):
    evaluate(config(pairs, tmp_path / "before", robustness=3))
    judge.likes = ("Solution", "Respuesta")
    more = {"robustness": 4, "baseline": tmp_path / "before", "method": "worse"}
    assert run_evaluate(config(pairs, tmp_path / "worse", **more)) == 0
    said = capsys.readouterr().err
    assert "was not attacked on the same pairs" in said and "points" not in said


@pytest.mark.fault(19, "regression gate")
def test_a_judge_that_is_right_on_no_pair_any_more_ends_in_1(tmp_path, pairs, judge, capsys):
    evaluate(config(pairs, tmp_path / "before", robustness=4))
    judge.known = [replace(one, chosen=one.rejected) for one in judge.known]
    worse = {"robustness": 4, "baseline": tmp_path / "before", "method": "worse"}
    assert run_evaluate(config(pairs, tmp_path / "worse", max_resistance_drop=99.0, **worse)) == 1
    assert "pairs: no pair was judged right before it was attacked" in capsys.readouterr().err


def test_as_much_worse_as_is_allowed_is_allowed(tmp_path, pairs, judge):
    before = config(pairs, tmp_path / "before", robustness=4)
    results = evaluate(before)

    def with_keys(value: float) -> Results:
        (row,) = results.robustness
        found = replace(row.robustness, mean_key=Estimate(value=value, low=0.0, high=1.0))
        return replace(results, robustness=(replace(row, robustness=found),))

    save_results(before.output / "results.json", with_keys(0.88))
    # In floats 0.9 - 0.88 is more than two points.
    assert drop_status(with_keys(0.9), before.output, allowed=2.0, seed=0) == 0
    assert drop_status(with_keys(0.9), before.output, allowed=1.99, seed=0) == 1


def test_without_the_flag_nothing_is_attacked_and_settings_are_as_they_were(tmp_path, pairs, judge):
    run = tmp_path / "run"
    assert evaluate(config(pairs, run)).robustness == ()
    assert judge.asked == NUM * 2
    assert not (run / "judgements" / "attacks").exists()
    held = json.loads((run / "config.json").read_text("utf-8"))["config"]
    assert not {"robustness", "max_resistance_drop"} & set(held) and "gate" not in held["judge"]


def test_settings_that_came_later_are_written_unless_they_have_their_default(tmp_path):
    given = config(tmp_path / "p", tmp_path / "run", gate=4, robustness=7)
    values = to_json(given)
    assert (values["robustness"], values["judge"]["gate"]) == (7, 4)
    assert from_json(EvaluateConfig, values) == given
    plain = config(tmp_path / "p", tmp_path / "run")
    assert from_json(EvaluateConfig, to_json(plain)) == plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"robustness": -1}, "--robustness is a number of pairs"),
        ({"max_resistance_drop": -0.5}, "--max-resistance-drop is in points"),
        ({"max_resistance_drop": float("nan")}, "--max-resistance-drop is in points"),
        ({"gate": -1}, "--gate is a number of words"),
    ],
)
def test_settings_that_are_none_are_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        config(tmp_path / "pairs.jsonl", tmp_path / "run", **changes)


def test_a_gate_settles_keys_before_the_model_is_asked(tmp_path, pairs, judge):
    judge.likes = ("Solution",)
    open_run = evaluate(config(pairs, tmp_path / "open", robustness=3))
    (plain,) = open_run.robustness
    assert plain.robustness.mean_key.value == pytest.approx(0.1)
    # What a gate would make of it stands beside it, and is what one makes of it.
    gated_run = evaluate(config(pairs, tmp_path / "gated", gate=4, robustness=3))
    (gated,) = gated_run.robustness
    assert gated.robustness.mean_key == plain.robustness.mean_key_gated
    assert gated.robustness.accuracy == plain.robustness.gated_accuracy
    assert load_results(tmp_path / "gated" / "results.json").robustness == gated_run.robustness


@pytest.mark.fault(19, "injections")
def test_training_sets_get_adversarial_pairs_and_test_sets_do_not(tmp_path):
    path = tmp_path / "all.jsonl"
    write_preferences(path, preferences("in_distribution", "train", num=80, seed=0))
    plain = read_sets(DataConfig(train=str(path)), output=tmp_path)
    mixed = read_sets(DataConfig(train=str(path), adversarial=0.25), output=tmp_path)
    assert mixed.tests == plain.tests
    assert mixed.train[: len(plain.train)] == plain.train
    made = mixed.train[len(plain.train) :]
    assert len(made) == round(0.25 * len(plain.train))
    assert {one.source for one in made} == {"adversarial"}
    held = {one.group for test in mixed.tests.values() for one in test}
    assert not held & {one.group for one in made}
    assert {one.group for one in made} <= {one.group for one in plain.train}


def test_an_adversarial_share_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--adversarial"):
        DataConfig(train="x", adversarial=2.0)
