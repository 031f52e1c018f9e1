"""The chains world as a replication needs it: files of pairs, and authors to write rationales."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from jurist.data import write_preferences
from jurist.formats import Rationalizer, Terse, TersePointwise
from jurist.rationales import Label, SupervisedRow
from jurist.recipes.launch import in_all_processes
from jurist.recipes.sets import DataConfig
from jurist.training.config import TrainingConfig
from jurist.types import Comparison, Verdict, user
from jurist.worlds import (
    BASE,
    SPLITS,
    CorpusConfig,
    Document,
    critiques,
    documents,
    explanations,
    preferences,
    read_chain,
    read_question,
    work,
)

AuthorKind = Literal["explainer", "expert", "critic"]

NUM_DOCUMENTS: Final[dict[AuthorKind, int]] = {"explainer": 6_000, "expert": 1_500, "critic": 3_000}
"""Of an author's training. The explainer then comes to the verdict it is given in four replies of
five, and the others are left out; the expert is right on every training pair; the
critic has learnt a way of writing that the base does not know, and errs as its teachers do."""

TRAINING: Final[dict[AuthorKind, TrainingConfig]] = {
    "explainer": TrainingConfig(learning_rate=2e-3, epochs=2, batch_size=32),
    "expert": TrainingConfig(learning_rate=1e-3, epochs=1, batch_size=32),
    "critic": TrainingConfig(learning_rate=1e-3, epochs=1, batch_size=32),
}

_EXPERT: Final = CorpusConfig(wrong_beliefs=0.0, slips=0.0, habits=(1.0, 0.0, 0.0), unreadable=0.0)
"""Somebody who knows every fact, never slips, and works every question out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldSize:
    """How many pairs a replication in the chains world uses."""

    num_train: int
    num_test: int
    """Of each split."""


def write_world(folder: Path, size: WorldSize) -> DataConfig:
    """Write the world's preferences to files, the same for every seed, and say where they are."""
    train = folder / "train.jsonl.gz"
    write_preferences(train, preferences("in_distribution", "train", num=size.num_train, seed=0))
    tests: list[str] = []
    for split in SPLITS:
        path = folder / f"{split}.jsonl.gz"
        write_preferences(path, preferences(split, "test", num=size.num_test, seed=0))
        tests.append(f"{split}={path}")
    return DataConfig(train=str(train), test=tuple(tests))


def make_author(kind: AuthorKind, folder: Path, *, num_documents: int | None = None) -> str:
    """Train the base that ships to be an author, unless it was; its checkpoint.

    Args:
        kind: The explainer is told a verdict and writes reasoning that comes to it, in the way of
            `jurist.worlds.explanations`. The expert judges as the base does, but knows every fact.
            The critic examines one response, in the way of `jurist.worlds.critiques`.
        folder: Where to.
        num_documents: What it is trained on, all about training questions. None: as many as it
            takes.
    """
    from jurist.training import train_supervised

    in_all_processes(
        train_supervised,
        str(BASE),
        list(islice(_rows(kind), num_documents or NUM_DOCUMENTS[kind])),
        TRAINING[kind],
        seed=0,
        output=folder / "checkpoint",
        card={"method": f"author of the world: {kind}", "kind": "reasoning", "format": "terse"},
    )
    return str(folder / "checkpoint")


def _rows(kind: AuthorKind) -> Iterator[SupervisedRow]:
    form, alone = Terse(), TersePointwise()
    rationalizer = Rationalizer(form)
    for number, document in enumerate(_written(kind)):
        comparison = Comparison(
            prompt=user(document.question), first=document.first, second=document.second
        )
        if document.kind == "explain":
            label: Label = Verdict.FIRST if document.verdict == "A" else Verdict.SECOND
            prompt = rationalizer.render(comparison, label)
        elif document.kind == "critique":
            label = read_chain(document.first).final == _answer(document)
            prompt = alone.render(comparison.prompt, document.first)
        elif document.kind == "judge":
            label = _right(document)
            prompt = form.render(comparison)
        else:
            continue
        yield SupervisedRow(
            preference_id=f"{kind}-{number}",
            label=label,
            prompt=prompt,
            completion=document.reply,
        )


def _written(kind: AuthorKind) -> Iterator[Document]:
    match kind:
        case "explainer":
            return explanations(CorpusConfig(), 0)
        case "expert":
            return documents(_EXPERT, 0)
        case "critic":
            return critiques(CorpusConfig(), 0)


def _right(document: Document) -> Verdict:
    right = read_chain(document.first).final == _answer(document)
    return Verdict.FIRST if right else Verdict.SECOND


def _answer(document: Document) -> int:
    return work(read_question(document.question)).final
