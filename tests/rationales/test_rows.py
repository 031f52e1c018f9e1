"""Rows in files: the same bytes for the same rows, and back again."""

import gzip
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.errors import StoreError
from jurist.rationales import PairRow, SupervisedRow, read_rows, write_rows
from jurist.types import Message, Verdict, user

TEXT = st.text(alphabet=st.characters(exclude_categories=()))
PROMPTS = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user"]), content=TEXT), max_size=3
).map(tuple)
SUPERVISED = st.builds(
    SupervisedRow,
    preference_id=TEXT,
    label=st.sampled_from(Verdict),
    prompt=PROMPTS,
    completion=TEXT,
    weight=st.floats(0, 2),
)
LOGPS = st.none() | st.floats(max_value=0, allow_infinity=False)
PAIRS = st.builds(
    PairRow,
    preference_id=TEXT,
    label=st.sampled_from(Verdict),
    prompt=PROMPTS,
    chosen=TEXT,
    rejected=TEXT,
    reference_chosen_logp=LOGPS,
    reference_rejected_logp=LOGPS,
    weight=st.floats(0, 2),
)
ROW = SupervisedRow(
    preference_id="1", label=Verdict.FIRST, prompt=user("q\u2028\x85"), completion="so\n[[A]]"
)
PAIR = PairRow(
    preference_id="1", label=Verdict.FIRST, prompt=user("q"), chosen="[[A]]", rejected="[[B]]"
)


@settings(deadline=None)
@given(st.lists(SUPERVISED, max_size=3))
def test_supervised_rows_come_back_as_they_were(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl.gz"
    write_rows(path, rows)
    found = read_rows(path, SupervisedRow)
    assert found == rows
    assert all(isinstance(row.label, Verdict) for row in found)


@settings(deadline=None)
@given(st.lists(PAIRS, max_size=3))
def test_pairs_come_back_as_they_were(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl.gz"
    write_rows(path, rows)
    assert read_rows(path, PairRow) == rows


def test_the_same_rows_give_the_same_bytes_whenever_they_are_written(tmp_path):
    write_rows(tmp_path / "one.jsonl.gz", [ROW, ROW])
    os.utime(tmp_path / "one.jsonl.gz", (0, 0))
    write_rows(tmp_path / "other.jsonl.gz", [ROW, ROW])
    one = (tmp_path / "one.jsonl.gz").read_bytes()
    assert one == (tmp_path / "other.jsonl.gz").read_bytes()
    # Bytes 4 to 7 are the time of writing, which a rerun would change.
    assert one[4:8] == b"\0\0\0\0"
    assert sorted(os.listdir(tmp_path)) == ["one.jsonl.gz", "other.jsonl.gz"]


def test_a_row_is_one_line_of_plain_json(tmp_path):
    write_rows(tmp_path / "rows.jsonl.gz", [PAIR])
    assert gzip.decompress((tmp_path / "rows.jsonl.gz").read_bytes()).decode() == (
        '{"chosen": "[[A]]", "label": "first", "preference_id": "1", '
        '"prompt": [{"content": "q", "role": "user"}], "reference_chosen_logp": null, '
        '"reference_rejected_logp": null, "rejected": "[[B]]", "weight": 1.0}\n'
    )


def test_rows_of_another_kind_are_refused_by_line(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    write_rows(path, [PAIR])
    with pytest.raises(StoreError, match=r"rows.jsonl.gz:1: not a SupervisedRow.*'completion'"):
        read_rows(path, SupervisedRow)


def test_a_pair_without_a_weight_is_refused_and_not_given_one(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    write_rows(path, [PAIR])
    line = gzip.decompress(path.read_bytes()).replace(b', "weight": 1.0', b"")
    path.write_bytes(gzip.compress(line))
    with pytest.raises(StoreError, match=r"rows.jsonl.gz:1: not a PairRow.*'weight'"):
        read_rows(path, PairRow)


@pytest.mark.parametrize("line", ["[1]", "{", "", "null"])
def test_a_line_that_is_no_row_is_refused(tmp_path, line):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(f"{line}\n".encode()))
    with pytest.raises(StoreError, match="there is no JSON object"):
        read_rows(path, PairRow)


def test_a_damaged_or_missing_file_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    with pytest.raises(StoreError, match="cannot read the rows"):
        read_rows(path, PairRow)
    write_rows(path, [PAIR])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreError, match="cannot read the rows"):
        read_rows(path, PairRow)


def test_a_file_damaged_inside_its_stream_is_damage_and_no_crash(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    content = bytearray(gzip.compress(b'{"a": 1}\n' * 50, mtime=0))
    content[12:20] = b"\xff" * 8
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match=str(path)):
        read_rows(path, SupervisedRow)
