"""A look at a store that changes nothing: while a process works with it, or after one has died."""

import fcntl
import os
import sqlite3
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jurist.engines.store import (
    completion_checksum,
    damaged,
    explaining,
    hold_to,
    log_of,
    refuse_unusable,
    score_checksum,
)
from jurist.errors import StoreError


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What is in a store that is whole."""

    version: int
    """Of the store. Rows of the first have no checksums, so of them only the pages were checked."""

    num_completions: int
    num_scores: int


def contents(path: Path, *, in_use: bool) -> Contents:
    """Look at every page and every row of a store.

    Args:
        path: The store.
        in_use: Whether a process works with it now.

    Raises:
        StoreError: If it is damaged, is not one of this package's files, was written by a later
            version of it, or cannot be read.
    """
    if path.stat().st_size == 0:
        raise StoreError(damaged(path, "nothing is in it"))
    with explaining(path), _reading(path, in_use=in_use) as connection:
        version = refuse_unusable(connection, path)
        # Opening leaves out whether every row is in the index: one that is not is asked for again.
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise StoreError(damaged(path, " ".join(str(found).split())))
        checksum = "checksum" if version > 1 else "NULL"
        columns = "key, text, finish_reason, num_tokens, num_prompt_tokens, logp"
        num_completions = num_scores = 0
        for found, *row in connection.execute(f"SELECT {checksum}, {columns} FROM completions"):
            num_completions += 1
            if version > 1:
                hold_to(path, found, completion_checksum, *row)
        for found, *row in connection.execute(f"SELECT {checksum}, key, logp FROM scores"):
            num_scores += 1
            if version > 1:
                hold_to(path, found, score_checksum, *row)
    return Contents(version=version, num_completions=num_completions, num_scores=num_scores)


@contextmanager
def _reading(path: Path, *, in_use: bool) -> Generator[sqlite3.Connection]:
    log, index = log_of(path), path.with_name(path.name + "-shm")
    # Without a log there is nothing that SQLite need share with anybody; with one it makes an index
    # of it, and leaves that behind.
    logged = in_use or (log.exists() and log.stat().st_size > 0)
    had_index = index.exists()
    how = "mode=ro" if logged else "immutable=1"
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True)
        ) as connection:
            yield connection
    finally:
        if not (in_use or had_index):
            _remove(index, path.with_name(path.name + ".lock"))


def _remove(index: Path, lock: Path) -> None:
    """Remove the index that was made for one look, unless who opened the store meanwhile shares it.

    Who opens a store holds its lock first, and if it is taken for a moment tries again.
    """
    with suppress(OSError), ExitStack() as holding:
        if lock.exists():
            descriptor = os.open(lock, os.O_RDONLY)
            holding.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        index.unlink()
