"""Pools are read whole and strictly, and bad rows are named."""

import gzip
import json
from pathlib import Path

import pytest

from jurist.data import Candidate, read_pools
from jurist.errors import DataError
from jurist.types import Message, user

GOOD = {
    "id": "a",
    "prompt": "2+2?",
    "candidates": [
        {"text": "4", "correct": True, "model": "m"},
        {"text": "5", "correct": False, "truthful": False},
    ],
    "answer": "4",
    "licence": "MIT",
}


@pytest.fixture
def write(tmp_path):
    def pools(*rows, name="pools.jsonl"):
        path = tmp_path / name
        text = "".join(json.dumps(row) + "\n" for row in rows)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return pools


@pytest.mark.parametrize("name", ["pools.jsonl", "pools.jsonl.gz"])
def test_a_row_is_read_as_it_stands(write, name):
    (pool,) = read_pools(write(GOOD, name=name))
    assert (pool.id, pool.prompt, pool.answer, pool.source) == ("a", user("2+2?"), "4", "pools")
    assert pool.candidates == (
        Candidate(text="4", correct=True, model="m"),
        Candidate(text="5", correct=False),
    )
    assert pool.checked
    assert pool.group


def test_prompts_may_be_conversations_and_labels_may_be_missing(write):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]
    row = {"prompt": turns, "candidates": [{"text": "4"}, {"text": "4"}], "group": "sums"}
    (pool,) = read_pools(write(row))
    assert pool.prompt == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="2+2?"),
    )
    assert (pool.id, pool.group, pool.checked) == ("pools-1", "sums", False)


def test_one_prompt_is_one_group_whatever_its_spacing(write):
    first, second = read_pools(write(GOOD, {**GOOD, "id": "b", "prompt": " 2+2? "}))
    assert first.group == second.group


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"candidates": None}, "expected a column 'candidates', found null"),
        ({"candidates": {"text": "4"}}, "expected 'candidates' to be a list, found an object"),
        ({"candidates": [{"text": "4"}]}, "expected at least two candidates, found 1"),
        ({"candidates": ["4", "5"]}, "expected candidate 1 to be an object, found text"),
        (
            {"candidates": [{"text": "4"}, {"response": "5"}]},
            r"candidate 2: expected a column 'text', found the columns \['response'\]",
        ),
        (
            {"candidates": [{"text": "4", "correct": 1}, {"text": "5"}]},
            "expected 'correct' of candidate 1 to be true or false, found 1",
        ),
        ({"candidates": [{"text": "4"}, {"text": " "}]}, "expected text in candidate 2"),
        ({"prompt": " "}, "expected the prompt to end in a user turn"),
        ({"prompt": 4}, "expected 'prompt' to be text or a list of messages, found a number"),
    ],
)
def test_a_bad_row_is_named_with_what_is_wrong(write, change, wanted):
    path = write(GOOD, {**GOOD, "id": "b", **change})
    with pytest.raises(DataError, match=rf"pools\.jsonl:2: {wanted}"):
        read_pools(path)


def test_many_bad_rows_are_counted_and_an_id_given_twice_is_one(write):
    with pytest.raises(DataError, match="6 bad rows, among them") as caught:
        read_pools(write(GOOD, *[GOOD] * 6))
    assert "expected each id once, found 'a' in line 1 too" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 6


def test_an_empty_or_missing_file_is_refused(write, tmp_path):
    with pytest.raises(DataError, match="expected pools, found an empty file"):
        read_pools(write())
    with pytest.raises(DataError, match="cannot read"):
        read_pools(tmp_path / "none.jsonl")


SHARED = Path(__file__).parents[3] / "shared" / "data" / "pools"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data, which is not in the project")
@pytest.mark.parametrize(
    ("name", "num_pools", "correct"),
    [
        ("gsm8k_solutions_4", 1319, 0.379),
        ("evouna_5", 4958, 0.778),
        ("truthfulqa_models", 817, 0.151),
    ],
)
def test_real_pools_are_read_without_a_bad_row(name, num_pools, correct):
    pools = read_pools(SHARED / f"{name}.jsonl.gz")
    assert len(pools) == num_pools
    flags = [candidate.correct for pool in pools for candidate in pool.candidates]
    assert sum(map(bool, flags)) / len(flags) == pytest.approx(correct, abs=0.001)
