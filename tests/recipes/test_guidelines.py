"""Principles, rubrics and references from files, and what is said of files that are none."""

import json

import pytest

from jurist.errors import ConfigError, DataError
from jurist.formats import Pointwise, Principle, Principles, Prometheus, Rubric
from jurist.recipes.guidelines import read_aspects, read_principles, read_prometheus
from jurist.types import Comparison, Message, user

LEVELS = ["bad", "poor", "fair", "good", "best"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "at least one aspect"),
        ('{"aspect": " "}', ":1: expected an aspect of its own"),
        ('{"aspect": "a"}\n\n{"aspect": "a "}', ":3: expected an aspect of its own, found 'a'"),
        ('{"text": "a"}', ":1: expected an object such as"),
        ("nothing", ":1: expected JSON, found an error at column 1"),
    ],
)
def test_what_holds_no_aspects_is_refused(tmp_path, text, fault):
    path = tmp_path / "aspects.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=fault):
        read_aspects(str(path))


def test_principles_are_read_in_their_order(tmp_path):
    path = tmp_path / "principles.jsonl"
    path.write_text(
        '{"text": "Be kind.", "opposite": "Be unkind."}\n\n'
        '{"text": "Be brief.", "opposite": "Be long.", "negated": true}\n'
    )
    assert read_principles(str(path)) == (
        Principle(text="Be kind.", opposite="Be unkind."),
        Principle(text="Be brief.", opposite="Be long.", negated=True),
    )


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("be kind", ":1: expected JSON, found an error at column 1.*; a line is such as"),
        ("[1]", "expected JSON Lines, one object a line, found a JSON array"),
        ('{"text": "x"}', "found opposite missing"),
        ('{"text": "x", "opposite": "y", "weight": 1}', "found weight unknown"),
        ('{"text": 1, "opposite": "y"}', "found text wrong"),
        ('{"text": "x", "opposite": "y", "negated": "yes"}', "found negated wrong"),
        ('{"text": " ", "opposite": "y"}', ":1: text of a principle must be one line"),
        ("", "expected at least one principle, found none"),
    ],
)
def test_what_is_no_principle_is_refused_with_its_place(tmp_path, line, fault):
    path = tmp_path / "principles.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=fault):
        read_principles(str(path))


def test_files_that_are_not_named_or_not_there_are_said(tmp_path):
    with pytest.raises(ConfigError, match="needs --principles FILE"):
        read_principles("")
    with pytest.raises(ConfigError, match="needs --rubric FILE"):
        read_prometheus("", "", seed=0)
    with pytest.raises(DataError, match=r"none\.jsonl: cannot read"):
        read_principles(str(tmp_path / "none.jsonl"))


TEMPLATES = "{{ 7 * 7 }} {mark} {0.__class__} %(x)s ${x} {% raise %} {criteria} <b>"


@pytest.mark.fault(26, "template")
def test_guidelines_of_users_are_text_and_no_templates():
    """They stand in the prompt byte for byte, whatever of a template's language is in them."""
    rubric = Rubric(criteria=TEMPLATES, levels=tuple(f"{n} {TEMPLATES}" for n in range(5)))
    references = {user("Q"): TEMPLATES}
    said = Prometheus(rubric=rubric, references=references).render(user("Q"), TEMPLATES)
    assert said[-1].content.count(TEMPLATES) == 8
    pair = Comparison(prompt=user(TEMPLATES), first=TEMPLATES, second=f"{TEMPLATES}!")
    principle = Principle(text=TEMPLATES, opposite=f"no {TEMPLATES}")
    said = Principles(principles=(principle,)).render(pair)
    assert said[-1].content.count(TEMPLATES) == 4
    said = Pointwise(aspect=TEMPLATES).render(user(TEMPLATES), TEMPLATES)
    assert said[-1].content.count(TEMPLATES) == 3


def test_a_rubric_and_its_references_make_a_format(tmp_path):
    rubric, references = tmp_path / "rubric.json", tmp_path / "references.jsonl"
    rubric.write_text(json.dumps({"criteria": "Is it so?", "levels": LEVELS}))
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    rows = [{"prompt": "2 + 2?", "reference": "4"}, {"prompt": chat, "reference": "Bye"}]
    references.write_text("\n".join(map(json.dumps, rows)))
    form = read_prometheus(str(rubric), str(references), seed=3)
    assert form.rubric == Rubric(criteria="Is it so?", levels=tuple(LEVELS))
    assert form.seed == 3
    assert form.references == {
        user("2 + 2?"): "4",
        (Message(role="user", content="Hi"), Message(role="assistant", content="Yes?")): "Bye",
    }
    assert read_prometheus(str(rubric), "", seed=3).references == {}


@pytest.mark.parametrize(
    ("rubric", "fault"),
    [
        ({"criteria": "x", "levels": LEVELS[:4]}, "has 5 levels, got 4"),
        ({"criteria": "x", "levels": [1, 2, 3, 4, 5]}, "expected levels to be text"),
        ({"criteria": "", "levels": LEVELS}, "must not be empty"),
        ({"levels": LEVELS}, "found criteria missing"),
    ],
)
def test_what_is_no_rubric_is_refused(tmp_path, rubric, fault):
    path = tmp_path / "rubric.json"
    path.write_text(json.dumps(rubric))
    with pytest.raises(DataError, match=fault):
        read_prometheus(str(path), "", seed=0)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"prompt": "x"}, ":2: .*found reference missing"),
        ({"prompt": [{"role": "x"}], "reference": "y"}, ":2: expected the role of turn 1"),
        ({"prompt": "once", "reference": "y"}, ":2: expected one reference for each prompt"),
    ],
)
def test_what_is_no_reference_is_refused(tmp_path, row, fault):
    rubric, references = tmp_path / "rubric.json", tmp_path / "references.jsonl"
    rubric.write_text(json.dumps({"criteria": "x", "levels": LEVELS}))
    rows = [{"prompt": "once", "reference": "z"}, row]
    references.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=fault):
        read_prometheus(str(rubric), str(references), seed=0)
