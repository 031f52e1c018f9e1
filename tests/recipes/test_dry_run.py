"""`--dry-run`: everything checked, nothing written, no model loaded, no server asked."""

import dataclasses
import hashlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jurist.cli import COMMANDS
from jurist.recipes.dry_run import with_dry_run
from jurist.rehearsal import begin_work, note_set, rehearsal, rehearsing
from jurist.storage import write_text
from jurist.worlds import BASE

WATCHED = """
import sys
from jurist.cli import main
code = 0
try:
    main()
except SystemExit as error:
    code = error.code
heavy = {"torch", "transformers", "accelerate"} & set(sys.modules)
print("HEAVY", sorted(heavy))
sys.exit(code)
"""


@pytest.fixture
def rehearse(tmp_path):
    """Run a command with --dry-run in a folder, and hold it to having left that as it was."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        before = state(tmp_path)
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, *map(str, arguments), "--dry-run"],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment},
        )
        assert state(tmp_path) == before
        assert "Traceback" not in done.stderr, done.stderr
        assert "HEAVY []" in done.stdout
        return done

    return run


def state(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


def test_every_command_that_takes_settings_has_the_flag():
    for name, run in COMMANDS.items():
        parameters = inspect.signature(with_dry_run(run)).parameters
        given = list(inspect.signature(run, eval_str=True).parameters.values())
        own = given and "dry_run" in {
            field.name for field in dataclasses.fields(given[0].annotation)
        }
        assert ("dry_run" in parameters) == (bool(given) and not own), name


TRAINING = ("bradley-terry", "pair-rm", "genrm", "star-sft", "star-dpo", "con-j", "scpo")
TRAINING += ("self-reward", "self-taught", "star-rationalizer", "generative-verifier", "cloud")
TRAINING += ("critic-rm",)


@pytest.mark.parametrize("command", TRAINING)
def test_a_training_is_rehearsed(rehearse, world, command):
    train, test = world / "train.jsonl", world / "test.jsonl"
    done = rehearse(
        *(command, "--model", BASE, "--train", train, "--test", test, "--output", "runs/new"),
        *("--batch-size", "7", "--learning-rate", "1e-3"),
    )
    assert done.returncode == 0, done.stderr
    for words in (
        f"{command}: a dry run",
        "12 pairs in 12 groups",
        "4 pairs in 4 groups",
        "7  (default 32)",
        "a checkpoint, 1.9 MB",
        "runs/new: new",
    ):
        assert words in done.stdout, (words, done.stdout)


@pytest.mark.parametrize("command", ["judge", "label", "evaluate"])
def test_a_judge_is_rehearsed_and_a_server_is_not_asked(rehearse, world, command):
    flag = "--test" if command == "evaluate" else "--pairs"
    done = rehearse(
        *(command, "--model", "served", "--base-url", "http://127.0.0.1:9/v1"),
        *(flag, world / "test.jsonl", "--output", "out", "--votes", "3"),
    )
    assert done.returncode == 0, done.stderr
    assert "served at http://127.0.0.1:9/v1" in done.stdout
    # Labels are told nothing of groups: rows are read one at a time.
    assert f"4 pairs {'of 4 rows' if command == 'label' else 'in 4 groups'}" in done.stdout
    assert "votes" in done.stdout


def test_a_reward_model_is_not_loaded(rehearse, trained, world):
    done = rehearse("judge", "--model", trained, "--pairs", world / "test.jsonl", "--output", "out")
    assert done.returncode == 0, done.stderr
    assert f"{trained / 'checkpoint'}: a checkpoint" in done.stdout


@pytest.mark.parametrize("command", ["quickstart", "paper"])
def test_what_makes_its_own_data_is_rehearsed(rehearse, command):
    done = rehearse(command)
    assert done.returncode == 0, done.stderr
    assert "nothing was written" in done.stdout


@pytest.mark.parametrize("command", ["select", "vote", "listwise"])
def test_pools_are_read(rehearse, tmp_path, command):
    rows = [{"prompt": f"{i}?", "candidates": [{"text": "a"}, {"text": "b"}]} for i in range(3)]
    (tmp_path / "pools.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = rehearse(command, "--model", BASE, "--pools", "pools.jsonl", "--output", "out")
    assert done.returncode == 0, done.stderr
    assert "3 pools, 6 candidates" in done.stdout


def test_a_run_that_is_there_is_looked_at(rehearse, trained):
    folder = trained.parent
    arguments = ["bradley-terry", "--model", BASE, "--train", folder / "train.jsonl"]
    arguments += ["--test", folder / "test.jsonl", "--output", trained]
    before = state(trained)
    done = rehearse(*arguments, "--batch-size", "8")
    assert done.returncode == 0, done.stderr
    assert "the run has ended; holds checkpoint" in done.stdout
    other = rehearse(*arguments, "--batch-size", "9")
    assert other.returncode == 2
    assert "training.batch_size = 8, asked for 9" in other.stderr
    assert rehearse("rerun", "--directory", trained).returncode == 0
    assert state(trained) == before


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (("--train", "nowhere.jsonl"), 3, "nowhere.jsonl"),
        (("--model", "./no/such/folder"), 2, "no/such/folder"),
        (("--model", "no/such-model"), 2, "HF_HUB_OFFLINE"),
        (("--output", "blocked/run"), 5, "blocked"),
        (("--rounds", "0"), 2, "rounds"),
    ],
)
def test_what_would_be_refused_is_refused(rehearse, world, tmp_path, change, code, words):
    (tmp_path / "blocked").write_text("a file")
    flags = {"--model": BASE, "--train": world / "train.jsonl", "--output": "out"}
    flags["--test"] = world / "test.jsonl"
    flags[change[0]] = change[1]
    done = rehearse("star-dpo", *(part for pair in flags.items() for part in pair))
    assert done.returncode == code, (done.stdout, done.stderr)
    assert words in done.stderr


def test_bad_rows_are_set_aside_by_nobody(rehearse, write_rows):
    rows = [{"prompt": f"2 + {i}?", "chosen": "4", "rejected": "5"} for i in range(20)]
    path = write_rows(*rows, {"prompt": "x", "chosen": "", "rejected": "5"})
    done = rehearse("genrm", "--model", BASE, "--train", path, "--output", "out", "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert "1 bad row" in " ".join(done.stderr.split())


def test_a_rehearsal_ends_where_something_would_be_written(tmp_path):
    reached = []
    with rehearsing() as found:
        note_set("train", "3 pairs")
        reached.append("read")
        write_text(tmp_path / "file", "text")
        reached.append("written")
    assert reached == ["read"]
    assert found.sets == {"train": "3 pairs"}
    assert list(tmp_path.iterdir()) == []
    assert rehearsal() is None
    begin_work()  # is nothing, outside of one


def test_an_error_in_a_rehearsal_is_an_error():
    with pytest.raises(ZeroDivisionError), rehearsing():
        _ = 1 / 0
    assert rehearsal() is None
