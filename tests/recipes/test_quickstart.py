"""The quickstart: five judges of one base, on the same pairs."""

import json
from pathlib import Path

import pytest

from jurist.recipes import quickstart
from jurist.recipes.quickstart import FOLDERS, QUICK, QuickstartConfig, recipes, write_world
from jurist.recipes.sets import read_sets
from jurist.worlds import BASE


def test_its_five_methods_have_one_base_one_data_config_and_a_directory_each(tmp_path, monkeypatch):
    asked = {}
    for name in ("evaluate", "bradley_terry", "genrm", "star_sft", "star_dpo"):
        monkeypatch.setattr(
            quickstart, name, lambda config, name=name: asked.update({name: config})
        )
    data = write_world(tmp_path / "data", QUICK, seed=3)
    runs = recipes(QuickstartConfig(output=tmp_path, seed=3), QUICK, data)
    for recipe in runs.values():
        recipe()
    assert list(runs) == list(FOLDERS) and len(asked) == 5
    trained = [config for name, config in asked.items() if name != "evaluate"]
    assert all(config.data is data and config.model == str(BASE) for config in trained)
    zero = asked["evaluate"]
    assert (zero.judge.model, zero.train, zero.test) == (str(BASE), data.train, data.test)
    assert {config.output for config in asked.values()} == {
        tmp_path / folder for folder in FOLDERS.values()
    }
    assert {config.seed for config in asked.values()} == {3}
    # The same votes for every judge that reasons.
    votings = [zero.judge.voting, asked["star_sft"].voting, asked["star_dpo"].voting]
    assert {voting.votes for voting in votings} == {QUICK.votes}
    assert asked["star_sft"].star == asked["star_dpo"].star


def test_another_base_and_another_seed_are_used(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(quickstart, "genrm", asked.append)
    data = write_world(tmp_path / "data", QUICK, seed=0)
    recipes(QuickstartConfig(output=tmp_path, model="mine"), QUICK, data)["GenRM"]()
    assert asked[0].model == "mine"
    written = [path.read_bytes() for path in sorted((tmp_path / "data").iterdir())]
    write_world(tmp_path / "same", QUICK, seed=0)
    write_world(tmp_path / "other", QUICK, seed=1)
    assert written == [path.read_bytes() for path in sorted((tmp_path / "same").iterdir())]
    assert written != [path.read_bytes() for path in sorted((tmp_path / "other").iterdir())]


def test_its_world_is_read_back_from_files_with_no_prompt_in_two_sets(tmp_path):
    data = write_world(tmp_path / "data", QUICK, seed=0)
    sets = read_sets(data, output=tmp_path / "run")
    assert len(sets.train) == QUICK.num_train
    assert {name: len(test) for name, test in sets.tests.items()} == {
        "in-dist": QUICK.num_test,
        "shifted": QUICK.num_test,
    }


@pytest.mark.slow
def test_quick_runs_and_reports_all_five(jurist, tmp_path):
    run = tmp_path / "run"
    done = jurist("quickstart", "--quick", "--output", run)
    assert done.returncode == 0, done.stderr
    results = json.loads((run / "results.json").read_text("utf-8"))
    rows = {(row["method"], row["split"]) for row in results["rows"]}
    assert rows == {(method, split) for method in FOLDERS for split in ("in-dist", "shifted")}
    for method in FOLDERS:
        assert method in done.stdout and method in done.stderr
    for folder in FOLDERS.values():
        assert (run / folder / "report.html").exists()
    assert "says that the method works as built" in " ".join(
        (run / "report.md").read_text("utf-8").split()
    )
    again = jurist("quickstart", "--quick", "--output", run)
    assert again.returncode == 0, again.stderr
    assert "sampling" not in again.stderr and "training" not in again.stderr
    kept = json.loads((run / "results.json").read_text("utf-8"))
    assert kept["rows"] == results["rows"]


def test_a_quick_run_and_a_full_one_do_not_share_a_default_directory():
    assert QuickstartConfig().output == Path("runs/quickstart")
    assert QuickstartConfig(quick=True).output == Path("runs/quickstart-quick")
    assert QuickstartConfig(quick=True, output=Path("mine")).output == Path("mine")
