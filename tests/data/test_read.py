"""Reading whole files and folders: layouts, counts, duplicates, rejects."""

import json
import shutil
from pathlib import Path

import pytest

from jurist.data import Layout, read_preferences
from jurist.errors import ConfigError, DataError, StoreError


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(prompt: str = "p", **more: object) -> dict[str, object]:
    return {"prompt": prompt, "chosen": "x", "rejected": "y", **more}


def test_the_first_five_bad_rows_are_named_and_all_are_counted(tmp_path: Path):
    bad = [row(f"p{i}", chosen="") for i in range(7)]
    path = write(tmp_path / "pairs.jsonl", row(), *bad)
    with pytest.raises(DataError) as caught:
        read_preferences(path)
    first, *lines, last = str(caught.value).splitlines()
    assert first == "7 bad rows, the first 5 are:"
    where = [f"  {path}:{number}: expected text in the chosen" for number in range(2, 7)]
    assert [line[: len(start)] for line, start in zip(lines, where, strict=True)] == where
    assert "--skip-bad" in last


@pytest.mark.fault(10, "same content", "other ids, same content")
def test_every_row_is_kept_rejected_or_deduplicated(tmp_path: Path):
    path = write(
        tmp_path / "pairs.jsonl",
        row(id="a"),
        row(id="a"),
        row(id="b", rejected=""),
        row(id="c"),
        row("q", id="a"),
    )
    read = read_preferences(path, skip_bad=tmp_path / "out" / "rejects.jsonl")
    assert [one.id for one in read.preferences] == ["a", "c"]
    assert (read.num_rows, read.num_rejected, read.num_deduplicated) == (5, 2, 1)
    assert read.num_repeated == 1
    assert str(read) == (
        "2 preferences; 1 file (jurist); 2 bad rows set aside; "
        "1 rows given twice left out; 1 repeated under another id"
    )


@pytest.mark.fault(10, "one id, other content")
def test_one_id_with_other_content_is_refused_and_says_where_the_first_is(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row(id="a"), row("q", id="b"), row("q", id="a"))
    with pytest.raises(DataError, match=r"pairs\.jsonl:3: expected id 'a' once, .*jsonl:1$"):
        read_preferences(path)


@pytest.mark.fault(10, "one id, other content")
@pytest.mark.parametrize(
    "change",
    [{"tie": True}, {"margin": 1.0}, {"category": "k"}, {"group": "g"}, {"rejected": "z"}],
    ids=str,
)
def test_one_id_with_another_label_is_other_content(change: dict[str, object], tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row(id="a"), row(id="a", **change))
    with pytest.raises(DataError, match="expected id 'a' once"):
        read_preferences(path)


def test_a_number_and_its_text_are_one_id(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row(id=1), row("q", id="1"))
    with pytest.raises(DataError, match="expected id '1' once"):
        read_preferences(path)


def test_a_rejects_file_is_written_empty_if_no_row_is_bad(tmp_path: Path):
    rejects = tmp_path / "out" / "rejects.jsonl"
    write(rejects, {"from": "an earlier run"})
    read_preferences(write(tmp_path / "pairs.jsonl", row()), skip_bad=rejects)
    assert rejects.read_bytes() == b""


def test_every_bad_row_is_set_aside_and_not_the_first_few_only(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row(), *[row(f"p{i}", chosen="") for i in range(20)])
    rejects = tmp_path / "out" / "rejects.jsonl"
    assert read_preferences(path, skip_bad=rejects).num_rejected == 20
    lines = [json.loads(line)["line"] for line in rejects.read_text().splitlines()]
    assert lines == list(range(2, 22))


def test_no_rejects_file_is_written_unless_asked_for(tmp_path: Path):
    with pytest.raises(DataError):
        read_preferences(write(tmp_path / "pairs.jsonl", row(chosen="")))
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]


def test_a_file_of_bad_rows_only_is_refused_and_its_rows_are_set_aside(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row(chosen=""), {"text": "no pair"})
    rejects = tmp_path / "out" / "rejects.jsonl"
    with pytest.raises(DataError, match="found bad rows only: 2 bad rows"):
        read_preferences(path, skip_bad=rejects)
    assert len(rejects.read_text().splitlines()) == 2


def test_rejects_are_refused_where_they_would_be_read_as_data(tmp_path: Path):
    path = write(tmp_path / "data" / "pairs.jsonl", row())
    before = path.read_bytes()
    for source, rejects in ((path, path), (path.parent, path.parent / "rejects.jsonl")):
        with pytest.raises(ConfigError, match="expected a file for bad rows outside of the data"):
            read_preferences(source, skip_bad=rejects)
    assert path.read_bytes() == before


def test_rejects_that_cannot_be_written_are_an_error_of_the_store(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row())
    with pytest.raises(StoreError, match="cannot"):
        read_preferences(path, skip_bad=path / "out" / "rejects.jsonl")


def test_a_layout_can_be_named(tmp_path: Path):
    script = "\n\nHuman: a\n\nAssistant: "
    path = write(
        tmp_path / "pairs.jsonl", {"prompt": "a", "chosen": script + "b", "rejected": script + "c"}
    )
    assert read_preferences(path, layout="hh-rlhf").preferences[0].chosen == "b"
    assert read_preferences(path, layout="trl").preferences[0].chosen == script + "b"
    with pytest.raises(DataError, match=r"may be hh-rlhf or trl; say which with --layout"):
        read_preferences(path)
    with pytest.raises(DataError, match="--layout"):
        read_preferences(path, skip_bad=tmp_path / "out" / "rejects.jsonl")


def test_an_unknown_layout_is_refused_with_those_there_are(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row())
    known = ", ".join(("auto", *Layout))
    assert known.startswith("auto, jurist, trl, hh-rlhf, ultrafeedback-binarized, ")
    with pytest.raises(ConfigError, match=f"expected --layout to be one of {known}, found 'csv'"):
        read_preferences(path, layout="csv")


def test_columns_of_no_layout_are_refused_with_those_found(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", {"instruction": "p", "output": "x"})
    with pytest.raises(DataError, match=r"pairs\.jsonl:1: .*found \['instruction', 'output'\]"):
        read_preferences(path)


def test_a_row_of_another_layout_than_those_before_is_refused(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row(), row("q", subset="s"))
    with pytest.raises(DataError, match=r"jsonl:2: expected the layout trl, .* found rewardbench"):
        read_preferences(path)


def test_rows_with_and_without_particulars_may_stand_in_one_file(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row(), row("q", id="b", meta={"group": "g"}))
    assert [one.group for one in read_preferences(path).preferences][1] == "g"


def test_a_row_that_lacks_a_column_is_told_which(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row(), {"prompt": "p", "chosen": "x"})
    with pytest.raises(DataError, match=r"jsonl:2: expected a column 'rejected', found the col"):
        read_preferences(path)


def test_columns_that_are_not_read_are_told(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row(), row("q", licence="MIT", winner="a"))
    assert read_preferences(path).unread == ("licence", "winner")


class TestFolder:
    def test_is_read_in_the_order_of_names_and_each_file_in_its_layout(self, tmp_path: Path):
        write(tmp_path / "b.jsonl", row("b", subset="s"))
        write(tmp_path / "a.json", row("a"))
        write(tmp_path / "README.md")
        write(tmp_path / ".hidden.jsonl")
        write(tmp_path / "deeper" / "c.jsonl", row("c"))
        read = read_preferences(tmp_path)
        assert [one.id for one in read.preferences] == ["a-1", "b-1"]
        assert [one.source for one in read.preferences] == ["a", "b"]
        assert [(file.name, file.layout) for file in read.files] == [
            (str(tmp_path / "a.json"), Layout.TRL),
            (str(tmp_path / "b.jsonl"), Layout.REWARDBENCH),
        ]
        assert read.ignored == ("README.md", "deeper")

    def test_counts_a_row_given_in_two_files_once(self, tmp_path: Path):
        write(tmp_path / "a.jsonl", row(id="1"))
        shutil.copy(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
        read = read_preferences(tmp_path)
        assert (len(read.preferences), read.num_deduplicated) == (1, 1)

    def test_of_nothing_is_refused(self, tmp_path: Path):
        with pytest.raises(DataError, match=r"expected files named \*\.jsonl, .* found nothing"):
            read_preferences(tmp_path)
        write(tmp_path / "pairs.csv")
        with pytest.raises(DataError, match=r"in the folder, found pairs\.csv"):
            read_preferences(tmp_path)

    def test_with_an_empty_file_is_refused(self, tmp_path: Path):
        write(tmp_path / "a.jsonl", row())
        write(tmp_path / "b.jsonl")
        with pytest.raises(DataError, match=r"b\.jsonl: expected preferences, found an empty file"):
            read_preferences(tmp_path)

    def test_keeps_what_is_good_beside_a_file_of_bad_rows(self, tmp_path: Path):
        write(tmp_path / "data" / "a.jsonl", row())
        write(tmp_path / "data" / "b.jsonl", {"text": "t"})
        read = read_preferences(tmp_path / "data", skip_bad=tmp_path / "rejects.jsonl")
        assert [file.layout for file in read.files] == [Layout.TRL, None]
        assert (len(read.preferences), read.num_rejected) == (1, 1)


def test_a_file_has_no_split(tmp_path: Path):
    path = write(tmp_path / "pairs.jsonl", row())
    for source in (path, tmp_path):
        with pytest.raises(ConfigError, match="expected no --split, since files have no parts"):
            read_preferences(source, split="train")
