"""Parquet files and data sets of the Hugging Face library."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jurist.data import Layout, read_preferences, write_preferences
from jurist.errors import ConfigError, DataError
from jurist.types import Preference, user

ROWS = [
    {"prompt": "p", "chosen": "x", "rejected": "y", "margin": None},
    {"prompt": "q", "chosen": "x", "rejected": "y", "margin": 0.5},
]
READ = [
    Preference(id="set-1", prompt=user("p"), chosen="x", rejected="y", source="set"),
    Preference(id="set-2", prompt=user("q"), chosen="x", rejected="y", source="set", margin=0.5),
]


def without_groups(preferences: list[Preference]) -> list[Preference]:
    fields = [name for name in Preference.__slots__ if name != "group"]
    return [Preference(**{name: getattr(one, name) for name in fields}) for one in preferences]


def parquet(path: Path, rows: list[dict[str, object]]) -> Path:
    import pyarrow
    from pyarrow.parquet import write_table

    write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=1)
    return path


def test_a_parquet_file_is_read(tmp_path: Path):
    assert (
        without_groups(read_preferences(parquet(tmp_path / "set.parquet", ROWS)).preferences)
        == READ
    )


def test_conversations_in_a_parquet_file_are_read(tmp_path: Path):
    def talk(answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": "p"}, {"role": "assistant", "content": answer}]

    row: dict[str, object] = {
        "chosen": talk("x"),
        "rejected": talk("y"),
        "score_chosen": 2.0,
        "score_rejected": 2.0,
    }
    read = read_preferences(parquet(tmp_path / "set.parquet", [row]))
    assert read.files[0].layout is Layout.ULTRAFEEDBACK_BINARIZED
    assert (read.preferences[0].tie, read.preferences[0].rejected) == (True, "y")


def test_a_bad_row_of_a_parquet_file_is_named_and_set_aside(tmp_path: Path):
    bad: dict[str, object] = {"prompt": "r", "chosen": "x", "rejected": "y", "margin": float("nan")}
    path = parquet(tmp_path / "set.parquet", [*ROWS, bad])
    with pytest.raises(DataError, match=r"set\.parquet:3: expected 'margin' to be finite"):
        read_preferences(path)
    rejects = tmp_path / "out" / "rejects.jsonl"
    assert len(read_preferences(path, skip_bad=rejects).preferences) == 2
    assert '\\"prompt\\": \\"r\\"' in rejects.read_text()


def test_a_parquet_file_that_is_cut_short_is_refused(tmp_path: Path):
    path = parquet(tmp_path / "set.parquet", ROWS)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"set\.parquet: expected a Parquet file, found it unread"):
        read_preferences(path)


def test_a_parquet_file_of_no_rows_is_refused(tmp_path: Path):
    import pyarrow
    from pyarrow.parquet import write_table

    write_table(
        pyarrow.table({"chosen": pyarrow.array([], pyarrow.string())}), tmp_path / "a.parquet"
    )
    with pytest.raises(DataError, match="found an empty file"):
        read_preferences(tmp_path / "a.parquet")


def test_a_folder_may_mix_lines_and_tables(tmp_path: Path):
    parquet(tmp_path / "b.parquet", ROWS)
    write_preferences(
        tmp_path / "a.jsonl",
        [
            Preference(
                **{name: getattr(READ[0], name) for name in Preference.__slots__} | {"group": "g"}
            )
        ],
    )
    assert [one.id for one in read_preferences(tmp_path).preferences] == ["set-1", "b-1", "b-2"]


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("pyarrow", "a.parquet", "parquet"), ("datasets", "owner/name", "datasets")],
)
def test_a_missing_extra_is_named(
    module: str, name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'jurist\[{extra}\]'"):
        read_preferences(name)
    if module == "pyarrow":
        good = Preference(id="a", prompt=user("p"), chosen="x", rejected="y", group="g")
        with pytest.raises(ConfigError, match=rf"pip install 'jurist\[{extra}\]'"):
            write_preferences(tmp_path / "b.parquet", [good])


@pytest.mark.parametrize("source", ["name", "owner/name/more", "./owner/name", "folder/name", ""])
def test_what_cannot_be_an_id_is_not_looked_for_elsewhere(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)  # to look there would need it
    with pytest.raises(DataError, match="expected "):
        read_preferences(source)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as the library writes them: "set" of one part, "parts/set" of two, "repo/set"."""
    datasets = pytest.importorskip("datasets", reason="needs the extra 'datasets'")
    folder = tmp_path_factory.mktemp("saved")
    made = datasets.Dataset.from_list(ROWS)
    made.save_to_disk(folder / "set")
    datasets.DatasetDict(train=made, test=made.select([1])).save_to_disk(folder / "parts" / "set")
    (folder / "repo" / "set" / "data").mkdir(parents=True)
    made.to_parquet(folder / "repo" / "set" / "data" / "train-00000-of-00001.parquet")
    return folder


def test_a_saved_data_set_is_read(saved: Path):
    read = read_preferences(saved / "set")
    assert without_groups(read.preferences) == READ
    assert read.files[0].num_rows == 2


def test_a_part_of_a_saved_data_set_is_read(saved: Path):
    read = read_preferences(saved / "parts" / "set", split="test")
    assert [one.prompt for one in read.preferences] == [user("q")]
    assert read.files[0].name == f"{saved / 'parts' / 'set'}[test]"


def test_a_folder_laid_out_as_on_the_hub_is_read(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    assert without_groups(read_preferences(saved / "repo" / "set").preferences) == READ


@pytest.mark.parametrize(
    ("split", "found"), [(None, "found none given"), ("dev", "found 'dev'")], ids=str
)
def test_a_part_that_is_not_there_is_refused_with_those_that_are(
    saved: Path, split: str | None, found: str
):
    with pytest.raises(ConfigError, match=f"expected --split to be one of train, test, {found}"):
        read_preferences(saved / "parts" / "set", split=split)


def test_a_damaged_data_set_is_refused(saved: Path, tmp_path: Path):
    for name in ("dataset_info.json", "state.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(DataError, match="the data set cannot be read"):
        read_preferences(tmp_path)


def test_a_hub_that_cannot_be_reached_is_told(tmp_path: Path):
    pytest.importorskip("datasets", reason="needs the extra 'datasets'")
    code = (
        "from jurist.data import read_preferences\n"
        "try:\n    read_preferences('owner/name')\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    offline = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=offline,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    assert told.startswith("ConfigError owner/name: no such file or folder, and the Hugging Face")
