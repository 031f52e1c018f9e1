"""A run directory holds one run of one recipe, and one process works in it."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from jurist.errors import ConfigError, StoreError
from jurist.recipes import run as run_module
from jurist.recipes.environment import environment_facts, git_revision
from jurist.recipes.evaluate import EvaluateConfig
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.open_engine import ProcessesConfig
from jurist.recipes.run import (
    open_run,
    read_run_config,
    seconds_spent,
    stopwatch,
)
from jurist.rehearsal import rehearsing

PROCESSES = (ProcessesConfig(workers=2), ProcessesConfig(ray=True))


def config(output, **changes):
    judge = JudgeConfig(model="m", voting=VotingConfig(votes=4))
    return dataclasses.replace(EvaluateConfig(judge=judge, test=("t",), output=output), **changes)


def test_a_new_directory_says_what_is_run_and_where(tmp_path):
    output = tmp_path / "runs" / "new"
    with open_run("evaluate", config(output)) as run:
        assert run == output
        kept = read_run_config(output / "config.json")
        assert kept["recipe"] == "evaluate"
        assert kept["config"]["judge"]["voting"]["votes"] == 4
        environment = json.loads((output / "environment.json").read_text())
        assert environment["packages"]["numpy"]
        assert environment["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_same_settings_go_on_and_leave_the_config_as_it_was(tmp_path):
    for _ in range(2):
        with open_run("evaluate", config(tmp_path)):
            kept = (tmp_path / "config.json").stat().st_mtime_ns
    assert (tmp_path / "config.json").stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    "changes",
    [{"max_concurrency": 64}, *({"processes": one} for one in PROCESSES)],
    ids=["concurrency", "workers", "ray"],
)
def test_a_run_may_go_on_faster_or_slower(tmp_path, changes):
    before = config(tmp_path)
    with open_run("evaluate", before) as run:
        (run / "judgements").mkdir()
    after = dataclasses.replace(before, judge=dataclasses.replace(before.judge, **changes))
    with open_run("evaluate", after) as run:
        assert (run / "judgements").exists()


def test_a_run_of_another_recipe_is_refused(tmp_path):
    with open_run("evaluate", config(tmp_path)) as run:
        (run / "judgements").mkdir()
    with (
        pytest.raises(ConfigError, match="holds a run of evaluate, not of judge"),
        open_run("judge", config(tmp_path)),
    ):
        pass


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 3}, "seed = 0, asked for 3"),
        ({"test": ("t", "u")}, r"test = \['t'\], asked for \['t', 'u'\]"),
        ({"judge": JudgeConfig(model="n")}, "judge.model = 'm', asked for 'n'"),
        (
            {"judge": JudgeConfig(model="m", voting=VotingConfig(votes=5))},
            "judge.voting.votes = 4, asked for 5",
        ),
        # Of several, the first by name.
        ({"seed": 1, "judge": JudgeConfig(model="n"), "method": "x"}, "judge.model"),
    ],
)
def test_other_settings_are_refused_by_the_first_that_differs(tmp_path, changes, said):
    with open_run("evaluate", config(tmp_path)) as run:
        (run / "judgements").mkdir()
    with (
        pytest.raises(ConfigError, match=f"holds a run with {said}"),
        open_run("evaluate", config(tmp_path, **changes)),
    ):
        pass


def test_a_run_that_came_to_nothing_may_be_asked_for_anew(tmp_path):
    with open_run("evaluate", config(tmp_path, seed=3)) as run:
        (run / "rejects").mkdir()
    with open_run("judge", config(tmp_path)) as run:
        kept = read_run_config(run / "config.json")
    assert (kept["recipe"], kept["config"]["seed"]) == ("judge", 0)


def test_a_setting_that_the_older_run_did_not_have_is_refused_by_name(tmp_path):
    with open_run("evaluate", config(tmp_path)) as run:
        (run / "judgements").mkdir()
    kept = json.loads((tmp_path / "config.json").read_text())
    # None now, and not there before: equal to a careless comparison.
    del kept["config"]["baseline"]
    (tmp_path / "config.json").write_text(json.dumps(kept))
    with (
        pytest.raises(ConfigError, match="baseline = 'no such setting', asked for None"),
        open_run("evaluate", config(tmp_path)),
    ):
        pass


def test_a_directory_that_was_moved_goes_on(tmp_path):
    with open_run("evaluate", config(tmp_path / "here")):
        pass
    (tmp_path / "here").rename(tmp_path / "there")
    with open_run("evaluate", config(tmp_path / "there")) as run:
        assert run == tmp_path / "there"


def test_what_a_killed_process_had_begun_to_write_is_swept_away(tmp_path):
    for name in ("", "judgements", "inner", "checkpoint", "round-1/checkpoint"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / "inner" / "run.lock").touch()
    (tmp_path / "checkpoint" / ".weights.tmp").mkdir()
    begun = [tmp_path / ".results.json.12.tmp", tmp_path / "judgements" / ".pairs.gz.12.tmp"]
    begun += [tmp_path / "round-1" / "checkpoint" / ".README.md.12.tmp"]
    kept = [tmp_path / "inner" / ".results.json.12.tmp", tmp_path / "mine.tmp"]
    for path in (*begun, *kept):
        path.touch()
    with open_run("evaluate", config(tmp_path)):
        assert not any(path.exists() for path in begun)
    assert all(path.exists() for path in kept)
    assert (tmp_path / "checkpoint" / ".weights.tmp").exists()


def test_a_folder_of_runs_that_was_moved_with_its_data_goes_on(tmp_path):
    def asked(folder, **changes):
        data = {"train": f"{folder}/data/train.jsonl", "test": (f"exam={folder}/data/exam.jsonl",)}
        return config(folder / "judge", **{**data, **changes})

    with open_run("evaluate", asked(tmp_path / "here")) as run:
        (run / "judgements").mkdir()
    (tmp_path / "here").rename(tmp_path / "there")
    with open_run("evaluate", asked(tmp_path / "there")) as run:
        assert run == tmp_path / "there" / "judge"
    for changes, said in (
        ({"train": f"{tmp_path}/else/train.jsonl"}, "train = .*there/data/train.jsonl"),
        ({"test": (f"exam={tmp_path}/there/data/more.jsonl",)}, "test = .*there/data/exam.jsonl"),
        (
            {"test": (f"test={tmp_path}/there/data/exam.jsonl",)},
            "test = .*exam=.*asked for .*test=",
        ),
    ):
        with (
            pytest.raises(ConfigError, match=f"holds a run with {said}"),
            open_run("evaluate", asked(tmp_path / "there", **changes)),
        ):
            pass


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"recipe": "x"}', '{"recipe": "x", "config": []}', "\udcff"]
)
def test_a_damaged_config_is_named(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with (
        pytest.raises(StoreError, match=str(tmp_path / "config.json")),
        open_run("evaluate", config(tmp_path)),
    ):
        pass


def test_a_config_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.json: no such file"):
        read_run_config(tmp_path / "config.json")


def test_a_run_killed_before_it_wrote_its_config_still_notes_its_environment(tmp_path, monkeypatch):
    written = []

    def dies_at_the_second(path, value):
        written.append(path.name)
        if len(written) == 2:
            raise KeyboardInterrupt
        real(path, value)

    real = run_module.write_json
    monkeypatch.setattr(run_module, "write_json", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt), open_run("evaluate", config(tmp_path)):
        pass
    monkeypatch.undo()
    with open_run("evaluate", config(tmp_path)):
        assert (tmp_path / "environment.json").exists()
        assert (tmp_path / "config.json").exists()


HOLDER = """
import sys, pathlib
from jurist.storage import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_told_who_holds_the_directory(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout.readline() == "held\n"
    try:
        with (
            pytest.raises(ConfigError, match=f"in use by process {holder.pid}") as caught,
            open_run("evaluate", config(tmp_path)),
        ):
            pass
        assert caught.value.exit_code == 2
        assert not (tmp_path / "config.json").exists()
    finally:
        holder.communicate()
    with open_run("evaluate", config(tmp_path)):
        pass


def test_the_stopwatch_counts_only_blocks_that_end_well(tmp_path):
    with pytest.raises(ZeroDivisionError), stopwatch(tmp_path, "train/round-1"):
        raise ZeroDivisionError
    assert not (tmp_path / "timings.json").exists()
    with stopwatch(tmp_path, "train/round-1"):
        time.sleep(0.01)
    with stopwatch(tmp_path, "train/round-2"):
        time.sleep(0.01)
    with stopwatch(tmp_path, "trainee"):
        time.sleep(0.01)
    timings = json.loads((tmp_path / "timings.json").read_text())
    assert min(timings.values()) >= 0.01
    assert seconds_spent(tmp_path, "train") == sum(
        timings[name] for name in ("train/round-1", "train/round-2")
    )
    assert seconds_spent(tmp_path, "judge") is None


def test_a_stage_keeps_its_first_time_though_to_find_it_done_takes_longer(tmp_path):
    (tmp_path / "timings.json").write_text('{"train": 0.001}')
    with stopwatch(tmp_path, "train"):
        time.sleep(0.01)
    assert seconds_spent(tmp_path, "train") == 0.001


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", ":1: expected JSON, found an error"),
        ('{"train": "long"}', ": expected seconds of train, found 'long'; delete it"),
        ('{"train": true}', ": expected seconds of train, found True"),
        ('{"other": null}', ": expected seconds of other, found None"),
    ],
)
def test_damaged_timings_are_named(tmp_path, content, said):
    (tmp_path / "timings.json").write_text(content)
    with pytest.raises(StoreError, match=rf"timings\.json{said}"):
        seconds_spent(tmp_path, "train")


def test_the_environment_names_no_setting_of_the_user_but_threads(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    facts = environment_facts()
    assert facts["threads"] == "3"
    assert "sk-canary" not in json.dumps(facts)
    assert "numpy " in facts["packages"]


def test_a_dry_run_refuses_what_a_later_version_worked_on(tmp_path):
    with open_run("evaluate", config(tmp_path)) as run:
        (run / "judgements").mkdir()
    (tmp_path / "environment.json").write_text('{"jurist": "99.0"}')
    for rehearse in (False, True):
        with (
            rehearsing() if rehearse else nullcontext(),
            pytest.raises(ConfigError, match=r"a run of jurist 99\.0, a later version"),
            open_run("evaluate", config(tmp_path)),
        ):
            pass


@pytest.mark.parametrize("setting", ["author_url", "policy_url", "base_url"])
def test_a_secret_in_any_address_is_refused_before_it_is_kept(tmp_path, setting):
    inner = dataclasses.make_dataclass("Inner", [(setting, str)], frozen=True)
    outer = dataclasses.make_dataclass("Outer", [("inner", inner), ("output", object)], frozen=True)
    asked = outer(inner("http://me:secret-key@127.0.0.1/v1"), tmp_path / "run")
    with (
        pytest.raises(ConfigError, match=f"{setting} may hold no user, password") as refused,
        open_run("evaluate", asked),
    ):
        pass
    assert "secret-key" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def git(folder, *arguments):
    who = ["-c", "user.name=n", "-c", "user.email=e@x"]
    command = ["git", "-C", str(folder), *who, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_revision_is_that_of_this_package_and_of_no_repository_around_it(tmp_path):
    installed = tmp_path / ".venv" / "lib" / "site-packages" / "jurist"
    source = tmp_path / "src" / "jurist"
    for folder in (installed, source):
        folder.mkdir(parents=True)
    assert git_revision(source) is None
    git(tmp_path, "init", "-q")
    assert git_revision(source) is None
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    assert git_revision(source) == git(tmp_path, "rev-parse", "HEAD")
    assert git_revision(installed) is None
