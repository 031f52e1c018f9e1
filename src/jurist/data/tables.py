"""Rows of Parquet files and of Hugging Face datasets, which two extras read."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from jurist.data.lines import Columns, Row
from jurist.errors import ConfigError, DataError
from jurist.extras import refuse_unfit

_BATCH_ROWS = 1024
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def parquet_rows(path: Path) -> Iterator[Row]:
    """Read a Parquet file a batch at a time. Rows are counted from 1.

    Raises:
        ConfigError: If pyarrow is not installed.
        DataError: If the file is missing, damaged or not Parquet.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            f"{path}: Parquet needs pyarrow, which is not installed: pip install 'jurist[parquet]'"
        ) from error
    refuse_unfit("parquet")
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for columns in batch.to_pylist():
                    number += 1
                    yield Row(number, columns)
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        raise DataError(
            f"{path}: expected a Parquet file, found it unreadable after row {number}: {error}"
        ) from error


def is_saved_dataset(folder: Path) -> bool:
    """Whether a folder was written by `datasets.Dataset.save_to_disk`, or by a dict of them."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "dataset_info.json").is_file() and (folder / "state.json").is_file()
    )


def may_be_hub_id(source: str) -> bool:
    """Whether a text could name a data set on the Hugging Face hub: "owner/name".

    Not if there is a folder "owner" here: a mistyped file name should not wait for a network.
    """
    return _HUB_ID.fullmatch(source) is not None and not Path(source).parent.is_dir()


def dataset_rows(source: str, *, split: str | None) -> tuple[str, Iterator[Row]]:
    """Open a data set with the `datasets` library: a saved folder, a folder, or a hub id.

    Args:
        source: A folder or an id.
        split: Which part to read. None if the data set has one part only.

    Returns:
        The name of the part, and its rows, counted from 1.

    Raises:
        ConfigError: If `datasets` is not installed, the hub cannot be reached, or `split` is not a
            part of the data set or is needed and was not given.
        DataError: If there is no such data set, or it cannot be read.
    """
    try:
        import datasets
        from datasets import exceptions
    except ImportError as error:
        what = "a folder of folders" if Path(source).is_dir() else "no file or folder here"
        raise ConfigError(
            f"{source}: {what}; to read it as a data set of the Hugging Face library: "
            f"pip install 'jurist[datasets]'"
        ) from error
    refuse_unfit("datasets")
    # The library raises errors of every family; what each means to the caller is told apart here.
    try:
        if is_saved_dataset(Path(source)):
            loaded = datasets.load_from_disk(source)
            if isinstance(loaded, datasets.Dataset):
                name = _part(source, [str(loaded.split or "all")], split)
                table = loaded
            else:
                name = _part(source, [str(part) for part in loaded], split)
                table = loaded[name]
        else:
            name = _part(source, datasets.get_dataset_split_names(source), split)
            table = datasets.load_dataset(source, split=name)
    except ConfigError:
        raise
    except (exceptions.DatasetNotFoundError, FileNotFoundError) as error:
        raise DataError(
            f"{source}: expected a file, a folder or a data set of the Hugging Face hub, "
            f"found none: {error}"
        ) from error
    except ConnectionError as error:
        raise ConfigError(
            f"{source}: no such file or folder, and the Hugging Face hub cannot be reached to "
            f"look there ({error}); check the path, or go online, or unset HF_HUB_OFFLINE"
        ) from error
    except (
        exceptions.DatasetsError,
        RuntimeError,  # of a data set that is a program, which the library no longer runs
        ValueError,
        TypeError,
        LookupError,
        OSError,
    ) as error:
        raise DataError(f"{source}: the data set cannot be read: {error!r}") from error
    return name, _rows(f"{source}[{name}]", table)


def _rows(name: str, table: Iterable[object]) -> Iterator[Row]:
    number = 0
    try:
        for columns in table:
            number += 1
            yield Row(number, cast(Columns, columns))
    except (ValueError, OSError) as error:
        raise DataError(f"{name}: the data set is damaged after row {number}: {error}") from error


def _part(source: str, parts: list[str], wanted: str | None) -> str:
    if wanted is None and len(parts) == 1:
        return parts[0]
    if wanted in parts:
        return wanted
    found = "none given" if wanted is None else repr(wanted)
    raise ConfigError(f"{source}: expected --split to be one of {', '.join(parts)}, found {found}")
