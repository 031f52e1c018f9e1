"""A scorer in a real evaluation of inspect_ai."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def evaluated(tmp_path):
    pytest.importorskip("inspect_ai")

    def evaluate(*words):
        program = Path(__file__).parent / "inspect_evaluation.py"
        run = subprocess.run(
            [sys.executable, program, tmp_path, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert run.returncode == 0, run.stderr[-2000:]
        return json.loads(run.stdout.splitlines()[-1])

    return evaluate


def test_a_sample_has_the_probability_of_beating_its_target_or_is_unscored(evaluated):
    found = evaluated("eleven", "a", "x", " ")
    assert found["status"] == "success"
    first, second, failed, empty = found["values"]
    assert first == 0.9 and second == pytest.approx(0.1)
    assert math.isnan(failed) and math.isnan(empty)
    assert found["mean"] == pytest.approx(0.5) and found["unscored"] == 2
    assert found["explanations"][0] == "the output is better: 1 votes to 0\n\nso it is"
    assert found["explanations"][2].startswith("unparseable: 0 votes to 0")
    assert found["metadata"][0]["votes_output"] == 1 and found["metadata"][2]["failed"] == 1
