"""A task of lm-eval, really evaluated, whose results a judge looks at."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jurist.adapters import lm_eval_process_results


def longer(first, second):
    return None if "x" in first else 0.9 if len(first) > len(second) else 0.1


def test_metrics_of_one_result(make_stating):
    process = lm_eval_process_results(make_stating(longer))
    doc = {"prompt": "Q", "reference": "two"}
    found = process(doc, ["eleven"])
    assert found == {"jurist_win": 0.9, "jurist_flip": 0.0, "jurist_failed": 0.0}
    assert process(doc, ["x"]) == {"jurist_failed": 1.0}
    assert process(doc, [" "]) == {"jurist_failed": 1.0}
    assert process(doc, ["two"])["jurist_win"] == 0.5
    other = lm_eval_process_results(
        make_stating(longer), prompt=lambda d: d["q"], reference=lambda d: d["a"]
    )
    assert other({"q": [{"role": "user", "content": "Q"}], "a": "two"}, ["a"])["jurist_win"] < 0.5


@pytest.mark.slow
def test_a_task_is_evaluated(tmp_path):
    pytest.importorskip("lm_eval")
    replies = ["eleven", "a", "x", "thirteen"]
    rows = [{"prompt": "Q", "reference": "two", "reply": reply} for reply in replies]
    docs = tmp_path / "docs.jsonl"
    docs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    offline = {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, Path(__file__).parent / "lm_evaluation.py", docs],
        env={**os.environ, **offline, "HF_DATASETS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["jurist_win,none"] == pytest.approx((0.9 + 0.1 + 0.9) / 3)
    assert found["jurist_failed,none"] == pytest.approx(0.25)
