"""Labelled preferences in files: what `datasets`, LLaMA-Factory's reader and this package find."""

import json
import sys
from dataclasses import replace

import pytest

from jurist.data import read_preferences
from jurist.data.label_files import NAMES, open_label_files, refuse_unwritable
from jurist.data.labelled import LabelLayout, LabelledPair, Opinion, Votes, label_row
from jurist.errors import ConfigError
from jurist.types import Preference, user


def labelled(number, *, tie=False, met=True):
    return LabelledPair(
        preference=Preference(
            id=str(number),
            prompt=user(f"What is {number}? \u2028 \N{GREEK SMALL LETTER PI}"),
            chosen=f"{number}",
            rejected="no idea",
            tie=tie,
            margin=None if tie else 1.5,
            group=f"g{number}",
        ),
        opinion=Opinion(
            judge="f" * 16,
            probability=0.8 if met else None,
            confidence=0.8,
            margin=None if tie else 1.5,
            flip=None if tie else False,
            votes=Votes(num_for=3, num_against=1, num_tie=0, num_failed=0, num_possible=4)
            if met
            else None,
            num_read=10,
            num_written=2,
        ),
    )


ROWS = [labelled(1), labelled(2, tie=True), labelled(3, met=False), labelled(4)]
UNTIED = [one for one in ROWS if not one.preference.tie]


@pytest.fixture
def folder(tmp_path):
    with open_label_files(tmp_path, tuple(LabelLayout)) as write:
        for one in ROWS:
            write(one)
    return tmp_path


def test_the_layout_jurist_reads_back_as_what_was_written_ties_too(folder):
    found = read_preferences(folder / "labelled.jsonl", layout="jurist").preferences
    assert found == [replace(one.preference, source="") for one in ROWS]


@pytest.mark.parametrize("layout", sorted(set(LabelLayout) - {LabelLayout.JURIST}))
def test_ties_are_left_out_of_the_others(folder, layout):
    path = folder / NAMES[layout]
    if layout is LabelLayout.DATASETS:
        parquet = pytest.importorskip("pyarrow.parquet")
        rows = parquet.read_table(path / "train.parquet").to_pylist()
    else:
        path = path / "labelled.jsonl" if layout is LabelLayout.LLAMA_FACTORY else path
        # Lines end at \n alone: U+2028 stands in the text.
        rows = [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
    assert rows == [label_row(one, layout) for one in UNTIED]


@pytest.mark.parametrize(
    "layout", [LabelLayout.TRL, LabelLayout.OPENRLHF, LabelLayout.ULTRAFEEDBACK_BINARIZED]
)
def test_the_other_files_are_read_back_as_preferences_too(folder, layout):
    found = read_preferences(folder / NAMES[layout]).preferences
    assert [(one.prompt, one.chosen, one.rejected) for one in found] == [
        (one.preference.prompt, one.preference.chosen, one.preference.rejected) for one in UNTIED
    ]


def test_datasets_loads_the_folder_and_every_file(folder, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset(str(folder / "datasets"), split="train", cache_dir=cache)
    assert list(loaded) == [label_row(one, LabelLayout.DATASETS) for one in UNTIED]
    for layout in (LabelLayout.TRL, LabelLayout.OPENRLHF, LabelLayout.ULTRAFEEDBACK_BINARIZED):
        name = str(folder / NAMES[layout])
        loaded = datasets.load_dataset("json", data_files=name, split="train", cache_dir=cache)
        assert list(loaded) == [label_row(one, layout) for one in UNTIED]


def test_llama_factory_finds_its_file_by_its_dataset_info(folder):
    # As its parser does: the name of the set, the file beside the list, the columns of a ranking.
    info = json.loads((folder / "llama-factory" / "dataset_info.json").read_text("utf-8"))
    entry = info["jurist"]
    assert (entry["formatting"], entry["ranking"]) == ("sharegpt", True)
    path = folder / "llama-factory" / entry["file_name"]
    row = json.loads(path.read_bytes().split(b"\n")[0])
    assert row[entry["columns"]["messages"]][-1]["from"] == "human"
    assert {row[entry["columns"][name]]["from"] for name in ("chosen", "rejected")} == {"gpt"}


def test_many_rows_are_written_in_groups_and_the_same_rows_are_the_same_bytes(tmp_path):
    pytest.importorskip("pyarrow")
    layouts = (LabelLayout.DATASETS, LabelLayout.TRL)
    for name in ("one", "two"):
        with open_label_files(tmp_path / name, layouts) as write:
            for number in range(2_500):
                write(labelled(number))
    first, second = (tmp_path / name / "datasets" / "train.parquet" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    from pyarrow import parquet

    with parquet.ParquetFile(first) as file:
        assert (file.num_row_groups, file.metadata.num_rows) == (3, 2_500)
        assert file.read().column("id").to_pylist() == [str(number) for number in range(2_500)]


def test_nothing_appears_where_the_block_ends_badly(tmp_path):
    with pytest.raises(RuntimeError), open_label_files(tmp_path, tuple(LabelLayout)) as write:
        write(ROWS[0])
        raise RuntimeError
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refuse_unwritable([LabelLayout.TRL])
    with pytest.raises(ConfigError, match=r"pip install 'jurist\[datasets\]'"):
        refuse_unwritable([LabelLayout.DATASETS])
