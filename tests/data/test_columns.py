"""Every layout by rows as they are published, and every refusal by what it says."""

import json

import pytest

from jurist.data import read_preferences, write_preferences
from jurist.data.columns import Columns, Layout, Place, candidates, preference, prompt_group
from jurist.errors import DataError
from jurist.types import Message, Preference, user

PLACE = Place("file", 7)


def turns(*contents: str) -> list[dict[str, str]]:
    """A conversation that the user begins and that goes to and fro."""
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]


def conversation(*contents: str) -> tuple[Message, ...]:
    roles = ("user", "assistant")
    return tuple(Message(role=roles[i % 2], content=text) for i, text in enumerate(contents))


# name: (row, its layout, the preference it is; group is checked apart)
GOLDEN: dict[str, tuple[Columns, Layout, Preference]] = {
    "jurist": (
        {
            "id": "hh/1",
            "source": "hh",
            "category": "helpful",
            "prompt": turns("a", "b", "c"),
            "chosen": " x",
            "rejected": "y\n",
            "label_source": "human",
            "licence": "MIT",
            "meta": {"group": "g", "margin": 2, "turns": 3},
        },
        Layout.JURIST,
        Preference(
            id="hh/1",
            prompt=conversation("a", "b", "c"),
            chosen=" x",
            rejected="y\n",
            margin=2.0,
            category="helpful",
            source="hh",
            group="g",
        ),
    ),
    "jurist with a tie column": (
        {"id": 5, "prompt": "p", "chosen": "x", "rejected": "x", "tie": True, "margin": 0},
        Layout.JURIST,
        Preference(
            id="5", prompt=user("p"), chosen="x", rejected="x", tie=True, margin=0.0, source="file"
        ),
    ),
    "jurist, tied": (
        {
            "id": "t",
            "source": "s",
            "category": "k",
            "prompt": "p",
            "response_a": "x",
            "response_b": "y",
            "label_source": "crowd",
            "licence": "MIT",
            "meta": {"group": "g", "votes": {"tie": 1}},
        },
        Layout.JURIST,
        Preference(
            id="t",
            prompt=user("p"),
            chosen="x",
            rejected="y",
            tie=True,
            category="k",
            source="s",
            group="g",
        ),
    ),
    "trl, standard, explicit": (
        {"prompt": "The sky is", "chosen": " blue.", "rejected": " green.", "margin": 0.5},
        Layout.TRL,
        Preference(
            id="file-7",
            prompt=user("The sky is"),
            chosen=" blue.",
            rejected=" green.",
            margin=0.5,
            source="file",
        ),
    ),
    "trl, standard, implicit": (
        {"chosen": "The sky is blue.", "rejected": "The sky is black."},
        Layout.TRL,
        Preference(
            id="file-7",
            prompt=user("The sky is"),
            chosen=" blue.",
            rejected=" black.",
            source="file",
        ),
    ),
    "trl, conversational, explicit": (
        {
            "prompt": turns("sky?"),
            "chosen": [{"role": "assistant", "content": "blue"}],
            "rejected": [{"role": "assistant", "content": "green"}],
        },
        Layout.TRL,
        Preference(
            id="file-7", prompt=user("sky?"), chosen="blue", rejected="green", source="file"
        ),
    ),
    "trl, conversational, implicit": (
        {
            "chosen": [{"role": "system", "content": "Be brief."}, *turns("sky?", "blue")],
            "rejected": [{"role": "system", "content": "Be brief."}, *turns("sky?", "green")],
        },
        Layout.TRL,
        Preference(
            id="file-7",
            prompt=(Message(role="system", content="Be brief."), *user("sky?")),
            chosen="blue",
            rejected="green",
            source="file",
        ),
    ),
    "trl, prompt given and repeated": (
        {"prompt": "sky?", "chosen": turns("sky?", "blue"), "rejected": turns("sky?", "green")},
        Layout.TRL,
        Preference(
            id="file-7", prompt=user("sky?"), chosen="blue", rejected="green", source="file"
        ),
    ),
    "hh-rlhf": (
        {
            "chosen": "\n\nHuman: a \n\nAssistant: b\n\nHuman: c\n\nAssistant: yes\n\nno",
            "rejected": "\n\nHuman: a \n\nAssistant: b\n\nHuman: c\n\nAssistant:  no",
        },
        Layout.HH_RLHF,
        Preference(
            id="file-7",
            prompt=conversation("a ", "b", "c"),
            chosen="yes\n\nno",
            rejected=" no",
            source="file",
        ),
    ),
    "hh-rlhf without the first line ends": (
        {"chosen": "Human: a\n\nAssistant: b", "rejected": "Human: a\n\nAssistant: c"},
        Layout.HH_RLHF,
        Preference(id="file-7", prompt=user("a"), chosen="b", rejected="c", source="file"),
    ),
    "ultrafeedback": (
        {
            "prompt": "sky?",
            "prompt_id": "f" * 64,
            "chosen": turns("sky?", "blue"),
            "rejected": turns("sky?", "green"),
            "messages": turns("sky?", "blue"),
            "score_chosen": 8.5,
            "score_rejected": 6.0,
        },
        Layout.ULTRAFEEDBACK_BINARIZED,
        Preference(
            id="file-7",
            prompt=user("sky?"),
            chosen="blue",
            rejected="green",
            margin=2.5,
            source="file",
        ),
    ),
    "ultrafeedback, tied": (
        {
            "chosen": turns("sky?", "blue"),
            "rejected": turns("sky?", "green"),
            "score_chosen": 7,
            "score_rejected": 7.0,
        },
        Layout.ULTRAFEEDBACK_BINARIZED,
        Preference(
            id="file-7",
            prompt=user("sky?"),
            chosen="blue",
            rejected="green",
            tie=True,
            margin=0.0,
            source="file",
        ),
    ),
    "ultrafeedback of plain texts": (
        {
            "prompt": "sky?",
            "chosen": "blue",
            "rejected": "green",
            "score_chosen": 2.0,
            "score_rejected": 1.0,
        },
        Layout.ULTRAFEEDBACK_BINARIZED,
        Preference(
            id="file-7",
            prompt=user("sky?"),
            chosen="blue",
            rejected="green",
            margin=1.0,
            source="file",
        ),
    ),
    "rewardbench": (
        {
            "prompt": "sky?",
            "chosen": "blue",
            "chosen_model": "m",
            "rejected": "green",
            "rejected_model": "n",
            "subset": "alpacaeval-easy",
            "id": 30,
        },
        Layout.REWARDBENCH,
        Preference(
            id="30",
            prompt=user("sky?"),
            chosen="blue",
            rejected="green",
            category="alpacaeval-easy",
            source="file",
            chosen_model="m",
            rejected_model="n",
        ),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
class TestGoldenRow:
    def test_is_recognised(self, name: str):
        row, layout, _ = GOLDEN[name]
        assert candidates(row) == [layout]

    def test_is_recognised_with_null_columns_of_other_rows(self, name: str):
        row, layout, _ = GOLDEN[name]
        empty = dict.fromkeys(("prompt", "subset", "score_chosen", "tie", "meta", "response_a"))
        assert candidates(empty | row) == [layout]

    def test_is_read(self, name: str):
        row, layout, expected = GOLDEN[name]
        read = preference(row, layout, PLACE)
        group = expected.group or read.group
        assert read.group
        assert read == Preference(
            **{f: getattr(expected, f) for f in Preference.__slots__} | {"group": group}
        )


def test_the_default_group_is_that_of_the_normalised_user_turns():
    def group(prompt: object) -> str:
        row: Columns = {"prompt": prompt, "chosen": "x", "rejected": "y"}
        return preference(row, Layout.TRL, PLACE).group

    assert group("Why? is  the SKY blue") == group("why is the sky blue?")
    assert group(turns("a", "b", "c")) == group(turns("A", "other", "c!"))
    assert group("a") != group("b")
    assert group(turns("a", "b", "c")) != group("c")


def test_a_category_of_one_layout_is_not_taken_for_that_of_another():
    row: Columns = {"prompt": "p", "chosen": "x", "rejected": "y", "subset": "s", "category": "c"}
    assert preference(row, Layout.REWARDBENCH, PLACE).category == "s"
    assert preference(row, Layout.JURIST, PLACE).category == "c"


TEXTS: Columns = {"prompt": "p", "chosen": "x", "rejected": "y"}
SCRIPT = "\n\nHuman: a\n\nAssistant: "

# name: (row, the layouts it may be in)
AMBIGUOUS: dict[str, tuple[Columns, list[Layout]]] = {
    "scores beside texts with a source": (
        TEXTS | {"source": "s", "score_chosen": 1.0, "score_rejected": 0.0},
        [Layout.ULTRAFEEDBACK_BINARIZED, Layout.JURIST],
    ),
    "subset and category": (
        TEXTS | {"subset": "s", "category": "c"},
        [Layout.REWARDBENCH, Layout.JURIST],
    ),
    "subset and scores": (
        TEXTS | {"subset": "s", "score_chosen": 1.0, "score_rejected": 0.0},
        [Layout.ULTRAFEEDBACK_BINARIZED, Layout.REWARDBENCH],
    ),
    "transcripts beside a prompt": (
        {"prompt": "a", "chosen": SCRIPT + "b", "rejected": SCRIPT + "c"},
        [Layout.HH_RLHF, Layout.TRL],
    ),
    "texts that turn into transcripts": (
        {"chosen": "Say." + SCRIPT + "b", "rejected": "Say." + SCRIPT + "c"},
        [Layout.TRL, Layout.HH_RLHF],
    ),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_columns_of_several_layouts_are_ambiguous(name: str):
    row, expected = AMBIGUOUS[name]
    assert candidates(row) == expected


U = "user"

# name: (layout, columns that differ from a good row, what the refusal must say)
REFUSED: dict[str, tuple[Layout, Columns, str]] = {
    "no rejected": (Layout.TRL, {"rejected": None}, "expected a column 'rejected', found null"),
    "empty prompt": (
        Layout.TRL,
        {"prompt": ""},
        "expected text in the prompt's last turn, found n",
    ),
    "blank prompt": (Layout.JURIST, {"prompt": " \n\u3000"}, "last turn, found white space only"),
    "documents a text": (Layout.TRL, {"documents": "a"}, "'documents' to be a list, found text"),
    "document a number": (Layout.TRL, {"documents": [1]}, "document 1 to be text, or title and"),
    "document empty": (Layout.JURIST, {"documents": ["a", " "]}, "expected text in document 2"),
    "document without text": (Layout.TRL, {"documents": [{"title": "t"}]}, "column 'text'"),
    "document with a url": (
        Layout.TRL,
        {"documents": [{"text": "a", "url": "u"}]},
        "expected only title and text in document 1, found 'url' too",
    ),
    "documents twice": (
        Layout.TRL,
        {
            "documents": ["a"],
            "prompt": [{"role": "document", "content": "b"}, {"role": "user", "content": "q"}],
        },
        "expected documents once",
    ),
    "document last": (
        Layout.TRL,
        {"prompt": [{"role": "user", "content": "q"}, {"role": "document", "content": "b"}]},
        "to end in a user turn, found a turn of role 'document'",
    ),
    "document after a turn": (
        Layout.TRL,
        {
            "prompt": [
                {"role": "system", "content": "s"},
                {"role": "document", "content": "b"},
                {"role": "user", "content": "q"},
            ]
        },
        "expected documents before all turns of the prompt, found one after a turn",
    ),
    "no turns": (Layout.JURIST, {"prompt": []}, "expected a prompt, found no turns"),
    "null prompt": (Layout.JURIST, {"prompt": None}, "expected a column 'prompt', found null"),
    "prompt a number": (Layout.JURIST, {"prompt": 3}, "text or a list of messages, found a number"),
    "prompt an object": (Layout.TRL, {"prompt": {}}, "a list of messages, found an object"),
    "turn a text": (
        Layout.JURIST,
        {"prompt": ["p"]},
        "turn 1 of 'prompt' to be an object, found t",
    ),
    "role unknown": (
        Layout.JURIST,
        {"prompt": [{"role": "human", "content": "p"}]},
        "expected the role of turn 1 of 'prompt' to be system, user, assistant or document, found "
        "'human'",
    ),
    "other names for role and content": (
        Layout.JURIST,
        {"prompt": [{"from": "human", "value": "p"}]},
        "found none among ['from', 'value']",
    ),
    "content null": (
        Layout.JURIST,
        {"prompt": [{"role": U, "content": None}]},
        "expected the content of turn 1 of 'prompt' to be text, found null",
    ),
    "content in parts": (
        Layout.JURIST,
        {"prompt": [{"role": U, "content": [{"type": "image"}]}]},
        "to be text, found a list",
    ),
    "a tool call in a turn": (
        Layout.JURIST,
        {"prompt": [{"tool_calls": [1], "role": U, "content": "p"}]},
        "expected only role and content in turn 1 of 'prompt', found 'tool_calls' too",
    ),
    "last turn not the user's": (
        Layout.JURIST,
        {"prompt": turns("a", "b")},
        "expected the prompt to end in a user turn, found a turn of role 'assistant'",
    ),
    "chosen empty": (Layout.JURIST, {"chosen": ""}, "text in the chosen response, found none"),
    "rejected blank": (Layout.JURIST, {"rejected": "\t"}, "rejected response, found white space"),
    "rejected a number": (Layout.JURIST, {"rejected": 1}, "'rejected' to be text, found a number"),
    "a thousand candidates": (Layout.JURIST, {"chosen": ["x"] * 1000}, "to be text, found a list"),
    "one candidate": (Layout.JURIST, {"chosen": True}, "to be text, found true or false"),
    "the same twice": (Layout.TRL, {"rejected": "x"}, "found chosen and rejected the same"),
    "tie a number": (Layout.JURIST, {"tie": 1}, "expected 'tie' to be true or false, found 1"),
    "tie a text": (Layout.TRL, {"tie": "false"}, "true or false, found 'false'"),
    "margin NaN": (Layout.TRL, {"margin": float("nan")}, "'margin' to be finite, found nan"),
    "margin infinite": (Layout.JURIST, {"margin": float("inf")}, "to be finite, found inf"),
    "margin huge": (Layout.JURIST, {"margin": 10**400}, "to be finite, found 1000"),
    "margin a text": (
        Layout.JURIST,
        {"margin": "2"},
        "expected 'margin' to be a number, found text",
    ),
    "margin true": (Layout.JURIST, {"margin": True}, "to be a number, found true or false"),
    "id empty": (Layout.JURIST, {"id": ""}, "expected an id, found empty text"),
    "id a fraction": (Layout.JURIST, {"id": 1.5}, "'id' to be text or a whole number, found a n"),
    "id true": (Layout.JURIST, {"id": True}, "or a whole number, found true or false"),
    "group empty": (Layout.JURIST, {"group": ""}, "expected a group, found empty text"),
    "group a list": (Layout.JURIST, {"meta": {"group": []}}, "'group' to be text or a whole"),
    "meta a text": (Layout.JURIST, {"meta": "{}"}, "expected 'meta' to be an object, found text"),
    "tied and labelled": (
        Layout.JURIST,
        {"response_a": "x", "response_b": "y"},
        "found 'chosen', 'rejected' beside them",
    ),
    "tied with a label of an unknown name": (
        Layout.JURIST,
        {"chosen": None, "rejected": None, "response_a": "x", "response_b": "y", "winner": "a"},
        "found 'winner' beside them, which may say otherwise",
    ),
    "two responses that are said not to be tied": (
        Layout.JURIST,
        {"chosen": None, "rejected": None, "response_a": "x", "response_b": "y", "tie": False},
        "found 'tie' beside them",
    ),
    "one response of a tie": (
        Layout.JURIST,
        {"chosen": None, "rejected": None, "response_a": "x"},
        "expected a column 'response_b', found the columns",
    ),
    "one a text, one a list": (
        Layout.TRL,
        {"chosen": turns("p", "x")},
        "expected 'chosen' and 'rejected' to be alike, found a list and text",
    ),
    "a prompt that the conversations almost repeat": (
        Layout.TRL,
        {"chosen": turns("p ", "x"), "rejected": turns("p ", "y")},
        "found it to begin with another user turn: 'p '",
    ),
    "conversations that part early": (
        Layout.TRL,
        {
            "prompt": None,
            "chosen": turns("a", "b", "c", "x"),
            "rejected": turns("a", "z", "c", "y"),
        },
        "differ in their last turn only, found them apart from turn 2 of 4 and 4",
    ),
    "conversations of unlike length": (
        Layout.TRL,
        {"prompt": None, "chosen": turns("a", "x", "c", "d"), "rejected": turns("a", "y")},
        "apart from turn 2 of 4 and 2",
    ),
    "responses of several turns": (
        Layout.TRL,
        {
            "chosen": turns("p", "x")[1:] + turns("c", "d"),
            "rejected": turns("p", "y")[1:] + turns("c", "d"),
        },
        "apart from turn 1 of 3 and 3",
    ),
    "conversation that the user ends": (
        Layout.TRL,
        {"prompt": None, "chosen": turns("a", "b", "c"), "rejected": turns("a", "b", "d")},
        "expected 'chosen' to end in an assistant turn, found 'user'",
    ),
    "conversation of nothing": (
        Layout.TRL,
        {"prompt": None, "chosen": [], "rejected": []},
        "expected 'chosen' to end in an assistant turn, found no turns",
    ),
    "no prompt at all": (
        Layout.TRL,
        {"prompt": None, "chosen": turns("", "x")[1:], "rejected": turns("", "y")[1:]},
        "expected a prompt before the response",
    ),
    "texts that share no word": (
        Layout.TRL,
        {"prompt": None, "chosen": "blue sky", "rejected": "black sky"},
        "found no word that they share: 'blue sky' and 'black sky'",
    ),
    "transcript without marks": (Layout.HH_RLHF, {}, "to begin with 'Human:' or 'Assistant:', fou"),
    "transcript that the user ends": (
        Layout.HH_RLHF,
        {"chosen": SCRIPT + "b\n\nHuman: c", "rejected": SCRIPT + "b\n\nHuman: d"},
        "to end in an assistant turn, found 'user'",
    ),
    "transcripts that part early": (
        Layout.HH_RLHF,
        {"chosen": SCRIPT + "b", "rejected": "\n\nHuman: z\n\nAssistant: c"},
        "apart from turn 1 of 2 and 2",
    ),
    "transcript with an empty response": (
        Layout.HH_RLHF,
        {"chosen": SCRIPT, "rejected": SCRIPT + "c"},
        "expected text in the chosen response, found none",
    ),
    "no scores": (
        Layout.ULTRAFEEDBACK_BINARIZED,
        {"score_chosen": 1.0},
        "expected scores in 'score_chosen' and 'score_rejected', found 1.0 and None",
    ),
    "scores that contradict the label": (
        Layout.ULTRAFEEDBACK_BINARIZED,
        {"score_chosen": 1.0, "score_rejected": 2.0},
        "at least as high as the rejected one, found 1.0 and 2.0",
    ),
    "score NaN": (
        Layout.ULTRAFEEDBACK_BINARIZED,
        {"score_chosen": float("nan"), "score_rejected": 2.0},
        "expected 'score_chosen' to be finite, found nan",
    ),
    "a prompt of another conversation": (
        Layout.ULTRAFEEDBACK_BINARIZED,
        {
            "chosen": turns("q", "x"),
            "rejected": turns("q", "y"),
            "score_chosen": 2.0,
            "score_rejected": 1.0,
        },
        "expected 'prompt' among the user turns of 'chosen', found 'p' and 'q'",
    ),
    "no subset": (Layout.REWARDBENCH, {}, "expected a column 'subset', found the columns"),
}


@pytest.mark.parametrize("layout", [Layout.JURIST, Layout.TRL])
def test_documents_are_read_before_the_turns_of_the_prompt(layout: Layout):
    columns = {"documents": ["7 is odd.", {"title": "Eight", "text": "It is even."}]}
    columns["documents"] += [{"title": None, "text": "nine"}]
    read = preference(TEXTS | columns, layout, PLACE)
    plain = preference(TEXTS, layout, PLACE)
    assert [(turn.role, turn.content) for turn in read.prompt[:3]] == [
        ("document", "7 is odd."),
        ("document", "Eight\nIt is even."),
        ("document", "nine"),
    ]
    assert read.prompt[3:] == plain.prompt
    # Another prompt, and so another group.
    assert read.group != plain.group
    for none in ({"documents": None}, {"documents": []}):
        assert preference(TEXTS | none, layout, PLACE) == plain


def test_a_tie_may_have_documents():
    row = {"prompt": "q", "response_a": "a", "response_b": "b", "documents": ["d"]}
    read = preference(row, Layout.JURIST, PLACE)
    assert read.tie and [turn.role for turn in read.prompt] == ["document", "user"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_row_that_is_no_preference_is_refused(name: str):
    layout, changes, reason = REFUSED[name]
    preference(TEXTS, Layout.TRL, PLACE)  # what the changes are made to is good
    with pytest.raises(DataError) as caught:
        preference(TEXTS | changes, layout, PLACE)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt"),
    [
        ("a b", "a b c", "a"),
        ("a b c", "a b d", "a b"),
        ("a bc", "a bd", "a"),
        ("a  x", "a  y", "a"),
        ("a\nx y", "a\nx z", "a\nx"),
        ("a b", "a c", "a"),
    ],
)
def test_texts_part_at_the_first_word_that_differs(chosen: str, rejected: str, prompt: str):
    read = preference({"chosen": chosen, "rejected": rejected}, Layout.TRL, PLACE)
    assert read.prompt == user(prompt)
    assert (prompt + read.chosen, prompt + read.rejected) == (chosen, rejected)


def test_an_earlier_turn_may_be_empty():
    row = TEXTS | {"prompt": turns("a", "", "c")}
    assert preference(row, Layout.TRL, PLACE).prompt == conversation("a", "", "c")


def test_a_null_key_of_a_turn_is_no_key():
    row = TEXTS | {"prompt": [{"role": "user", "content": "p", "tool_calls": None}]}
    assert preference(row, Layout.TRL, PLACE).prompt == user("p")


def test_a_language_is_read_from_its_column_or_from_meta_and_translations_are_one_group():
    row: Columns = {"id": "de-7", "prompt": "p", "chosen": "x", "rejected": "y"}
    sayings: list[Columns] = [{"language": "de"}, {"meta": {"language": "de"}}]
    for said in sayings:
        found = preference({**row, **said}, Layout.JURIST, PLACE)
        assert (found.language, found.pair_name, found.group) == ("de", "7", "7")
    # What the row says itself goes first.
    own: Columns = {**row, "language": "de", "group": "g"}
    assert preference(own, Layout.JURIST, PLACE).group == "g"
    # An id that does not begin with the language names no pair.
    others: list[Columns] = [{"language": "fr"}, {"language": "de", "id": "7"}, {}]
    for other in others:
        found = preference({**row, **other}, Layout.JURIST, PLACE)
        assert found.pair_name is None
        assert found.group == prompt_group(found.prompt)
    with pytest.raises(DataError, match="'language' to be text or a whole number"):
        preference({**row, "language": ["de"]}, Layout.JURIST, PLACE)


@pytest.mark.parametrize(
    "row",
    [
        {"chosen_model": "one", "rejected_model": "other"},
        {"meta": {"chosen_model": "one", "rejected_model": "other"}},
        {"subset": "s", "chosen_model": "one", "rejected_model": "other"},
    ],
)
def test_models_that_wrote_the_responses_are_read_and_written_again(tmp_path, row):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "p", "chosen": "a", "rejected": "b", "id": "i", **row}))
    found = read_preferences(str(path))
    (one,) = found.preferences
    assert (one.chosen_model, one.rejected_model) == ("one", "other")
    for name in ("again.jsonl", "again.parquet"):
        write_preferences(tmp_path / name, found.preferences)
        assert read_preferences(str(tmp_path / name)).preferences == found.preferences
