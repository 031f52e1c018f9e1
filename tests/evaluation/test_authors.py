"""Lean to authors, by hand."""

import pytest

from jurist.evaluation import author_leans, judged
from jurist.types import Failure, Judgement, Preference, Verdict, user


def row(name: str, chosen: str, rejected: str, outcome: str | Failure, **changes: object):
    preference = Preference(
        id=name,
        prompt=user("?"),
        chosen="x",
        rejected="y",
        group=name,
        chosen_model=chosen,
        rejected_model=rejected,
        **changes,  # type: ignore[arg-type]
    )
    label = preference.shown(0).label
    said = {"right": label, "wrong": label.swapped(), "tie": Verdict.TIE}
    found = said[outcome] if isinstance(outcome, str) and outcome in said else outcome
    (one,) = judged([preference], [[Judgement(text="", outcome=found)]], seed=0)  # type: ignore[arg-type]
    return one


def test_the_lean_is_what_the_judge_prefers_less_what_the_labels_do():
    rows = [
        row("a", "mine", "yours", "right"),
        row("b", "yours", "mine", "wrong"),
        row("c", "yours", "mine", "tie"),
        row("d", "yours", "mine", "right"),
    ]
    mine, yours = author_leans(rows)
    assert (mine.author, mine.num_pairs, yours.author) == ("mine", 4, "yours")
    assert mine.labelled.value == 0.25
    assert mine.preferred.value == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert mine.lean.value == pytest.approx(0.625 - 0.25)
    assert yours.lean.value == pytest.approx(-mine.lean.value)


def test_pairs_that_say_nothing_of_an_author_are_not_counted():
    rows = [
        row("a", "mine", "mine", "right"),
        row("b", "mine", "", "right"),
        row("c", "mine", "yours", Failure.UNPARSEABLE),
        row("d", "mine", "yours", "tie", tie=True),
    ]
    assert author_leans(rows) == []
    assert [one.num_pairs for one in author_leans([*rows, row("e", "mine", "yours", "tie")])] == [
        1,
        1,
    ]
