"""Judgements are kept in a file, and come out of it as they were."""

import dataclasses
import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jurist.errors import ConfigError, StoreError
from jurist.recipes.readings import read_readings, write_readings
from jurist.types import Failure, Judgement, Preference, Verdict, user

# Line ends of Unicode, which JSON may hold bare; NUL; and half of a surrogate pair, which a model
# that stops in the middle of an emoji writes.
HOSTILE = ["\u2028", "\u2029", "\x85", "\x1e", "\x0b", "\0", "\r\n", '"', "\\", "\ud83d", "😀"]
texts = st.lists(st.text(max_size=4) | st.sampled_from(HOSTILE), max_size=5).map("".join)
judgements = st.builds(
    Judgement,
    text=texts,
    outcome=st.sampled_from([*Verdict, *Failure]),
    probability=st.none() | st.floats(0, 1),
    swapped=st.booleans(),
    num_tokens=st.integers(0, 10**6),
    num_prompt_tokens=st.integers(0, 10**6),
)


def preferences(num: int) -> list[Preference]:
    return [
        Preference(id=f"{i}", prompt=user(f"q{i}"), chosen="a", rejected="b", group=f"{i}")
        for i in range(num)
    ]


@given(found=st.lists(st.lists(judgements, min_size=1, max_size=3), min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_written_is_read_and_the_same_judgements_give_the_same_bytes(tmp_path, found):
    path, again = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"
    write_readings(path, preferences(len(found)), found, num_possible=5, seed=7)
    back = read_readings(path, preferences(len(found)))
    assert (back.judgements, back.seed) == (found, 7)
    assert back.num_unasked == [5 - len(many) for many in found]
    assert all(type(one.outcome) in (Verdict, Failure) for many in back.judgements for one in many)
    write_readings(again, preferences(len(found)), back.judgements, num_possible=5, seed=7)
    assert again.read_bytes() == path.read_bytes()


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "kept.jsonl.gz"
    found = [[Judgement(text=f"reply {i}", outcome=Verdict.FIRST)] for i in range(3)]
    write_readings(path, preferences(3), found, num_possible=5, seed=0)
    return path


@pytest.mark.fault(25, "run")
def test_of_a_run_before_votes_were_stopped_nothing_was_left_unasked(kept):
    lines = gzip.decompress(kept.read_bytes()).decode().splitlines()
    older = [json.loads(line) for line in lines]
    assert [row.pop("num_unasked") for row in older] == [4, 4, 4]
    kept.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in older).encode()))
    back = read_readings(kept, preferences(3))
    assert back.num_unasked == [0, 0, 0]
    assert [many[0].text for many in back.judgements] == ["reply 0", "reply 1", "reply 2"]


def test_the_bytes_do_not_say_when_they_were_written(kept):
    assert kept.read_bytes()[4:8] == b"\0\0\0\0"  # where gzip has the time


def test_other_preferences_are_refused(kept):
    one, two, three = preferences(3)
    for others in (
        [one, two],
        [two, one, three],
        [one, two, three, *preferences(4)[3:]],
        [one, two, dataclasses.replace(three, chosen="b", rejected="a")],
        [one, two, dataclasses.replace(three, tie=True)],
    ):
        with pytest.raises(ConfigError, match="other pairs"):
            read_readings(kept, others)


def test_every_damaged_byte_of_the_content_is_noticed(kept):
    whole = kept.read_bytes()
    for place in range(10, len(whole)):  # the first ten name the program and the time
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        kept.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"kept\.jsonl\.gz: damaged .*; delete it and run"):
            read_readings(kept, preferences(3))


def test_a_file_cut_short_is_damaged(kept):
    whole = kept.read_bytes()
    for end in (0, 5, 20, len(whole) // 2, len(whole) - 1):
        kept.write_bytes(whole[:end])
        with pytest.raises(StoreError, match="damaged"):
            read_readings(kept, preferences(3))


def test_lines_that_are_not_judgements_are_damage_too(kept):
    row = json.loads(gzip.decompress(kept.read_bytes()).split(b"\n")[0])
    for bad in (
        [],
        {},
        {**row, "judgements": [{"outcome": "second thoughts"}]},
        {**row, "judgements": [{"outcome": "first"}]},
        {**row, "judgements": 3},
    ):
        kept.write_bytes(gzip.compress(json.dumps(bad).encode()))
        with pytest.raises(StoreError, match="damaged"):
            read_readings(kept, preferences(1))
