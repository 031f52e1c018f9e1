"""Judgements of a set of preferences, kept in a file: what a judge said, pair by pair.

One line per preference: its id, the digest of its content, the seed that drew the places, every
judgement in terms of `preference.shown(seed).comparison`, and how many more were possible and not
asked for.
"""

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jurist.digest import canonical, digest
from jurist.errors import ConfigError, StoreError
from jurist.storage import write_bytes
from jurist.types import Failure, Judgement, Preference, Verdict


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
    judgements: Sequence[Sequence[Judgement]],
    *,
    num_possible: int,
    seed: int,
) -> None:
    """Write the judgements of a set of preferences; the same judgements give the same bytes.

    Args:
        path: Where to.
        preferences: What was judged. Length N.
        judgements: What the judge said of each. Length N.
        num_possible: Judgements that each could have had.
        seed: Drew the places that the judgements speak of.
    """
    lines = [
        canonical(
            {
                "id": preference.id,
                "digest": digest(preference),
                "seed": seed,
                "judgements": [asdict(judgement) for judgement in found],
                "num_unasked": num_possible - len(found),
            }
        )
        for preference, found in zip(preferences, judgements, strict=True)
    ]
    # A judge may write half a surrogate pair, which UTF-8 proper has no bytes for.
    content = ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")
    write_bytes(path, gzip.compress(content, mtime=0))


def read_readings(path: Path, preferences: Sequence[Preference]) -> Readings:
    """Read what `write_readings` wrote of the same preferences.

    Raises:
        ConfigError: If the preferences are others now.
        StoreError: If the file is damaged.
    """
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8", "surrogatepass")
        # Not splitlines: it breaks at characters that JSON may hold unescaped.
        rows: list[dict[str, Any]] = [json.loads(line) for line in text.strip("\n").split("\n")]
        digests = [row["digest"] for row in rows]
        judgements = [[_judgement(found) for found in row["judgements"]] for row in rows]
        num_unasked: list[int] = [row["num_unasked"] for row in rows]
        seed: int = rows[0]["seed"]
    except (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error) as error:
        raise StoreError(f"{path}: damaged ({error!r}); delete it and run again") from error
    if digests != [digest(preference) for preference in preferences]:
        raise ConfigError(
            f"{path}: judgements of other pairs than the test set holds now; "
            f"give another --output, or the test set as it was"
        )
    return Readings(judgements=judgements, num_unasked=num_unasked, seed=seed)


def _judgement(values: dict[str, Any]) -> Judgement:
    outcome: str = values.pop("outcome")
    verdicts = {str(verdict): verdict for verdict in Verdict}
    return Judgement(outcome=verdicts.get(outcome) or Failure(outcome), **values)
