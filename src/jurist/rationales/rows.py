"""Traces and the training rows made of them, and how rows are kept in a file."""

import dataclasses
import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, cast

from jurist.errors import StoreError
from jurist.storage import write_bytes
from jurist.types import Completion, Conversation, Failure, Message, Verdict

Label: TypeAlias = Verdict | bool
"""What a right judge says: which response of a comparison is better, or whether a response that is
shown alone is a good one, as chosen ones are taken to be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """One reply of a judge to a preference in one order, or to one of its responses, beside what it
    should have said."""

    preference_id: str
    prompt: Conversation
    """What the judge was shown. It does not depend on the label."""

    label: Label
    """The verdict that counts as right; if it is a place, first if the chosen response was shown
    first."""

    completion: Completion
    outcome: Label | Failure
    """What the format read in the completion."""

    weight: float = 1.0
    """Of a row in which this trace is the one to be learnt."""

    @property
    def right(self) -> bool:
        """Whether the verdict is the one that counts as right."""
        return self.outcome is self.label


@dataclass(frozen=True, kw_only=True, slots=True)
class SupervisedRow:
    """A reply to be learnt (Mahan et al. 2024, eq. 7 without reasoning, eq. 8 with)."""

    preference_id: str
    label: Label
    """The verdict that the completion ends in; of a critique, or a response to be learnt, that of
    the response it is about."""

    prompt: Conversation
    completion: str
    """The whole reply, verdict and all, without the token that ends it."""

    weight: float = 1.0
    """Factor of this row's loss."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairRow:
    """A reply to be preferred to another reply to the same prompt (Mahan et al. 2024, eq. 9)."""

    preference_id: str
    label: Label
    """The verdict that `chosen` ends in, and `rejected` does not."""

    prompt: Conversation
    chosen: str
    """The whole reply, verdict and all, without the token that ends it."""

    rejected: str
    reference_chosen_logp: float | None = None
    """Log-probability of `chosen` under the reference, in nats, summed over its tokens and the one
    that ends it. None until training computes it."""

    reference_rejected_logp: float | None = None
    """The same of `rejected`."""

    weight: float = 1.0
    """Factor of this row's loss."""


class CritiquePair(NamedTuple):
    """Critiques of the two responses of a preference, which a reward model reads side by side."""

    chosen: SupervisedRow
    rejected: SupervisedRow


RowT = TypeVar("RowT", SupervisedRow, PairRow)
SelectedT = TypeVar("SelectedT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection(Generic[SelectedT]):
    """Training rows, and what became of every trace that could have been one."""

    rows: list[SelectedT]
    """As many with either label; in an order that does not depend on that of the traces."""

    counts: dict[str, int]
    """Of traces and rows, by the names that the function which selected them gives."""


def write_rows(path: Path, rows: Sequence[SupervisedRow] | Sequence[PairRow]) -> None:
    """Write rows as gzipped JSON Lines, whole or not at all; the same rows give the same bytes.

    Raises:
        StoreError: If the file cannot be written.
    """
    # Escaped to ASCII: a reply may hold a lone surrogate, which UTF-8 has no bytes for.
    lines = [
        json.dumps(dataclasses.asdict(row), sort_keys=True, allow_nan=False) + "\n" for row in rows
    ]
    write_bytes(path, gzip.compress("".join(lines).encode("ascii"), mtime=0))


def read_rows(path: Path, kind: type[RowT]) -> list[RowT]:
    """Read what `write_rows` wrote.

    Args:
        path: The file.
        kind: `SupervisedRow` or `PairRow`.

    Raises:
        StoreError: If the file is missing, damaged, or holds rows of another kind.
    """
    try:
        lines = gzip.decompress(path.read_bytes()).decode("ascii").splitlines()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise StoreError(f"{path}: cannot read the rows: {error}") from error
    names = {field.name for field in dataclasses.fields(kind)}
    rows: list[RowT] = []
    for number, line in enumerate(lines, 1):
        values = _fields(line)
        if set(values) != names:
            raise StoreError(
                f"{path}:{number}: not a {kind.__name__}, which has {sorted(names)}; "
                f"there is {sorted(values) or 'no JSON object'}"
            )
        try:
            values["prompt"] = tuple(Message(**message) for message in values["prompt"])
            if not isinstance(values["label"], bool):
                values["label"] = Verdict(values["label"])
        except (TypeError, ValueError) as error:
            raise StoreError(f"{path}:{number}: not a {kind.__name__} ({error})") from error
        rows.append(kind(**values))
    return rows


def _fields(line: str) -> dict[str, Any]:
    try:
        values: object = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], values) if isinstance(values, dict) else {}
