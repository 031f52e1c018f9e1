"""Two runs compared: only if they judged the same pairs, and what comes out."""

import json
import shutil

import pytest

from jurist.cli import COMMANDS
from jurist.data import read_preferences, write_preferences
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError
from jurist.recipes.compare import CompareConfig, compare_runs, run_compare
from jurist.recipes.evaluate import EvaluateConfig, evaluate
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.readings import readings_pairs
from jurist.reports import load_results
from jurist.worlds import preferences


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Evaluate a judge that answers by a function of (prompt text, index) into a directory."""
    path = tmp_path / "pairs.jsonl"
    write_preferences(path, preferences("in_distribution", "test", num=12, seed=0))

    def run(name, says, *, source=path, **changes):
        def reply(prompt, index):
            return says(prompt[-1].content, index)

        monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(reply))
        voting = VotingConfig(votes=2)
        judge = JudgeConfig(model="m", base_url="http://scripted", voting=voting)
        evaluate(
            EvaluateConfig(
                judge=judge, test=(f"pairs={source}",), output=tmp_path / name, **changes
            )
        )
        return tmp_path / name

    run.path = path
    return run


def first(prompt, index):
    return "[[A]]"


def right(path):
    known = read_preferences(str(path)).preferences

    def says(prompt, index):
        for one in known:
            if one.chosen in prompt and one.rejected in prompt:
                at = prompt.index(one.chosen) < prompt.index(one.rejected)
                return "so\n[[A]]" if at else "so\n[[B]]"
        raise AssertionError(prompt)

    return says


def compared(one, other, output, **changes):
    return CompareConfig(runs=(str(one), str(other)), output=output, **changes)


def test_two_judges_are_compared_pair_by_pair(tmp_path, evaluated, capsys):
    able = evaluated("able", right(evaluated.path))
    # Other seed, other places: nothing of it matters.
    lazy = evaluated("lazy", first, seed=5)
    assert run_compare(compared(able, lazy, tmp_path / "compared")) == 0
    told = capsys.readouterr().out
    assert "able against lazy, pairs: +50.0" in told
    assert "able wins 12 pairs and loses 0" in told
    results = load_results(tmp_path / "compared" / "results.json")
    assert [row.method for row in results.rows] == ["able", "lazy"]
    (row,) = results.comparisons
    assert (row.method, row.baseline, row.paired.wins, row.paired.losses) == ("able", "lazy", 12, 0)
    (between,) = results.differences
    assert between.differences.same.value == 0.0
    assert {part.aspect for part in between.differences.parts} == {"category", "order", "length"}
    assert [facts.method for facts in results.judges] == ["able", "lazy"]
    page = (tmp_path / "compared" / "report.html").read_text("utf-8")
    assert "Where they differ: pairs" in page and 'id="explorer-app"' in page


def test_a_comparison_of_a_run_with_itself_finds_no_difference(tmp_path, evaluated):
    able = evaluated("able", right(evaluated.path))
    shutil.copytree(able, tmp_path / "same")
    results = compare_runs(compared(able, tmp_path / "same", tmp_path / "compared"))
    assert results.comparisons[0].paired.difference.value == 0.0
    assert results.differences[0].differences.same.value == 1.0
    # All right in both: one verdict everywhere, and no chance to agree beyond.
    assert results.differences[0].differences.kappa is None


def test_the_same_comparison_again_gives_the_same_bytes(tmp_path, evaluated):
    able, lazy = evaluated("able", right(evaluated.path)), evaluated("lazy", first)
    for _ in range(2):
        compare_runs(compared(able, lazy, tmp_path / "compared"))
        pages = [(tmp_path / "compared" / n).read_bytes() for n in ("report.html", "results.json")]
        saved = locals().get("saved", pages)
    assert pages == saved


def test_runs_on_different_pairs_are_refused_with_what_differs(tmp_path, evaluated):
    able = evaluated("able", first)
    few = tmp_path / "few.jsonl"
    rows = evaluated.path.read_text("utf-8").splitlines(keepends=True)
    few.write_text("".join(rows[:9]), "utf-8")
    fewer = evaluated("fewer", first, source=few)
    gone = json.loads(rows[9])["id"]
    with pytest.raises(ConfigError, match=f"12 against 9 pairs, 3 only of able, such as '{gone}'"):
        compare_runs(compared(able, fewer, tmp_path / "compared"))
    few.write_text("".join([rows[1], rows[0], *rows[2:]]), "utf-8")
    turned = evaluated("turned", first, source=few)
    with pytest.raises(ConfigError, match="the same pairs in another order"):
        compare_runs(compared(able, turned, tmp_path / "compared"))
    changed = json.loads(rows[4])
    changed["chosen"] += " indeed"
    few.write_text("".join([*rows[:4], json.dumps(changed) + "\n", *rows[5:]]), "utf-8")
    other = evaluated("other", first, source=few)
    with pytest.raises(ConfigError, match=rf"1 have other content .* such as '{changed['id']}'"):
        compare_runs(compared(able, other, tmp_path / "compared"))
    assert not (tmp_path / "compared").exists()  # refused before anything was written


def test_other_sets_and_runs_without_judgements_are_refused(tmp_path, evaluated):
    able = evaluated("able", first)
    shutil.copytree(able, tmp_path / "renamed")
    kept = tmp_path / "renamed" / "judgements"
    (kept / "pairs.jsonl.gz").rename(kept / "held.jsonl.gz")
    with pytest.raises(ConfigError, match="able has judged 'pairs' and renamed 'held'"):
        compare_runs(compared(able, tmp_path / "renamed", tmp_path / "compared"))
    with pytest.raises(
        ConfigError, match=r"no judgements; evaluate a judge there first, or name a"
    ):
        compare_runs(compared(able, tmp_path, tmp_path / "compared"))
    with pytest.raises(ConfigError, match=r"evaluate a judge there first$"):
        compare_runs(compared(able, tmp_path / "nowhere", tmp_path / "compared"))


def test_runs_of_one_name_need_names(tmp_path, evaluated):
    with pytest.raises(ConfigError, match="both runs would be called 'run'"):
        compared("a/run", "b/run", tmp_path)
    assert compared("one=a/run", "b/run", tmp_path).runs == ("one=a/run", "b/run")


def test_test_sets_that_have_moved_can_be_named(tmp_path, evaluated):
    able, lazy = evaluated("able", right(evaluated.path)), evaluated("lazy", first)
    moved = tmp_path / "moved.jsonl"
    evaluated.path.rename(moved)
    given = compared(able, lazy, tmp_path / "compared", test=(f"pairs={moved}",))
    assert compare_runs(given).comparisons[0].paired.wins == 12


def test_a_recipe_whose_sets_are_not_files_asks_for_them(tmp_path, evaluated):
    able, lazy = evaluated("able", first), evaluated("lazy", first)
    path = able / "config.json"
    content = json.loads(path.read_text("utf-8"))
    content["recipe"], content["config"] = "suites", {"output": "there"}
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ConfigError, match=r"a run of 'suites', .* --test NAME=SOURCE"):
        compare_runs(compared(able, lazy, tmp_path / "compared"))


def test_an_explorer_without_room_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--explorer-megabytes must be at least 1, got 0"):
        compared("a", "b", tmp_path, explorer_megabytes=0)


def test_a_file_of_readings_names_its_pairs(evaluated):
    able = evaluated("able", first)
    pairs = readings_pairs(able / "judgements" / "pairs.jsonl.gz")
    known = read_preferences(str(evaluated.path)).preferences
    assert [name for name, _ in pairs] == [one.id for one in known]
    assert len({digest for _, digest in pairs}) == 12


def test_the_command_is_there():
    assert COMMANDS["compare"] is run_compare
