"""Evaluation: both orders judged once, kept, compared and reported."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading

import pytest

from jurist import judges
from jurist.data import write_preferences
from jurist.digest import derive_seed
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError, DataError
from jurist.recipes import evaluate as recipe
from jurist.recipes import open_judge as open_judge_recipe
from jurist.recipes.evaluate import EvaluateConfig, evaluate, run_evaluate
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.reports import load_results
from jurist.worlds import language_preferences, preferences

VOTES = VotingConfig(votes=2)


class Server:
    """A served model in this process: counts what it is asked, says what it is told to."""

    def __init__(self):
        self.asked = 0
        self.says = "[[A]]"

    def engine(self, *_, **__):
        return ScriptedEngine(self.reply)

    def reply(self, prompt, index):
        self.asked += 1
        return self.says


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setattr(served, "OpenAIEngine", server.engine)
    return server


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    write_preferences(path, preferences("in_distribution", "test", num=6, seed=0))
    return path


def config(pairs, output, **changes):
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=VOTES)
    return EvaluateConfig(judge=judge, test=(str(pairs),), output=output, **changes)


def test_an_evaluation_leaves_its_results_and_its_report(tmp_path, pairs, server):
    run = tmp_path / "run"
    results = evaluate(config(pairs, run, method="always the first"))
    assert server.asked == 6 * 2 * 2
    (row,) = results.rows
    assert (row.method, row.split) == ("always the first", "pairs")
    # It contradicts itself on every pair, and so prefers neither response of any.
    assert row.agreement.flips is not None and row.agreement.flips.value == 1.0
    assert row.agreement.accuracy.value == 0.5
    assert {path.name for path in run.iterdir()} >= {
        *("config.json", "environment.json", "timings.json", "run.lock", "judgements"),
        *("completions.sqlite", "results.json", "report.md", "report.html"),
    }
    assert list(json.loads((run / "timings.json").read_text())) == ["judge/pairs"]


def test_an_evaluation_that_stops_early_says_so_and_samples_the_same_again(tmp_path, pairs, server):
    known = preferences("in_distribution", "test", num=6, seed=0)

    def right(prompt, index):
        server.asked += 1
        text = prompt[-1].content
        (pair,) = [one for one in known if one.chosen in text and one.rejected in text]
        return "[[A]]" if text.index(pair.chosen) < text.index(pair.rejected) else "[[B]]"

    server.reply = right
    voting = VotingConfig(votes=8, stop_at=0.01)
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=voting)
    run = tmp_path / "run"
    config = EvaluateConfig(judge=judge, test=(str(pairs),), output=run, method="[sure]")
    results = evaluate(config)
    (row,) = results.rows
    # Eight votes of each order, all alike: three of each are enough at one in a hundred.
    assert server.asked == row.agreement.num_judgements == 6 * 6
    assert (row.agreement.votes, row.agreement.possible_votes) == (6.0, 16.0)
    assert "Not all votes were cast for [sure]" in results.notes[-1]
    assert "| 6 of 16 |" in (run / "report.md").read_text("utf-8")
    (run / "judgements" / "pairs.jsonl.gz").unlink()
    assert evaluate(config).rows[0].agreement == row.agreement
    assert server.asked == 36


def test_a_finished_evaluation_opens_no_model_when_run_again(tmp_path, pairs, server, monkeypatch):
    run = tmp_path / "run"
    before = evaluate(config(pairs, run))
    asked = server.asked

    def unreachable(*_, **__):
        raise AssertionError("a finished evaluation asked for its model")

    monkeypatch.setattr(served, "OpenAIEngine", unreachable)
    (run / "completions.sqlite").unlink()
    again = evaluate(config(pairs, run))
    assert server.asked == asked
    assert again.rows == before.rows and again.disagreements == before.disagreements


def test_a_second_test_set_is_all_that_a_killed_evaluation_still_judges(tmp_path, pairs, server):
    other = tmp_path / "other.jsonl"
    write_preferences(other, preferences("shifted", "test", num=3, seed=0))
    run = tmp_path / "run"
    both = EvaluateConfig(judge=config(pairs, run).judge, test=(str(pairs), str(other)), output=run)
    evaluate(both)
    (run / "judgements" / "other.jsonl.gz").unlink()
    (run / "completions.sqlite").unlink()
    server.asked = 0
    results = evaluate(both)
    assert server.asked == 3 * 2 * 2
    assert [row.split for row in results.rows] == ["pairs", "other"]


def test_a_set_is_judged_in_parts_and_comes_out_the_same(tmp_path, pairs, server, monkeypatch):
    whole = evaluate(config(pairs, tmp_path / "whole"))
    sizes = []
    pairwise = judges.PairwiseJudge.__call__

    def judge(self, comparisons):
        sizes.append(len(comparisons))
        return pairwise(self, comparisons)

    monkeypatch.setattr(judges.PairwiseJudge, "__call__", judge)
    monkeypatch.setattr(recipe, "PART_SIZE", 4)
    parts = evaluate(config(pairs, tmp_path / "parts"))
    assert sizes == [8, 4]  # both orders of four, then of the two that are left
    kept = [tmp_path / run / "judgements" / "pairs.jsonl.gz" for run in ("whole", "parts")]
    assert kept[0].read_bytes() == kept[1].read_bytes()
    assert parts.rows[0].agreement == whole.rows[0].agreement


@pytest.mark.parametrize(
    ("voting", "calls"),
    [
        (VotingConfig(votes=6), 3),
        (VotingConfig(votes=6, stop_at=0.1), 3),
        (VotingConfig(votes=6, mean_votes=3.0), 1),
    ],
    ids=["all", "adaptive", "budgeted"],
)
def test_parts_change_no_verdict_and_a_budget_is_spent_over_the_whole_set(
    tmp_path, pairs, monkeypatch, voting, calls
):
    engine = ScriptedEngine(lambda prompt, index: f"[[{'AAB'[derive_seed(prompt, index) % 3]}]]")
    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: engine)
    num_calls = []
    make = open_judge_recipe.OpenJudge

    def counting(*, judge, **rest):
        def counted(comparisons):
            num_calls.append(len(comparisons))
            return judge(comparisons)

        return make(judge=counted, **rest)

    monkeypatch.setattr(open_judge_recipe, "OpenJudge", counting)
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=voting)
    kept = []
    for size in (100, 2):
        num_calls.clear()
        monkeypatch.setattr(recipe, "PART_SIZE", size)
        run = tmp_path / str(size)
        evaluate(EvaluateConfig(judge=judge, test=(str(pairs),), output=run))
        kept.append((run / "judgements" / "pairs.jsonl.gz").read_bytes())
    assert kept[0] == kept[1]
    assert len(num_calls) == calls


@pytest.mark.parametrize(("allowed", "code"), [(1.0, 0), (0.99, 1), (0.0, 1)])
def test_too_many_failures_end_with_1_and_everything_is_kept(
    tmp_path, pairs, server, capsys, allowed, code
):
    server.says = "I would rather not say."
    run = tmp_path / "[dim]run"
    assert run_evaluate(config(pairs, run, max_failure_rate=allowed)) == code
    said = capsys.readouterr()
    assert f"report: {run / 'report.html'}" in said.out
    if code:
        expected = f"100.0% of the judgements have no verdict, more than the {allowed:.1%} allowed"
        assert expected in said.err and str(run) in said.err
    assert (run / "report.html").exists()
    assert json.loads((run / "results.json").read_text())
    assert (run / "judgements" / "pairs.jsonl.gz").exists()


def test_the_page_holds_every_pair_and_says_if_it_cannot(tmp_path, write_rows, server):
    long = "word " * 60_000
    rows = (
        {"id": f"{i}", "prompt": "q", "chosen": f"{long}{i}", "rejected": "x"} for i in range(6)
    )
    path = write_rows(*rows)
    run = tmp_path / "run"
    evaluate(config(path, run, explorer_megabytes=1))
    page = (run / "report.html").read_text("utf-8")
    assert "of 6 pairs are not in the explorer" in page
    assert server.asked == 6 * 2 * 2
    # More room is another page of the same run, and nothing is judged again.
    evaluate(config(path, run, explorer_megabytes=9))
    page = (run / "report.html").read_text("utf-8")
    assert "6 judged pairs" in page and "not in the explorer" not in page
    assert server.asked == 6 * 2 * 2
    with pytest.raises(ConfigError, match="--explorer-megabytes must be at least 1, got 0"):
        config(path, run, explorer_megabytes=0)


def test_the_judge_is_told_of_in_words(tmp_path, pairs, server):
    run = tmp_path / "run"
    (facts,) = evaluate(config(pairs, run)).judges
    assert (facts.method, facts.model, facts.served) == ("judge", "m", True)
    for report in ("report.md", "report.html"):
        text = (run / report).read_text("utf-8")
        assert "m, behind an address." in text
        assert "agrees with the label on 50.0 % of 6 pairs" in text


def test_a_baseline_is_compared_with_pair_by_pair(tmp_path, pairs, server):
    evaluate(config(pairs, tmp_path / "first"))
    server.says = "[[B]]"
    # Other seed, other places: the baseline's judgements are still read as they were asked.
    results = evaluate(
        config(pairs, tmp_path / "second", baseline=tmp_path / "first", method="second", seed=5)
    )
    (row,) = results.comparisons
    assert (row.method, row.baseline, row.split) == ("second", "first", "pairs")
    kept = json.loads((tmp_path / "second" / "results.json").read_text())
    assert "first" in json.dumps(kept["comparisons"])
    assert [row.method for row in results.rows] == ["second"]


def test_a_baseline_with_other_places_is_read_as_it_was_asked(
    tmp_path, write_rows, server, monkeypatch
):
    # The same judge twice, always right: whatever the places, there is no difference.
    path = write_rows(
        *({"id": f"{i}", "prompt": f"q{i}", "chosen": "xxxx", "rejected": "yy"} for i in range(8))
    )

    def right(prompt, index):
        text = prompt[-1].content
        return "[[A]]" if text.index("xxxx") < text.index("yy") else "[[B]]"

    monkeypatch.setattr(server, "reply", right)
    evaluate(config(path, tmp_path / "first", seed=0))
    results = evaluate(config(path, tmp_path / "second", seed=1, baseline=tmp_path / "first"))
    (row,) = results.comparisons
    assert results.rows[0].agreement.accuracy.value == 1.0
    assert row.paired.difference.value == 0.0


def test_a_baseline_that_did_not_judge_the_set_is_refused_before_anything_is_judged(
    tmp_path, pairs, server
):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no judgements of 'pairs'; evaluate it there first"):
        evaluate(config(pairs, tmp_path / "run", baseline=tmp_path / "empty"))
    assert server.asked == 0


def test_a_baseline_of_the_judges_own_name_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--method"):
        config("pairs.jsonl", tmp_path / "run", baseline=tmp_path / "judge")


def test_no_test_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--test"):
        EvaluateConfig(judge=JudgeConfig(model="m"), test=(), output=tmp_path)


def test_other_pairs_under_the_same_name_are_refused(tmp_path, pairs, server):
    evaluate(config(pairs, tmp_path / "run"))
    write_preferences(pairs, preferences("in_distribution", "test", num=7, seed=0))
    with pytest.raises(ConfigError, match="other pairs"):
        evaluate(config(pairs, tmp_path / "run"))


def test_what_the_judge_was_trained_on_is_checked_and_fits_the_shortcuts(tmp_path, pairs, server):
    with pytest.raises(DataError, match="--allow-overlap"):
        evaluate(config(pairs, tmp_path / "a", train=str(pairs)))
    results = evaluate(config(pairs, tmp_path / "b", train=str(pairs), allow_overlap=True))
    facts = {fact.split: fact for fact in results.datasets}
    assert (facts["train"].num_pairs, facts["pairs"].num_overlapping) == (6, 6)
    alone = evaluate(config(pairs, tmp_path / "c"))
    assert [fact.num_overlapping for fact in alone.datasets] == [None]
    assert len(alone.shortcuts) < len(results.shortcuts)


def test_a_split_of_what_the_judge_was_trained_on_can_be_named(tmp_path, pairs, server):
    datasets = pytest.importorskip("datasets")
    rows = [{"prompt": "q", "chosen": "good", "rejected": f"bad {i}"} for i in range(3)]
    made = datasets.Dataset.from_list(rows)
    datasets.DatasetDict(seen=made, rest=made.select([0])).save_to_disk(tmp_path / "set")
    asked = config(pairs, tmp_path / "run", train=str(tmp_path / "set"), split="seen")
    facts = {fact.split: fact for fact in evaluate(asked).datasets}
    assert facts["train"].num_pairs == 3


def test_half_a_surrogate_pair_in_a_reply_ends_up_in_a_report(tmp_path, pairs, server):
    server.says = "It stops in the middle of an emoji: \ud83d"
    run = tmp_path / "run"
    results = evaluate(config(pairs, run))
    assert results.rows[0].agreement.failure_rate == 1.0
    (run / "report.html").read_text("utf-8")
    assert evaluate(config(pairs, run)).rows == results.rows


# What an installation without the extra [train] lacks.
WITHOUT_TORCH = """
import sys
HEAVY = {"torch", "transformers", "accelerate", "peft", "safetensors", "tokenizers"}
class Absent:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent)
from jurist.cli import main
main()
"""
KEY = "sk-canary-0123456789"


class OpenAI(http.server.BaseHTTPRequestHandler):
    """Answers every chat completion with a reason and a verdict; wants the key."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        fine = self.headers["authorization"] == f"Bearer {KEY}"
        if self.path == "/v1/systemone":
            self.answer(fine and asked.keys() == {"model", "state", "questions"}, decided(asked))
        else:
            self.answer(fine, chat())

    def answer(self, fine, content):
        content = json.dumps(content).encode()
        self.send_response(200 if fine else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def chat():
    message = {"role": "assistant", "content": "The first one adds up.\n[[A]]"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 9}
    return {"model": "m", "choices": [choice], "usage": usage}


def decided(asked):
    """The longer response is better, and of the labels the model thinks little if it is first."""
    (name,) = asked["questions"]
    responses = re.findall(r"\] *\n(.*)\n\[\w+ end of response", asked["state"])
    longer_first = len(responses[0]) > len(responses[1])
    shares = {"A": 0.75, "B": 0.25} if longer_first else {"A": 0.25, "B": 0.75}
    answer = {"type": "choice", "choice": max(shares, key=shares.get), "probabilities": shares}
    mass = {"label_mass": 0.01 if longer_first else 0.9, "argmax_is_label": True}
    return {"model": "m", "answers": {name: answer}, "diagnostics": {name: mass}}


@pytest.fixture
def url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OpenAI)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_a_served_model_is_judged_with_and_evaluated_without_torch(tmp_path, pairs, url):
    def jurist(*arguments):
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "OPENAI_API_KEY": KEY, "COLUMNS": "200"},
        )

    asked = ("--model", "m", "--base-url", url, "--votes", "2")
    judged = jurist("judge", *asked, "--pairs", pairs, "--output", tmp_path / "judged")
    assert judged.returncode == 0, judged.stderr
    evaluated = jurist("evaluate", *asked, "--test", pairs, "--output", tmp_path / "evaluated")
    assert evaluated.returncode == 0, evaluated.stderr
    lines = (tmp_path / "judged" / "verdicts.jsonl").read_text().splitlines()
    votes = {"chosen": 2, "rejected": 2, "tie": 0, "failed": 0, "possible": 4}
    assert [json.loads(line)["votes"] for line in lines] == [votes] * 6
    page = (tmp_path / "evaluated" / "report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>") and "</html>" in page and "127.0.0.1" not in page
    (row,) = json.loads((tmp_path / "evaluated" / "results.json").read_text())["rows"]
    assert row["agreement"]["flips"]["value"] == 1.0
    # A run makes thousands of requests: none has a line of its own.
    assert "HTTP" not in judged.stderr + evaluated.stderr
    assert KEY not in judged.stdout + judged.stderr + evaluated.stdout + evaluated.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []


@pytest.fixture
def sums(tmp_path, server):
    """A file of ten sums in three languages, and a judge served that knows them in English."""
    known = language_preferences(10, 0)
    write_preferences(tmp_path / "sums.jsonl", known)

    def english(prompt, index):
        text = prompt[-1].content
        for one in known:
            if one.language == "en" and one.chosen in text and one.rejected in text:
                return "[[A]]" if text.index(one.chosen) < text.index(one.rejected) else "[[B]]"
        return "[[A]]"

    server.reply = english
    return tmp_path / "sums.jsonl"


def test_pairs_in_several_languages_are_reported_language_by_language(tmp_path, sums):
    run = tmp_path / "run"
    languages = evaluate(config(sums, run)).rows[0].languages
    assert languages is not None
    assert languages.reference == "en"
    # In the others it always says the first, and so prefers neither.
    assert {one.language: one.accuracy.value for one in languages.languages} == {
        "en": 1.0,
        "ba": 0.5,
        "cu": 0.5,
    }
    assert [one.num_shared for one in languages.languages] == [0, 10, 10]
    assert languages.mean_drop is not None and languages.mean_drop.value == 0.5
    assert load_results(run / "results.json").rows[0].languages == languages
    for report in ("report.md", "report.html"):
        text = (run / report).read_text("utf-8")
        assert "Languages: sums" in text
        assert "+50.0" in text
    lines = (run / "report.md").read_text("utf-8").splitlines()
    row = next(line for line in lines if line.startswith("| judge | ba |"))
    assert row.startswith("| judge | ba | 10 | 50.0 [") and "| 10 | +50.0 [" in row


def test_strengths_are_reported_where_judge_and_labels_have_them(tmp_path, server, write_rows):
    rows = [
        {
            "prompt": f"question {i}",
            "chosen": f"worth {i + 1 + margin}",
            "rejected": f"worth {i}",
            "margin": margin,
        }
        for i, margin in enumerate((0.5, 1, 1.5, 2, 2.5))
    ]
    rows.append({"prompt": "question", "chosen": "worth 9", "rejected": "worth 8"})

    def strength(prompt, index):
        first, second = re.findall(r"worth ([\d.]+)", prompt[-1].content)
        # Below 0 the first one is better, in this format.
        return f"Preference: {round(max(-3.0, min(3.0, float(second) - float(first))))}"

    server.reply = strength
    run = tmp_path / "run"
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=VOTES, format="strength")
    told = EvaluateConfig(judge=judge, test=(str(write_rows(*rows)),), output=run)
    (row,) = evaluate(told).rows
    assert row.strength is not None
    # Rounded to even: 1.5, 2, 2.5, 3 and 3.5 are said to be 2, 2, 2, 3 and 3, each 1.5, 1, 0.5, 1
    # and 0.5 more than the label.
    assert (row.strength.num_pairs, row.strength.num_missing) == (5, 1)
    assert row.strength.mean_error.value == pytest.approx(0.9)
    assert row.strength.within_one.value == pytest.approx(0.8)
    assert row.strength.correlations.spearman.value > 0.8
    assert load_results(run / "results.json").rows[0].strength == row.strength
    for report in ("report.md", "report.html"):
        text = (run / report).read_text("utf-8")
        assert "Stated strengths" in text
        assert "0.90 [" in text
    # A judge that states none has no table.
    server.reply = lambda prompt, index: "[[A]]"
    assert evaluate(config(write_rows(*rows), tmp_path / "other")).rows[0].strength is None
    assert "Stated strengths" not in (tmp_path / "other" / "report.md").read_text("utf-8")


def test_another_language_to_compare_with_can_be_named(tmp_path, sums):
    languages = evaluate(config(sums, tmp_path / "run", reference_language="ba")).rows[0].languages
    assert languages is not None
    assert languages.reference == "ba"
    drops = {one.language: one.drop for one in languages.languages}
    assert drops["ba"] is None
    assert drops["en"] is not None and drops["en"].value == -0.5
    with pytest.raises(ConfigError, match="'xx': expected a language of the test sets, which have"):
        evaluate(config(sums, tmp_path / "other", reference_language="xx"))


def test_pairs_without_languages_have_no_table_of_them(tmp_path, pairs, server):
    assert evaluate(config(pairs, tmp_path / "run")).rows[0].languages is None
    assert "Languages" not in (tmp_path / "run" / "report.md").read_text("utf-8")
    with pytest.raises(ConfigError, match="none; rows say it in a column language"):
        evaluate(config(pairs, tmp_path / "other", reference_language="en"))


def test_languages_without_english_are_not_compared(tmp_path, sums):
    rows = [json.loads(line) for line in sums.read_text("utf-8").splitlines()]
    (tmp_path / "two.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows if row["language"] != "en"), "utf-8"
    )
    run = tmp_path / "run"
    languages = evaluate(config(tmp_path / "two.jsonl", run)).rows[0].languages
    assert languages is not None
    assert (languages.reference, languages.mean_drop) == (None, None)
    assert "name one with --reference-language" in (run / "report.md").read_text("utf-8")


def test_a_server_decides_in_one_pass(tmp_path, write_rows, url, jurist):
    row = {"prompt": "q", "chosen": "long enough", "rejected": "short", "source": "s"}
    pairs = write_rows(*({**row, "prompt": f"question {i}"} for i in range(3)))
    done = jurist(
        *("judge", "--model", "m", "--base-url", url, "--api", "systemone"),
        *("--pairs", pairs, "--output", tmp_path / "judged"),
        OPENAI_API_KEY=KEY,
    )
    assert done.returncode == 0, done.stderr
    assert "in 3 of 6 decisions the options together had less than 0.1" in done.stderr
    lines = (tmp_path / "judged" / "verdicts.jsonl").read_text().splitlines()
    # One order is decided, and in the other the labels are not what the model would have said.
    votes = {"chosen": 1, "rejected": 0, "tie": 0, "failed": 1, "possible": 2}
    assert [json.loads(line)["votes"] for line in lines] == [votes] * 3
    evaluated = jurist(
        *("evaluate", "--model", "m", "--base-url", url, "--api", "systemone"),
        *("--test", pairs, "--output", tmp_path / "evaluated"),
        OPENAI_API_KEY=KEY,
    )
    assert evaluated.returncode == 0, evaluated.stderr
    (row,) = json.loads((tmp_path / "evaluated" / "results.json").read_text())["rows"]
    assert row["agreement"]["accuracy"]["value"] == 1.0
