"""Where two judges differ, counted by hand, whatever places each drew."""

import pytest

from jurist.errors import DataError
from jurist.evaluation import Judged, compare, differences, judged
from jurist.types import Failure, Judgement, Preference, Verdict, user

PAIRS = [
    # id, category, better, worse, one, other; two readings each: a flip is "x" in one order.
    ("0", "sums", "long long", "short", "right", "right"),
    ("1", "sums", "long long", "short", "right", "wrong"),
    ("2", "words", "short", "long long", "wrong", "right"),
    ("3", "words", "short", "long long", "flips", "right"),
    ("4", "words", "same size", "same size", "failed", "failed"),
]


def preference(number: int, **changes) -> Preference:
    name, category, better, worse, _, _ = PAIRS[number]
    values = {"id": name, "category": category, "group": name}
    values |= {"prompt": user("q"), "chosen": better, "rejected": worse}
    return Preference(**{**values, **changes})


def rows(which: int, *, seed: int, preferences=None) -> list[Judged]:
    preferences = preferences or [preference(i) for i in range(len(PAIRS))]
    said = []
    for one, told in zip(preferences, PAIRS, strict=True):
        label = one.shown(seed).label
        if label is Verdict.TIE:
            label = Verdict.FIRST
        first, second = {
            "right": (label, label),
            "wrong": (label.swapped(), label.swapped()),
            "flips": (label, label.swapped()),
            "failed": (Failure.TRUNCATED, Failure.ERROR),
        }[told[4 + which]]
        said.append(
            [
                Judgement(text="", outcome=first),
                Judgement(text="", outcome=second, swapped=True),
            ]
        )
    return judged(preferences, said, seed=seed)


def test_the_same_verdict_is_counted_by_the_label_and_failures_are_one():
    found = differences(rows(0, seed=0), rows(1, seed=3))
    # right right, right wrong, wrong right, tie right, none none.
    assert found.same.value == pytest.approx(2 / 5)
    assert found.kappa is not None
    # one: better 2, worse 1, tie 1, none 1; other: better 3, worse 1, none 1.
    assert found.kappa.expected == pytest.approx((2 * 3 + 1 * 1 + 0 + 1 * 1) / 25)
    assert found.kappa.observed == pytest.approx(2 / 5)


def test_places_that_each_judge_drew_change_nothing():
    same = differences(rows(0, seed=0), rows(1, seed=0))
    assert differences(rows(0, seed=5), rows(1, seed=9)) == same


def test_parts_hold_each_labelled_pair_once_for_each_aspect():
    one, other = rows(0, seed=0), rows(1, seed=1)
    found = differences(one, other)
    by = {(part.aspect, part.name): part for part in found.parts}
    sizes = {key: part.paired.num_pairs for key, part in by.items()}
    assert sizes == {
        ("category", "sums"): 2,
        ("category", "words"): 3,
        ("order", "neither flips"): 3,
        ("order", "only the first flips"): 1,
        ("order", "flips not known of both"): 1,
        ("length", "better one is longer"): 2,
        ("length", "better one is shorter"): 2,
        ("length", "about as long"): 1,
    }
    sums = by["category", "sums"].paired
    assert (sums.wins, sums.losses, sums.both_right) == (1, 0, 1)
    assert by["order", "only the first flips"].same.value == 0.0
    assert by["category", "words"].paired == compare(one[2:], other[2:])


def test_exchanging_the_judges_exchanges_wins_and_losses():
    there = differences(rows(0, seed=0), rows(1, seed=1))
    back = differences(rows(1, seed=1), rows(0, seed=0))
    assert back.same == there.same
    for part, other in zip(there.parts, back.parts, strict=False):
        if part.aspect != "order":
            assert (part.paired.wins, part.paired.losses) == (
                other.paired.losses,
                other.paired.wins,
            )
    assert ("order", "only the second flips") in {(p.aspect, p.name) for p in back.parts}


def test_other_pairs_are_refused():
    others = [preference(i, chosen=f"changed {i}") for i in range(len(PAIRS))]
    with pytest.raises(DataError, match="row 0"):
        differences(rows(0, seed=0), rows(1, seed=0, preferences=others))


def test_rows_labelled_a_tie_count_for_agreement_and_for_no_part():
    tied = [preference(i, tie=i == 1) for i in range(len(PAIRS))]
    found = differences(rows(0, seed=2, preferences=tied), rows(1, seed=2, preferences=tied))
    assert found.kappa is not None and found.kappa.num_items == 5
    assert sum(p.paired.num_pairs for p in found.parts if p.aspect == "category") == 4
