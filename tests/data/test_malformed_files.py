"""Files that are not what they should be, each with exactly what must come of it."""

import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from jurist.data import read_preferences
from jurist.data.lines import MAX_DEPTH, MAX_LINE_BYTES
from jurist.errors import DataError

GOOD = b'{"prompt":"p","chosen":"c","rejected":"r"}'
OTHER = b'{"prompt":"q","chosen":"c","rejected":"r"}'
NEED = "['chosen', 'prompt', 'rejected']"


class File(NamedTuple):
    """A file; how many rows it has if all are good, or what is said of it, from its path on; and
    how many rows are good and how many set aside if bad ones may be, or None if it is refused."""

    name: str
    content: bytes
    wanted: int | str
    aside: tuple[int, int] | None = None


def lines(*rows: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(row + end for row in rows)


def with_value(text: str) -> bytes:
    """A row that is good but for one more column, whose value begins at column 51."""
    return GOOD[:-1] + b',"extra":' + text.encode() + b"}"


def bad_line(line: bytes, reason: str) -> File:
    """A file of a good line, a bad one and a good one."""
    return File("a.jsonl", lines(OTHER, line, GOOD), f":2: {reason}", (2, 1))


def json_fault(column: int, message: str) -> str:
    return f"expected JSON, found an error at column {column}: {message}"


def parquet(*rows: dict[str, object]) -> bytes:
    import pyarrow
    from pyarrow import parquet as written

    buffer = io.BytesIO()
    written.write_table(pyarrow.Table.from_pylist(list(rows)), buffer)
    return buffer.getvalue()


DEEP = f"expected a value of at most {MAX_DEPTH} levels, found JSON nested too deeply to read"
LONG = "expected JSON, found a value that cannot be read, at column {}: Exceeds the limit (4300 "
LONG += "digits) for integer string conversion: value has {} digits; use "
LONG += "sys.set_int_max_str_digits() to increase the limit"
HALF = "expected text, found half of a surrogate pair (a lone \\ud800 to \\udfff), at column {}"
ARRAY = ": expected JSON Lines, one object a line, found a JSON array; convert it with "
ARRAY += "`jq -c '.[]' a.jsonl > rows.jsonl`"
CUT = "; the line has no end, so the file may be cut short"
EMPTY = ": expected preferences, found an empty file"
ROWS = [json.loads(OTHER), json.loads(GOOD)]

CORPUS: dict[str, File] = {
    # Odd, and right all the same.
    "no last line end": File("a.jsonl", OTHER + b"\n" + GOOD, 2),
    "CRLF": File("a.jsonl", lines(OTHER, GOOD, end=b"\r\n"), 2),
    "blank lines": File("a.jsonl", b"\n \n" + lines(OTHER, b"\t", b"", GOOD, b""), 2),
    "byte order mark": File("a.jsonl", b"\xef\xbb\xbf" + lines(OTHER, GOOD), 2),
    "byte order mark and CRLF": File("a.jsonl", b"\xef\xbb\xbf" + lines(OTHER, end=b"\r\n"), 1),
    "gzip under a plain name": File("a.jsonl", gzip.compress(lines(OTHER, GOOD)), 2),
    "gzip of two members": File(
        "a.jsonl.gz", gzip.compress(OTHER + b"\n") + gzip.compress(GOOD), 2
    ),
    "line separators in a text": File(
        "a.jsonl", lines(OTHER.replace(b'"c"', '"a\u2028b\u2029c\u0085d"'.encode()), GOOD), 2
    ),
    "whole surrogate pair": File("a.jsonl", lines(OTHER.replace(b'"c"', b'"\\ud83d\\ude00"')), 1),
    "backslash before ud800": File("a.jsonl", lines(OTHER.replace(b'"c"', b'"\\\\ud800"')), 1),
    "NUL written as an escape": File("a.jsonl", lines(OTHER.replace(b'"c"', b'"c\\u0000"')), 1),
    "brackets in a text": File(
        "a.jsonl", lines(OTHER.replace(b'"c"', b'"' + b"[{" * 999 + b'"')), 1
    ),
    "as deep as may be": File(
        "a.jsonl", lines(with_value("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))), 1
    ),
    "very many columns": File(
        "a.jsonl",
        lines(json.dumps({**ROWS[0], **{f"c{i}": i for i in range(50_000)}}).encode()),
        1,
    ),
    "a great number": File("a.jsonl", lines(with_value("9" * 4300), with_value("1e999")), 2),
    "array under .json": File("a.json", json.dumps(ROWS, indent=1).encode(), 2),
    "array with a mark": File("a.json", b"\xef\xbb\xbf" + json.dumps(ROWS).encode(), 2),
    "parquet": File("a.parquet", parquet(*ROWS), 2),
    "the same row twice": File("a.jsonl", lines(*[GOOD[:-1] + b',"id":"x"}'] * 2), 1),
    # A line that is wrong.
    "torn in the middle": bad_line(GOOD[:20] + OTHER, json_fault(23, "Expecting ':' delimiter")),
    "torn at the end": File(
        "a.jsonl",
        lines(OTHER) + GOOD[:-5],
        ":2: " + json_fault(38, "Expecting ':' delimiter") + CUT,
        (1, 1),
    ),
    "two values on a line": bad_line(OTHER + GOOD, json_fault(43, "Extra data")),
    "two values and a space": bad_line(OTHER + b" " + GOOD, json_fault(44, "Extra data")),
    "rubbish behind": bad_line(OTHER + b" rubbish", json_fault(44, "Extra data")),
    "a comma behind": bad_line(OTHER + b",", json_fault(43, "Extra data")),
    "a comma too many": bad_line(
        GOOD[:-1] + b",}", json_fault(43, "Expecting property name enclosed in double quotes")
    ),
    "single quotes": bad_line(
        b"{'prompt': 'p'}", json_fault(2, "Expecting property name enclosed in double quotes")
    ),
    "a comment": bad_line(b"// pairs", json_fault(1, "Expecting value")),
    "CSV": File(
        "a.jsonl",
        b"prompt,chosen,rejected\np,c,r\n",
        "2 bad rows:\n"
        f"  {{path}}:1: {json_fault(1, 'Expecting value')}\n"
        f"  {{path}}:2: {json_fault(1, 'Expecting value')}\n"
        "give --skip-bad to set them aside and go on",
    ),
    "Latin-1": bad_line(
        OTHER.replace(b'"c"', b'"caf\xe9"'), "expected UTF-8, found byte 0xe9 at column 28"
    ),
    "cut inside a character": bad_line(
        OTHER.replace(b'"c"', b'"\xe2\x82"'), "expected UTF-8, found byte 0xe2 at column 25"
    ),
    "a surrogate in UTF-8": bad_line(
        OTHER.replace(b'"c"', b'"\xed\xa0\x80"'), "expected UTF-8, found byte 0xed at column 25"
    ),
    "an overlong slash": bad_line(
        OTHER.replace(b'"c"', b'"\xc0\xaf"'), "expected UTF-8, found byte 0xc0 at column 25"
    ),
    "a line of UTF-16": bad_line(
        "{}".encode("utf-16-le"),
        json_fault(2, "Expecting property name enclosed in double quotes")
        + "; it holds NUL bytes, so it may be UTF-16, or damaged",
    ),
    "NUL": bad_line(
        OTHER.replace(b'"c"', b'"c\0"'),
        json_fault(26, "Invalid control character at")
        + "; it holds NUL bytes, so it may be UTF-16, or damaged",
    ),
    "a line of NULs": bad_line(
        b"\0" * 4096,
        json_fault(1, "Expecting value") + "; it holds NUL bytes, so it may be UTF-16, or damaged",
    ),
    "a control character": bad_line(
        OTHER.replace(b'"c"', b'"c\x01"'), json_fault(26, "Invalid control character at")
    ),
    "a mark in the middle": bad_line(b"\xef\xbb\xbf" + OTHER, json_fault(1, "Expecting value")),
    "half a pair": bad_line(OTHER.replace(b'"c"', b'"a\\ud83d"'), HALF.format(26)),
    "the second half": bad_line(OTHER.replace(b'"c"', b'"\\uDE00"'), HALF.format(25)),
    "two halves, turned": bad_line(OTHER.replace(b'"c"', b'"\\ude00\\ud83d"'), HALF.format(25)),
    "half a pair in a key": bad_line(with_value('{"\\udc00": 1}'), HALF.format(53)),
    "NaN": bad_line(
        with_value("NaN"), "expected JSON, found NaN, which JSON has no word for, at column 51"
    ),
    "Infinity": bad_line(
        with_value("[1, -Infinity]"),
        "expected JSON, found -Infinity, which JSON has no word for, at column 55",
    ),
    "an integer of 5,000 digits": bad_line(with_value("1" * 5000), LONG.format(51, 5000)),
    "lists 100,000 deep": bad_line(
        with_value("[" * 100_000 + "]" * 100_000), f"{DEEP}, at column {51 + MAX_DEPTH - 1}"
    ),
    "objects 100,000 deep": bad_line(
        with_value('{"a":' * 100_000 + "1" + "}" * 100_000),
        f"{DEEP}, at column {51 + 5 * (MAX_DEPTH - 1)}",
    ),
    "one level too deep": bad_line(
        with_value("[" * MAX_DEPTH + "]" * MAX_DEPTH), f"{DEEP}, at column {51 + MAX_DEPTH - 1}"
    ),
    "100,000 brackets open": bad_line(b"[" * 100_000, f"{DEEP}, at column {MAX_DEPTH + 1}"),
    "a key twice": bad_line(
        GOOD[:-1] + b',"chosen":"d"}',
        "expected each key once, found twice: chosen, at column 43",
    ),
    "a key twice inside": bad_line(
        with_value('{"a":1,"a":1}'), "expected each key once, found twice: a, at column 58"
    ),
    "a key twice, spelt otherwise": bad_line(
        GOOD[:-1] + b',"\\u0063hosen":"d"}', "expected each key once, found twice: chosen"
    ),
    "a list": bad_line(b'["p","c","r"]', "expected a JSON object, found list"),
    "a number": bad_line(b"1", "expected a JSON object, found int"),
    "a text": bad_line(b'"p"', "expected a JSON object, found str"),
    "null": bad_line(b"null", "expected a JSON object, found null"),
    "an empty object": bad_line(b"{}", "expected a column 'prompt', found the columns []"),
    "one id, other content": File(
        "a.jsonl",
        lines(GOOD[:-1] + b',"id":"x"}', OTHER[:-1] + b',"id":"x"}'),
        ":2: expected id 'x' once, found other content under it at {path}:1",
        (1, 1),
    ),
    "six bad lines": File(
        "a.jsonl",
        lines(GOOD, *[b"!"] * 6),
        "6 bad rows, the first 5 are:\n"
        + "".join(f"  {{path}}:{n}: {json_fault(1, 'Expecting value')}\n" for n in range(2, 7))
        + "give --skip-bad to set them aside and go on",
        (1, 6),
    ),
    # A file that is wrong as a whole.
    "empty": File("a.jsonl", b"", EMPTY),
    "blank": File("a.jsonl", b"\n \n\r\n", EMPTY),
    "a mark alone": File("a.jsonl", b"\xef\xbb\xbf", EMPTY),
    "empty gzip": File("a.jsonl.gz", gzip.compress(b""), EMPTY),
    "no bytes for gzip": File("a.jsonl.gz", b"", EMPTY),
    "empty array": File("a.json", b"[]", EMPTY),
    "UTF-16": File(
        "a.jsonl",
        OTHER.decode().encode("utf-16"),
        ":1: expected UTF-8, found UTF-16; save the file as UTF-8",
    ),
    "UTF-16, big end first": File(
        "a.jsonl",
        b"\xfe\xff" + OTHER.decode().encode("utf-16-be"),
        ":1: expected UTF-8, found UTF-16; save the file as UTF-8",
    ),
    "an array under .jsonl": File("a.jsonl", b"[" + GOOD + b"]", ARRAY),
    "an object over several lines": File(
        "a.jsonl",
        b'{\n"prompt": "p"\n}',
        ": expected JSON Lines, one object a line, found an object spread over several lines; "
        "convert it with `jq -c . a.jsonl > rows.jsonl`",
    ),
    "Parquet under .jsonl": File(
        "a.jsonl",
        parquet(*ROWS),
        ":1: expected JSON Lines, found Parquet; name the file *.parquet",
    ),
    "no gzip under .gz": File(
        "a.jsonl.gz", GOOD, ": expected gzip, as the name says, found something else"
    ),
    "gzip cut short": File(
        "a.jsonl.gz",
        gzip.compress(lines(OTHER, GOOD))[:-10],
        ": the gzip file is cut short: expected more after line 1, the last whole one, and found "
        "the end; fetch it or write it again",
    ),
    "gzip with another checksum": File(
        "a.jsonl.gz",
        gzip.compress(lines(OTHER, GOOD))[:-8] + bytes(8),
        ": the gzip file is damaged after line 2, the last one that could be read (CRC check "
        f"failed {hex(0)} != {{crc}}); fetch it or write it again",
    ),
    "rubbish behind gzip": File(
        "a.jsonl.gz",
        gzip.compress(lines(OTHER, GOOD)) + b"rubbish",
        ": the gzip file is damaged after line 2, the last one that could be read (Not a gzipped "
        "file (b'ru')); fetch it or write it again",
    ),
    "array cut short": File(
        "a.json",
        json.dumps(ROWS).encode()[:-1],
        ":1: expected ',' or ']' after an item of a JSON array, found the end of the file",
    ),
    "array cut inside an item": File(
        "a.json",
        json.dumps(ROWS).encode()[:-3],
        ":1: expected an item of a JSON array, found none that can be read ("
        + json_fault(94, "Unterminated string starting at")
        + "); fetch the file or write it again",
    ),
    "array with rubbish behind": File(
        "a.json",
        json.dumps(ROWS).encode() + b" []",
        ": expected nothing after a JSON array, found '[]'",
    ),
    "array with a key twice": File(
        "a.json",
        b"[" + GOOD + b',\n{"a":1,"a":2}]',
        ":2: expected an item of a JSON array, found none that can be read (expected each key "
        "once, found twice: a); fetch the file or write it again",
    ),
    "array too deep": File(
        "a.json",
        b"[" * 100_000,
        f":1: expected an item of a JSON array, found none that can be read ({DEEP}); fetch the "
        "file or write it again",
    ),
    "array in Latin-1": File(
        "a.json",
        json.dumps(ROWS, indent=1).replace('"c"', '"caf\xe9"').encode("latin-1"),
        ":4: expected UTF-8, found byte 0xe9",
    ),
    "no Parquet under .parquet": File(
        "a.parquet",
        GOOD,
        ": expected a Parquet file, found it unreadable after row 0: Parquet magic bytes not found "
        "in footer. Either the file is corrupted or this is not a parquet file.",
    ),
    "Parquet of nothing": File(
        "a.parquet",
        b"",
        ": expected a Parquet file, found it unreadable after row 0: Parquet file size is 0 bytes",
    ),
    "a name that says nothing": File(
        "a.txt",
        GOOD,
        ": expected a name that ends in .jsonl, .json, .jsonl.gz, .json.gz, .parquet, to say what "
        "is in the file, found 'a.txt'",
    ),
}


def message(file: File, path: Path) -> str:
    assert isinstance(file.wanted, str)
    crc = hex(gzip.zlib.crc32(lines(OTHER, GOOD)))  # pyright: ignore[reportAttributeAccessIssue]
    said = file.wanted.replace("{path}", str(path)).replace("{crc}", crc)
    return said if said[0].isdigit() else f"{path}{said}"


@pytest.mark.fault(8, "corpus")
@pytest.mark.parametrize("name", CORPUS)
def test_a_file_is_read_or_refused_exactly_as_the_corpus_says(name: str, tmp_path: Path, figure):
    file = CORPUS[name]
    path = tmp_path / file.name
    path.write_bytes(file.content)
    if isinstance(file.wanted, int):
        read = read_preferences(path, layout="jurist")
        assert len(read.preferences) == file.wanted
        assert read.num_rejected == 0
        return
    figure("malformed_inputs", 1)
    with pytest.raises(DataError) as caught:
        read_preferences(path, layout="jurist")
    assert str(caught.value) == message(file, path)
    assert caught.value.exit_code == 3


@pytest.mark.fault(8, "corpus")
@pytest.mark.parametrize(
    "name", [name for name, file in CORPUS.items() if isinstance(file.wanted, str)]
)
def test_bad_rows_are_set_aside_and_counted_and_a_bad_file_is_refused(name: str, tmp_path: Path):
    file = CORPUS[name]
    path, rejects = tmp_path / file.name, tmp_path / "rejects" / "rows.jsonl"
    path.write_bytes(file.content)
    if file.aside is None:
        with pytest.raises(DataError):
            read_preferences(path, layout="jurist", skip_bad=rejects)
        return
    read = read_preferences(path, layout="jurist", skip_bad=rejects)
    entries = [json.loads(line) for line in rejects.read_bytes().split(b"\n")[:-1]]
    assert (len(read.preferences), read.num_rejected) == file.aside
    assert len(entries) == file.aside[1]
    for entry in entries:
        assert (
            f"{path}:{entry['line']}: {entry['reason']}" in message(file, path) or len(entries) > 5
        )


def test_the_corpus_is_large():
    assert sum(isinstance(file.wanted, str) for file in CORPUS.values()) >= 60


@pytest.mark.fault(8, "corpus")
def test_a_pipe_a_device_and_a_folder_are_no_files(tmp_path: Path):
    pipe, link = tmp_path / "pipe.jsonl", tmp_path / "zero.json"
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    for path in (pipe, link):
        with pytest.raises(DataError) as caught:
            read_preferences(path)
        found = f"{path}: expected a file, found a pipe or a device; copy what it holds to a file"
        assert str(caught.value) == found
    with pytest.raises(DataError, match=r"expected files named \*\.jsonl, .*, found nothing"):
        (tmp_path / "folder.jsonl").mkdir()
        read_preferences(tmp_path / "folder.jsonl")


UNREADABLE = """
import os, sys
from jurist.data import read_preferences
from jurist.errors import DataError
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    read_preferences(sys.argv[1])
except DataError as error:
    print(error)
"""


@pytest.mark.fault(8, "corpus")
def test_a_file_that_may_not_be_read_is_named():
    # Not under tmp_path, into which nobody but its owner may look.
    with tempfile.NamedTemporaryFile(suffix=".jsonl", dir="/var/tmp") as file:
        file.write(GOOD)
        file.flush()
        os.chmod(file.name, 0)
        done = subprocess.run(
            [sys.executable, "-c", UNREADABLE, file.name],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.stdout == f"{file.name}: cannot read: Permission denied\n", done.stderr


LONG_LINE = """
import sys
from pathlib import Path
from jurist.data import read_preferences
from jurist.data.lines import MAX_LINE_BYTES, json_rows

def peak():
    # Not ru_maxrss: a process begins with that of the one it was forked from.
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

folder = Path(sys.argv[1])
list(json_rows(folder / "short.jsonl"))
before = peak()
read = read_preferences(folder / "long.jsonl", skip_bad=folder / "rejects" / "rows.jsonl")
print(len(read.preferences), read.num_rejected, (peak() - before) / MAX_LINE_BYTES, peak())
"""


@pytest.mark.fault(8, "memory")
@pytest.mark.parametrize("num_mebibytes", [200])
def test_a_line_of_200_megabytes_is_not_held_in_memory(num_mebibytes: int, tmp_path: Path, figure):
    (tmp_path / "short.jsonl").write_bytes(lines(GOOD))
    with (tmp_path / "long.jsonl").open("wb") as file:
        file.write(lines(OTHER))
        file.write(b'{"prompt":"p","chosen":"')
        for _ in range(num_mebibytes):
            file.write(b"c" * 2**20)
        file.write(b'","rejected":"r"}\n' + lines(GOOD))
    done = subprocess.run(
        [sys.executable, "-c", LONG_LINE, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    num_good, num_bad, line_caps, peak = done.stdout.split()
    assert (num_good, num_bad) == ("2", "1")
    assert float(line_caps) < 2.0
    figure("peak_memory_mib", int(peak) / 2**20)
    figure("long_line_memory_ratio", float(line_caps))
    [entry] = [
        json.loads(one) for one in (tmp_path / "rejects/rows.jsonl").read_text().split("\n")[:-1]
    ]
    assert entry["line"] == 2
    assert f"expected at most {MAX_LINE_BYTES:,} bytes in a line, found more" in entry["reason"]
    assert len(entry["row"]) == 1000
