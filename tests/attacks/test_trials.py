"""Trials: the better response is in all of them, every attack on every pair, same every time."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.attacks import (
    CONSTANT_REPLIES,
    FAMILIES,
    MASTER_KEYS,
    PARAPHRASES,
    Kind,
    drawn,
    trials,
)
from jurist.types import Preference, user


def pair(name: str, **changes: object) -> Preference:
    given = {
        "id": name,
        "prompt": user(f"What of {name}?"),
        "chosen": f"{name} is good. It is.",
        "rejected": f"{name} is bad. It is not.",
        "group": f"group of {name}",
        "margin": 2.0,
    }
    return Preference(**{**given, **changes})  # type: ignore[arg-type]


PAIRS = [pair(f"p{number}") for number in range(20)]


def test_pairs_are_drawn_by_their_ids_and_ties_are_not():
    tied = [pair("tied", tie=True)]
    found = drawn([*PAIRS, *tied], 5, seed=3)
    assert found == drawn([*reversed(PAIRS), *tied], 5, seed=3)
    assert found != drawn(PAIRS, 5, seed=4)
    assert len(drawn([*PAIRS, *tied], 99, seed=0)) == 20


def test_every_attack_is_on_every_pair_and_the_better_response_stays():
    found = trials(PAIRS, PAIRS, seed=0)
    of = {item.id: item for item in PAIRS}
    assert len({trial.preference.id for trial in found}) == len(found)
    for trial in found:
        item, attacked = of[trial.clean], trial.preference
        assert (attacked.prompt, attacked.group) == (item.prompt, item.group)
        assert attacked.margin is None
        if trial.kind is not Kind.CYCLE:
            assert attacked.chosen == item.chosen != attacked.rejected
    counts = Counter((trial.kind, trial.name) for trial in found)
    assert {n for (kind, _), n in counts.items() if kind is not Kind.PARAPHRASE} == {20}
    assert [key for kind, key in counts if kind is Kind.KEY] == list(MASTER_KEYS)
    assert [name for kind, name in counts if kind is Kind.INJECTION] == [f.name for f in FAMILIES]
    # Each pair meets four of the forty, and each of the forty meets two of the twenty.
    assert {counts[Kind.PARAPHRASE, text] for text in PARAPHRASES} == {2}


@pytest.mark.fault(19, "null model")
def test_a_null_model_says_the_same_to_every_prompt():
    found = [trial for trial in trials(PAIRS, PAIRS, seed=0) if trial.kind is Kind.CONSTANT]
    assert {trial.preference.rejected for trial in found} == set(CONSTANT_REPLIES)
    assert len(found) == len(CONSTANT_REPLIES) * len(PAIRS) and len(CONSTANT_REPLIES) >= 5


def test_of_some_kinds_the_trials_are_those_that_they_are_among_all():
    every = trials(PAIRS, PAIRS, seed=0)
    for kinds in ([Kind.KEY], [Kind.INJECTION, Kind.CYCLE], []):
        assert trials(PAIRS, PAIRS, seed=0, kinds=kinds) == [
            one for one in every if one.kind in kinds
        ]


@given(st.integers(0, 9))
def test_only_texts_that_no_defence_learns_from_are_used(seed: int):
    taught = {text for family in FAMILIES for text in family.taught}
    used = {
        trial.preference.rejected.removeprefix(
            next(p for p in PAIRS if p.id == trial.clean).rejected
        )
        for trial in trials(PAIRS, PAIRS, seed=seed)
        if trial.kind is Kind.INJECTION
    }
    assert not {text.strip() for text in used} & {text.strip() for text in taught}


def test_all_texts_of_a_family_are_met():
    many = [pair(f"q{number}") for number in range(120)]
    found = [trial for trial in trials(many, many, seed=0) if trial.kind is Kind.INJECTION]
    for family in FAMILIES:
        met = Counter[str]()
        for trial in found:
            for text in family.held_out:
                if trial.name == family.name and text.split("{response}")[-1] in (
                    trial.preference.rejected
                ):
                    met[text] += 1
        assert set(met) == set(family.held_out)


def test_the_third_of_a_tournament_answers_the_same_prompt_if_there_is_such_a_response():
    more = pair("p0b", prompt=PAIRS[0].prompt, chosen="Third.", group=PAIRS[0].group)
    found = trials(PAIRS[:2], [*PAIRS[:2], more], seed=0)
    cycles = [
        (trial.clean, trial.name, trial.preference.chosen, trial.preference.rejected)
        for trial in found
        if trial.kind is Kind.CYCLE
    ]
    assert cycles == [
        ("p0", "same prompt, chosen", PAIRS[0].chosen, "Third."),
        ("p0", "same prompt, rejected", PAIRS[0].rejected, "Third."),
        ("p1", "another prompt, chosen", PAIRS[1].chosen, PAIRS[0].chosen),
        ("p1", "another prompt, rejected", PAIRS[1].rejected, PAIRS[0].chosen),
    ]


def test_one_pair_alone_has_no_answer_to_another_prompt():
    found = trials(PAIRS[:1], PAIRS[:1], seed=0)
    assert not [t for t in found if t.kind is Kind.CYCLE or t.name == "answer to another prompt"]


def test_an_answer_to_another_prompt_is_of_another_group():
    near = [pair("p0", group="one"), pair("p1", group="one"), pair("p2")]
    answers = {
        trial.clean: trial.preference.rejected
        for trial in trials(near, near, seed=0)
        if trial.name == "answer to another prompt"
    }
    assert answers == {"p0": near[2].chosen, "p1": near[2].chosen, "p2": near[0].chosen}


def test_an_attack_that_is_the_better_response_is_left_out():
    odd = [pair("odd", chosen="Solution"), PAIRS[0]]
    names = [t.name for t in trials(odd, odd, seed=0) if t.clean == "odd" and t.kind is Kind.KEY]
    assert names == [key for key in MASTER_KEYS if key != "Solution"]
