"""Sets of preferences in the columns they are published in: five invented rows of each.

What the rows say was written down by hand beside them; nothing here was fetched.
"""

import gzip
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from jurist.data import Layout, PreferenceSet, read_preferences
from jurist.data.columns import preference
from jurist.data.feedback import unfolded
from jurist.data.layouts import Place
from jurist.data.lines import Row
from jurist.errors import DataError
from jurist.types import Message

PUBLISHED = Path(__file__).parent / "published"

# file: (layout, [(chosen, rejected, tie, margin, category)])
GOLDEN: dict[str, tuple[Layout, list[tuple[str, str, bool, float | None, str]]]] = {
    "hh-rlhf.jsonl": (
        Layout.HH_RLHF,
        [
            ("Tennis.", "Bread.", False, None, ""),
            ("I cannot see a clock.", "Yes.", False, None, ""),
            ("I do not know it.", "Bob.", False, None, ""),
            ("La la.", "No.", False, None, ""),
            ("Let us find honest words.", "Sure.", False, None, ""),
        ],
    ),
    "ultrafeedback-binarized.jsonl": (
        Layout.ULTRAFEEDBACK_BINARIZED,
        [
            ("A cube.", "A cat.", False, 7.0, ""),
            ("Yes.", "Maybe.", False, 2.5, ""),
            ("No.", "Nope.", True, 0.0, ""),
            ("1, 2.", "2, 1.", False, 0.5, ""),
            ("Stopped.", "Going on.", False, 9.0, ""),
        ],
    ),
    # Means of the ratings. Rivers: 5, 3.5, 1, 5. Three: 2.25, 4.75. Facts: 4, 2, 4.5. Cat: 5, 1.5.
    "ultrafeedback.jsonl": (
        Layout.ULTRAFEEDBACK,
        [
            ("Po and Ebro.", "Po.", False, 1.5, ""),
            ("Po and Ebro.", "Mount Etna.", False, 4.0, ""),
            ("Po and Ebro.", "Ebro, Po.", True, 0.0, ""),
            ("Po.", "Mount Etna.", False, 2.5, ""),
            ("Ebro, Po.", "Po.", False, 1.5, ""),
            ("Ebro, Po.", "Mount Etna.", False, 4.0, ""),
            ("One, two, three.", "One, two.", False, 2.5, ""),
            ("Water is wet.", "Ice is hot.", False, 2.0, ""),
            ("Snow is white.", "Water is wet.", False, 0.5, ""),
            ("Snow is white.", "Ice is hot.", False, 2.5, ""),
            ("Hello.", "Good day.", True, 0.0, ""),
            ("c-a-t", "k-a-t", False, 3.5, ""),
        ],
    ),
    "ultrainteract.jsonl": (
        Layout.ULTRAINTERACT,
        [
            (
                "Step 1: 3 + 4 = 7.\nThe answer is 7.",
                "Step 1: 3 * 4 = 12.\nThe answer is 12.",
                False,
                None,
                "Math_CoT",
            ),
            ("Step 1: 3 + 4 = 7.", "Step 1: 4 - 3 = 1.", False, None, "Math_CoT"),
            (
                "print(sum(map(int, input().split())))",
                "print(input())",
                False,
                None,
                "Coding",
            ),
            ("No.", "Yes.", False, None, "Logic"),
            ("print(2 ** 5)", "print(2 * 5)", False, None, "Math_PoT"),
        ],
    ),
    "helpsteer2-preference.jsonl": (
        Layout.HELPSTEER2,
        [
            ("Mars.", "Paris.", False, 3.0, ""),
            ("Tin.", "Wood.", False, 2.0, ""),
            ("A wren.", "A rook.", True, 0.0, ""),
            ("Ash, which is tall.", "Oak.", False, 1.0, ""),
            ("The Po.", "A river.", False, 1.0, ""),
        ],
    ),
    "helpsteer2-ratings.jsonl": (
        Layout.HELPSTEER2_RATINGS,
        [
            ("Mars.", "Paris.", False, 4.0, ""),
            ("Tin.", "Metal.", False, 2.0, ""),
            ("A wren.", "A rook.", True, 0.0, ""),
            ("Ash, which is tall.", "Oak.", False, 1.0, ""),
            ("The Po.", "A river.", False, 2.0, ""),
        ],
    ),
    "skywork-reward-preference.jsonl": (
        Layout.TRL,
        [
            ("Neon.", "Iron.", False, None, ""),
            ("Hi!", "No.", False, None, ""),
            ("8", "9", False, None, ""),
            ("I will not help with that.", "With a pin.", False, None, ""),
            ("ba", "ab", False, None, ""),
        ],
    ),
    "rewardbench.jsonl": (
        Layout.REWARDBENCH,
        [
            ("A plum.", "A stone.", False, None, "alpacaeval-easy"),
            ("Word.", "Two words.", False, None, "llmbar-natural"),
            ("I will not say.", "Take some powder.", False, None, "refusals-dangerous"),
            ("42", "44", False, None, "math-prm"),
            (
                "def add(a, b): return a + b",
                "def add(a, b): return a - b",
                False,
                None,
                "hep-python",
            ),
        ],
    ),
    "m-rewardbench.jsonl": (
        Layout.M_REWARDBENCH,
        [
            ("Eine Pflaume.", "Ein Stein.", False, None, "deu_Latn/alpacaeval-easy"),
            ("Une prune.", "Une pierre.", False, None, "fra_Latn/alpacaeval-easy"),
            ("Wort.", "Zwei Wörter.", False, None, "deu_Latn/llmbar-natural"),
            (
                "Je ne le dirai pas.",
                "Prends de la poudre.",
                False,
                None,
                "fra_Latn/refusals-dangerous",
            ),
            ("42", "44", False, None, "deu_Latn/math-prm"),
        ],
    ),
    "judgebench.jsonl": (
        Layout.JUDGEBENCH,
        [
            ("(A)", "(B)", False, None, "knowledge"),
            ("Bob", "Ann", False, None, "reasoning"),
            ("81", "18", False, None, "math"),
            ("max(a, b)", "min(a, b)", False, None, "coding"),
            ("The answer is (A).", "The answer is (B).", False, None, "knowledge"),
        ],
    ),
    "llmbar.json": (
        Layout.LLMBAR,
        [
            ("White", "Snow is white, of course.", False, None, ""),
            ("Tom", "Pete", False, None, ""),
            ("2, 4", "2, 3", False, None, ""),
            ("yes", "no", False, None, ""),
            ("a, b, c", "c, b, a", False, None, ""),
        ],
    ),
    "hhh.jsonl": (
        Layout.HHH,
        [
            ("Along its creases.", "Burn it.", False, None, ""),
            ("No, it shines by the sun's light.", "Yes.", False, None, ""),
            ("Why not? Ha!", "No.", False, None, ""),
            ("Ask your friend first.", "Sure, in secret.", False, None, ""),
            ("Eight bits.", "Four bits.", False, None, ""),
        ],
    ),
    "mt-bench-human.jsonl": (
        Layout.MT_BENCH,
        [
            ("Rain falls.", "It is wet.", False, None, "turn 1"),
            ("It is wet.", "Rain falls.", False, None, "turn 1"),
            (
                "Rain falls.\n\n[user]\nNow in capitals.\n\n[assistant]\nRAIN FALLS.",
                "It is wet.\n\n[user]\nNow in capitals.\n\n[assistant]\nIt is wet.",
                False,
                None,
                "turn 2",
            ),
            ("2", "Two", True, None, "turn 1"),
            (
                "Two\n\n[user]\n2+2?\n\n[assistant]\nFour",
                "2\n\n[user]\n2+2?\n\n[assistant]\n4",
                True,
                None,
                "turn 2",
            ),
        ],
    ),
    "pandalm.json": (
        Layout.PANDALM,
        [
            ("It rains.", "It is raining, it is the case.", False, None, ""),
            ("Blue.", "Seven.", False, None, ""),
            ("the", "The", True, None, ""),
            ("Red.", "Blue.", True, None, ""),
            ("6", "5", False, None, ""),
        ],
    ),
    "auto-j.jsonl": (
        Layout.AUTO_J,
        [
            ("Keep fixed hours.", "Drink coffee.", False, None, "seeking_advice"),
            ("2", "3", False, None, "math_reasoning"),
            ("Fine.", "Well.", True, None, "chitchat"),
            ("Yes, a little each day.", "No idea.", False, None, "seeking_advice"),
            ("print('hello')", "echo hello", False, None, "code_generation"),
        ],
    ),
}


def fixture(name: str) -> PreferenceSet:
    return read_preferences(PUBLISHED / name)


@pytest.mark.parametrize("name", GOLDEN)
class TestPublishedSet:
    def test_is_recognised_and_every_row_says_what_its_people_said(self, name: str):
        layout, rows = GOLDEN[name]
        read = fixture(name)
        assert [file.layout for file in read.files] == [layout]
        assert [
            (one.chosen, one.rejected, one.tie, one.margin, one.category)
            for one in read.preferences
        ] == rows

    def test_is_read_the_same_if_its_layout_is_named(self, name: str):
        layout, _ = GOLDEN[name]
        named = read_preferences(PUBLISHED / name, layout=layout)
        assert named.preferences == fixture(name).preferences

    def test_has_ids_of_its_own_and_groups(self, name: str):
        read = fixture(name).preferences
        assert len({one.id for one in read}) == len(read)
        assert all(one.group for one in read)

    def test_counts_every_row(self, name: str):
        read = fixture(name)
        assert read.num_rows == len(read.preferences)


def groups(name: str) -> list[str]:
    return [one.group for one in fixture(name).preferences]


def test_rows_that_a_split_must_not_part_are_one_group():
    interact = groups("ultrainteract.jsonl")
    assert interact[0] == interact[1]  # two depths of one tree
    assert len(set(interact)) == 4
    feedback = groups("ultrafeedback.jsonl")
    assert len(set(feedback[:6])) == 1 and len(set(feedback)) == 5
    languages = groups("m-rewardbench.jsonl")
    assert languages[0] == languages[1]  # one prompt in two languages
    assert len(set(languages)) == 4
    bench = groups("judgebench.jsonl")
    assert bench[0] == bench[4]  # one question, other responses
    assert len(set(bench)) == 4
    turns = groups("mt-bench-human.jsonl")
    assert turns[:3] == ["81"] * 3 and turns[3:] == ["101"] * 2
    panda = groups("pandalm.json")
    assert panda[1] == panda[3]
    assert len(set(panda)) == 4


def prompts(name: str) -> list[tuple[Message, ...]]:
    return [one.prompt for one in fixture(name).preferences]


def said(*contents: str) -> tuple[Message, ...]:
    roles = ("user", "assistant")
    return tuple(Message(role=roles[i % 2], content=text) for i, text in enumerate(contents))


def test_prompts_of_several_turns_are_parted_as_they_are_published():
    assert prompts("ultrainteract.jsonl")[1] == said(
        "Ann has 3 pens and buys 4. How many?",
        "Step 1: 3 * 4 = 12.",
        "That is not right. Try again.",
    )
    steered = said("Hi!", "Hello. What now?", "Name a tree.")
    assert prompts("helpsteer2-preference.jsonl")[3] == steered
    assert prompts("helpsteer2-ratings.jsonl")[3] == said("Hi!", "Hello.", "Name a tree.")
    assert prompts("skywork-reward-preference.jsonl")[2] == said("2+2?", "4", "And 4+4?")
    assert prompts("hhh.jsonl")[2] == said("Tell me a joke.", "Which kind?", "A short one.")
    assert prompts("mt-bench-human.jsonl")[2] == said("Write a line about rain.")
    assert prompts("pandalm.json")[0] == said("Make this shorter.\n\nIt is the case that it rains.")
    assert prompts("pandalm.json")[1] == said("Name a colour.")


def test_sources_and_ids_are_the_published_ones_where_there_are_such():
    interact = fixture("ultrainteract.jsonl").preferences
    assert [one.source for one in interact][1:3] == ["gsm8k", "codecontest"]
    # Two of its rows are called the same.
    assert [one.id for one in interact][:2] == ["ultrainteract-1", "ultrainteract-2"]
    assert fixture("judgebench.jsonl").preferences[0].source == "mmlu-pro-law"
    assert fixture("judgebench.jsonl").preferences[0].id == "p1"
    assert fixture("m-rewardbench.jsonl").preferences[1].id == "fra_Latn-1"
    assert fixture("skywork-reward-preference.jsonl").preferences[0].source == "magpie_pro"
    feedback = fixture("ultrafeedback.jsonl").preferences
    assert [one.id for one in feedback][5:8] == [
        "ultrafeedback-1-6",
        "ultrafeedback-2",
        "ultrafeedback-3-1",
    ]
    # Named after the lines that each pair begins on.
    ratings = [one.id for one in fixture("helpsteer2-ratings.jsonl").preferences]
    assert ratings[:2] == ["helpsteer2-ratings-1", "helpsteer2-ratings-3"]


def rows_of(name: str) -> list[dict[str, object]]:
    text = (PUBLISHED / name).read_text("utf-8")
    if name.endswith(".json"):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines()]


def annotated(**ratings: str) -> list[dict[str, object]]:
    held = {name: {"Rating": rating} for name, rating in ratings.items()}
    return [{"response": f"r{i}", "annotations": held} for i in range(2)]


# name: (fixture, columns that differ in its second row, what the refusal must say)
REFUSED: dict[str, tuple[str, dict[str, object], str]] = {
    "a strength beyond the scale": (
        "helpsteer2-preference.jsonl",
        {"preference_strength": 4},
        "expected 'preference_strength' to be a whole number from -3 to 3, found 4",
    ),
    "a strength that is text": (
        "helpsteer2-preference.jsonl",
        {"preference_strength": "2"},
        "expected 'preference_strength' to be a number, found text",
    ),
    "two turns of one speaker": (
        "helpsteer2-preference.jsonl",
        {"prompt": "Hi!\n<extra_id_1>User\nAgain."},
        "expected user and assistant to take turns, found two of user",
    ),
    "a rating beyond the scale": (
        "helpsteer2-ratings.jsonl",
        {"verbosity": 5},
        "expected 'verbosity' to be a whole number from 0 to 4, found 5",
    ),
    "a completion without ratings": (
        "ultrafeedback.jsonl",
        {"completions": annotated(honesty="N/A")},
        "expected a rating of instruction_following, honesty, truthfulness, helpfulness in "
        "completion 1, found none",
    ),
    "a rating beyond five": (
        "ultrafeedback.jsonl",
        {"completions": annotated(honesty="6")},
        "expected the rating of 'honesty' in completion 1 to be '1' to '5' or 'N/A', found '6'",
    ),
    "one completion": (
        "ultrafeedback.jsonl",
        {"completions": annotated(honesty="4")[:1]},
        "expected two completions or more, found 1",
    ),
    "completions that are texts": (
        "ultrafeedback.jsonl",
        {"completions": ["a", "b"]},
        "expected completion 1 to be an object, found text",
    ),
    "a speaker of another name": (
        "ultrainteract.jsonl",
        {"trajectory": [{"from": "system", "value": "x"}]},
        "expected 'from' of turn 1 of 'trajectory' to be one of 'user', 'human', 'assistant', "
        "'gpt', found 'system'",
    ),
    "a way of no turns": (
        "ultrainteract.jsonl",
        {"trajectory": []},
        "expected turns in 'trajectory', found none",
    ),
    "a way that ends with the assistant": (
        "ultrainteract.jsonl",
        {"trajectory": [{"from": "gpt", "value": "x"}]},
        "expected the prompt to end in a user turn",
    ),
    "a source of no section": (
        "judgebench.jsonl",
        {"source": "gpqa"},
        "expected 'source' to begin with mmlu-pro, livebench-reasoning, livebench-math, "
        "livecodebench, found 'gpqa'",
    ),
    "a tie where there is none": (
        "judgebench.jsonl",
        {"label": "A=B"},
        "expected 'label' to be one of 'A>B', 'B>A', found 'A=B'",
    ),
    "a label counted from nought": (
        "llmbar.json",
        {"label": 0},
        "expected 'label' to be one of 1, 2, found 0",
    ),
    "a label that is true": (
        "llmbar.json",
        {"label": True},
        "expected 'label' to be one of 1, 2, found True",
    ),
    "a label beyond the three": (
        "auto-j.jsonl",
        {"label": 3},
        "expected 'label' to be one of 0, 1, 2, found 3",
    ),
    "three annotators of three minds": (
        "pandalm.json",
        {"annotator1": 0, "annotator2": 1, "annotator3": 2},
        "expected two of the three annotators to agree, found [0, 1, 2]",
    ),
    "a winner of no name": (
        "mt-bench-human.jsonl",
        {"winner": "alpha"},
        "expected 'winner' to be one of 'model_a', 'model_b', 'tie', 'tie (inconsistent)', "
        "found 'alpha'",
    ),
    "a second turn that is not there": (
        "mt-bench-human.jsonl",
        {
            "turn": 2,
            "conversation_b": [
                {"role": "user", "content": "Write a line about rain."},
                {"role": "assistant", "content": "It is wet."},
            ],
        },
        "expected at least 4 turns in 'conversation_b'",
    ),
    "two questions": (
        "mt-bench-human.jsonl",
        {
            "conversation_b": [
                {"role": "user", "content": "Write a line about snow."},
                {"role": "assistant", "content": "It is wet."},
            ]
        },
        "expected the user to say the same in 'conversation_a' and 'conversation_b'",
    ),
    "two right choices": (
        "hhh.jsonl",
        {"targets": {"choices": ["a", "b"], "labels": [1, 1]}},
        "expected two choices, one labelled 1 and the other 0, found 2 choices and the labels "
        "[1, 1]",
    ),
    "three choices": (
        "hhh.jsonl",
        {"targets": {"choices": ["a", "b", "c"], "labels": [1, 0, 0]}},
        "found 3 choices",
    ),
    "a language that is a number": (
        "m-rewardbench.jsonl",
        {"language": 3},
        "expected 'language' to be text, found a number",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_row_is_refused_with_its_line_and_what_was_expected(name: str, tmp_path: Path):
    file, change, reason = REFUSED[name]
    rows = rows_of(file)
    rows[1] |= change
    path = tmp_path / f"{Path(file).stem}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(DataError) as caught:
        read_preferences(path)
    line = 1 if file == "helpsteer2-ratings.jsonl" else 2  # a pair is named after its first row
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert reason in str(caught.value)


def test_a_rating_without_its_partner_is_a_bad_row_and_the_others_are_read(tmp_path: Path):
    rows = rows_of("helpsteer2-ratings.jsonl")
    path = tmp_path / "ratings.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (*rows[:3], *rows[4:], rows[3])))
    rejects = tmp_path / "out" / "rejects.jsonl"
    read = read_preferences(path, skip_bad=rejects)
    assert [one.chosen for one in read.preferences] == [
        *("Mars.", "A wren.", "Ash, which is tall.", "The Po.")
    ]
    found = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [one["line"] for one in found] == [3, 10]
    assert all("two responses to one prompt, found one" in one["reason"] for one in found)
    assert json.loads(found[0]["row"])["response"] == "Metal."


def test_the_rows_of_two_columns_layouts_are_ambiguous(tmp_path: Path):
    row = rows_of("llmbar.json")[0] | {"prompt": "p", "chosen": "x", "rejected": "y"}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match="may be llmbar or trl; say which with --layout"):
        read_preferences(path)
    (read,) = read_preferences(path, layout="trl").preferences
    assert (read.chosen, read.rejected) == ("x", "y")


class TestArray:
    def test_is_read_gzipped_and_on_one_line_all_the_same(self, tmp_path: Path):
        plain = (PUBLISHED / "llmbar.json").read_bytes()
        zipped = tmp_path / "llmbar.json.gz"
        zipped.write_bytes(gzip.compress(plain))
        short = tmp_path / "llmbar.json"
        short.write_text(json.dumps(json.loads(plain)))
        read = read_preferences(PUBLISHED / "llmbar.json").preferences
        assert [one.id for one in read] == [f"llmbar-{number}" for number in (1, 2, 3, 4, 5)]
        assert read_preferences(zipped).preferences == read
        assert read_preferences(short).preferences == read

    def test_names_a_bad_row_by_its_line_and_its_number(self, tmp_path: Path):
        path = tmp_path / "llmbar.json"
        text = (PUBLISHED / "llmbar.json").read_text("utf-8")
        path.write_text(text.replace('"label": 2', '"label": 3', 1), "utf-8")
        with pytest.raises(DataError) as caught:
            read_preferences(path)
        assert str(caught.value).startswith(f"{path}:8: item 2: expected 'label' to be one of 1, 2")

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (lambda text: text[: len(text) // 2], ":15: expected an item of a JSON array"),
            (lambda text: text.rstrip()[:-1], "found the end of the file"),
            (lambda text: text + "{}", "expected nothing after a JSON array, found '{}'"),
            (lambda text: text.replace("},\n", "}\n", 1), "expected ',' or ']' after an item"),
            (lambda text: text.replace('"label": 1', '"label": 1, "label": 2', 1), "found twice"),
            (lambda text: text.replace('"label": 1', '"label": NaN', 1), "found NaN"),
        ],
    )
    def test_that_is_damaged_is_refused_as_a_whole(self, damage, reason: str, tmp_path: Path):
        path = tmp_path / "llmbar.json"
        path.write_text(damage((PUBLISHED / "llmbar.json").read_text("utf-8")), "utf-8")
        with pytest.raises(DataError) as caught:
            read_preferences(path, skip_bad=tmp_path / "out" / "rejects.jsonl")
        assert reason in str(caught.value)

    def test_items_that_are_no_objects_are_bad_rows(self, tmp_path: Path):
        path = tmp_path / "rows.json"
        path.write_text('[{"prompt": "p", "chosen": "x", "rejected": "y"},\n 3,\n null]')
        with pytest.raises(DataError, match=r"rows\.json:2: item 2: expected a JSON object, f"):
            read_preferences(path)

    def test_half_of_a_surrogate_pair_is_a_bad_row(self, tmp_path: Path):
        path = tmp_path / "rows.json"
        path.write_text('[{"prompt": "p", "chosen": "\\ud800", "rejected": "y"}]')
        with pytest.raises(DataError, match=r"rows\.json:1: item 1: expected text, found half"):
            read_preferences(path)


def test_a_folder_of_several_published_sets_is_read_file_by_file(tmp_path: Path):
    for name in ("llmbar.json", "judgebench.jsonl"):
        shutil.copy(PUBLISHED / name, tmp_path / name)
    read = read_preferences(tmp_path)
    assert [file.layout for file in read.files] == [Layout.JUDGEBENCH, Layout.LLMBAR]
    assert len(read.preferences) == 10


ODD: tuple[object, ...] = (None, [], ["5"], {}, {"Rating": ["5"]}, 7, 1.5, True, "", "odd", [[]])
"""Values that may stand where another was expected; some are right in some places."""


def altered(value: object) -> Iterator[object]:
    """A value with one thing in it another, or left out, for everything that is in it."""
    yield from ODD
    if isinstance(value, dict):
        for name, held in value.items():
            yield {key: one for key, one in value.items() if key != name}
            yield from ({**value, name: other} for other in altered(held))
    elif isinstance(value, list):
        for place, held in enumerate(value):
            yield value[:place] + value[place + 1 :]
            yield from ([*value[:place], other, *value[place + 1 :]] for other in altered(held))


@pytest.mark.fault(9, "schemas")
@pytest.mark.parametrize("name", GOLDEN)
def test_whatever_stands_in_a_row_it_is_read_or_refused_as_data(name: str):
    layout, _ = GOLDEN[name]
    for count, row in enumerate(rows_of(name)[:2], start=1):
        for number, other in enumerate(altered(row), start=1):
            columns = cast("dict[str, object]", other if isinstance(other, dict) else {})
            for one in unfolded(iter([Row(number, columns)]), layout):
                with suppress(DataError):
                    preference(one.columns or {}, layout, Place("rows", count))


def test_a_rating_that_is_no_object_is_not_left_out_of_the_mean(tmp_path: Path):
    told = {"honesty": {"Rating": "4"}, "helpfulness": "5"}
    row = {
        "instruction": "Q",
        "completions": [{"response": text, "annotations": told} for text in "ab"],
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match="expected 'helpfulness' in completion 1 to be an object"):
        read_preferences(tmp_path / "rows.jsonl")


def test_a_row_that_is_no_rating_is_told_what_it_lacks(tmp_path: Path):
    row = {"prompt": "Q", "response": "a", "ratings": [{}, {}, {}]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match="expected a column 'helpfulness', found the columns"):
        read_preferences(tmp_path / "rows.jsonl", layout="helpsteer2-ratings")


def test_pairs_of_one_row_that_has_an_id_have_ids_of_their_own(tmp_path: Path):
    row = {**rows_of("ultrafeedback.jsonl")[0], "id": "x"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    found = [one.id for one in read_preferences(tmp_path / "rows.jsonl").preferences]
    assert found == [f"x-{part}" for part in range(1, 7)]
