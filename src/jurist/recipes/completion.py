"""Shell completion: a script that the shell reads once."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

import tyro


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletionConfig:
    """Which shell to write for."""

    shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]
    """bash: write it to ~/.local/share/bash-completion/completions/jurist. zsh: write it to a file
    _jurist in a folder of $fpath. fish: write it to ~/.config/fish/completions/jurist.fish."""


def run_completion(config: CompletionConfig) -> int:
    """Print the script that completes commands and flags in a shell."""
    # By the command line itself, which knows its commands and lies above this room.
    command = [sys.executable, "-m", "jurist", "--tyro-print-completion", config.shell]
    return subprocess.run(command, check=False).returncode
