"""Robustness: every number by hand on judges whose weakness is known."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from jurist.attacks import (
    FAMILIES,
    MASTER_KEYS,
    PARAPHRASES,
    Kind,
    drawn,
    num_informative,
    trials,
)
from jurist.errors import DataError
from jurist.evaluation import AttackResult, Judged, Robustness, judged, robustness
from jurist.judges import BothOrders
from jurist.types import Comparison, Failure, Judgement, Preference, Verdict, user

PAIRS = [
    Preference(
        id=f"p{n}",
        prompt=user(f"What is the right colour of object number {n}?"),
        chosen=f"Right: its colour is number {n} indeed, as everybody can see.",
        rejected=f"Its colour is number {n + 1} instead, as nobody can see.",
        group=f"g{n}",
    )
    for n in range(40)
]
Scoring = Callable[[str], float | None]


def by_scores(score: Scoring):
    """A judge that prefers the greater score, is tied on equal ones and fails where there is
    none."""

    def judge(comparisons: list[Comparison]) -> list[list[Judgement]]:
        return [[Judgement(text="", outcome=outcome(one))] for one in comparisons]

    def outcome(one: Comparison) -> Verdict | Failure:
        first, second = score(one.first), score(one.second)
        if first is None or second is None:
            return Failure.UNPARSEABLE
        if first == second:
            return Verdict.TIE
        return Verdict.FIRST if first > second else Verdict.SECOND

    return BothOrders(judge)


def under_attack(judge, pairs=PAIRS, num: int = 40) -> Robustness:
    items = drawn(pairs, num, seed=0)
    some = trials(items, pairs, seed=0)
    shown = [trial.preference for trial in some]

    def rows(preferences: list[Preference]) -> list[Judged]:
        said = judge([one.shown(0).comparison for one in preferences])
        return judged(preferences, said, seed=0)

    return robustness(rows(items), some, rows(shown), num_resamples=50)


def of(found: Robustness, kind: Kind, name: str = "") -> AttackResult:
    (one,) = [one for one in found.attacks if one.kind is kind and name in ("", one.name)]
    return one


def right(text: str) -> float:
    return 1.0 if text.startswith("Right") else 0.0


@pytest.mark.fault(19, "master keys", "null model", "injections", "padding")
def test_a_judge_that_cannot_be_fooled_is_not():
    # It sees what is right even under markup, and holds the longer of two right ones for worse.
    found = under_attack(
        by_scores(lambda text: 1000.0 - len(text) if "Right:" in text else -float(len(text)))
    )
    assert found.accuracy.value == found.gated_accuracy.value == 1.0
    assert found.consistency is not None and found.consistency.value == 1.0
    assert found.mean_key.value == found.mean_key_single.value == 0.0
    # 40 pairs, none fooled: Wilson's interval.
    assert found.mean_key.high == pytest.approx(3.8415 / 43.8415, abs=1e-3)
    assert found.resistance is not None and found.resistance.value == 1.0
    assert all(one.preferred.value == 0.0 for one in found.attacks if one.kind is not Kind.EMPTY)
    assert [one.name for one in found.attacks if one.kind is Kind.INJECTION] == [
        family.name for family in FAMILIES
    ]
    assert found.tournaments.num > 0 and found.tournaments.num_same_prompt == 0
    assert found.tournaments.cycles is not None and found.tournaments.cycles.value == 0.0


@pytest.mark.fault(19, "master keys")
def test_a_key_that_always_wins_is_the_worst_and_the_mean_knows_it():
    found = under_attack(by_scores(lambda text: 2.0 if text == "Solution" else right(text)))
    assert found.worst_key == "Solution"
    assert of(found, Kind.KEY, "Solution").preferred.value == 1.0
    assert found.mean_key.value == pytest.approx(0.1)
    assert found.mean_key_single.value == pytest.approx(0.1)
    # The gate shows no such key to the judge.
    assert of(found, Kind.KEY, "Solution").gated.value == found.mean_key_gated.value == 0.0
    resistance = of(found, Kind.KEY, "Solution").resistance
    assert resistance is not None and resistance.value == 0.0


def test_a_liking_for_a_place_is_seen_in_one_order_and_not_in_the_verdict():
    def always_first(comparisons):
        return [[Judgement(text="", outcome=Verdict.FIRST)] for _ in comparisons]

    found = under_attack(BothOrders(always_first))
    key = of(found, Kind.KEY, ".")
    assert (key.preferred.value, key.single.value, key.num_ties) == (0.0, 0.5, 40)
    assert found.consistency is not None and found.consistency.value == 0.0
    # It judged no pair right, so there is nothing that could be turned.
    assert found.resistance is None and key.num_right == 0
    assert found.tournaments.cycles is None and found.tournaments.num == 0


@pytest.mark.fault(19, "injections")
def test_resistance_is_of_the_pairs_that_were_judged_right():
    def score(text: str) -> float:
        wrong_before = "number 8 " in text or "number 9 " in text
        if "Dear reader" in text or "Pick me" in text or "Whoever reads" in text:
            return 2.0
        return right(text) * (-1.0 if wrong_before else 1.0)

    found = under_attack(by_scores(score))
    plea, praise = (of(found, Kind.INJECTION, name) for name in ("plea", "self-praise"))
    assert (
        plea.num_right
        == praise.num_right
        == sum(score(pair.chosen) > score(pair.rejected) for pair in PAIRS)
    )
    assert plea.resistance is not None and plea.resistance.value == 0.0
    assert praise.resistance is not None and praise.resistance.value == 1.0
    assert plea.taught
    assert found.resistance is not None
    assert found.resistance.value == pytest.approx(1.0 - 1.0 / len(FAMILIES))
    # No family that a defence sees nothing of was lost.
    assert found.unseen_resistance is not None and found.unseen_resistance.value == 1.0
    assert plea.flips is not None and plea.flips.value == plea.num_right / 40


@pytest.mark.fault(19, "padding")
def test_a_judge_that_likes_length_prefers_every_padded_copy():
    found = under_attack(by_scores(lambda text: float(len(text))))
    copies = [one for one in found.attacks if one.kind is Kind.COPY]
    assert [one.preferred.value for one in copies] == [1.0, 1.0]
    assert all(one.resistance is None and one.flips is None for one in copies)
    padding = of(found, Kind.PADDING, "filler")
    assert padding.preferred.value == 1.0 and padding.resistance is not None
    assert padding.resistance.value == 0.0


def test_ties_and_failures_are_counted_apart_and_are_no_win():
    def score(text: str) -> float | None:
        if text == ",":
            return None
        return 1.0 if text == "." else right(text)

    found = under_attack(by_scores(score))
    comma, stop = of(found, Kind.KEY, ","), of(found, Kind.KEY, ".")
    assert (comma.preferred.value, comma.num_failures, comma.num_ties) == (0.0, 40, 0)
    assert (stop.preferred.value, stop.num_failures, stop.num_ties) == (0.0, 0, 40)


def test_a_flip_is_a_verdict_that_changes_in_terms_of_the_responses():
    found = under_attack(by_scores(lambda text: 1.0 if "**" in text else right(text) / 2))
    markup = of(found, Kind.DRESSING, "markup")
    assert markup.flips is not None and markup.flips.value == 1.0
    reference = of(found, Kind.DRESSING, "reference")
    assert reference.flips is not None and reference.flips.value == 0.0


def test_a_pair_that_has_no_verdict_under_attack_is_no_flip():
    def score(text: str) -> float | None:
        return None if "**" in text and "number 8 " in text else right(text)

    markup = of(under_attack(by_scores(score)), Kind.DRESSING, "markup")
    assert markup.flips is not None
    assert (markup.num_failures, markup.flips.value) == (1, 0.0)


def test_intervals_are_over_groups_and_not_over_pairs():
    pairs = [replace(one, group=f"g{number % 4}") for number, one in enumerate(PAIRS)]
    found = under_attack(by_scores(right), pairs)
    assert (found.num_pairs, found.num_groups) == (40, 4)
    # Four groups, none fooled: Wilson's interval.
    assert found.mean_key.value == 0.0
    assert found.mean_key.high == pytest.approx(3.8415 / 7.8415, abs=1e-3)


def test_the_gate_costs_accuracy_where_right_answers_are_short():
    pairs = [replace(one, chosen=f"Right {one.id}") for one in PAIRS]
    assert num_informative(pairs[0].chosen) == 2
    found = under_attack(by_scores(right), pairs)
    assert (found.accuracy.value, found.gated_accuracy.value) == (1.0, 0.0)


def test_a_circle_of_three_is_a_cycle():
    more = [
        replace(one, id=f"{one.id}b", chosen="Third of all.", rejected="Fourth of all.")
        for one in PAIRS[:10]
    ]
    beats = {("Right", "Its"), ("Its", "Third"), ("Third", "Right")}

    def judge(comparisons: list[Comparison]) -> list[list[Judgement]]:
        return [[Judgement(text="", outcome=verdict(one))] for one in comparisons]

    def verdict(one: Comparison) -> Verdict:
        first, second = ((text.split() or [""])[0].strip(":") for text in (one.first, one.second))
        if (first, second) in beats:
            return Verdict.FIRST
        return Verdict.SECOND if (second, first) in beats else Verdict.TIE

    items, pool = PAIRS[:20], [*PAIRS[:20], *more]
    some = [trial for trial in trials(items, pool, seed=0)]
    shown = [trial.preference for trial in some]
    both = BothOrders(judge)
    clean, attacked = (
        judged(rows, both([one.shown(0).comparison for one in rows]), seed=0)
        for rows in (items, shown)
    )
    found = robustness(clean, some, attacked, num_resamples=50).tournaments
    # Where the third answers another prompt it is tied with the first, and nothing is counted.
    assert (found.num, found.num_same_prompt) == (10, 10)
    assert found.cycles is not None and found.cycles.value == 1.0


def test_paraphrases_are_one_attack_with_four_trials_a_pair():
    texts = set(PARAPHRASES[:4])
    found = under_attack(by_scores(lambda text: 2.0 if text in texts else right(text)))
    one = of(found, Kind.PARAPHRASE)
    assert one.num_pairs == 40 and one.preferred.value == pytest.approx(4 / 40)
    assert one.resistance is not None and one.resistance.value == pytest.approx(0.9)


def test_nothing_to_attack_and_verdicts_on_other_trials_are_refused():
    some = trials(PAIRS[:2], PAIRS[:2], seed=0)
    with pytest.raises(DataError, match="no pairs"):
        robustness([], some, [])
    both = by_scores(right)
    clean = judged(PAIRS[:2], both([one.shown(0).comparison for one in PAIRS[:2]]), seed=0)
    with pytest.raises(DataError, match="verdicts on 0"):
        robustness(clean, some, [])
    with pytest.raises(DataError, match="was not judged, or is of other pairs"):
        robustness(clean, some[:2], clean)


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (Kind.KEY, "", "none of them with a master key"),
        (Kind.CYCLE, "another prompt, rejected", "of each pair against it, found 3 and 0"),
    ],
)
def test_trials_that_a_number_is_over_must_be_there(kind: Kind, name: str, message: str):
    some = [
        one
        for one in trials(PAIRS[:3], PAIRS[:3], seed=0)
        if not (one.kind is kind and name in ("", one.name))
    ]
    both = by_scores(right)
    clean, attacked = (
        judged(rows, both([one.shown(0).comparison for one in rows]), seed=0)
        for rows in (PAIRS[:3], [trial.preference for trial in some])
    )
    with pytest.raises(DataError, match=message):
        robustness(clean, some, attacked, num_resamples=50)


def test_the_keys_come_in_the_published_order():
    found = under_attack(by_scores(right))
    assert [one.name for one in found.attacks if one.kind is Kind.KEY] == list(MASTER_KEYS)
