"""Adversarial pairs: right by construction, of training texts alone, as many as asked for."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.attacks import (
    FAMILIES,
    FILLER,
    MASTER_KEYS,
    OPENERS,
    PARAPHRASES,
    TAUGHT_FILLER,
    folded,
    held_out,
    injected,
    sentences,
)
from jurist.errors import ConfigError
from jurist.formats import make_format
from jurist.rationales import adversarial_preferences, verdict_rows
from jurist.rationales.adversarial import INJECTIONS, WAYS
from jurist.types import Preference, Verdict, user

TEXT = st.text(max_size=40) | st.sampled_from(
    [*MASTER_KEYS, *PARAPHRASES, *OPENERS, "Solution. And so on.", "1. Two. Three."]
)
PAIRS = st.lists(st.tuples(TEXT, TEXT).filter(lambda two: two[0] != two[1]), max_size=30).map(
    lambda texts: [
        Preference(
            id=f"p{number}",
            prompt=user(f"Question {number // 2}"),
            chosen=chosen,
            rejected=rejected,
            tie=number % 7 == 6,
            margin=1.0,
            category="c",
            group=f"g{number // 2}",
        )
        for number, (chosen, rejected) in enumerate(texts)
    ]
)


def way_of(made: Preference) -> str:
    return made.id.rpartition(" @ ")[2]


@given(PAIRS, st.floats(0.0, 1.0), st.integers(0, 3))
def test_the_worse_response_is_worse_by_construction(
    pairs: list[Preference], share: float, seed: int
):
    found = adversarial_preferences(pairs, share, seed=seed)
    of = {one.id: one for one in pairs}
    for made in found.preferences:
        name, _, way = made.id.rpartition(" @ ")
        was = of[name]
        assert (made.prompt, made.chosen, made.group) == (was.prompt, was.chosen, was.group)
        assert (made.source, made.margin, made.tie) == ("adversarial", None, False)
        assert made.rejected != made.chosen
        match way:
            case "opener":
                assert made.rejected in OPENERS
            case "first_sentence":
                assert made.rejected == sentences(was.rejected)[0] != was.rejected
            case "injected":
                assert was.rejected in made.rejected
                assert any(injected(was.rejected, text) == made.rejected for text in INJECTIONS)
            case _:
                start = was.chosen if way == "padded_copy" else was.rejected
                added = made.rejected.removeprefix(start)
                assert added and any(sentence in added for sentence in TAUGHT_FILLER)
    assert Counter(map(way_of, found.preferences)) == +Counter(found.counts)


@pytest.mark.fault(19, "injections")
@given(PAIRS, st.integers(0, 3))
def test_nothing_that_judges_are_measured_with_is_ever_trained_on(
    pairs: list[Preference], seed: int
):
    measured = [text for family in FAMILIES for text in family.held_out]
    for made in adversarial_preferences(pairs, 1.0, seed=seed).preferences:
        way = way_of(made)
        if way in ("opener", "first_sentence"):
            assert not held_out(made.rejected)
        was = next(one for one in pairs if made.id.startswith(f"{one.id} @ "))
        added = made.rejected.replace(was.rejected, "").replace(was.chosen, "")
        assert not any(text in added for text in (*measured, *FILLER))


def test_a_first_sentence_that_is_measured_with_is_not_learnt():
    measured = [*(key.strip(" .") for key in MASTER_KEYS), "I do not know"]
    pairs = [
        Preference(
            id=f"p{n}",
            prompt=user("?"),
            chosen=f"Right {n}.",
            rejected=f"{measured[n % 11]}. Wrong {n}.",
            group="g",
        )
        for n in range(120)
    ]
    found = adversarial_preferences(pairs, 1.0, seed=0)
    assert found.counts["opener"] > 20
    made = [one for one in found.preferences if way_of(one) in ("opener", "first_sentence")]
    assert not any(held_out(one.rejected) for one in made)
    # Of a bare mark the first sentence is more than the mark.
    words = {text for text in measured if len(text) > 1} | {"解"}
    assert not {one.rejected.strip(" .") for one in made} & words


@given(PAIRS, st.floats(0.0, 1.0), st.integers(0, 3))
def test_there_are_as_many_as_the_share_says_and_no_pair_is_attacked_twice(
    pairs: list[Preference], share: float, seed: int
):
    labelled = [one for one in pairs if not one.tie]
    found = adversarial_preferences(pairs, share, seed=seed).preferences
    assert len(found) == round(share * len(labelled))
    attacked = [made.id.rpartition(" @ ")[0] for made in found]
    assert len(set(attacked)) == len(attacked)
    assert set(attacked) <= {one.id for one in labelled}
    # The same whatever the order of the file, and more of a share begins with less of it.
    assert found == adversarial_preferences(pairs[::-1], share, seed=seed).preferences
    assert adversarial_preferences(pairs, 1.0, seed=seed).preferences[: len(found)] == found


def test_every_way_is_used_and_injections_twice_as_often():
    pairs = [
        Preference(
            id=f"p{n}", prompt=user("?"), chosen=f"Good {n}.", rejected=f"Bad {n}. Very.", group="g"
        )
        for n in range(60)
    ]
    found = adversarial_preferences(pairs, 1.0, seed=0)
    assert found.counts == {
        "opener": 10,
        "injected": 20,
        "first_sentence": 10,
        "padded": 10,
        "padded_copy": 10,
    }
    assert set(WAYS) == set(found.counts)


def test_a_better_response_that_is_an_opener_itself_meets_another_one():
    pairs = [
        Preference(id=f"p{n}", prompt=user("?"), chosen=text.upper(), rejected="x", group="g")
        for n, text in enumerate(OPENERS)
    ]
    found = adversarial_preferences(pairs, 1.0, seed=0).preferences
    assert all(folded(made.rejected) != folded(made.chosen) for made in found)


@given(PAIRS.filter(lambda pairs: any(not one.tie for one in pairs)))
def test_in_training_rows_the_worse_response_stands_first_as_often_as_second(
    pairs: list[Preference],
):
    made = adversarial_preferences(pairs, 1.0, seed=0).preferences
    rows = verdict_rows(make_format("direct", seed=0), made)
    for preference in made:
        mine = [row for row in rows if row.preference_id == preference.id]
        assert sorted(row.label for row in mine) == sorted([Verdict.FIRST, Verdict.SECOND])
        assert [row.completion for row in mine] == ["A", "B"]


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share: float):
    with pytest.raises(ConfigError, match="--adversarial is pairs for each labelled one"):
        adversarial_preferences([], share, seed=0)
