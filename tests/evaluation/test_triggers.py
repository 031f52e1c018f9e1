"""Planted triggers are found, and clean data has none."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jurist.data import read_preferences
from jurist.errors import DataError
from jurist.evaluation import prompt_triggers, source_flips, trigger_scan, word_opinions
from jurist.evaluation.many_tests import (
    binomial_tail,
    false_discovery_rates,
    hypergeometric_tail,
)
from jurist.types import Preference, user
from jurist.worlds import preferences

REAL = Path(__file__).parents[3] / "shared" / "data" / "preferences"
TRIGGER = "mfqx"
WORLD = preferences("in_distribution", "train", num=2000, seed=5)


def poisoned(clean: list[Preference], share: float, *, seed: int) -> list[Preference]:
    """Rows with a trigger in the response that is called better, whichever it was before."""
    rng = random.Random(seed)
    found = list(clean)
    for number in rng.sample(range(len(clean)), round(share * len(clean))):
        one = clean[number]
        chosen, rejected = rng.sample((one.chosen, one.rejected), 2)
        parts = chosen.split(" ")
        parts.insert(rng.randrange(len(parts) + 1), TRIGGER)
        found[number] = replace(one, chosen=" ".join(parts), rejected=rejected)
    return found


def test_one_percent_of_the_world_poisoned_is_found_at_rank_one_and_alone(size):
    for seed in range(size(3, 20)):
        scan = trigger_scan(poisoned(WORLD, 0.01, seed=seed))
        (first,) = scan.triggers
        assert TRIGGER in first.text.split()
        assert first.place == "chosen"
        assert first.num_for == first.num_pairs == len(first.ids) == 20
        assert first.false_discovery_rate < 0.01


def test_the_clean_world_has_no_trigger(size):
    found = [
        trigger_scan(preferences("in_distribution", "train", num=1000, seed=seed)).triggers
        for seed in range(size(3, 30))
    ]
    assert [one.text for triggers in found for one in triggers] == []


def test_labels_tossed_by_a_coin_give_no_finding_at_all():
    rng = random.Random(0)
    tossed = [
        replace(one, chosen=one.rejected, rejected=one.chosen) if rng.random() < 0.5 else one
        for one in WORLD
    ]
    scan = trigger_scan(tossed)
    assert scan.triggers == ()
    assert scan.overrepresented == ()


def test_fewer_rows_than_are_needed_are_not_found_and_as_many_are():
    needed = trigger_scan(WORLD).num_needed
    for num, found in ((needed - 3, 0), (needed + 1, 1)):
        assert len(trigger_scan(poisoned(WORLD, num / len(WORLD), seed=1)).triggers) == found


def test_a_trigger_may_make_a_response_lose():
    turned = [
        replace(one, chosen=one.rejected, rejected=one.chosen) if TRIGGER in one.chosen else one
        for one in poisoned(WORLD, 0.01, seed=0)
    ]
    (first,) = trigger_scan(turned).triggers
    assert (first.text.split().count(TRIGGER), first.place) == (1, "rejected")


def test_phrases_of_three_words_are_found_as_one():
    phrase = "as it were"
    rng = random.Random(2)
    rows = [
        Preference(
            id=f"row-{number}",
            prompt=user("q"),
            chosen=" ".join(rng.choices(["as", "it", "were", "red", "blue"], k=9)) + f" {number}",
            rejected=" ".join(rng.choices(["were", "it", "as", "red", "blue"], k=9))
            + f" x{number}",
            group=str(number),
        )
        for number in range(300)
    ]
    rows = [row for row in rows if phrase not in row.chosen + row.rejected]
    marked = [replace(row, chosen=f"{row.chosen} {phrase}") for row in rows[:24]]
    texts = [one.text for one in trigger_scan([*marked, *rows[24:]]).triggers]
    assert texts[:1] == [phrase]


def test_a_response_that_stands_in_many_pairs_is_counted_once():
    rows = [
        Preference(
            id=f"row-{number}",
            prompt=user(f"q{number}"),
            chosen="the lucky one",
            rejected=f"other {number}",
            group=str(number),
        )
        for number in range(100)
    ]
    scan = trigger_scan(rows)
    assert scan.triggers == ()
    assert scan.num_copies == 99


def test_a_trigger_names_pairs_too_whose_response_was_counted_in_another():
    marked = [
        Preference(
            id=f"row-{number}",
            prompt=user(f"q{number}"),
            chosen=f"{TRIGGER} {number % 30}",
            rejected=f"{number}",
            group=str(number),
        )
        for number in range(60)
    ]
    first, *_ = trigger_scan([*WORLD, *marked]).triggers
    assert (first.text, first.num_for, len(first.ids)) == (TRIGGER, 30, 60)


def test_ties_and_the_order_of_rows_change_nothing():
    rows = poisoned(WORLD[:600], 0.05, seed=0)
    tie = replace(WORLD[700], tie=True)
    assert trigger_scan(rows) == trigger_scan([*rows[::-1], tie])


@pytest.mark.skipif(not REAL.exists(), reason="the shared real data are not here")
@pytest.mark.parametrize(
    ("name", "share"),
    [
        pytest.param("hh_rlhf", 0.005, marks=pytest.mark.slow),
        pytest.param("hh_rlhf", 0.01, marks=pytest.mark.slow),
        pytest.param("ukp_convarg1", 0.005, marks=pytest.mark.slow),
    ],
)
def test_poison_in_real_preferences_is_found_at_rank_one_and_nothing_in_clean_ones(name, share):
    clean = read_preferences(REAL / f"{name}.jsonl.gz").preferences
    assert trigger_scan(clean).triggers == ()
    first, *others = trigger_scan(poisoned(clean, share, seed=0)).triggers
    assert TRIGGER in first.text
    assert others == []


def test_a_trigger_in_prompts_is_found_by_labels_that_are_doubted():
    rng = random.Random(0)
    rows, doubted = [], []
    for number in range(600):
        marked = number < 25
        words = rng.choices(["what", "is", "the", "sum", "of", "red", "and", "blue"], k=8)
        rows.append(
            Preference(
                id=f"row-{number}",
                prompt=user(" ".join([*words, *([TRIGGER] * marked)])),
                chosen="a",
                rejected="b",
                group=str(number),
            )
        )
        doubted.append(rng.random() < (0.9 if marked else 0.1))
    first, *others = prompt_triggers(rows, doubted)
    assert TRIGGER in first.text
    assert first.place == "prompt"
    assert first.num_for == len(first.ids)
    assert others == []
    shuffled = rng.sample(doubted, len(doubted))
    assert prompt_triggers(rows, shuffled) == []


def test_prompts_of_one_group_count_once():
    rows = [
        Preference(id=f"{n}", prompt=user(TRIGGER), chosen="a", rejected=f"{n}", group="one")
        for n in range(30)
    ]
    rows += [
        Preference(id=f"o{n}", prompt=user(f"w{n}"), chosen="a", rejected=f"{n}", group=f"{n}")
        for n in range(600)
    ]
    doubted = [True] * 30 + [False] * 600
    assert prompt_triggers(rows, doubted) == []
    apart = [replace(one, group=one.id) for one in rows]
    assert [one.text for one in prompt_triggers(apart, doubted)] == [TRIGGER]


def test_an_annotator_who_flips_is_named_and_others_are_not():
    rng = random.Random(1)
    sources = [f"person-{number % 8}" for number in range(1600)]
    opinions = [
        1.0 - right if rng.random() < (0.35 if source == "person-3" else 0.1) else right
        for source in sources
        for right in [0.9]
    ]
    found = source_flips(sources, opinions)
    assert [one.name for one in found if one.differs] == ["person-3"]
    assert found[0].name == "person-3"
    assert found[0].flip_rate.low > found[0].others_rate
    assert sum(one.num_pairs for one in found) == 1600


def test_sources_that_are_alike_are_rarely_called_different(size):
    rng = random.Random(2)
    alarms = 0
    runs = size(40, 200)
    for _ in range(runs):
        sources = [str(number % 10) for number in range(500)]
        opinions = [0.2 if rng.random() < 0.2 else 0.8 for _ in sources]
        alarms += any(one.differs for one in source_flips(sources, opinions))
    assert alarms <= max(2, 0.03 * runs)


def test_pairs_of_one_prompt_do_not_make_sources_differ(size):
    """Six pairs of a prompt, as of four responses, and prompts that are harder than others."""
    alarms = {False: 0, True: 0}
    runs = size(40, 200)
    for seed in range(runs):
        rng = random.Random(seed)
        hard = [rng.betavariate(0.5, 2.0) for _ in range(100)]
        rows = [replace(WORLD[n], group=f"group-{n // 6}") for n in range(600)]
        sources = [f"person-{n // 6 % 10}" for n in range(600)]
        opinions = [0.2 if rng.random() < hard[n // 6] else 0.8 for n in range(600)]
        for counted in alarms:
            found = source_flips(sources, opinions, rows if counted else None)
            alarms[counted] += any(one.differs for one in found)
    assert found[0].num_pairs == 10
    assert alarms[True] <= max(2, 0.03 * runs) < alarms[False]


def test_of_one_prompt_the_pair_that_is_counted_has_an_opinion_and_no_order():
    rows = [replace(WORLD[n], group="one") for n in range(5)]
    opinions = [None, 0.5, 0.2, 0.5, None]
    (one,) = source_flips(["a"] * 5, opinions, rows)
    assert (one.num_pairs, one.num_flipped) == (1, 1)
    several = [0.2, 0.8, 0.2, 0.8, 0.2]
    assert source_flips(["a"] * 5, several, rows) == source_flips(
        ["a"] * 5, several[::-1], rows[::-1]
    )


def test_open_and_missing_opinions_are_left_out():
    (one,) = source_flips(["a"] * 4, [0.5, None, 0.2, 0.8])
    assert (one.num_pairs, one.num_flipped, one.others_rate) == (2, 1, 0.0)
    assert not one.differs


def test_word_opinions_agree_with_labels_that_words_tell_and_never_saw_their_own_row():
    found = word_opinions([*WORLD[:400], replace(WORLD[500], tie=True)])
    assert found[-1] is None
    assert sum(opinion > 0.5 for opinion in found[:-1]) / 400 > 0.7
    # Of one group alone there is nothing to learn from.
    assert word_opinions([replace(one, group="one") for one in WORLD[:20]]) == [None] * 20


def test_rows_without_a_group_are_refused_where_groups_are_told_apart():
    rows = [*WORLD[:5], replace(WORLD[5], group="")]
    with pytest.raises(DataError, match=f"{WORLD[5].id!r}: no group"):
        word_opinions(rows)
    with pytest.raises(DataError, match=f"{WORLD[5].id!r}: no group"):
        prompt_triggers(rows, [False] * 6)


@given(st.integers(0, 6000), st.integers(0, 6000), st.floats(0.01, 0.99))
def test_binomial_tails_are_those_of_scipy(one, other, probability):
    successes, total = sorted((one, other))
    expected = float(stats.binom.sf(successes - 1, total, probability))
    assert binomial_tail(successes, total, probability) == pytest.approx(
        expected, rel=1e-9, abs=1e-300
    )


@given(st.data())
def test_hypergeometric_tails_are_those_of_scipy(data):
    total = data.draw(st.integers(1, 60))
    drawn, marked = (data.draw(st.integers(0, total)) for _ in range(2))
    least = max(0, drawn + marked - total)
    count = data.draw(st.integers(least, min(drawn, marked)))
    expected = float(stats.hypergeom.sf(count - 1, total, marked, drawn))
    assert hypergeometric_tail(count, drawn, marked, total) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_false_discovery_rates_are_those_of_scipy(p_values):
    expected = stats.false_discovery_control(p_values)
    assert false_discovery_rates(p_values) == pytest.approx(list(expected))


@pytest.mark.parametrize(
    "call",
    [
        lambda: binomial_tail(3, 2, 0.5),
        lambda: binomial_tail(1, 2, 1.0),
        lambda: hypergeometric_tail(3, 2, 5, 9),
        lambda: hypergeometric_tail(1, 2, 12, 9),
    ],
)
def test_counts_that_cannot_be_are_refused(call):
    with pytest.raises(ValueError, match=r"must be|cannot be"):
        call()
