import json

import pytest

from jurist.data.prompts import Prompt, iterate_prompts
from jurist.errors import DataError
from jurist.types import Message, user


def written(tmp_path, *rows):
    path = tmp_path / "asked.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_texts_and_messages_are_prompts_and_other_columns_are_left_alone(tmp_path):
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 2?"},
    ]
    path = written(
        tmp_path,
        {"prompt": "2 + 2?", "extra": 1},
        {"id": 7, "prompt": turns, "answer": "4", "category": "sums", "group": "g", "source": "s"},
    )
    first, second = iterate_prompts(path)
    assert (first.id, first.prompt, first.source) == ("asked-1", user("2 + 2?"), "asked")
    assert len(first.group) == 16
    assert second == Prompt(
        id="7",
        prompt=(Message(role="system", content="Be brief."), *user("2 + 2?")),
        answer="4",
        source="s",
        category="sums",
        group="g",
    )


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"question": "2 + 2?"}, r"asked.jsonl:1: expected a column 'prompt', found the columns"),
        ({"prompt": 4}, "expected 'prompt' to be text or a list of messages, found a number"),
        ({"prompt": "  "}, "expected the prompt to end in a user turn that says something"),
        ({"prompt": []}, "expected the prompt to end in a user turn"),
        ({"prompt": [{"role": "assistant", "content": "4"}]}, "expected the prompt to end in a"),
        ("2 + 2?", "expected a JSON object, found str"),
    ],
)
def test_what_is_no_prompt_is_refused_at_the_end(tmp_path, row, wanted):
    rows = iterate_prompts(written(tmp_path, row, {"prompt": "good"}))
    assert next(rows).prompt == user("good")
    with pytest.raises(DataError, match=wanted):
        next(rows)


def test_ids_are_unique_and_a_file_holds_one_at_least(tmp_path):
    twice = written(tmp_path, {"id": "a", "prompt": "x"}, {"id": "a", "prompt": "y"})
    with pytest.raises(DataError, match=r"jsonl:2: expected each id once, found 'a' in line 1"):
        list(iterate_prompts(twice))
    with pytest.raises(DataError, match="expected prompts, found no row"):
        list(iterate_prompts(written(tmp_path)))
    with pytest.raises(DataError, match=r"none\.jsonl: expected a file of prompts"):
        list(iterate_prompts(tmp_path / "none.jsonl"))


def test_bad_rows_may_be_set_aside(tmp_path):
    path = written(tmp_path, {"prompt": ""}, {"prompt": "good"})
    rejects = tmp_path / "rejects.jsonl"
    assert [one.id for one in iterate_prompts(path, skip_bad=rejects)] == ["asked-2"]
    assert json.loads(rejects.read_text("utf-8"))["line"] == 1
