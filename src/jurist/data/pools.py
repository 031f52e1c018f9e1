"""Pools: several candidate responses to one prompt, each known to be right or wrong, or not.

A row of a file of pools is an object with

    id, prompt       as of preferences; the prompt a text or a list of messages
    candidates       a list of objects: text; correct, true or false, if known; model, if known
    answer           the right answer, if the prompt has one
    source, category, group    as of preferences

and any other column, which is left alone.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from jurist.data.cells import kind, name_of, required, short, text_of
from jurist.data.columns import prompt_group
from jurist.data.layouts import stem
from jurist.data.lines import Columns, json_rows
from jurist.data.turns import prompt_of
from jurist.errors import DataError
from jurist.types import Conversation

_NUM_OFFENCES_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One response to choose or to pass over."""

    text: str
    correct: bool | None = None
    """Whether it is right, or None if nobody checked."""

    model: str = ""
    """Who wrote it, if known. Two candidates may have one author and one text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """A prompt with candidate responses."""

    id: str
    """Unique within what was read."""

    prompt: Conversation
    candidates: tuple[Candidate, ...]
    """At least two."""

    answer: str = ""
    """The right answer, if the file gives one. Nobody is shown it."""

    source: str = ""
    category: str = ""
    group: str = ""
    """What a resample must keep together: same prompt, task or topic. Never empty once read."""

    @property
    def checked(self) -> bool:
        """Whether every candidate is known to be right or wrong."""
        return all(candidate.correct is not None for candidate in self.candidates)


def read_pools(path: Path) -> list[Pool]:
    """Read a JSON Lines file of pools, plain or gzipped, every row checked.

    Returns:
        The pools in the order of the file. Ids are unique, groups are not empty.

    Raises:
        DataError: If the file is missing or damaged, holds no pool, or a row is not one. Names the
            first bad rows and counts them all.
    """
    return list(iterate_pools(path))


def iterate_pools(path: Path) -> Generator[Pool]:
    """Read a file of pools one at a time, holding no more than the ids of the others.

    Arguments and errors are those of `read_pools`. Bad rows are refused at the end: what was given
    until then is good, but only a file read to its end is known to be.

    Yields:
        The pools in the order of the file.
    """
    places: dict[str, int] = {}
    num_bad = 0
    shown: list[str] = []
    for row in json_rows(path):
        try:
            if row.columns is None:
                raise DataError(row.reason)
            pool = _pool(row.columns, number=row.number, name=stem(path.name))
            if pool.id in places:
                raise DataError(
                    f"expected each id once, found {pool.id!r} in line {places[pool.id]} too"
                )
        except DataError as error:
            num_bad += 1
            if num_bad <= _NUM_OFFENCES_SHOWN:
                shown.append(f"{path}:{row.number}: {error}")
            continue
        places[pool.id] = row.number
        yield pool
    if num_bad:
        raise DataError(
            shown[0]
            if num_bad == 1
            else "\n  ".join([f"{num_bad:,} bad rows, among them:", *shown])
        )
    if not places:
        raise DataError(f"{path}: expected pools, found an empty file")


def pool_row(pool: Pool) -> dict[str, object]:
    """A pool as the row that `read_pools` reads it from."""
    return {
        "id": pool.id,
        "prompt": [{"role": turn.role, "content": turn.content} for turn in pool.prompt],
        "candidates": [
            {
                "text": one.text,
                **({} if one.correct is None else {"correct": one.correct}),
                **({"model": one.model} if one.model else {}),
            }
            for one in pool.candidates
        ],
        **({"answer": pool.answer} if pool.answer else {}),
        "source": pool.source,
        "category": pool.category,
        "group": pool.group,
    }


def _pool(columns: Columns, *, number: int, name: str) -> Pool:
    prompt = prompt_of(required(columns, "prompt"))
    if not prompt or prompt[-1].role != "user" or not prompt[-1].content.strip():
        raise DataError("expected the prompt to end in a user turn that says something")
    listed = required(columns, "candidates")
    if not isinstance(listed, list):
        raise DataError(f"expected 'candidates' to be a list, found {kind(listed)}")
    candidates = [
        _candidate(one, place) for place, one in enumerate(cast(Sequence[object], listed), 1)
    ]
    if len(candidates) < 2:
        raise DataError(f"expected at least two candidates, found {len(candidates)}")
    return Pool(
        id=name_of(columns, "id") or f"{name}-{number}",
        prompt=prompt,
        candidates=tuple(candidates),
        answer=name_of(columns, "answer") or "",
        source=name_of(columns, "source") or name,
        category=name_of(columns, "category") or "",
        group=name_of(columns, "group") or prompt_group(prompt),
    )


def _candidate(value: object, place: int) -> Candidate:
    if not isinstance(value, dict):
        raise DataError(f"expected candidate {place} to be an object, found {kind(value)}")
    columns = cast(Columns, value)
    try:
        text = text_of(columns, "text")
        model = name_of(columns, "model") or ""
    except DataError as error:
        raise DataError(f"candidate {place}: {error}") from None
    correct = columns.get("correct")
    if correct is not None and not isinstance(correct, bool):
        raise DataError(
            f"expected 'correct' of candidate {place} to be true or false, found {short(correct)}"
        )
    if not text.strip():
        raise DataError(f"expected text in candidate {place}, found none")
    return Candidate(text=text, correct=correct, model=model)
