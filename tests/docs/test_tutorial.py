"""The tutorial, followed to the letter in an empty folder: its blocks, in order, as one program.

Two things are not as on the page: nothing is installed, and the port is one that is free.
"""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jurist.engines.transformers import TransformersEngine
from jurist.errors import DataError
from jurist.reports import load_results
from jurist.types import Sampling
from jurist.worlds import BASE, check, preferences

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
INSTALLS = ("python -m venv", "pip install")


def program(port: int) -> str:
    """The page's blocks as one shell script."""
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    parts = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for language, text in blocks:
        if language == "python":
            parts.append(f"python - <<'PYTHON'\n{text}PYTHON")
        else:
            lines = [line for line in text.splitlines() if not line.startswith(INSTALLS)]
            parts.append("\n".join(lines))
    return "\n".join(parts).replace("8090", str(port)) + "\n"


def share_right(policy: str) -> float:
    """Of responses to test questions, how many are right in every step."""
    asked = preferences("in_distribution", "test", 100, seed=0)
    replies = TransformersEngine.load(policy).generate(
        [question.prompt for question in asked], Sampling(num_samples=2, max_tokens=32, seed=1)
    )
    right = 0
    for question, row in zip(asked, replies, strict=True):
        for reply in row:
            try:
                right += check(question, reply.text).correct
            except DataError:  # nothing of a chain
                continue
    return right / (2 * len(asked))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_whoever_follows_the_page_ends_with_a_trained_judge_and_a_better_policy(tmp_path: Path):
    pytest.importorskip("trl")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = tmp_path / "page.sh"
    script.write_text(program(port))
    folder = tmp_path / "empty"
    folder.mkdir()
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    run = subprocess.run(
        ["bash", str(script)],
        cwd=folder,
        env={**os.environ, "PATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1100,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert '"verdict":"first"' in run.stdout.replace(" ", "")
    before, after = (
        load_results(folder / "runs" / name / "results.json").rows[0].agreement
        for name in ("zero-shot", "evaluation")
    )
    assert after.accuracy.value >= before.accuracy.value and after.failure_rate <= 0.05
    assert (folder / "runs/evaluation/report.html").exists()
    assert share_right(str(folder / "runs/policy")) > share_right(str(BASE)) + 0.03
