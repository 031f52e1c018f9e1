"""Reading preferences from files, folders and data sets, each row checked.

A row that is not a preference is never guessed at: it is refused with its file and line, or, if
the caller says where to, set aside in a file of rejects.
"""

import hashlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jurist.data.arrays import array_rows, is_array
from jurist.data.columns import READ, candidates, preference
from jurist.data.feedback import unfolded
from jurist.data.layouts import Layout, Place, layout_named, stem
from jurist.data.lines import Columns, Row, cannot_read, json_rows, refuse_no_file
from jurist.data.offences import Offences
from jurist.data.tables import dataset_rows, is_saved_dataset, may_be_hub_id, parquet_rows
from jurist.errors import ConfigError, DataError
from jurist.types import Preference

SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".parquet")
"""What the name of a file of preferences ends in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """One file, or one part of a data set, that preferences were read from."""

    name: str
    layout: Layout | None
    """None if none of its rows was good enough to tell."""

    num_rows: int
    """Rows in it, bad ones too; blank lines are no rows. Of a layout whose rows are not pairs, the
    pairs that they make."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreferenceSet:
    """Preferences, and what became of every row on the way to them.

    `num_rows` = `len(preferences)` + `num_rejected` + `num_deduplicated`.
    """

    preferences: list[Preference]
    """In the order read. Ids are unique, groups are not empty."""

    files: tuple[SourceFile, ...]
    ignored: tuple[str, ...]
    """Files of the folder that were not read, since their names do not say they hold rows."""

    unread: tuple[str, ...]
    """Columns that the layout has no use for."""

    num_rejected: int
    """Rows set aside in the file of rejects."""

    num_deduplicated: int
    """Rows left out since one of the same id and content was read before."""

    num_repeated: int
    """Rows kept although another id has the same prompt and responses."""

    @property
    def num_rows(self) -> int:
        """Rows read, good and bad."""
        return sum(file.num_rows for file in self.files)

    def __str__(self) -> str:
        """One line for a log: how many of what."""
        layouts = ", ".join(sorted({file.layout for file in self.files if file.layout}))
        files = "1 file" if len(self.files) == 1 else f"{len(self.files)} files"
        counts = [f"{len(self.preferences):,} preferences", f"{files} ({layouts})"]
        for count, what in (
            (sum(one.tie for one in self.preferences), "ties"),
            (self.num_rejected, "bad rows set aside"),
            (self.num_deduplicated, "rows given twice left out"),
            (self.num_repeated, "repeated under another id"),
        ):
            if count:
                counts.append(f"{count:,} {what}")
        return "; ".join(counts)


def read_preferences(
    source: str | Path,
    *,
    layout: str = "auto",
    split: str | None = None,
    skip_bad: Path | None = None,
) -> PreferenceSet:
    """Read preferences, all of them checked.

    Args:
        source: A file of JSON Lines (plain or gzipped) or Parquet; a folder of such files, read in
            the order of their names; a folder written by `datasets`; or the id of a data set on
            the Hugging Face hub. The last two need the extra `datasets`, Parquet `parquet`.
        layout: Name of a `Layout`, or "auto" to recognise it from the columns, file by file.
        split: Part of a data set to read. Not for files.
        skip_bad: Where to set bad rows aside, as JSON Lines of file, line, reason and row. The
            file is written in any case, and is empty if no row was bad. If None, a bad row is an
            error. A file that is damaged as a whole is an error either way, since nobody could
            count what was lost.

    Raises:
        ConfigError: If the layout or the split does not exist, an extra is missing, or the hub
            cannot be reached.
        DataError: If the source is not there or damaged, a row is bad, the columns fit more than
            one layout, or no preference is left. Names the first bad rows and counts them all.
        StoreError: If the rejects cannot be written.
    """
    preferences: list[Preference] = []
    rows = iterate_preferences(source, layout=layout, split=split, skip_bad=skip_bad)
    while True:
        try:
            preferences.append(next(rows))
        except StopIteration as end:
            counts: RowCounts = end.value
            return PreferenceSet(preferences=preferences, **counts._asdict())


class RowCounts(NamedTuple):
    """What became of the rows of a source; see `PreferenceSet`."""

    files: tuple[SourceFile, ...]
    ignored: tuple[str, ...]
    unread: tuple[str, ...]
    num_rejected: int
    num_deduplicated: int
    num_repeated: int


def iterate_preferences(
    source: str | Path,
    *,
    layout: str = "auto",
    split: str | None = None,
    skip_bad: Path | None = None,
) -> Generator[Preference, None, RowCounts]:
    """Read preferences one at a time, holding a name and two digests of each that was read.

    Arguments and errors are those of `read_preferences`. Bad rows are refused, or set aside, at the
    end: what was given until then is good, but only a source read to its end is known to be.

    Yields:
        Each preference once, in the order read. The generator's value is what was counted.
    """
    wanted = layout_named(layout)
    tables, ignored = _tables(source, split)
    if skip_bad is not None:
        _refuse_rejects_among(source, skip_bad)
    reading = _Reading(wanted, Offences(skip_bad))
    for table in tables:
        yield from reading.read(table)
    reading.offences.settle()
    if not reading.kept:
        raise DataError(
            f"{source}: expected preferences, found bad rows only: {reading.offences.complaint()}"
        )
    return RowCounts(
        files=tuple(reading.files),
        ignored=ignored,
        unread=tuple(sorted(reading.unread)),
        num_rejected=reading.offences.num,
        num_deduplicated=reading.num_deduplicated,
        num_repeated=reading.num_repeated,
    )


class _Table(NamedTuple):
    name: str
    stem: str
    rows: Iterator[Row]


def _tables(source: str | Path, split: str | None) -> tuple[Iterator[_Table], tuple[str, ...]]:
    """The files of a source, to be opened one after another, and those not to be read."""
    path = Path(source)
    if source == "":
        raise DataError("expected the name of a file, a folder or a data set, found empty text")
    try:
        is_folder, is_there = path.is_dir(), path.exists()
        names = sorted(entry.name for entry in path.iterdir()) if is_folder else []
        files = [file.name for file in data_files(path)] if is_folder else []
    except OSError as error:
        raise cannot_read(path, error) from error
    if is_folder:
        names = [name for name in names if not name.startswith(".")]
        if files and not is_saved_dataset(path):
            _refuse_split(source, split)
            ignored = tuple(name for name in names if name not in files)
            return (_file(path / name) for name in files), ignored
        if not is_saved_dataset(path) and not any((path / name).is_dir() for name in names):
            raise DataError(
                f"{source}: expected files named {', '.join('*' + end for end in SUFFIXES)} in "
                f"the folder, found {', '.join(names) or 'nothing'}"
            )
    elif is_there:
        _refuse_split(source, split)
        if not path.name.endswith(SUFFIXES):
            raise DataError(
                f"{source}: expected a name that ends in {', '.join(SUFFIXES)}, to say what is in "
                f"the file, found {path.name!r}"
            )
        return iter([_file(path)]), ()
    elif isinstance(source, Path) or source.endswith(SUFFIXES) or not may_be_hub_id(source):
        raise DataError(f"{source}: expected a file or a folder, found none of that name")
    part, rows = dataset_rows(str(source), split=split)
    return iter([_Table(f"{source}[{part}]", stem(str(source)), rows)]), ()


def _file(path: Path) -> _Table:
    return _Table(str(path), stem(path.name), file_rows(path))


def data_files(folder: Path) -> list[Path]:
    """The files of a folder that rows are read from, by their names. Hidden ones are left alone."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if not entry.name.startswith(".") and entry.name.endswith(SUFFIXES) and entry.is_file()
    )


def file_rows(path: Path) -> Iterator[Row]:
    """The rows of a file: Parquet, a JSON array, or JSON Lines.

    Raises:
        DataError: If there is no such file, or it is damaged; most of it when rows are taken.
    """
    refuse_no_file(path)
    if path.suffix == ".parquet":
        return parquet_rows(path)
    return array_rows(path) if is_array(path) else json_rows(path)


def _refuse_split(source: str | Path, split: str | None) -> None:
    if split is not None:
        raise ConfigError(
            f"{source}: expected no --split, since files have no parts, found {split!r}; name the "
            f"file to read"
        )


def _refuse_rejects_among(source: str | Path, rejects: Path) -> None:
    path = Path(source)
    if path.exists() and path.resolve() in (rejects.resolve(), rejects.resolve().parent):
        raise ConfigError(
            f"{rejects}: expected a file for bad rows outside of the data, found it in {source}, "
            f"where it would overwrite data or be read as data"
        )


class _Reading:
    """What has been read so far, from one file after another."""

    def __init__(self, layout: Layout | None, offences: Offences) -> None:
        self.layout = layout
        self.offences = offences
        # Of what was kept, by id: the digest of all of it, and where it stood.
        self.kept: dict[str, tuple[bytes, str, str]] = {}
        self.contents: set[bytes] = set()
        self.files: list[SourceFile] = []
        self.unread: set[str] = set()
        self.num_deduplicated = 0
        self.num_repeated = 0

    def read(self, table: _Table) -> Generator[Preference]:
        """Read one file to its end, giving what is good of it and noting what is bad."""
        layout = self.layout
        num_rows = 0
        for row in unfolded(table.rows, self.layout):
            num_rows += 1
            if row.columns is None:
                self.offences.add(table.name, row, row.reason)
                continue
            try:
                if self.layout is None:
                    layout = _recognised(row, layout, table.name)
                assert layout is not None
                one = preference(row.columns, layout, Place(table.stem, row.number, row.part))
                new = self.keep(one, table.name, row.where)
            except _AmbiguousLayoutError:
                raise
            except DataError as error:
                self.offences.add(table.name, row, str(error))
                continue
            self.unread |= row.columns.keys() - READ[layout]
            if new:
                yield one
        if num_rows == 0:
            raise DataError(f"{table.name}: expected preferences, found an empty file")
        self.files.append(SourceFile(name=table.name, layout=layout, num_rows=num_rows))

    def keep(self, one: Preference, name: str, where: str) -> bool:
        """Note a preference; whether it is new, and not one that was read before."""
        content = _digest(one.tie, one.margin, one.category, one.group, one.language)
        turns = [(turn.role, turn.content) for turn in one.prompt]
        texts = _digest(turns, one.chosen, one.rejected)
        before = self.kept.get(one.id)
        if before is not None:
            if before[0] != texts + content:
                raise DataError(
                    f"expected id {one.id!r} once, found other content under it at "
                    f"{before[1]}:{before[2]}"
                )
            self.num_deduplicated += 1
            return False
        if texts in self.contents:
            self.num_repeated += 1
        self.contents.add(texts)
        self.kept[one.id] = (texts + content, name, where)
        return True


class _AmbiguousLayoutError(DataError):
    """Not a fault of the row, and so not one to set aside."""


def _recognised(row: Row, before: Layout | None, name: str) -> Layout:
    """The layout of a row, which is that of the rows before it in the same file."""
    columns: Columns = row.columns or {}
    found = candidates(columns)
    if before is None:
        if not found:
            raise DataError(
                f"expected the columns of a layout ({', '.join(Layout)}), most have 'chosen' and "
                f"'rejected', found {sorted(columns)}"
            )
        if len(found) > 1:
            raise _AmbiguousLayoutError(
                f"{name}:{row.where}: expected columns of one layout, found that "
                f"{sorted(columns)} may be {' or '.join(found)}; say which with --layout"
            )
        return found[0]
    # These two mean the same by the columns they share.
    alike = {Layout.JURIST, Layout.TRL}
    if found and before not in found and not (before in alike and alike & set(found)):
        raise DataError(
            f"expected the layout {before}, as in the rows before, found {' or '.join(found)} by "
            f"the columns {sorted(columns)}; say which with --layout"
        )
    return before


def _digest(*parts: object) -> bytes:
    # Half of SHA-256, of which no two texts are known to share either.
    return hashlib.sha256(json.dumps(parts).encode("ascii")).digest()[:16]
