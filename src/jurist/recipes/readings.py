"""Judgements of a set of preferences, kept in a file: what a judge said, pair by pair.

One line per preference: its id, the digest of its content, the seed that drew the places, every
judgement in terms of `preference.shown(seed).comparison`, and how many more were possible and not
asked for.
"""

import gzip
import json
import zlib
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from jurist.digest import canonical, digest
from jurist.errors import ConfigError, StoreError
from jurist.storage import replacing
from jurist.types import Failure, Judgement, Preference, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a judge said of one preference."""

    judgements: list[Judgement]
    num_unasked: int
    """Judgements that were possible and not asked for."""

    seed: int
    """Drew the places that the judgements speak of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Readings:
    """What a judge said of a set of preferences."""

    judgements: list[list[Judgement]]
    """One list per preference, in the set's order."""

    num_unasked: list[int]
    """For each preference, the judgements that were possible and not asked for."""

    seed: int
    """Drew the places that the judgements speak of."""


def write_readings(
    path: Path,
    preferences: Sequence[Preference],
    judgements: Iterable[Sequence[Judgement]],
    *,
    num_possible: int,
    seed: int,
) -> None:
    """Write the judgements of a set of preferences; the same judgements give the same bytes.

    They are taken one by one, and none is held longer than it takes to write it.

    Args:
        path: Where to.
        preferences: What was judged. Length N.
        judgements: What the judge said of each. Length N.
        num_possible: Judgements that each could have had.
        seed: Drew the places that the judgements speak of.
    """
    with replacing(path) as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as zipped:
        for preference, found in zip(preferences, judgements, strict=True):
            line = canonical(
                {
                    "id": preference.id,
                    "digest": digest(preference),
                    "seed": seed,
                    "judgements": list(found),
                    "num_unasked": num_possible - len(found),
                }
            )
            # A judge may write half a surrogate pair, which UTF-8 proper has no bytes for.
            zipped.write((line + "\n").encode("utf-8", "surrogatepass"))


def read_readings(path: Path, preferences: Sequence[Preference]) -> Readings:
    """Read what `write_readings` wrote of the same preferences.

    Raises:
        ConfigError: If the preferences are others now.
        StoreError: If the file is damaged.
    """
    rows = list(iterate_readings(path, preferences))
    return Readings(
        judgements=[row.judgements for row in rows],
        num_unasked=[row.num_unasked for row in rows],
        seed=rows[0].seed,
    )


def iterate_readings(
    path: Path, preferences: Iterable[Preference]
) -> Generator[Reading, None, None]:
    """Read what `write_readings` wrote of the same preferences, holding one line at a time.

    Raises:
        ConfigError: If the preferences are others now.
        StoreError: If the file is damaged.
    """
    # Damage shows at the end, in the checksum, and may look like other pairs before.
    with _explaining_damage(path), gzip.open(path) as file:
        if not file.read(1):
            raise EOFError("nothing in it")
        while file.read(2**20):
            pass
    with gzip.open(path) as file:
        # Not splitlines: it breaks at characters that JSON may hold unescaped.
        for line, preference in zip_longest(file, preferences):
            if line is None:
                raise _other_pairs(path)
            with _explaining_damage(path):
                name, reading = _reading(line)
            if preference is None or name != digest(preference):
                raise _other_pairs(path)
            yield reading


def readings_pairs(path: Path) -> list[tuple[str, str]]:
    """Id and digest of each preference that a file of readings is of, in its order.

    Raises:
        StoreError: If the file is damaged.
    """
    pairs: list[tuple[str, str]] = []
    with _explaining_damage(path), gzip.open(path) as file:
        for line in file:
            row: dict[str, Any] = json.loads(line.decode("utf-8", "surrogatepass"))
            pairs.append((row["id"], row["digest"]))
    return pairs


def check_readings(path: Path) -> int:
    """Read a file of readings of whatever preferences, holding one line at a time.

    Returns:
        How many preferences it is of.

    Raises:
        StoreError: If the file is damaged.
    """
    num = 0
    with _explaining_damage(path), gzip.open(path) as file:
        for line in file:
            _reading(line)
            num += 1
    return num


_DAMAGE = (OSError, EOFError, ValueError, zlib.error)
_NOT_WRITTEN_HERE = (TypeError, KeyError, AttributeError, RecursionError)


@contextmanager
def _explaining_damage(path: Path) -> Generator[None]:
    try:
        yield
    except (*_DAMAGE, *_NOT_WRITTEN_HERE) as error:
        raise StoreError(f"{path}: damaged ({error!r}); delete it and run again") from error


def _other_pairs(path: Path) -> ConfigError:
    return ConfigError(
        f"{path}: judgements of other pairs than the test set holds now; "
        f"give another --output, or the test set as it was"
    )


def _reading(line: bytes) -> tuple[str, Reading]:
    """The digest of a preference, and what was said of it."""
    row: dict[str, Any] = json.loads(line.decode("utf-8", "surrogatepass"))
    reading = Reading(
        judgements=[_judgement(one) for one in row["judgements"]],
        # Before there was a way to stop early, all that could be asked was, and no number stood.
        num_unasked=row.get("num_unasked", 0),
        seed=row["seed"],
    )
    return row["digest"], reading


def _judgement(values: dict[str, Any]) -> Judgement:
    outcome: str = values.pop("outcome")
    verdicts = {str(verdict): verdict for verdict in Verdict}
    return Judgement(outcome=verdicts.get(outcome) or Failure(outcome), **values)
