"""Good rows made bad in seeded ways: none is taken for a preference that it does not hold.

What is right is told by an oracle of its own: `json.loads` with every refusal spelt out, and the
conditions on a row, written again. A row that was read must be the row that is there.
"""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jurist.data import read_preferences
from jurist.data.lines import MAX_DEPTH, json_rows
from jurist.errors import DataError
from jurist.types import Preference

Row = dict[str, Any]

WORDS = (
    "prime",
    "7",
    "caf\xe9",
    "\u4e03",
    "\U0001f600",
    '"',
    "\\",
    "\n",
    "\t",
    "\u2028",
    "[[A]]",
    "{}",
)
VALUES: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 1.5, 10**400, "", " ", "\n\t", "\u3000", "x", [], {}, [[]], ["x"],
    [None], [{}], {"role": "user", "content": "x"}, [{"role": "user", "content": "x"}],
    [{"role": "user", "content": ""}], [{"role": "robot", "content": "x"}],
    [{"role": "assistant", "content": "x"}], [{"role": "user", "content": 1}],
    [{"role": "user"}], [{"role": "system", "content": "s"}, {"role": "user", "content": "x"}],
    [{"role": "user", "content": "x", "name": "n"}], {"text": "x"}, "true", "1",
)  # fmt: skip
KEYS = ("prompt", "chosen", "rejected", "tie", "margin", "id", "group", "category", "source")
EXTRA = (
    "Chosen",
    "prompt ",
    "",
    "meta",
    "language",
    "documents",
    "label",
    "chosen\u200b",
    "response_a",
)


def text(rng: random.Random) -> str:
    return "".join(rng.choice(WORDS) for _ in range(rng.randint(1, 4))) + rng.choice("abc")


def good_row(rng: random.Random, number: int) -> Row:
    row: Row = {
        "id": f"row-{number}",
        "prompt": text(rng),
        "chosen": text(rng) + "1",
        "rejected": text(rng),
    }
    if rng.random() < 0.3:
        row["prompt"] = [{"role": "user", "content": text(rng)}]
    if rng.random() < 0.3:
        row["margin"] = rng.choice([0, 1, 0.25, -3])
    if rng.random() < 0.2:
        row |= {"tie": True, "rejected": row["chosen"]}
    return row


def dropped(rng: random.Random, row: Row) -> None:
    row.pop(rng.choice(sorted(row)))


def renamed(rng: random.Random, row: Row) -> None:
    name = rng.choice(sorted(row))
    row[rng.choice(KEYS + EXTRA)] = row.pop(name)


def retyped(rng: random.Random, row: Row) -> None:
    row[rng.choice(KEYS)] = rng.choice(VALUES)


def deepened(rng: random.Random, row: Row) -> None:
    name = rng.choice(sorted(row))
    for _ in range(rng.choice([1, 2, MAX_DEPTH - 2, MAX_DEPTH + 1, 400])):
        row[name] = [row[name]] if rng.random() < 0.5 else {"content": row[name]}


def blanked(rng: random.Random, row: Row) -> None:
    row[rng.choice(("prompt", "chosen", "rejected"))] = rng.choice(("", " ", "\n", "\u00a0\u2003"))


def copied(rng: random.Random, row: Row) -> None:
    one, other = rng.sample(("prompt", "chosen", "rejected"), 2)
    row[one] = row.get(other)


def widened(rng: random.Random, row: Row) -> None:
    row[rng.choice(EXTRA)] = rng.choice(VALUES)


ON_ROWS = (dropped, renamed, retyped, deepened, blanked, copied, widened)


def flipped(rng: random.Random, line: bytes) -> bytes:
    place = rng.randrange(len(line))
    return line[:place] + bytes([line[place] ^ (1 << rng.randrange(8))]) + line[place + 1 :]


def cut(rng: random.Random, line: bytes) -> bytes:
    return line[: rng.randrange(len(line))]


def emptied(rng: random.Random, line: bytes) -> bytes:
    start = rng.randrange(len(line))
    return line[:start] + line[start + rng.randint(1, 8) :]


def inserted(rng: random.Random, line: bytes) -> bytes:
    place = rng.randrange(len(line) + 1)
    pieces = (
        b"\0", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x01", b"\r", b'"',
        b"\\", b"}", b"{", b"[", b"]", b",", b":", b"NaN", b"Infinity", b"-Infinity",
        b"\\ud800", b"\\udc00", b"\\u00", b"1e999", b"1" * 4301,
        b"null", b"//", b"\xe2\x80\xa8", b'"tie":true,', b'"chosen":"z",', b"{}",
    )  # fmt: skip
    return line[:place] + rng.choice(pieces) + line[place:]


def doubled(rng: random.Random, line: bytes) -> bytes:
    return line + rng.choice((b"", b" ", b",", b"\t")) + line


def key_twice(rng: random.Random, line: bytes) -> bytes:
    name = rng.choice(KEYS)
    return line[:-1] + f',"{name}":{json.dumps(rng.choice(("x", True, None)))}'.encode() + b"}"


def unclean(rng: random.Random, line: bytes) -> bytes:
    bad = rng.choice((b"NaN", b"-Infinity", b'"\\udead"', b"[" * 300 + b"]" * 300, b"9" * 5000))
    return line[:-1] + b',"margin2":' + bad + b"}"


def encoded(rng: random.Random, line: bytes) -> bytes:
    name = rng.choice(("utf-16-le", "utf-16-be", "latin-1", "utf-32-le"))
    return line.decode("utf-8", "replace").encode(name, "replace")


ON_BYTES = (flipped, cut, emptied, inserted, doubled, key_twice, unclean, encoded)


def drawn(rng: random.Random, number: int) -> bytes:
    row = good_row(rng, number)
    kind = rng.random()
    for _ in range(rng.randint(1, 2) if kind > 0.1 else 0):
        if row:
            rng.choice(ON_ROWS)(rng, row)
    line = json.dumps(row, ensure_ascii=rng.random() < 0.5).encode("utf-8")
    if kind > 0.5:
        for _ in range(rng.randint(1, 2)):
            line = rng.choice(ON_BYTES)(rng, line) or b"!"
    return line.replace(b"\n", b" ")


# The oracle.


def decoded(line: bytes) -> Row | None:
    """The object on a line, if there is one and nothing about it is in doubt."""

    def once(pairs: list[tuple[str, object]]) -> Row:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    def no(_: str) -> None:
        raise ValueError

    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=once, parse_constant=no)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and clean(value) else None


def clean(value: object, depth: int = 1) -> bool:
    if isinstance(value, str):
        return not any(0xD800 <= ord(letter) < 0xE000 for letter in value)
    if not isinstance(value, dict | list):
        return True
    items = [*value, *value.values()] if isinstance(value, dict) else value
    return depth <= MAX_DEPTH and all(clean(item, depth + 1) for item in items)


def says(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def turns(value: object) -> list[tuple[str, str]] | None:
    if isinstance(value, str):
        return [("user", value)]
    if not isinstance(value, list):
        return None
    found: list[tuple[str, str]] = []
    for turn in value:
        given = {k: v for k, v in turn.items() if v is not None} if isinstance(turn, dict) else {}
        if set(given) != {"role", "content"} or not isinstance(given["content"], str):
            return None
        if given["role"] not in ("system", "user", "assistant", "document"):
            return None
        found.append((given["role"], given["content"]))
    return found


def holds(row: Row, read: Preference) -> bool:
    """Whether a row says just what was read of it, and may say it."""
    tied = row.get("response_a") is not None
    names = ("response_a", "response_b") if tied else ("chosen", "rejected")
    chosen, rejected = (row.get(name) for name in names)
    margin = row.get("margin")
    if margin is None and isinstance(row.get("meta"), dict):
        margin = row["meta"].get("margin")
    name = row.get("id")
    documents = row.get("documents") or []
    prompt = turns(row.get("prompt"))
    return (
        prompt is not None
        and bool(prompt)
        and prompt[-1][0] == "user"
        and says(prompt[-1][1])
        and [(turn.role, turn.content) for turn in read.prompt][len(documents) :] == prompt
        and says(chosen)
        and says(rejected)
        and (read.chosen, read.rejected) == (chosen, rejected)
        and read.tie is (True if tied else row.get("tie") or False)
        and (read.tie or chosen != rejected)
        and (margin is None) == (read.margin is None)
        and (
            margin is None
            or (
                not isinstance(margin, bool | str)
                and math.isfinite(margin)
                and margin == read.margin
            )
        )
        and (name is None or (not isinstance(name, bool | float) and str(name) == read.id != ""))
        and all(row.get(key) is None or isinstance(row[key], bool) for key in ("tie",))
        and all(
            row.get(key) is None
            or (isinstance(row[key], str | int) and not isinstance(row[key], bool))
            for key in ("group", "category", "source", "language")
        )
    )


BATCH = 500


@pytest.mark.fault(8, "fuzzed reader")
def test_no_mutated_row_is_taken_for_what_it_is_not(
    tmp_path: Path, size: Callable, figure: Callable
):
    rng = random.Random(7)
    malformed = silent = unclear = 0
    for batch in range(size(1, 8)):
        drawings = [drawn(rng, BATCH * batch + number) for number in range(BATCH)]
        path, rejects = tmp_path / f"{batch}.jsonl", tmp_path / "rejects" / f"{batch}.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in drawings))
        read = read_preferences(path, layout="jurist", skip_bad=rejects)
        aside = {
            entry["line"]: entry["reason"]
            for entry in map(json.loads, rejects.read_bytes().split(b"\n")[:-1])
        }
        assert read.num_rejected == len(aside)
        kept = iter(read.preferences)
        for number, line in enumerate(drawings, 1):
            if number in aside:
                malformed += 1
                unclear += not aside[number].startswith("expected ")
                continue
            if not line.strip():
                continue
            row, one = decoded(line), next(kept)
            silent += row is None or not holds(row, one)
            assert silent == 0, (line, one)
        assert next(kept, None) is None
    figure("malformed_inputs", malformed)
    figure("silent_acceptances", silent)
    figure("unclear_errors", unclear)
    assert silent == unclear == 0
    assert malformed >= size(200, 2000)


@pytest.mark.fault(8, "fuzzed reader")
def test_a_mutated_row_alone_is_refused_with_file_and_line(tmp_path: Path, size: Callable):
    rng = random.Random(8)
    path = tmp_path / "one.jsonl"
    num_refused = 0
    for number in range(size(60, 600)):
        line = drawn(rng, number)
        path.write_bytes(line + b"\n")
        try:
            (one,) = read_preferences(path, layout="jurist").preferences
        except DataError as error:
            num_refused += 1
            said = str(error)
            assert said.startswith((f"{path}:1: expected ", f"{path}: expected ", f"{path}:1: exp"))
        else:
            row = decoded(line.removeprefix(b"\xef\xbb\xbf"))
            assert row is not None and holds(row, one), line
    assert num_refused > 0


@pytest.mark.fault(8, "fuzzed reader")
def test_lines_of_any_bytes_are_read_as_the_oracle_reads_them(
    tmp_path: Path, size: Callable, figure: Callable
):
    rng = random.Random(9)
    num_lines = 0
    for _ in range(size(1, 25)):
        drawings = [drawn(rng, number) for number in range(2_000)]
        # Most of the work of a line is to draw it, so that each is also read as a part of itself.
        drawings += [line[rng.randrange(len(line)) :] for line in drawings] * size(1, 2)
        first = b'{"first":0}\n'
        path = tmp_path / "lines.jsonl"
        path.write_bytes(first + b"".join(line + b"\n" for line in drawings))
        rows = {row.number: row for row in json_rows(path)}
        for number, line in enumerate(drawings, 2):
            num_lines += 1
            if not line.strip():
                assert number not in rows
                continue
            row = rows[number]
            assert row.columns == decoded(line), line
            assert (row.columns is None) == row.reason.startswith("expected "), line
    figure("fuzz_executions", num_lines)
