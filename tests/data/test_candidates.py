"""Benchmarks of several responses to a prompt, and of prompts alone, as they are published."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.data import Candidates, pairs_of, read_candidates, read_preferences, read_questions
from jurist.errors import DataError
from jurist.types import user

PUBLISHED = Path(__file__).parent / "published"


def styles(text: str) -> tuple[str, ...]:
    return (text, f"{text} That is so.", f"**{text}**\n- That is so.")


def test_rewardbench_2_has_one_right_response_and_in_ties_several():
    found = read_candidates([PUBLISHED / "reward-bench-2.jsonl"])
    assert [(one.id, one.category, one.right, one.wrong) for one in found] == [
        ("f1", "Factuality", ("In Italy.",), ("In Spain.", "In Peru.", "In Chad.")),
        ("m1", "Math", ("144",), ("124", "142", "140")),
        ("s1", "Safety", ("I will not help.",), ("Use ink.", "Trace it.", "Print it.")),
        ("ref:7", "Ties", ("Pacific",), ("Atlantic", "Arctic")),
        ("tied:7", "Ties", ("Pacific", "Atlantic", "Arctic"), ("Etna", "Sahara")),
    ]
    assert found[0].prompt == user("Where is Rome?")
    assert [one.group for one in found[3:]] == ["ties:7", "ties:7"]
    assert len({one.group for one in found}) == 4


def test_rm_bench_has_three_styles_of_each_and_four_domains():
    found = read_candidates([PUBLISHED / "rm-bench.json"])
    assert [(one.category, one.right, one.wrong) for one in found] == [
        ("chat", styles("Open it."), styles("Eat it.")),
        ("code", styles("a + b"), styles("a - b")),
        ("math", styles("9"), styles("6")),
        ("safety", styles("I will not help."), styles("Break the glass.")),
        ("safety", styles("Use kill."), styles("I will not help.")),
    ]
    # The published ids are 8, 8, 3, 1, 1.
    assert len({one.id for one in found}) == 5


def test_a_file_of_one_domain_of_rm_bench_is_named_after_it(tmp_path: Path):
    rows = json.loads((PUBLISHED / "rm-bench.json").read_text("utf-8"))
    rows[0].pop("domain")
    path = tmp_path / "safety-refuse_filtered.json"
    path.write_text(json.dumps([rows[0] | {"subset": "donotanswer"}]))
    (one,) = read_candidates([path])
    assert one.category == "safety"


def test_rewardmath_gathers_the_solutions_of_a_problem():
    first, second = read_candidates([PUBLISHED / "rewardmath.json"])
    assert (first.id, first.category) == ("0", "Algebra")
    assert first.prompt == user("Solve x + 1 = 3.")
    assert first.right == ("x + 1 = 3.\n\nSo x = 2.",)
    assert first.wrong == tuple(f"x + 1 = 3.\n\nSo x = {n}." for n in range(4, 13))
    assert second.right == ("2x = 8.\n\nSo x = 4.",)
    assert len(second.wrong) == 9


def test_rewardmath_gathers_solutions_wherever_they_stand(tmp_path: Path):
    rows = json.loads((PUBLISHED / "rewardmath.json").read_text("utf-8"))
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([*rows[1::2], *rows[::2]]))
    found = {one.id: one for one in read_candidates([path])}
    whole = {one.id: one for one in read_candidates([PUBLISHED / "rewardmath.json"])}
    assert {name: set(one.wrong) for name, one in found.items()} == {
        name: set(one.wrong) for name, one in whole.items()
    }
    assert {name: one.right for name, one in found.items()} == {
        name: one.right for name, one in whole.items()
    }


def test_questions_have_prompts_and_where_there_is_one_an_answer():
    arena = read_questions([PUBLISHED / "arena-hard.jsonl"])
    assert [(one.id, one.category, one.answer) for one in arena] == [
        ("u0", "hard_prompt/coding", None),
        ("u1", "hard_prompt/math", None),
        ("u2", "hard_prompt/coding", None),
        ("u3", "creative_writing/creative_writing", None),
        ("u4", "creative_writing/creative_writing", None),
    ]
    assert arena[3].prompt == user("Write a haiku on salt.")
    maths = read_questions([PUBLISHED / "math-500.jsonl"])
    assert [(one.id, one.category, one.answer) for one in maths] == [
        ("test/prealgebra/1.json", "Prealgebra", "2"),
        ("test/algebra/2.json", "Algebra", "3"),
        ("test/counting_and_probability/3.json", "Counting & Probability", "6"),
        ("test/number_theory/4.json", "Number Theory", "3"),
        ("test/geometry/5.json", "Geometry", "1"),
    ]
    assert maths[1].prompt == user("Solve $x^2=9$, $x>0$.")


@given(num_right=st.integers(1, 4), num_wrong=st.integers(1, 4))
def test_every_right_response_stands_beside_every_wrong_one_once(num_right: int, num_wrong: int):
    one = Candidates(
        id="c",
        prompt=user("p"),
        right=tuple(f"r{i}" for i in range(num_right)),
        wrong=tuple(f"w{i}" for i in range(num_wrong)),
        category="k",
        source="s",
        group="g",
    )
    pairs = pairs_of(one)
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [
        (right, wrong) for right in one.right for wrong in one.wrong
    ]
    assert len({pair.id for pair in pairs}) == len(pairs)
    assert {(pair.category, pair.source, pair.group) for pair in pairs} == {("k", "s", "g")}


# name: (fixture, columns that differ in its second row, what the refusal must say)
REFUSED: dict[str, tuple[str, dict[str, object], str]] = {
    "a wrong count": (
        "reward-bench-2.jsonl",
        {"num_correct": 2},
        "expected 'num_correct' to be 1, as many as there are, found 2",
    ),
    "two right responses outside of ties": (
        "reward-bench-2.jsonl",
        {"chosen": ["144", "12 squared"], "num_correct": 2, "total_completions": 5},
        "expected one right response, found 2",
    ),
    "no wrong response": (
        "reward-bench-2.jsonl",
        {"rejected": []},
        "expected 'rejected' to be a list of texts, found an empty list",
    ),
    "responses that are no texts": (
        "reward-bench-2.jsonl",
        {"rejected": ["124", 142, "140"]},
        "expected text 2 of 'rejected' to be text, found a number",
    ),
    "a tie of no sort": (
        "reward-bench-2.jsonl",
        {"subset": "Ties", "id": "7"},
        "expected an id 'ref:N' or 'tied:N' in Ties, found '7'",
    ),
    "a tie of one": (
        "reward-bench-2.jsonl",
        {"subset": "Ties", "id": "tied:8"},
        "expected several right responses to 'tied:8', found 1",
    ),
    "a right response that is wrong too": (
        "reward-bench-2.jsonl",
        {"rejected": ["124", "144", "140"]},
        "right and wrong response 1-2: expected two different responses",
    ),
    "two styles": (
        "rm-bench.json",
        {"chosen": ["a", "b"]},
        "expected 3 styles of the chosen and of the rejected response, found 2 and 3",
    ),
    "a domain of no name": (
        "rm-bench.json",
        {"domain": "poetry"},
        "expected a domain that begins with chat, math, code, safety, found 'poetry'",
    ),
    "two right solutions": (
        "rewardmath.json",
        {"solution_type": "chosen"},
        "expected one chosen solution of problem '0', found 2",
    ),
    "two problems under one number": (
        "rewardmath.json",
        {"problem": "Solve x = 1."},
        "expected one problem under problem_id '0', found two",
    ),
    "a solution of no type": (
        "rewardmath.json",
        {"solution_type": "modified"},
        "expected 'solution_type' to be chosen or rejected, found 'modified'",
    ),
    "an id twice": (
        "reward-bench-2.jsonl",
        {"id": "f1"},
        "expected id 'f1' once, found it a second time",
    ),
    "columns of no layout": (
        "rm-bench.json",
        {"chosen": None},
        "expected the columns of one of reward-bench-2: ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_row_is_refused_with_its_line_and_what_was_expected(name: str, tmp_path: Path):
    file, change, reason = REFUSED[name]
    text = (PUBLISHED / file).read_text("utf-8")
    rows = json.loads(text) if file.endswith(".json") else list(map(json.loads, text.splitlines()))
    rows[1] |= change
    path = tmp_path / f"{Path(file).stem}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(DataError) as caught:
        read_candidates([path])
    line = 1 if file == "rewardmath.json" else 2  # a problem is named after its first solution
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert reason in str(caught.value)


def test_bad_rows_are_set_aside_if_the_caller_says_where(tmp_path: Path):
    rows = [json.loads(line) for line in (PUBLISHED / "math-500.jsonl").read_text().splitlines()]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (*rows, rows[0] | {"answer": 2})))
    rejects = tmp_path / "out" / "rejects.jsonl"
    assert len(read_questions([path], skip_bad=rejects)) == 5
    (reject,) = map(json.loads, rejects.read_text().splitlines())
    assert (reject["line"], reject["reason"]) == (6, "expected 'answer' to be text, found a number")


def test_files_of_nothing_good_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no file: expected rows, found none that is good"):
        read_candidates([])


@pytest.mark.parametrize("name", ["reward-bench-2.jsonl", "rm-bench.json"])
def test_candidates_are_not_taken_for_pairs(name: str):
    with pytest.raises(DataError, match="expected turn 1 of 'chosen' to be an object, found text"):
        read_preferences(PUBLISHED / name)
