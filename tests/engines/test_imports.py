"""What importing the engines must not bring along."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "accelerate", "peft", "pyarrow", "datasets", "matplotlib"}


@pytest.mark.parametrize(
    ("module", "absent"),
    [("jurist.engines", HEAVY | {"h11", "ray"}), ("jurist.engines.openai", HEAVY)],
    ids=["engines", "openai"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(module: str, absent: set[str]):
    script = f"import sys, {module}; print(sorted({absent!r} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert printed.stdout == "[]\n", printed.stderr
