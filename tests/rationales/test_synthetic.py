"""Pairs made of prompts: whose response is which, and what makes no pair."""

import dataclasses

import pytest

from jurist.engines import ScriptedEngine
from jurist.errors import ConfigError
from jurist.formats import Variation
from jurist.rationales import synthetic_preferences
from jurist.types import Completion, Preference, Sampling, user

SAMPLING = Sampling(max_tokens=8)
CUT = Completion(text="1 2 3", finish_reason="length")


def writer(**replies: str | Completion) -> ScriptedEngine:
    """Replies `answer to X` to X and `near X` where it is asked for a variation of X."""

    def reply(prompt, index):
        content = prompt[0].content
        asked = content.split(" ")[2] if content.startswith("#") else ""
        name = f"vary_{asked}" if asked else content.replace(" ", "_")
        return replies.get(name, f"near {asked}" if asked else f"answer to {content}")

    return ScriptedEngine(reply)


def preference(name: str) -> Preference:
    return Preference(
        id=f"id-{name}",
        prompt=user(name),
        chosen=f"chosen {name}",
        rejected=f"rejected {name}",
        margin=1.0,
        category="c",
        group=f"g-{name}",
    )


def made(engine, *names, good="sampled"):
    return synthetic_preferences(
        engine,
        Variation(terse=True),
        [preference(name) for name in names],
        SAMPLING,
        good=good,
    )


def test_the_answer_to_the_prompt_is_chosen_and_the_answer_to_its_variation_rejected():
    (pair,) = made(writer(), "x").preferences
    assert pair == Preference(
        id="id-x",
        prompt=user("x"),
        chosen="answer to x",
        rejected="answer to near x",
        source="synthetic",
        group="g-x",
    )


def test_the_datas_chosen_response_may_stand_in_and_a_tie_has_none():
    (pair,) = made(writer(), "x", good="chosen").preferences
    assert (pair.chosen, pair.rejected) == ("chosen x", "answer to near x")
    tie = dataclasses.replace(preference("y"), tie=True)
    found = synthetic_preferences(
        writer(), Variation(terse=True), [preference("x"), tie], SAMPLING, good="chosen"
    )
    assert (found.counts["no_response"], found.counts["pairs"]) == (1, 1)


def test_what_makes_no_pair_is_counted_and_shifts_no_other():
    engine = writer(
        mute=" ",
        cut=CUT,
        vary_same="same",
        vary_lost=CUT,
        near_worse="",
        near_alike="answer to alike",
    )
    names = ("one", "mute", "cut", "same", "lost", "worse", "alike", "two")
    found = made(engine, *names)
    assert found.counts == {
        "prompts": 8,
        "no_response": 2,
        "no_variation": 2,
        "no_worse_response": 1,
        "alike": 1,
        "pairs": 2,
    }
    assert [(pair.chosen, pair.rejected) for pair in found.preferences] == [
        ("answer to one", "answer to near one"),
        ("answer to two", "answer to near two"),
    ]


def test_each_prompt_is_used_once_and_no_label_is_looked_at():
    turned = [
        dataclasses.replace(preference("x"), chosen="rejected x", rejected="chosen x"),
        dataclasses.replace(preference("x"), id="again", tie=True),
        preference("y"),
    ]
    found = synthetic_preferences(writer(), Variation(terse=True), turned, SAMPLING, good="sampled")
    assert len(found.preferences) == 2
    assert {(one.prompt, one.chosen, one.rejected) for one in found.preferences} == {
        (one.prompt, one.chosen, one.rejected) for one in made(writer(), "x", "y").preferences
    }


def test_nothing_but_failures_stops_the_run():
    with pytest.raises(ConfigError, match=r"no synthetic pairs: .*'no_variation': 1"):
        made(writer(vary_x=""), "x")
