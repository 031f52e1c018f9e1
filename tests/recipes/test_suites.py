"""A judge on every benchmark that is present: found, judged once, scored by their own rules."""

import shutil
from pathlib import Path

import pytest

from jurist.data import find_suites, read_suite
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError, DataError
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.suites import SuitesConfig, evaluate_suites, run_suites
from jurist.reports import load_results

PUBLISHED = Path(__file__).parents[1] / "data" / "published"

FILES = {
    "rewardbench.jsonl": "rewardbench.jsonl",
    "reward-bench-2.jsonl": "reward-bench-2.jsonl",
    "rm-bench.json": "rm-bench.json",
    "judgebench.jsonl": "judgebench.jsonl",
    "math-500.jsonl": "math-500.jsonl",
    "llmbar.json": "notes.json",
}


class Server:
    """A served model in this process that counts what it is asked."""

    def __init__(self):
        self.asked = 0

    def engine(self, *_, **__):
        return ScriptedEngine(self.reply)

    def reply(self, prompt, index):
        self.asked += 1
        return "[[A]]"


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setattr(served, "OpenAIEngine", server.engine)
    return server


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name, place in FILES.items():
        shutil.copy(PUBLISHED / name, folder / place)
    return folder


def config(folder, output, **changes):
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=VotingConfig(votes=1))
    return SuitesConfig(judge=judge, data=folder, output=output, hub_cache=False, **changes)


def knowing(folder):
    """A reply that prefers the labelled response of every pair in a folder."""
    pairs = [pair for found in find_suites(folder).found for pair in read_suite(found).preferences]

    def reply(prompt, index):
        text = prompt[-1].content
        places = [
            (text.rindex(one.chosen), text.rindex(one.rejected))
            for one in pairs
            if one.prompt[0].content in text
            and f"\n{one.chosen}\n" in text
            and f"\n{one.rejected}\n" in text
        ]
        assert places, text
        return "[[A]]" if all(chosen < rejected for chosen, rejected in places) else "[[B]]"

    return reply


def test_every_benchmark_that_is_there_is_judged_and_scored(tmp_path, folder, server):
    run = tmp_path / "run"
    results = evaluate_suites(config(folder, run, method="always the first"))
    num_pairs = {"rewardbench": 5, "reward-bench-2": 17, "rm-bench": 45, "judgebench": 5}
    assert {row.split: row.agreement.num_pairs for row in results.rows} == num_pairs
    assert server.asked == 2 * sum(num_pairs.values())
    # It contradicts itself on every pair: all ballots tie.
    assert all(row.agreement.accuracy.value == 0.5 for row in results.rows)
    official = {(row.split, row.score.name): row.score.value for row in results.official}
    assert official == pytest.approx(
        {
            ("rewardbench", "Chat"): 0.5,
            ("rewardbench", "Chat Hard"): 0.5,
            ("rewardbench", "Safety"): 0.5,
            ("rewardbench", "Reasoning"): 0.5,
            ("rewardbench", "mean of sections"): 0.5,
            ("reward-bench-2", "Factuality"): 0.25,
            ("reward-bench-2", "Math"): 0.25,
            ("reward-bench-2", "Safety"): 0.25,
            ("reward-bench-2", "Ties"): 0.0,  # no margin, no spread, and no gap
            ("reward-bench-2", "mean of subsets (4 of 6)"): 0.1875,
            ("rm-bench", "chat"): 0.0,
            ("rm-bench", "code"): 0.0,
            ("rm-bench", "math"): 0.0,
            ("rm-bench", "safety"): 0.0,
            ("rm-bench", "easy"): 0.0,
            ("rm-bench", "normal"): 0.0,
            ("rm-bench", "hard"): 0.0,
            ("rm-bench", "mean of domains"): 0.0,
            ("judgebench", "coding"): 0.0,
            ("judgebench", "knowledge"): 0.0,
            ("judgebench", "math"): 0.0,
            ("judgebench", "reasoning"): 0.0,
            ("judgebench", "overall"): 0.0,
        }
    )
    assert {shortcut.split for shortcut in results.shortcuts} == set(num_pairs)
    assert load_results(run / "results.json") == results


def test_a_judge_that_knows_the_labels_has_full_marks(tmp_path, folder, server, monkeypatch):
    reply = knowing(folder)
    monkeypatch.setattr(server, "reply", reply)
    results = evaluate_suites(config(folder, tmp_path / "run", only=("rewardbench", "judgebench")))
    assert [row.split for row in results.rows] == ["rewardbench", "judgebench"]
    assert {row.score.value for row in results.official} == {1.0}


def test_the_report_says_what_was_found_missing_ignored_and_only_prompts(tmp_path, folder, server):
    run = tmp_path / "run"
    (folder / "rm-bench.json").unlink()
    assert run_suites(config(folder, run)) == 0
    report = (run / "report.md").read_text("utf-8").replace("\\", "")
    assert f"Found: rewardbench in {folder}/rewardbench.jsonl; " in report
    assert f"Not present in {folder}: rm-bench, llmbar, hhh, " in report
    assert "Called after no benchmark, and not read: notes.json." in report
    assert "Prompts without responses, which there is nothing to judge of: math-500." in report
    assert "## Official scores" in report
    assert "| judge | rewardbench | mean of sections | 50.0 [" in report
    assert "| judge | reward-bench-2 | Ties | 0.0 | 2 |" in report
    assert "Categories: judgebench" in report


def test_a_finished_run_asks_no_model_and_finds_the_same(tmp_path, folder, server):
    run = tmp_path / "run"
    asking = config(folder, run, only=("judgebench", "reward-bench-2"))
    before = evaluate_suites(asking)
    (run / "completions.sqlite").unlink()
    asked = server.asked
    again = evaluate_suites(asking)
    assert server.asked == asked
    assert again.official == before.official
    (run / "judgements" / "judgebench.jsonl.gz").unlink()
    assert evaluate_suites(asking).official == before.official
    assert server.asked == asked + 10


def test_a_limit_is_said_to_make_the_numbers_others(tmp_path, folder, server):
    results = evaluate_suites(config(folder, tmp_path / "run", only=("rm-bench",), limit=2))
    (row,) = results.rows
    assert row.agreement.num_pairs == 18
    assert results.notes[-1] == (
        "Pairs or prompts left out by --limit, so that no number is the benchmark's: rm-bench 3."
    )


def test_a_section_that_no_rule_knows_is_refused_before_judging(tmp_path, folder, server):
    path = folder / "rewardbench.jsonl"
    path.write_text(path.read_text("utf-8").replace("math-prm", "math-odd"), "utf-8")
    with pytest.raises(DataError, match="expected a subset of RewardBench, found 'math-odd'"):
        evaluate_suites(config(folder, tmp_path / "run"))
    assert server.asked == 0


def test_bad_rows_go_into_the_run_directory_if_asked(tmp_path, folder, server):
    path = folder / "judgebench.jsonl"
    path.write_text(path.read_text("utf-8").replace('"A>B"', '"A"', 1), "utf-8")
    only = ("judgebench",)
    with pytest.raises(DataError, match=r"judgebench\.jsonl:1: expected 'label' to be one of"):
        evaluate_suites(config(folder, tmp_path / "run", only=only))
    results = evaluate_suites(config(folder, tmp_path / "run", only=only, skip_bad=True))
    assert results.rows[0].agreement.num_pairs == 4
    assert results.notes[-1] == "Bad rows set aside, which no number counts: judgebench 1."
    assert len((tmp_path / "run" / "rejects" / "judgebench.jsonl").read_text().splitlines()) == 1


def test_nothing_to_judge_is_an_error_that_says_what_is_looked_for(tmp_path, folder, server):
    with pytest.raises(ConfigError, match=r"no benchmark to judge is present in .*called hhh$"):
        evaluate_suites(config(folder, tmp_path / "run", only=("hhh",)))
    with pytest.raises(ConfigError, match="no benchmark to judge is present"):
        evaluate_suites(config(folder, tmp_path / "other", only=("math-500",)))


def test_failures_above_the_allowed_share_end_in_1(tmp_path, folder, server, capsys):
    server.reply = lambda prompt, index: "no verdict"
    failing = config(folder, tmp_path / "run", only=("judgebench",), max_failure_rate=0.5)
    assert run_suites(failing) == 1
    assert "100.0% of the judgements have no verdict" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"only": ("glue",)}, "expected --only to name benchmarks"),
        ({"limit": 0}, "--limit must be at least 1, got 0"),
        ({"data": None}, "--no-hub-cache leaves --data to look in"),
        ({"max_failure_rate": 2.0}, "--max-failure-rate is a share"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(changes, reason, tmp_path):
    judge = JudgeConfig(model="m", base_url="http://scripted")
    settings = {"judge": judge, "data": tmp_path, "output": tmp_path, "hub_cache": False}
    with pytest.raises(ConfigError, match=reason):
        SuitesConfig(**(settings | changes))


@pytest.mark.slow
def test_the_command_line_finds_the_cache_of_the_hub_and_needs_no_network(tmp_path, jurist):
    snapshot = tmp_path / "cache" / "datasets--allenai--reward-bench" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    shutil.copy(PUBLISHED / "rewardbench.jsonl", snapshot / "filtered.jsonl")
    run = jurist(
        *("suites", "--model", tmp_path / "nowhere", "--output", tmp_path / "run"),
        HF_HUB_CACHE=str(tmp_path / "cache"),
    )
    # The benchmark is there, and the model is not.
    assert run.returncode == 2, run.stderr
    assert "rewardbench: " in run.stderr and "5 pairs to judge" in run.stderr
    assert "nowhere" in run.stderr
