import random
import subprocess
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from jurist.rationales import PairRow, SupervisedRow
from jurist.types import Preference, Verdict, user
from jurist.worlds import BASE


@pytest.fixture(scope="session")
def tokenizer():
    return AutoTokenizer.from_pretrained(str(BASE))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, tokenizer) -> str:
    """A folder with a random Llama of 30 thousand parameters."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            intermediate_size=48,
            max_position_embeddings=64,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def draw_sum(rng: random.Random) -> tuple[str, str, str]:
    left, right = rng.randrange(10), rng.randrange(10)
    steps = rng.randrange(3)
    question = f"{left} + {right}" + " - 1" * steps
    good = (left + right - steps) % 10
    return question, str(good), str((good + 1 + rng.randrange(8)) % 10)


@pytest.fixture(scope="session")
def supervised_rows() -> list[SupervisedRow]:
    rng = random.Random(0)
    rows: list[SupervisedRow] = []
    for number in range(24):
        question, good, _ = draw_sum(rng)
        rows.append(
            SupervisedRow(
                preference_id=f"row-{number}",
                label=Verdict.FIRST,
                prompt=user(f"Q {question}"),
                completion=" = ".join([good] * rng.randrange(1, 5)) + " [[A]]",
            )
        )
    return rows


@pytest.fixture(scope="session")
def verdict_rows(supervised_rows) -> list[SupervisedRow]:
    return [
        SupervisedRow(
            preference_id=row.preference_id,
            label=label,
            prompt=row.prompt,
            completion="[[A]]" if label is Verdict.FIRST else "[[B]]",
        )
        for number, row in enumerate(supervised_rows)
        for label in [Verdict.FIRST if number % 3 else Verdict.SECOND]
    ]


@pytest.fixture(scope="session")
def pair_rows() -> list[PairRow]:
    rng = random.Random(1)
    rows: list[PairRow] = []
    for number in range(24):
        question, good, bad = draw_sum(rng)
        rows.append(
            PairRow(
                preference_id=f"pair-{number}",
                label=Verdict.FIRST,
                prompt=user(f"Q {question}"),
                chosen=f"redo {question} = {good} [[A]]",
                rejected=f"skim {bad} [[B]]",
            )
        )
    return rows


@pytest.fixture(scope="session")
def preferences() -> list[Preference]:
    rng = random.Random(2)
    found: list[Preference] = []
    for number in range(24):
        question, good, bad = draw_sum(rng)
        found.append(
            Preference(
                id=f"preference-{number}",
                prompt=user(question),
                chosen=f"{question} = {good} as shown",
                rejected=f"{question} = {bad}",
                group=str(number),
            )
        )
    return found


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "model"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
