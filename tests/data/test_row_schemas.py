"""Rows that are JSON and no preference: what is wrong is found at loading, by field."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jurist.data import read_pools, read_preferences
from jurist.errors import DataError

ROW = {"prompt": "Name a prime.", "chosen": "7", "rejected": "9"}
NO_TEXT: tuple[object, ...] = (0, 1.5, True, [], ["7"], {}, {"text": "7"})
BLANK = ("", " ", "\n", "\t \u00a0", "\u3000")

checked = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
one_of = st.sampled_from


def write(path: Path, *rows: object) -> Path:
    path.write_bytes(b"".join(json.dumps(row).encode("ascii") + b"\n" for row in rows))
    return path


def told(folder: Path, row: object) -> str:
    """What is said of a row between two good ones, which are read if it is set aside."""
    path = write(folder / "pairs.jsonl", ROW, row, {**ROW, "prompt": "Another?"})
    with pytest.raises(DataError) as caught:
        read_preferences(path, layout="jurist")
    read = read_preferences(path, layout="jurist", skip_bad=folder / "aside" / "rows.jsonl")
    assert [one.id for one in read.preferences] == ["pairs-1", "pairs-3"]
    assert (read.num_rows, read.num_rejected) == (3, 1)
    where, _, reason = str(caught.value).partition(": ")
    assert where == f"{path}:2"
    return reason


@pytest.mark.fault(9, "schemas")
@checked
@given(field=one_of(sorted(ROW)))
def test_a_missing_field_is_named(tmp_path: Path, field: str):
    row = {name: value for name, value in ROW.items() if name != field}
    assert told(tmp_path, row) == f"expected a column {field!r}, found the columns {sorted(row)}"
    assert told(tmp_path, {**ROW, field: None}) == f"expected a column {field!r}, found null"


@pytest.mark.fault(9, "schemas")
@checked
@given(field=one_of(("chosen", "rejected")), value=one_of(NO_TEXT))
def test_a_response_of_another_type_is_named(tmp_path: Path, field: str, value: object):
    assert told(tmp_path, {**ROW, field: value}).startswith(
        f"expected {field!r} to be text, found "
    )


@pytest.mark.fault(9, "schemas")
@checked
@given(value=one_of((0, 1.5, True, {}, {"text": "7"})))
def test_a_prompt_of_another_type_is_named(tmp_path: Path, value: object):
    wanted = "expected 'prompt' to be text or a list of messages, found "
    assert told(tmp_path, {**ROW, "prompt": value}).startswith(wanted)


TURN = {"role": "user", "content": "Name a prime."}


@pytest.mark.fault(9, "schemas")
@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], "expected a prompt, found no turns"),
        (["x"], "expected turn 1 of 'prompt' to be an object, found text"),
        ([{}], "expected the role of turn 1 of 'prompt' to be system, user, assistant or document, "
               "found none among []"),
        ([{**TURN, "role": "robot"}], "expected the role of turn 1 of 'prompt' to be system, user, "
                                      "assistant or document, found 'robot'"),
        ([{"role": "user"}], "expected the content of turn 1 of 'prompt' to be text, found null"),
        ([{**TURN, "content": 7}], "expected the content of turn 1 of 'prompt' to be text, found a "
                                   "number"),
        ([{**TURN, "name": "n"}], "expected only role and content in turn 1 of 'prompt', found "
                                  "'name' too"),
        ([TURN, {**TURN, "role": "assistant"}], "expected the prompt to end in a user turn, found "
                                                "a turn of role 'assistant'"),
    ],
)  # fmt: skip
def test_a_turn_that_is_none_is_named(tmp_path: Path, turns: list[object], reason: str):
    assert told(tmp_path, {**ROW, "prompt": turns}) == reason


@pytest.mark.fault(9, "schemas")
@checked
@given(field=one_of(sorted(ROW)), blank=one_of(BLANK))
def test_a_text_that_says_nothing_is_named(tmp_path: Path, field: str, blank: str):
    name = "the prompt's last turn" if field == "prompt" else f"the {field} response"
    found = "none" if blank == "" else "white space only"
    assert told(tmp_path, {**ROW, field: blank}) == f"expected text in {name}, found {found}"


@pytest.mark.fault(9, "schemas")
@checked
@given(text=st.text(min_size=1).filter(str.strip))
def test_identical_candidates_are_refused_unless_they_are_tied(tmp_path: Path, text: str):
    same = {**ROW, "chosen": text, "rejected": text}
    reason = "expected two different responses, or a tie, found chosen and rejected the same"
    assert told(tmp_path, same) == reason
    path = write(tmp_path / "tied.jsonl", {**same, "tie": True})
    assert read_preferences(path, layout="jurist").preferences[0].tie


@pytest.mark.fault(9, "schemas")
@checked
@given(value=one_of((0, 1, "true", "A", [], {}, 0.5)))
def test_a_label_not_in_its_set_is_named(tmp_path: Path, value: object):
    wanted = f"expected 'tie' to be true or false, found {value!r}"
    assert told(tmp_path, {**ROW, "tie": value}) == wanted


@pytest.mark.fault(9, "schemas")
@checked
@given(value=one_of(("1", True, [], {}, 10**400, -(10**400))))
def test_a_margin_that_is_no_finite_number_is_named(tmp_path: Path, value: object):
    kind = "finite" if type(value) is int else "a number"
    assert told(tmp_path, {**ROW, "margin": value}).startswith(f"expected 'margin' to be {kind}, ")


@pytest.mark.fault(9, "schemas")
@checked
@given(name=st.one_of(st.text(min_size=1, max_size=20), st.integers()))
def test_an_id_may_be_text_or_a_whole_number_and_both_are_one(tmp_path: Path, name: Any):
    path = write(tmp_path / "ids.jsonl", {**ROW, "id": name}, {**ROW, "id": str(name)})
    read = read_preferences(path, layout="jurist")
    assert [one.id for one in read.preferences] == [str(name)]
    assert read.num_deduplicated == 1


@pytest.mark.fault(9, "schemas")
@checked
@given(
    value=one_of((1.5, True, [], {}, ["x"])), field=one_of(("id", "group", "category", "source"))
)
def test_a_name_of_another_type_is_named(tmp_path: Path, value: object, field: str):
    wanted = f"expected {field!r} to be text or a whole number, found "
    assert told(tmp_path, {**ROW, field: value}).startswith(wanted)
    if field in ("id", "group"):
        assert told(tmp_path, {**ROW, field: ""}).endswith(f"{field}, found empty text")


@pytest.mark.fault(9, "schemas")
@checked
@given(
    extra=st.dictionaries(st.text(min_size=1), st.none() | st.booleans() | st.text(), max_size=4)
)
def test_columns_too_many_change_nothing_and_are_told(tmp_path: Path, extra: dict[str, object]):
    known = {*ROW, "tie", "margin", "id", "source", "category", "group", "meta", "language"}
    more = {name: value for name, value in extra.items() if name not in known}
    path = write(tmp_path / "pairs.jsonl", {**more, **ROW})
    read = read_preferences(path, layout="jurist")
    plain = read_preferences(write(path, ROW), layout="jurist")
    assert read.preferences == plain.preferences
    assert set(read.unread) == set(more)


POOL = {"prompt": "Name a prime.", "candidates": [{"text": "7", "correct": True}, {"text": "9"}]}


@pytest.mark.fault(9, "schemas")
@pytest.mark.parametrize(
    ("candidates", "reason"),
    [
        ([], "expected at least two candidates, found 0"),
        ([{"text": "7"}], "expected at least two candidates, found 1"),
        ("7", "expected 'candidates' to be a list, found text"),
        ([{"text": "7"}, "9"], "expected candidate 2 to be an object, found text"),
        ([{"text": "7"}, {}], "candidate 2: expected a column 'text', found the columns []"),
        ([{"text": "7"}, {"text": " "}], "expected text in candidate 2, found none"),
        ([{"text": "7", "correct": 1}, {"text": "9"}],
         "expected 'correct' of candidate 1 to be true or false, found 1"),
        ([{"text": "7", "correct": "yes"}, {"text": "9"}],
         "expected 'correct' of candidate 1 to be true or false, found 'yes'"),
    ],
)  # fmt: skip
def test_a_pool_is_read_by_its_fields_too(tmp_path: Path, candidates: object, reason: str):
    path = write(tmp_path / "pools.jsonl", POOL, {**POOL, "candidates": candidates})
    with pytest.raises(DataError) as caught:
        read_pools(path)
    assert str(caught.value) == f"{path}:2: {reason}"


@pytest.mark.fault(9, "schemas")
def test_a_thousand_candidates_are_a_pool(tmp_path: Path):
    many = [{"text": f"It is {number}.", "correct": number == 7} for number in range(1000)]
    (pool,) = read_pools(write(tmp_path / "pools.jsonl", {**POOL, "candidates": many}))
    assert len(pool.candidates) == 1000
    assert sum(bool(one.correct) for one in pool.candidates) == 1


@pytest.mark.fault(9, "schemas")
@checked
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_margin_is_read_as_it_stands(tmp_path: Path, value: float):
    path = write(tmp_path / "pairs.jsonl", {**ROW, "margin": value})
    (one,) = read_preferences(path, layout="jurist").preferences
    assert one.margin == value and math.isfinite(one.margin)
