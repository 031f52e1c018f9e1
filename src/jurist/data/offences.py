"""Bad rows: named, counted, and set aside if the caller says where to."""

import json
from pathlib import Path
from typing import NamedTuple

from jurist.data.lines import Row
from jurist.errors import DataError
from jurist.rehearsal import rehearsal
from jurist.storage import write_bytes

_NUM_SHOWN = 5


class Offence(NamedTuple):
    """One bad row, and why it is bad."""

    name: str
    """The file."""

    row: Row
    reason: str

    def __str__(self) -> str:
        return f"{self.name}:{self.row.where}: {self.reason}"

    def line(self) -> bytes:
        """The offence as a line of the file of rejects."""
        if self.row.raw is None:
            text = json.dumps(self.row.columns, ensure_ascii=False, default=repr)
        else:
            text = self.row.raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        entry = {
            "file": self.name,
            "line": self.row.number if self.row.line is None else self.row.line,
            "reason": self.reason,
            "row": text,
        }
        return json.dumps(entry).encode("ascii") + b"\n"


class Offences:
    """The bad rows met so far."""

    def __init__(self, rejects: Path | None) -> None:
        """Start with none.

        Args:
            rejects: Where they are to be set aside, or None if they are to be refused.
        """
        self.rejects = rejects
        self.num = 0
        self._kept: list[Offence] = []

    def add(self, name: str, row: Row, reason: str) -> None:
        """Count a bad row, and keep it if it is to be shown or set aside."""
        self.num += 1
        if self.rejects is not None or self.num <= _NUM_SHOWN:
            self._kept.append(Offence(name, row, reason))

    def settle(self) -> None:
        """Set the bad rows aside, or refuse them.

        Raises:
            DataError: If there are any and nobody said where to set them aside.
            StoreError: If they cannot be written.
        """
        if self.rejects is not None and rehearsal() is not None:
            return
        if self.rejects is not None:
            write_bytes(self.rejects, b"".join(offence.line() for offence in self._kept))
        elif self.num:
            raise DataError(self.complaint())

    def complaint(self) -> str:
        """The first bad rows, one a line, and how many there are."""
        shown = [str(offence) for offence in self._kept[:_NUM_SHOWN]]
        if self.num == 1:
            return shown[0]
        first = "" if len(shown) == self.num else f", the first {len(shown)} are"
        return "\n".join(
            [
                f"{self.num:,} bad rows{first}:",
                *(f"  {line}" for line in shown),
                "give --skip-bad to set them aside and go on",
            ]
        )
