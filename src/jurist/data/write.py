"""Writing preferences in the layout that `read_preferences` gives back unchanged."""

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path

from jurist.data.check import fault
from jurist.errors import ConfigError, DataError
from jurist.storage import write_bytes
from jurist.types import Preference


def write_preferences(path: Path, preferences: Sequence[Preference]) -> None:
    """Write preferences in the layout "jurist", whole or not at all.

    What `read_preferences` reads from the file equals what was given. The same preferences give
    the same bytes.

    Args:
        path: A name ending in .jsonl, .jsonl.gz or .parquet (which needs the extra `parquet`).
        preferences: At least one; ids unique.

    Raises:
        ConfigError: If the name ends otherwise, or pyarrow is needed and not installed.
        DataError: If a preference could not be read back.
        StoreError: If the file cannot be written.
    """
    _refuse_unreadable(path, preferences)
    if path.name.endswith(".jsonl"):
        content = _json_lines(preferences)
    elif path.name.endswith(".jsonl.gz"):
        content = _gzipped(_json_lines(preferences))
    elif path.name.endswith(".parquet"):
        content = _parquet(path, preferences)
    else:
        raise ConfigError(
            f"{path}: expected a name that ends in .jsonl, .jsonl.gz or .parquet, to say what to "
            f"write, found {path.name!r}"
        )
    write_bytes(path, content)


def _refuse_unreadable(path: Path, preferences: Sequence[Preference]) -> None:
    if not preferences:
        raise DataError(f"{path}: expected preferences to write, found none")
    ids: set[str] = set()
    for one in preferences:
        wrong = fault(one)
        if one.id in ids:
            wrong = "expected each id once, found it twice"
        ids.add(one.id)
        if wrong:
            raise DataError(f"{path}: preference {one.id!r}: {wrong}")
        try:
            json.dumps(preference_row(one), ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise DataError(
                f"{path}: preference {one.id!r}: expected text, found half of a surrogate pair"
            ) from None


def preference_row(one: Preference) -> dict[str, object]:
    """A preference as the row of the layout "jurist" that it is read back from."""
    return {
        "id": one.id,
        "source": one.source,
        "category": one.category,
        "prompt": [{"role": turn.role, "content": turn.content} for turn in one.prompt],
        "chosen": one.chosen,
        "rejected": one.rejected,
        "tie": one.tie,
        "margin": one.margin,
        "group": one.group,
        **({"language": one.language} if one.language else {}),
        **({"chosen_model": one.chosen_model} if one.chosen_model else {}),
        **({"rejected_model": one.rejected_model} if one.rejected_model else {}),
    }


def _json_lines(preferences: Sequence[Preference]) -> bytes:
    lines = (json.dumps(preference_row(one), ensure_ascii=False) + "\n" for one in preferences)
    return "".join(lines).encode("utf-8")


def _gzipped(content: bytes) -> bytes:
    file = io.BytesIO()
    # Without name and time in its header the file depends on its content alone.
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as zipped:
        zipped.write(content)
    return file.getvalue()


def _parquet(path: Path, preferences: Sequence[Preference]) -> bytes:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            f"{path}: Parquet needs pyarrow, which is not installed: pip install 'jurist[parquet]'"
        ) from error
    text = pyarrow.string()
    schema = pyarrow.schema(
        {
            "id": text,
            "source": text,
            "category": text,
            "prompt": pyarrow.list_(pyarrow.struct({"role": text, "content": text})),
            "chosen": text,
            "rejected": text,
            "tie": pyarrow.bool_(),
            "margin": pyarrow.float64(),
            "group": text,
            "language": text,
        }
    )
    rows = [preference_row(one) for one in preferences]
    for name in ("chosen_model", "rejected_model"):
        if any(name in row for row in rows):
            schema = schema.append(pyarrow.field(name, text))
    table = pyarrow.Table.from_pylist(rows, schema=schema)
    buffer = pyarrow.BufferOutputStream()
    parquet.write_table(table, buffer)
    return buffer.getvalue().to_pybytes()
