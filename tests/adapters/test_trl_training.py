"""TRL's GRPOTrainer itself, for a few steps, on a reward that it awaits and that fails at times.

That a policy gets better by it is shown by `tests/docs/test_tutorial.py`, with a trained judge.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jurist.worlds import BASE

STEPS = 3


@pytest.mark.timeout(600)
def test_trl_trains_on_a_pickled_asynchronous_reward_with_completions_without_one(tmp_path: Path):
    pytest.importorskip("trl")
    program = Path(__file__).parent / "grpo_training.py"
    run = subprocess.run(
        [sys.executable, program, tmp_path / "policy", str(STEPS), BASE],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["logged"] == STEPS and found["comparisons"] > 0
    assert 0.0 < found["after"] <= 1.0
