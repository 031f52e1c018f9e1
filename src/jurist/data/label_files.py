"""Labelled preferences written to files, row by row, each file whole or not at all."""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from jurist.data.labelled import LLAMA_FACTORY_INFO, LabelLayout, LabelledPair, label_row
from jurist.errors import ConfigError
from jurist.storage import replacing, write_json, write_text

Write = Callable[[LabelledPair], None]

_GROUP_ROWS = 1_000
"""Rows of a Parquet file that are held until they are written together."""

NAMES: dict[LabelLayout, str] = {
    LabelLayout.JURIST: "labelled.jsonl",
    LabelLayout.TRL: "labelled-trl.jsonl",
    LabelLayout.OPENRLHF: "labelled-openrlhf.jsonl",
    LabelLayout.LLAMA_FACTORY: "llama-factory",
    LabelLayout.ULTRAFEEDBACK_BINARIZED: "labelled-ultrafeedback-binarized.jsonl",
    LabelLayout.DATASETS: "datasets",
}
"""What the file or folder of each layout is called."""


def refuse_unwritable(layouts: Sequence[LabelLayout]) -> None:
    """Look whether what the layouts need is installed, before anything is judged.

    Raises:
        ConfigError: If pyarrow is needed and not there.
    """
    if LabelLayout.DATASETS in layouts:
        _pyarrow()


@contextmanager
def open_label_files(folder: Path, layouts: Sequence[LabelLayout]) -> Generator[Write]:
    """Files of labelled preferences in a folder, which appear when the block ends well.

    Yields:
        A function that writes a pair to the files of all layouts; a tie only to `labelled.jsonl`.
    """
    with ExitStack() as stack:
        writers = {layout: stack.enter_context(_opened(folder, layout)) for layout in layouts}

        def write(one: LabelledPair) -> None:
            for layout, add in writers.items():
                if layout is LabelLayout.JURIST or not one.preference.tie:
                    add(label_row(one, layout))

        yield write


@contextmanager
def _opened(folder: Path, layout: LabelLayout) -> Generator[Callable[[dict[str, object]], None]]:
    path = folder / NAMES[layout]
    if layout is LabelLayout.DATASETS:
        with _parquet(path / "train.parquet") as add:
            yield add
        write_text(path / "README.md", _CARD)
        return
    if layout is LabelLayout.LLAMA_FACTORY:
        info = {"jurist": {"file_name": "labelled.jsonl", **LLAMA_FACTORY_INFO}}
        with _json_lines(path / "labelled.jsonl") as add:
            yield add
        write_json(path / "dataset_info.json", info)
        return
    with _json_lines(path) as add:
        yield add


@contextmanager
def _json_lines(path: Path) -> Generator[Callable[[dict[str, object]], None]]:
    with replacing(path) as file:
        yield lambda row: _write(file, row)


def _write(file: Any, row: dict[str, object]) -> None:  # noqa: ANN401 - a file of bytes
    file.write((json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8"))


@contextmanager
def _parquet(path: Path) -> Generator[Callable[[dict[str, object]], None]]:
    pyarrow, parquet = _pyarrow()
    text, count = pyarrow.string(), pyarrow.int64()
    turns = pyarrow.list_(pyarrow.struct({"role": text, "content": text}))
    votes = ("for", "against", "tie", "failed", "possible")
    schema = pyarrow.schema(
        {
            **dict.fromkeys(("prompt", "chosen", "rejected"), turns),
            **dict.fromkeys(("id", "source", "category", "group", "judge"), text),
            **dict.fromkeys(
                ("judge_probability", "judge_confidence", "judge_margin"), pyarrow.float64()
            ),
            "judge_flip": pyarrow.bool_(),
            "judge_votes": pyarrow.struct(dict.fromkeys(votes, count)),
            "judge_tokens": pyarrow.struct({"read": count, "written": count}),
        }
    )
    held: list[dict[str, object]] = []
    with replacing(path) as file, parquet.ParquetWriter(file, schema) as writer:

        def flush() -> None:
            writer.write_table(pyarrow.Table.from_pylist(held, schema=schema))
            held.clear()

        def add(row: dict[str, object]) -> None:
            held.append(row)
            if len(held) == _GROUP_ROWS:
                flush()

        yield add
        flush()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            "--layouts datasets writes Parquet, which needs pyarrow, and is opened by datasets; "
            "not installed: pip install 'jurist[datasets]'"
        ) from error
    return pyarrow, parquet


_CARD = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: train.parquet
task_categories:
- text-generation
tags:
- preference
- dpo
- jurist
---

# Preferences labelled by a judge

Written by `jurist label`. `prompt`, `chosen` and `rejected` are lists of messages. The columns that
begin with `judge` say what the judge said: `judge` which one it was, `judge_probability` that the
chosen response is better by what was said of the two, `judge_confidence` what the label rests on,
`judge_margin` its log-odds in nats, `judge_flip` whether the two orders came to different verdicts,
`judge_votes` how the readings went and `judge_tokens` what they cost.

```python
from datasets import load_dataset

preferences = load_dataset("FOLDER", split="train")
```
"""
