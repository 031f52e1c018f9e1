"""Make the files of this release that tests of later ones read: `tests/golden/VERSION`.

    python scripts/make_golden.py --output tests/golden/0.1.0

A labelled run with its store, a trained one with its checkpoint, and a checkpoint within training.
Made once for a release and never again: what it is good for is that it stays as it was. The model
is random and tiny, pages of reports are left out, and of the machine nothing is kept.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from jurist.data import write_preferences
from jurist.training.checkpoint import Checkpoint, write_checkpoint
from jurist.worlds import BASE, preferences

LABEL = [
    *("label", "--model", "base", "--pairs", "pairs.jsonl", "--output", "labelled"),
    *("--votes", "2", "--max-tokens", "32", "--min-confidence", "0.5", "--seed", "3"),
    *("--layouts", "jurist", "trl"),
]
TRAIN = [
    *("bradley-terry", "--model", "tiny", "--train", "train.jsonl", "--test", "pairs.jsonl"),
    *("--output", "trained", "--batch-size", "4", "--checkpoint-every", "1", "--epochs", "1"),
]
LEFT_OUT = ("report.html", "report.md", "explorer.json", "run.lock", "completions.sqlite.lock")
SAID_OF_THE_MACHINE = ("git_revision", "platform", "machine", "cpu", "cores")


def main() -> None:
    """Run the commands in a folder of their own, and keep what they wrote."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--output", type=Path, required=True)
    output: Path = parser.parse_args().output
    if output.exists():
        sys.exit(f"{output}: there already, and never to be made again")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(BASE, folder / "base")
        save_tiny(folder / "tiny")
        for file, split, num in (("pairs", "test", 4), ("train", "train", 8)):
            pairs = preferences("in_distribution", split, num=num, seed=0)
            write_preferences(folder / f"{file}.jsonl", pairs)
        for command in (LABEL, TRAIN):
            subprocess.run(
                [sys.executable, "-m", "jurist", *command],
                cwd=folder,
                check=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        for model in ("base", "tiny"):
            shutil.rmtree(folder / model)
        # What an unfinished training leaves: the folder goes when it ends.
        tensors = {"w": torch.arange(6, dtype=torch.float32)}
        checkpoint = Checkpoint(step=2, weights=tensors, optimizer={"w/exp_avg": -tensors["w"]})
        write_checkpoint(folder / "training", checkpoint, inputs={"seed": 0})
        for path in [*folder.rglob("*")]:
            if path.name in LEFT_OUT:
                path.unlink()
        for path in folder.glob("*/environment.json"):
            held = json.loads(path.read_text("utf-8"))
            held |= {name: None for name in SAID_OF_THE_MACHINE}
            path.write_text(json.dumps(held, indent=2) + "\n", "utf-8")
        shutil.copytree(folder, output)


def save_tiny(folder: Path) -> None:
    """A random Llama of 30 thousand parameters, over the words of the world that ships."""
    tokenizer = AutoTokenizer.from_pretrained(str(BASE))
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            intermediate_size=24,
            max_position_embeddings=256,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
