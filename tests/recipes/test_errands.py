"""Runs side by side: ended once, gone on with, and never left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from jurist.errors import ConfigError, DataError
from jurist.recipes.errands import Errand, run_errands
from jurist.recipes.evaluate import EvaluateConfig
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.pair_rm import PairRMConfig
from jurist.recipes.sets import DataConfig
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE


def errand(world, output, *, seed=0, test="test.jsonl", model=str(BASE)):
    return Errand(
        name=output.name,
        recipe="evaluate",
        config=EvaluateConfig(
            judge=JudgeConfig(model=model, voting=VotingConfig(votes=1, max_tokens=64)),
            test=(str(world / test),),
            output=output,
            seed=seed,
        ),
    )


@pytest.mark.slow
def test_runs_end_in_results_of_their_own_and_are_not_run_again(world, tmp_path):
    training = PairRMConfig(
        model=str(BASE),
        output=tmp_path / "pair-rm",
        data=DataConfig(train=str(world / "train.jsonl"), test=(str(world / "test.jsonl"),)),
        training=TrainingConfig(learning_rate=1e-3),
    )
    errands = [
        errand(world, tmp_path / "one"),
        Errand(name="pair-rm", recipe="pair-rm", config=training),
    ]
    assert not any(one.done for one in errands)
    run_errands(errands, logs=tmp_path / "logs", jobs=2)
    assert all(one.done for one in errands)
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {
        *("one.json", "one.log", "pair-rm.json", "pair-rm.log"),
    }
    results = tmp_path / "one" / "results.json"
    written = results.stat().st_mtime_ns
    (tmp_path / "logs" / "one.log").unlink()
    run_errands(errands, logs=tmp_path / "logs", jobs=2)
    assert results.stat().st_mtime_ns == written
    assert not (tmp_path / "logs" / "one.log").exists()
    # With another setting it is another run, and refused where that one lies.
    with pytest.raises(ConfigError, match=r"(?s)one ended with exit code 2; .*seed = 0, asked"):
        run_errands([errand(world, tmp_path / "one", seed=1)], logs=tmp_path / "logs", jobs=1)


def test_a_run_that_fails_ends_the_others_and_is_told_with_its_last_words(world, tmp_path):
    errands = [errand(world, tmp_path / "bad", test="none.jsonl"), errand(world, tmp_path / "good")]
    with pytest.raises(
        (DataError, ConfigError), match=r"(?s)bad ended with exit code .*none\.jsonl"
    ):
        run_errands(errands, logs=tmp_path / "logs", jobs=1)
    assert not errands[1].done


def test_runs_end_with_the_process_that_sent_them(world, tmp_path):
    """Killed without a chance to say so."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        f"sys.path.insert(0, {str(os.path.dirname(__file__))!r})\n"
        "from test_errands import errand\n"
        "from jurist.recipes.errands import run_errands\n"
        f"world, there = Path({str(world)!r}), Path({str(tmp_path)!r})\n"
        "run_errands([errand(world, there / 'run')], logs=there / 'logs', jobs=1)\n"
    )
    sender = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    asked = str(tmp_path / "logs" / "run.json")
    try:
        wait_until(lambda: at_work(asked))
    finally:
        sender.send_signal(signal.SIGKILL)
        sender.wait()
    wait_until(lambda: not at_work(asked))


def at_work(argument):
    """Whether a process that was given this argument is there."""
    found = subprocess.run(["pgrep", "-f", argument], capture_output=True, text=True, check=False)
    return bool(found.stdout.split())


def wait_until(true, seconds=120.0):
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)
