"""The SQLite file that keeps what engines answered.

One process holds the file at a time and writes it through one connection: SQLite before 3.51.3 can
damage a WAL file that two connections checkpoint at the same moment. A committed answer survives
the death of the process; the text is kept as UTF-8 bytes, since a model may write half a surrogate
pair and SQLite's own text cannot hold one.

Every row has a checksum over what was kept and the key it was kept under, and is held to it when it
is read. SQLite looks after its pages' structure alone: a bit that turns over inside a text, or in
an index that then leads to another row, would be another answer, with nobody to notice.
"""

import errno
import hashlib
import logging
import os
import shlex
import sqlite3
import struct
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final, get_args

from jurist.errors import ConfigError, StoreError
from jurist.storage import advice_on, locked, obstacle, write_bytes
from jurist.types import Completion, FinishReason

SCHEMA_VERSION: Final = 2
"""Stands in the file as `user_version`. A file of a later version is refused, never guessed at. One
of version 1, whose rows had no checksums, is given them when it is opened."""

APPLICATION_ID: Final = 0x6A757269
"""Tells this package's files ("juri") from other SQLite files."""

_TABLES: Final = """
CREATE TABLE completions (
    key BLOB PRIMARY KEY,
    text BLOB NOT NULL,
    finish_reason TEXT NOT NULL,
    num_tokens INTEGER NOT NULL,
    num_prompt_tokens INTEGER NOT NULL,
    logp REAL,
    checksum BLOB
);
CREATE TABLE scores (key BLOB PRIMARY KEY, logp REAL NOT NULL, checksum BLOB);
"""
_SUMMED: Final = """
ALTER TABLE completions ADD COLUMN checksum BLOB;
ALTER TABLE scores ADD COLUMN checksum BLOB;
UPDATE completions SET checksum =
    completion_checksum(key, text, finish_reason, num_tokens, num_prompt_tokens, logp);
UPDATE scores SET checksum = score_checksum(key, logp);
"""
FINISH_REASONS: Final[dict[str, FinishReason]] = {name: name for name in get_args(FinishReason)}
_LOG_PAGES: Final = 8000
"""Pages, of 4 KiB, that the write-ahead log holds before they are moved to the file, which waits
for the disk. A killed process loses nothing of the log; a power cut may lose what the system has
not written out by itself."""

_LONGEST_PATH: Final = 500
"""Bytes. SQLite takes 512, with what it adds to the name."""

_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REFUSED: Final = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
)
"""Codes of what the system did not let SQLite do."""

logger = logging.getLogger(__name__)


def completion_checksum(
    key: bytes,
    text: bytes,
    finish_reason: str,
    num_tokens: int,
    num_prompt_tokens: int,
    logp: float | None,
) -> bytes:
    """Eight bytes that depend on everything in a row of completions."""
    # SQLite knows no negative zero, and gives back what was an int as the float it is.
    numbers = struct.pack(
        "<qq?d", num_tokens, num_prompt_tokens, logp is not None, (logp or 0.0) + 0.0
    )
    content = b"\0".join((finish_reason.encode(), numbers, text))
    return hashlib.blake2b(content, key=key[:64], digest_size=8).digest()


def score_checksum(key: bytes, logp: float) -> bytes:
    """Eight bytes that depend on everything in a row of scores."""
    return hashlib.blake2b(struct.pack("<d", logp + 0.0), key=key[:64], digest_size=8).digest()


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
        self._process_id = os.getpid()
        with ExitStack() as opening:
            opening.enter_context(locked(path.with_name(path.name + ".lock")))
            self._create()
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

    def num_rows(self) -> tuple[int, int]:
        """How many completions and scores there are."""
        with self._explained():
            count = "SELECT (SELECT count(*) FROM completions), (SELECT count(*) FROM scores)"
            num_completions, num_scores = self._connection.execute(count).fetchone()
        return num_completions, num_scores

    def completion(self, key: bytes) -> Completion | None:
        """The completion kept under a key, or None."""
        with self._explained():
            row = self._connection.execute(
                "SELECT checksum, text, finish_reason, num_tokens, num_prompt_tokens, logp "
                "FROM completions WHERE key = ?",
                (key,),
            ).fetchone()
        if row is None:
            return None
        checksum, *kept = row
        hold_to(self.path, checksum, completion_checksum, key, *kept)
        text, finish_reason, num_tokens, num_prompt_tokens, logp = kept
        return Completion(
            text=text.decode("utf-8", "surrogatepass"),
            finish_reason=FINISH_REASONS[finish_reason],
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
            "INSERT INTO completions VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            ((*row, completion_checksum(*row)) for row in map(_row, rows)),
        )

    def score(self, key: bytes) -> float | None:
        """The log-probability kept under a key, in nats, or None."""
        with self._explained():
            row = self._connection.execute(
                "SELECT checksum, logp FROM scores WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        checksum, logp = row
        hold_to(self.path, checksum, score_checksum, key, logp)
        return logp

    def keep_scores(self, rows: Iterable[tuple[bytes, float]]) -> None:
        """Keep log-probabilities, as `keep_completions` does. None may be NaN."""
        self._insert(
            "INSERT INTO scores VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            ((key, logp, score_checksum(key, logp)) for key, logp in rows),
        )

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

    def _create(self) -> None:
        """Make an empty store where there is none, whole at once; refuse what was one.

        To SQLite an empty file is a database, so that one cut to nothing would be begun anew, and
        the log of one that is gone would be written into its successor.
        """
        log = log_of(self.path)
        try:
            if self.path.exists():
                if self.path.stat().st_size == 0:
                    raise StoreError(damaged(self.path, "nothing is in it"))
                return
            if log.exists() and log.stat().st_size:
                raise StoreError(damaged(self.path, f"gone, and its log {log.name} is here"))
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{self.path}: cannot be read: {error.strerror}") from error
        with closing(sqlite3.connect(":memory:")) as empty:
            empty.executescript(
                f"{_TABLES} PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {SCHEMA_VERSION};"
            )
            write_bytes(self.path, empty.serialize())

    def _prepare(self) -> None:
        """Check what is in the file."""
        version = refuse_unusable(self._connection, self.path)
        synchronous = "NORMAL" if write_ahead(self._connection, self.path) else "FULL"
        self._connection.execute(f"PRAGMA synchronous = {synchronous}")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        if version == 1:
            self._add_checksums()

    def _add_checksums(self) -> None:
        """Bring a store of version 1 up to this one, all of it or nothing."""
        create = self._connection.create_function
        create("completion_checksum", 6, completion_checksum, deterministic=True)
        create("score_checksum", 2, score_checksum, deterministic=True)
        try:
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {_SUMMED} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        logger.info("%s: store of version 1 brought to version %d", self.path, SCHEMA_VERSION)

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Turn SQLite's refusals into errors that name the file and what to do."""
        if os.getpid() != self._process_id:
            # What SQLite knows of its locks does not go along, and both would write.
            raise ConfigError(
                f"{self.path}: opened by process {self._process_id}, and this is a fork of it; "
                f"open it in the process that is to use it"
            )
        with explaining(self.path):
            yield


def _row(kept: tuple[bytes, Completion]) -> tuple[bytes, bytes, str, int, int, float | None]:
    key, completion = kept
    return (
        key,
        completion.text.encode("utf-8", "surrogatepass"),
        completion.finish_reason,
        completion.num_tokens,
        completion.num_prompt_tokens,
        completion.logp,
    )


@contextmanager
def explaining(path: Path) -> Generator[None]:
    """Turn SQLite's refusals inside the block into a `StoreError` naming `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_complaint(path, error)) from error


def refuse_unusable(connection: sqlite3.Connection, path: Path) -> int:
    """Look what an SQLite file is, and whether its pages are whole.

    Returns:
        The version of the store.

    Raises:
        StoreError: If it is damaged, is not one of this package's files, or was written by a later
            version of it.
    """

    def pragma(name: str) -> object:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    if pragma("application_id") != APPLICATION_ID:
        raise StoreError(
            f"{path}: an SQLite file, but not one that jurist wrote; give another path"
        )
    version = pragma("user_version")
    assert isinstance(version, int)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: written by a later jurist (store version {version}, this one reads up to "
            f"{SCHEMA_VERSION}); upgrade jurist or give another path"
        )
    found = pragma("quick_check(1)")
    if found != "ok":
        raise StoreError(damaged(path, " ".join(str(found).split())))
    return version


def hold_to(path: Path, checksum: bytes, summed: Callable[..., bytes], *row: object) -> None:
    """Refuse a row that is not what was kept under its key.

    Args:
        path: The store.
        checksum: What stands beside the row.
        summed: Makes the checksum of such a row.
        *row: Key and values.

    Raises:
        StoreError: If the checksum does not fit.
    """
    try:
        as_kept = summed(*row) == checksum
    except (TypeError, AttributeError, struct.error):
        as_kept = False  # Not even of the types that were kept.
    if not as_kept:
        raise StoreError(damaged(path, "a row does not fit its checksum"))


def log_of(path: Path) -> Path:
    """Where SQLite keeps what is not yet in the file of a store."""
    return path.with_name(path.name + "-wal")


def _complaint(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # Of statements that are all written here: the schema is not, or text is no text.
    odd = isinstance(error, sqlite3.OperationalError) and code in (0, sqlite3.SQLITE_ERROR)
    if code in _DAMAGE or odd:
        return damaged(path, str(error))
    if code == sqlite3.SQLITE_CANTOPEN and len(os.fsencode(path.absolute())) > _LONGEST_PATH:
        return f"{path}: its whole path is longer than SQLite takes; give a shorter path"
    number = errno.ENOSPC if code == sqlite3.SQLITE_FULL else obstacle(path)
    if code in _REFUSED and (advice := advice_on(number, path)):
        what = "the disk is full" if number == errno.ENOSPC else f"cannot write ({error})"
        return f"{path}: {what}; what was kept before is safe; {advice}"
    if code == sqlite3.SQLITE_IOERR:
        return (
            f"{path}: {error}; what was kept before is safe; the disk fails, or files may not grow "
            f"so large here: see to the disk or raise `ulimit -f`, and run again"
        )
    return f"{path}: cannot be used as a store: {error}"


def damaged(path: Path, found: str) -> str:
    """What to say of a store that is damaged, and what to do about it."""
    command = shlex.join(["jurist", "doctor", str(path), "--recover-to", f"{path}.saved"])
    return (
        f"{path}: the file is damaged ({found}), and was left as it is; save what can be saved "
        f"with: {command}; then put that in its place, or "
        f"move both away, and what is missing will be asked for again"
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
