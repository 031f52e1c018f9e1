"""Files that are one object, and what is read of one at the most."""

from pathlib import Path

import pytest

from jurist.data.arrays import array_rows
from jurist.data.objects import object_of, read_object
from jurist.errors import DataError


def test_an_object_is_read_with_a_mark_and_over_several_lines(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{\n "a": 1,\r\n "b": "x"\n}\n')
    assert read_object(path) == {"a": 1, "b": "x"}


def test_the_line_of_what_is_wrong_is_named(tmp_path: Path):
    for content, wanted in (
        (b'{\n"a": 1,\n"b" 2}', "a.json:3: expected JSON, found an error at column 5"),
        (b'{\n"a": "caf\xe9"}', "a.json:2: expected UTF-8, found byte 0xe9"),
        (b'{"a": NaN}', "a.json:1: expected JSON, found NaN, which JSON has no word for, at colu"),
        (b"[1]", "a.json: expected a JSON object, found list"),
    ):
        with pytest.raises(DataError) as caught:
            object_of(content, "a.json")
        assert str(caught.value).startswith(wanted)
    with pytest.raises(FileNotFoundError):
        read_object(tmp_path / "none.json")


def test_a_file_longer_than_the_bound_is_refused_and_one_as_long_is_read(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": 12}')
    assert read_object(path, max_bytes=9) == {"a": 12}
    with pytest.raises(DataError, match=r"a\.json: more than 8 bytes, the most that is read"):
        read_object(path, max_bytes=8)
    path.write_bytes(b'[{"a":1}]')
    assert len(list(array_rows(path, max_bytes=9))) == 1
    with pytest.raises(DataError, match=r"array of more than 8 bytes, .*; convert it to JSON Lin"):
        list(array_rows(path, max_bytes=8))
