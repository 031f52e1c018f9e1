"""A corpus of damaged and hostile JSON Lines files, and what the reader says of each."""

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jurist.data import read_preferences
from jurist.data.lines import MAX_LINE_BYTES, json_rows
from jurist.data.objects import read_object
from jurist.data.read import file_rows
from jurist.errors import DataError

GOOD = b'{"prompt":"p","chosen":"c","rejected":"r"}'
OTHER = b'{"prompt":"q","chosen":"c","rejected":"r"}'


def with_value(text: str) -> bytes:
    """A row that is good but for one more column."""
    return GOOD[:-1] + b',"extra":' + text.encode() + b"}"


# name: (second line of the file, what the error must say)
BAD_LINES: dict[str, tuple[bytes, str]] = {
    "torn in the middle": (GOOD[:20] + OTHER, "expected JSON, found an error at column"),
    "two rows on a line": (GOOD + OTHER, "found an error at column 43: Extra data"),
    "not json": (b"hello", "found an error at column 1"),
    "python dict": (b"{'prompt': 'p'}", "found an error at column 2"),
    "trailing comma": (GOOD[:-1] + b",}", "expected JSON"),
    "comment": (b"// " + GOOD, "expected JSON"),
    "latin-1": (GOOD.replace(b'"c"', b'"caf\xe9"'), "expected UTF-8, found byte 0xe9 at column 28"),
    "cut inside a character": (GOOD.replace(b'"c"', b'"\xe2\x82"'), "expected UTF-8"),
    "raw surrogate bytes": (GOOD.replace(b'"c"', b'"\xed\xa0\x80"'), "expected UTF-8"),
    "overlong slash": (GOOD.replace(b'"c"', b'"\xc0\xaf"'), "expected UTF-8"),
    "utf-16 line": ("{}".encode("utf-16-le"), "NUL bytes, so it may be UTF-16"),
    "raw NUL": (GOOD.replace(b'"c"', b'"c\0"'), "NUL bytes"),
    "raw control character": (GOOD.replace(b'"c"', b'"c\x01"'), "Invalid control character"),
    "lone surrogate": (GOOD.replace(b'"c"', b'"\\ud83d"'), "half of a surrogate pair"),
    "lone low surrogate": (GOOD.replace(b'"c"', b'"\\uDE00"'), "half of a surrogate pair"),
    "surrogate in a key": (with_value('{"\\udc00": 1}'), "half of a surrogate pair"),
    "NaN": (with_value("NaN"), "found NaN"),
    "Infinity": (with_value("Infinity"), "found Infinity"),
    "minus Infinity": (with_value("[-Infinity]"), "found -Infinity"),
    "huge integer": (with_value("1" * 5000), "a value that cannot be read"),
    "deep lists": (with_value("[" * 100_000 + "]" * 100_000), "nested too deeply"),
    "deep objects": (with_value('{"a":' * 100_000 + "1" + "}" * 100_000), "nested too deeply"),
    "duplicate key": (
        GOOD[:-1] + b',"chosen":"d"}',
        "expected each key once, found twice: chosen",
    ),
    "duplicate key inside": (with_value('{"a":1,"a":1}'), "found twice: a"),
    "list": (b'["p","c","r"]', "expected a JSON object, found list"),
    "number": (b"1", "expected a JSON object, found int"),
    "text": (b'"p"', "expected a JSON object, found str"),
    "null": (b"null", "expected a JSON object, found null"),
    "BOM in the middle": (b"\xef\xbb\xbf" + GOOD, "expected JSON"),
    "form feed between": (GOOD + b"\x0c" + OTHER, "Extra data"),
}


@pytest.mark.fault(8, "corpus")
@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_refused_with_file_line_and_reason(name: str, tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    line, reason = BAD_LINES[name]
    path.write_bytes(OTHER + b"\n" + line + b"\n")
    with pytest.raises(DataError) as caught:
        read_preferences(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert reason in str(caught.value)


@pytest.mark.fault(8, "corpus")
@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_set_aside_and_the_good_ones_kept(name: str, tmp_path: Path):
    path, rejects = tmp_path / "pairs.jsonl", tmp_path / "out" / "rejects.jsonl"
    line, reason = BAD_LINES[name]
    path.write_bytes(OTHER + b"\n" + line + b"\n" + GOOD + b"\n")
    read = read_preferences(path, skip_bad=rejects)
    assert [one.id for one in read.preferences] == ["pairs-1", "pairs-3"]
    assert (read.num_rows, read.num_rejected) == (3, 1)
    [entry] = [json.loads(entry) for entry in rejects.read_text().splitlines()]
    assert (entry["file"], entry["line"]) == (str(path), 2)
    assert reason in entry["reason"]
    assert entry["row"] == line.decode("utf-8", "backslashreplace")


# What is odd and yet right: the two rows must come out.
FINE: dict[str, bytes] = {
    "no last line end": GOOD + b"\n" + OTHER,
    "CRLF": GOOD + b"\r\n" + OTHER + b"\r\n",
    "blank lines": b"\n \n" + GOOD + b"\n\t\n\r\n" + OTHER + b"\n\n",
    "BOM": b"\xef\xbb\xbf" + GOOD + b"\n" + OTHER,
    "spaces around": b"  " + GOOD + b" \n\t" + OTHER,
    "gzip": gzip.compress(GOOD + b"\n" + OTHER),
    "gzip in two members": gzip.compress(GOOD + b"\n") + gzip.compress(OTHER),
    "escaped pair": GOOD.replace(b'"c"', b'"\\ud83d\\ude00"') + b"\n" + OTHER,
}


@pytest.mark.parametrize("name", FINE)
def test_an_odd_file_that_is_right_is_read(name: str, tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(FINE[name])
    read = read_preferences(path)
    assert [one.prompt[0].content for one in read.preferences] == ["p", "q"]


def test_line_separators_of_unicode_do_not_end_a_line(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(GOOD.replace(b'"c"', '"a\u2028b\u2029c\u0085d"'.encode()) + b"\n")
    assert read_preferences(path).preferences[0].chosen == "a\u2028b\u2029c\u0085d"


# name: (name of the file, its bytes, what the error must say)
BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.jsonl", b"", "a.jsonl: expected preferences, found an empty file"),
    "blank": ("a.jsonl", b"\n \n\r\n", "found an empty file"),
    "empty gzip": ("a.jsonl.gz", gzip.compress(b""), "found an empty file"),
    "zero bytes for gzip": ("a.jsonl.gz", b"", "found an empty file"),
    "array": ("a.jsonl", b"[" + GOOD + b"]", "found a JSON array; convert it with `jq"),
    "array over lines": ("a.jsonl", b"[\n" + GOOD + b",\n" + OTHER + b"\n]", "a JSON array"),
    "spread object": ("a.json", b'{\n"prompt": "p"\n}', "spread over several lines"),
    "utf-16": ("a.jsonl", GOOD.decode().encode("utf-16"), "a.jsonl:1: expected UTF-8, found UTF"),
    "utf-16 big end first": ("a.jsonl", b"\xfe\xff" + GOOD.decode().encode("utf-16-be"), "UTF-16"),
    "parquet inside": ("a.jsonl", b"PAR1....", "found Parquet"),
    "not gzip": ("a.jsonl.gz", GOOD, "expected gzip, as the name says"),
    "not parquet": ("a.parquet", GOOD, "expected a Parquet file"),
    "name says nothing": ("a.txt", GOOD, "expected a name that ends in .jsonl, .json"),
}


@pytest.mark.fault(8, "corpus")
@pytest.mark.parametrize("setting_aside", [False, True], ids=["strict", "skip bad"])
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_wrong_as_a_whole_is_refused(name: str, setting_aside: bool, tmp_path: Path):
    file, content, reason = BAD_FILES[name]
    path = tmp_path / file
    path.write_bytes(content)
    rejects = tmp_path / "out" / "rejects.jsonl" if setting_aside else None
    with pytest.raises(DataError) as caught:
        read_preferences(path, skip_bad=rejects)
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)


def numbered(count: int) -> bytes:
    return b"".join(GOOD.replace(b'"p"', b'"p%d"' % i) + b"\n" for i in range(count))


def test_a_gzip_file_that_is_cut_short_names_the_last_whole_line(tmp_path: Path):
    path = tmp_path / "pairs.jsonl.gz"
    # Stored, not deflated, so that which lines are whole can be counted by hand: a header of 10
    # bytes, one of 5 for the block, then 9 lines of 44 bytes and half of the tenth.
    whole = gzip.compress(numbered(10), compresslevel=0)
    path.write_bytes(whole[: 10 + 5 + 9 * 44 + 20])
    with pytest.raises(DataError, match=r"cut short: expected more after line 9,"):
        read_preferences(path, skip_bad=tmp_path / "rejects" / "r.jsonl")


@pytest.mark.fault(8, "corpus")
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-8] + b"\0" * 8,
        lambda data: data[:40] + bytes(255 - byte for byte in data[40:60]) + data[60:],
        lambda data: data + b"rubbish",
    ],
    ids=["checksum", "flipped bytes", "rubbish behind"],
)
def test_a_damaged_gzip_file_is_refused(damage: Callable[[bytes], bytes], tmp_path: Path):
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(damage(gzip.compress(numbered(100))))
    with pytest.raises(DataError, match=r"pairs\.jsonl\.gz: the gzip file is damaged after line"):
        read_preferences(path)


def test_a_line_torn_at_the_end_of_the_file_says_so(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(GOOD + b"\n" + OTHER[:-5])
    with pytest.raises(DataError, match=r"pairs\.jsonl:2: .* the file may be cut short"):
        read_preferences(path)


def test_a_line_over_the_limit_is_refused_and_the_next_one_read(tmp_path: Path):
    path = tmp_path / "long.jsonl"
    path.write_bytes(GOOD + b"\n" + b"x" * 5000 + b"\n" + OTHER + b"\n" + b"y" * 250)
    rows = list(json_rows(path, max_line_bytes=100))
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert [row.columns is None for row in rows] == [False, True, False, True]
    assert "expected at most 100 bytes in a line, found more" in rows[1].reason


def test_a_line_that_just_fits_the_limit_is_read(tmp_path: Path):
    path = tmp_path / "fits.jsonl"
    path.write_bytes(GOOD + b"\n" + GOOD)
    limit = len(GOOD) + 1
    assert all(row.columns for row in json_rows(path, max_line_bytes=limit))
    assert not next(iter(json_rows(path, max_line_bytes=limit - 1))).columns


@pytest.mark.fault(8, "memory")
def test_a_line_of_a_gigabyte_would_not_be_held_in_memory(tmp_path: Path):
    path = tmp_path / "long.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(GOOD + b"\n")
        for _ in range(66):
            file.write(b" " * 2**20)
        file.write(b"\n" + OTHER + b"\n")
    rows = list(json_rows(path))
    assert [row.columns is None for row in rows] == [False, True, False]
    assert f"{MAX_LINE_BYTES:,}" in rows[1].reason
    assert rows[1].raw is not None and len(rows[1].raw) == 1000


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"no\.jsonl: expected a file or a folder, found none"):
        read_preferences(tmp_path / "no.jsonl")
    with pytest.raises(DataError, match="cannot read: No such file"):
        next(json_rows(tmp_path / "no.jsonl"))


@pytest.mark.parametrize("read", [read_preferences, file_rows, read_object])
def test_a_path_that_the_system_refuses_to_look_at_is_told(tmp_path: Path, read: Callable):
    path = tmp_path / ("long" * 100 + ".jsonl")
    with pytest.raises(DataError, match=r"\.jsonl: cannot read: File name too long"):
        read(path)


def test_blank_lines_count_as_lines(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"\n" + GOOD + b"\n\n\r\nbad\n")
    with pytest.raises(DataError, match=r"pairs\.jsonl:5: "):
        read_preferences(path)


def test_a_key_that_stands_twice_is_named_however_odd_it_is(tmp_path):
    path = tmp_path / "rows.jsonl"
    long = "k" * 10_000
    path.write_text('{"\\ud800": 1, "\\ud800": 2}\n' + f'{{"{long}": 1, "{long}": 2}}\n', "utf-8")
    odd, endless = json_rows(path)
    assert odd.reason == "expected each key once, found twice: \\ud800, at column 15"
    assert endless.reason.startswith(f"expected each key once, found twice: {'k' * 57}..., at col")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"a": 1, "a": {"b": 1, "b": 2}}', "found twice: b, at column 24"),
        ('{"a": 0.' + "1" * 5000 + ', "b": ' + "9" * 5000 + "}", "cannot be read, at column 5016:"),
    ],
)
def test_the_column_is_that_of_what_is_refused(tmp_path, line, said):
    path = tmp_path / "rows.jsonl"
    path.write_text(line + "\n", "utf-8")
    (row,) = json_rows(path)
    assert said in row.reason


def test_many_keys_that_stand_twice_are_found_in_linear_time_and_a_few_are_named(tmp_path):
    keys = [f'"k{number % 15_000}": 1' for number in range(30_000)]
    path = tmp_path / "rows.jsonl"
    path.write_text("{" + ", ".join(keys) + "}\n", "utf-8")
    started = time.process_time()
    (row,) = json_rows(path)
    assert time.process_time() - started < 5.0
    assert "k0, k1, k10, k100, k1000 and 14995 more" in row.reason and len(row.reason) < 200
