"""What can be saved of a damaged store: rows read off its pages, without SQLite.

SQLite gives up at a page that it cannot follow. But a row lies on one page (a long text goes on in
a chain of others), and says by its checksum whether it is as it was kept. So every page of the file
and of its log is looked at by itself, whatever the pages around it have come to. The format is that
of https://sqlite.org/fileformat2.html, sections 1.5, 1.6, 2.1 and 4.
"""

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from jurist.engines.store import (
    FINISH_REASONS,
    AnswerStore,
    completion_checksum,
    log_of,
    score_checksum,
)
from jurist.errors import ConfigError, StoreError
from jurist.storage import obstacle, storing, sync_directory, unwritable
from jurist.types import Completion

_LEAF: Final = 13
"""First byte of a page that holds rows of a table."""

_PAGE_SIZE: Final = 4096
_LOG_HEADER, _FRAME_HEADER = 32, 24
_INTEGERS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Bytes of an integer, by its type in a record."""

_KEY_BYTES: Final = 32
_BATCH: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """What was saved of a store."""

    num_completions: int
    num_scores: int

    num_unchecked: int
    """Of these, rows that a store of version 1 kept without a checksum and that look right."""


def save_rows(path: Path, to: Path) -> Saved:
    """Write every row of a store that is as it was kept into a new store. The old one is only read.

    Args:
        path: The store; its log beside it is read too.
        to: The new store, which must not be there.

    Raises:
        ConfigError: If there is no store, or something is at `to`.
        StoreError: If the old one cannot be read, or the new one cannot be written.
    """
    if not path.is_file() and not log_of(path).is_file():
        raise ConfigError(f"{path}: no such file, so there is nothing to save")
    # A log that lies beside it would be taken for its own.
    for there in (to, log_of(to)):
        if there.exists():
            raise ConfigError(f"{there}: there already; give a path where nothing is")
    aside = to.with_name(f".{to.name}.{os.getpid()}.tmp")
    try:
        with closing(AnswerStore(aside)) as store:
            # What says of itself that it is as it was kept goes before what only looks so.
            _keep(store, (row for row in _rows(path) if row.checked))
            checked = store.num_rows()
            _keep(store, (row for row in _rows(path) if not row.checked))
            num_completions, num_scores = store.num_rows()
        if log_of(aside).exists():
            # SQLite ends without a word when it cannot move the log into the file.
            error = OSError(obstacle(to) or errno.EIO, "the rows could not be moved from the log")
            raise StoreError(unwritable(to, error))
        with storing(to):
            aside.replace(to)
            sync_directory(to.parent)
    finally:
        for name in ("", "-wal", "-shm", ".lock"):
            with suppress(OSError):
                aside.with_name(aside.name + name).unlink()
    return Saved(
        num_completions=num_completions,
        num_scores=num_scores,
        num_unchecked=num_completions + num_scores - sum(checked),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    key: bytes
    value: Completion | float
    checked: bool
    """Whether it had a checksum, which fits."""


def _keep(store: AnswerStore, rows: Iterator[_Row]) -> None:
    while batch := list(islice(rows, _BATCH)):
        store.keep_completions(
            (row.key, row.value) for row in batch if isinstance(row.value, Completion)
        )
        store.keep_scores(
            (row.key, row.value) for row in batch if not isinstance(row.value, Completion)
        )


def _rows(path: Path) -> Iterator[_Row]:
    try:
        with _Pages(path) as pages:
            for page in pages.all():
                yield from filter(None, map(_row, _records(page, pages)))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from error


def _row(record: list[Any]) -> _Row | None:
    """A row of a store, if that is what a record holds."""
    try:
        match record:
            case [key, text, reason, num_tokens, num_prompt_tokens, logp, *rest] if len(rest) < 2:
                row = (key, text, reason, num_tokens, num_prompt_tokens, _real(logp))
                if not _as_kept(rest, completion_checksum(*row)):
                    return None
                value = Completion(
                    text=text.decode("utf-8", "surrogatepass"),
                    finish_reason=FINISH_REASONS[reason],
                    num_tokens=num_tokens,
                    num_prompt_tokens=num_prompt_tokens,
                    logp=_real(logp),
                )
            case [key, logp, *rest] if len(rest) < 2:
                value = float(logp)
                if not _as_kept(rest, score_checksum(key, value)):
                    return None
            case _:
                return None
        return _Row(key, value, checked=bool(rest)) if len(key) == _KEY_BYTES else None
    except (TypeError, ValueError, AttributeError, KeyError, struct.error):
        return None  # Types that no row has.


def _real(value: float | None) -> float | None:
    return None if value is None else float(value)


def _as_kept(rest: list[Any], checksum: bytes) -> bool:
    return not rest or rest[0] == checksum


class _Pages:
    """The pages of a store and those of its log, where the newer ones are."""

    def __init__(self, path: Path) -> None:
        self._files = [file.open("rb") for file in (path, log_of(path)) if file.is_file()]
        self.num_bytes = sum(os.fstat(file.fileno()).st_size for file in self._files)
        self._main = self._files[0] if path.is_file() else None
        self._log = self._files[-1] if log_of(path).is_file() else None
        self.page_size = self._page_size()
        self._in_log: dict[int, int] = {}
        """Where in the log the newest page of each number begins."""
        for number, start in self._frames():
            self._in_log[number] = start

    def __enter__(self) -> "_Pages":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def all(self) -> Iterator[bytes]:
        """Every page there is, those too that the log has newer ones of."""
        if self._main is not None:
            number = 1
            while page := _read(self._main, (number - 1) * self.page_size, self.page_size):
                yield page
                number += 1
        if self._log is not None:
            for _, start in self._frames():
                yield _read(self._log, start, self.page_size)

    def chained(self, number: int) -> bytes:
        """The newest page of a number; empty if there is none."""
        if number in self._in_log:
            assert self._log is not None
            return _read(self._log, self._in_log[number], self.page_size)
        if self._main is None or number < 1:
            return b""
        return _read(self._main, (number - 1) * self.page_size, self.page_size)

    def _page_size(self) -> int:
        """Bytes of a page; what is usual, if neither file says.

        A store uses all of each: what its header says of bytes set aside is damage, if anything.
        """
        head = _read(self._main, 0, 100) if self._main else b""
        if head[:16] == b"SQLite format 3\0" and len(head) == 100:
            said = int.from_bytes(head[16:18], "big")
            size = 65536 if said == 1 else said
            if size >= 512 and size.bit_count() == 1:
                return size
        head = _read(self._log, 0, _LOG_HEADER) if self._log else b""
        size = int.from_bytes(head[8:12], "big")
        if not (512 <= size <= 65536 and size.bit_count() == 1):
            size = _PAGE_SIZE
        return size

    def _frames(self) -> Iterator[tuple[int, int]]:
        """Number and place of each page in the log, oldest first."""
        if self._log is None:
            return
        start = _LOG_HEADER
        while len(head := _read(self._log, start, _FRAME_HEADER)) == _FRAME_HEADER:
            yield int.from_bytes(head[:4], "big"), start + _FRAME_HEADER
            start += _FRAME_HEADER + self.page_size


def _records(page: bytes, pages: _Pages) -> Iterator[list[Any]]:
    """The records on a page that holds rows. Those that make no sense are left out."""
    if page[:1] != bytes([_LEAF]):
        return
    for place in range(int.from_bytes(page[3:5], "big")):
        at = int.from_bytes(page[8 + 2 * place : 10 + 2 * place], "big")
        with suppress(IndexError, ValueError, struct.error):
            length, at = _varint(page, at)
            _, at = _varint(page, at)
            yield _values(_payload(page, at, length, pages))


def _payload(page: bytes, at: int, length: int, pages: _Pages) -> bytes:
    """The bytes of a record: on its page, and on the chain of pages that it goes on in."""
    usable = pages.page_size
    most = usable - 35
    if length <= most:
        return page[at : at + length]
    if length > pages.num_bytes:
        raise ValueError("longer than all there is")
    least = (usable - 12) * 32 // 255 - 23
    here = least + (length - least) % (usable - 4)
    here = here if here <= most else least
    found = [page[at : at + here]]
    following = int.from_bytes(page[at + here : at + here + 4], "big")
    left = length - here
    while left > 0:
        beyond = pages.chained(following)
        if len(beyond) < 4:
            raise ValueError("the chain is broken")
        found.append(beyond[4 : min(usable, 4 + left)])
        left -= usable - 4
        following = int.from_bytes(beyond[:4], "big")
    return b"".join(found)


def _values(payload: bytes) -> list[Any]:
    """The values of a record."""
    end_of_header, at = _varint(payload, 0)
    kinds: list[int] = []
    while at < end_of_header:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Any] = []
    for kind in kinds:
        length = _INTEGERS.get(kind, 8 if kind == 7 else (kind - 12) // 2 if kind >= 12 else 0)
        content = payload[at : at + length]
        if len(content) != length:
            raise ValueError("cut short")
        at += length
        if kind == 0:
            values.append(None)
        elif kind in _INTEGERS:
            values.append(int.from_bytes(content, "big", signed=True))
        elif kind == 7:
            values.append(struct.unpack(">d", content)[0])
        elif kind in (8, 9):
            values.append(kind - 8)
        elif kind >= 12:
            values.append(content if kind % 2 == 0 else content.decode("utf-8"))
        else:
            raise ValueError("no such type")
    return values


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where the next thing begins."""
    value = 0
    for place in range(8):
        byte = content[at + place]
        value = value << 7 | byte & 127
        if byte < 128:
            return value, at + place + 1
    return value << 8 | content[at + 8], at + 9


def _read(file: BinaryIO | None, start: int, length: int) -> bytes:
    assert file is not None
    file.seek(start)
    return file.read(length)
