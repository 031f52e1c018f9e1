from dataclasses import replace

import pytest

from jurist.evaluation import Estimate
from jurist.reports import DatasetFacts, JudgeFacts, Results
from jurist.reports.card import judge_cards

FACTS = JudgeFacts(
    method="STaR-DPO",
    model="runs/star",
    served=False,
    recipe="star-dpo",
    base="base-model",
    kind="reasoning",
    format="terse",
    trained_on="pairs.jsonl",
    num_rows=1_234,
)


def card(results: Results, method: str = "STaR-DPO") -> dict[str, str]:
    (found,) = (one for one in judge_cards(results) if one.method == method)
    return dict(found.sentences)


def changed(results: Results, **agreement) -> Results:
    rows = tuple(
        replace(row, agreement=replace(row.agreement, **agreement)) for row in results.rows
    )
    return replace(results, rows=rows)


def test_each_judge_has_one_and_each_split_a_paragraph(demo: Results):
    cards = judge_cards(demo)
    assert [one.method for one in cards] == list(dict.fromkeys(row.method for row in demo.rows))
    heads = ("What it is", "On in-distribution", "On shifted")
    assert all(tuple(head for head, _ in one.sentences) == heads for one in cards)


def test_it_says_what_the_judge_is_and_was_made_of(demo: Results):
    said = card(replace(demo, judges=(FACTS,)))["What it is"]
    assert said == (
        "runs/star. It reasons before its verdict. It is asked in the format terse. Trained by "
        "star-dpo from base-model on pairs.jsonl, 1,234 rows in its last training. Each pair had "
        "16 readings, half of them in either order."
    )
    served = replace(FACTS, served=True, recipe="", base="", kind="", format="", trained_on="")
    said = card(replace(demo, judges=(served,)))["What it is"]
    assert "behind an address" in said and "What it was trained on is not known here." in said
    assert "no more than its name" in card(demo)["What it is"]


def test_it_says_how_far_to_trust_it_in_the_numbers_of_the_table(demo: Results):
    row = next(r for r in demo.rows if r.method == "STaR-DPO" and r.split == "shifted")
    said = card(demo)["On shifted"]
    agreement = row.agreement
    for number in (
        agreement.accuracy.value,
        agreement.accuracy.low,
        agreement.flips and agreement.flips.value,
        agreement.failure_rate,
        row.calibration and row.calibration.ece,
        row.length and row.length.labelled_longer.value,
    ):
        assert number is not None
        assert f"{100 * number:.1f}" in said
    assert "60 pairs" in said and "30 groups: few" in said


@pytest.mark.parametrize(("low", "beaten"), [(0.99, True), (0.01, False)])
def test_a_shortcut_within_reach_is_said(demo: Results, low: float, beaten: bool):
    accuracy = Estimate(value=0.995, low=low, high=1.0)
    said = card(changed(demo, accuracy=accuracy))["On shifted"]
    assert ("interval lies above it" in said) is beaten
    assert ("nothing here shows that it reads more" in said) is not beaten


def test_a_lean_is_said_only_where_the_interval_excludes_a_half(demo: Results):
    even = changed(demo, first_slot=Estimate(value=0.52, low=0.49, high=0.55))
    assert "leans" not in card(even)["On shifted"]
    for value, place in ((0.6, "first"), (0.4, "second")):
        lean = changed(demo, first_slot=Estimate(value=value, low=value - 0.05, high=value + 0.05))
        assert f"leans to the response shown {place}" in card(lean)["On shifted"]


def test_prompts_that_were_trained_on_are_said(demo: Results):
    facts: tuple[DatasetFacts, ...] = tuple(
        replace(one, num_overlapping=3 if one.split == "shifted" else 0) for one in demo.datasets
    )
    found = card(replace(demo, datasets=facts))
    assert "Prompts of 3 rows were in training" in found["On shifted"]
    assert "in training:" not in found["On in-distribution"]


def test_a_judge_that_never_fails_is_said_not_to(demo: Results):
    assert "Every reading came to a verdict." in card(demo, "PairRM")["On shifted"]
    bare = replace(demo, shortcuts=())
    assert "shortcut" not in card(bare)["On shifted"]
