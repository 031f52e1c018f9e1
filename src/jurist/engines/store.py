"""The SQLite file that keeps what engines answered.

One process holds the file at a time and writes it through one connection: SQLite before 3.51.3 can
damage a WAL file that two connections checkpoint at the same moment. A committed answer survives
the death of the process; the text is kept as UTF-8 bytes, since a model may write half a surrogate
pair and SQLite's own text cannot hold one.
"""

import logging
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, get_args

from jurist.errors import StoreError
from jurist.storage import locked
from jurist.types import Completion, FinishReason

SCHEMA_VERSION: Final = 1
"""Stands in the file as `user_version`. A file of a later version is refused, never guessed at."""

APPLICATION_ID: Final = 0x6A757269
"""Tells this package's files ("juri") from other SQLite files."""

_TABLES: Final = """
CREATE TABLE completions (
    key BLOB PRIMARY KEY,
    text BLOB NOT NULL,
    finish_reason TEXT NOT NULL,
    num_tokens INTEGER NOT NULL,
    num_prompt_tokens INTEGER NOT NULL,
    logp REAL
);
CREATE TABLE scores (key BLOB PRIMARY KEY, logp REAL NOT NULL);
"""
_FINISH_REASONS: Final[dict[str, FinishReason]] = {name: name for name in get_args(FinishReason)}
_LOG_PAGES: Final = 8000
"""Pages, of 4 KiB, that the write-ahead log holds before they are moved to the file, which waits
for the disk. A killed process loses nothing of the log; a power cut may lose what the system has
not written out by itself."""

_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

logger = logging.getLogger(__name__)


class AnswerStore:
    """Completions and scores by key, in one file. Nothing stored is ever changed."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it; look whether it is whole.

        Raises:
            ConfigError: If another process holds it.
            StoreError: If it cannot be opened or written, is damaged, is not one of this package's
                files, or was written by a later version of it.
        """
        self.path = path
        with ExitStack() as opening:
            opening.enter_context(locked(path.with_name(path.name + ".lock")))
            with self._explained():
                # An engine may deliver from a thread of its own, one at a time, while the caller's
                # waits.
                self._connection = sqlite3.connect(
                    path, isolation_level=None, check_same_thread=False
                )
                opening.callback(self._connection.close)
                self._prepare()
            self._holding = opening.pop_all()

    def close(self) -> None:
        """Let go of the file. What was kept stays kept."""
        self._holding.close()

    def completion(self, key: bytes) -> Completion | None:
        """The completion kept under a key, or None."""
        with self._explained():
            row = self._connection.execute(
                "SELECT text, finish_reason, num_tokens, num_prompt_tokens, logp "
                "FROM completions WHERE key = ?",
                (key,),
            ).fetchone()
        if row is None:
            return None
        text, finish_reason, num_tokens, num_prompt_tokens, logp = row
        return Completion(
            text=text.decode("utf-8", "surrogatepass"),
            finish_reason=_FINISH_REASONS[finish_reason],
            num_tokens=num_tokens,
            num_prompt_tokens=num_prompt_tokens,
            logp=logp,
        )

    def keep_completions(self, rows: Iterable[tuple[bytes, Completion]]) -> None:
        """Keep completions, all or none of them. A key that is there already stays as it is.

        Raises:
            StoreError: If they cannot be written. What was kept before stays kept.
        """
        self._insert(
            "INSERT INTO completions VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                (
                    key,
                    row.text.encode("utf-8", "surrogatepass"),
                    row.finish_reason,
                    row.num_tokens,
                    row.num_prompt_tokens,
                    row.logp,
                )
                for key, row in rows
            ),
        )

    def score(self, key: bytes) -> float | None:
        """The log-probability kept under a key, in nats, or None."""
        with self._explained():
            row = self._connection.execute(
                "SELECT logp FROM scores WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else row[0]

    def keep_scores(self, rows: Iterable[tuple[bytes, float]]) -> None:
        """Keep log-probabilities, as `keep_completions` does. None may be NaN."""
        self._insert("INSERT INTO scores VALUES (?, ?) ON CONFLICT DO NOTHING", rows)

    def _insert(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(statement, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself on some errors, and then there is nothing to undo.
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def _prepare(self) -> None:
        """Check what is in the file, and make the tables if nothing is."""
        version = self._pragma("user_version")
        application = self._pragma("application_id")
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and (tables or version or application):
            raise StoreError(
                f"{self.path}: an SQLite file, but not one that jurist wrote; give another path"
            )
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: written by a later jurist (store version {version}, this one reads "
                f"up to {SCHEMA_VERSION}); upgrade jurist or give another path"
            )
        found = self._pragma("quick_check(1)")
        if found != "ok":
            raise StoreError(self._damaged(str(found)))
        if not tables:
            self._connection.executescript(
                f"BEGIN; {_TABLES} PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        synchronous = "NORMAL" if write_ahead(self._connection, self.path) else "FULL"
        self._connection.execute(f"PRAGMA synchronous = {synchronous}")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")

    def _pragma(self, name: str) -> object:
        return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Turn SQLite's refusals into errors that name the file and what to do."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _DAMAGE:
                message = self._damaged(str(error))
            elif code == sqlite3.SQLITE_FULL:
                message = (
                    f"{self.path}: the disk is full; what was kept before is safe, so make room "
                    f"and run again"
                )
            else:
                message = f"{self.path}: cannot be used as a store: {error}"
            raise StoreError(message) from error

    def _damaged(self, found: str) -> str:
        return (
            f"{self.path}: the file is damaged ({found}), and was left as it is; save what can be "
            f"saved with: sqlite3 '{self.path}' .recover | sqlite3 recovered.sqlite; or move it "
            f"away, and its answers will be asked for again"
        )


def write_ahead(connection: sqlite3.Connection, path: Path) -> bool:
    """Ask SQLite for write-ahead logging; say loudly if the file system does not grant it."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        logger.warning(
            "%s: no write-ahead log on this file system (journal mode is %s); the store is slower "
            "here, and as safe as the file system is",
            path,
            mode,
        )
    return mode == "wal"
