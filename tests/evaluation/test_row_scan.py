"""Rows that give their label away, and rows that do not."""

import math
import random
from dataclasses import replace

import pytest

from jurist.evaluation import scan_rows
from jurist.evaluation.row_scan import SURPRISE, _guess
from jurist.formats import Terse
from jurist.rationales import PairRow, SupervisedRow, both_orders
from jurist.types import Message, Verdict, user
from jurist.worlds import preferences

WORDS = [
    "red",
    "green",
    "blue",
    "round",
    "flat",
    "tall",
    "thin",
    "wide",
    "cold",
    "warm",
    "loud",
    "soft",
]


def rows(num: int, *, seed: int = 0, leak: float = 0.0, opening: bool = False):
    """Rows of both orders by turns, whose prompts say the label with probability `leak`."""
    rng = random.Random(seed)
    found: list[SupervisedRow] = []
    for number in range(num):
        label = Verdict.FIRST if number % 2 else Verdict.SECOND
        letter = "A" if label is Verdict.FIRST else "B"
        said = " ".join(rng.choices(WORDS, k=12))
        if rng.random() < leak:
            said += " alpha" if label is Verdict.FIRST else " beta"
        begun = f"{letter} is better since" if opening else "both are looked at since"
        found.append(
            SupervisedRow(
                preference_id=f"row-{number}",
                label=label,
                prompt=user(said),
                completion=f"{begun} {' '.join(rng.choices(WORDS, k=8))} [[{letter}]]",
            )
        )
    return found


def test_rows_that_say_nothing_have_no_findings():
    scan = scan_rows(rows(200), {})
    assert scan.findings == ()
    assert scan.labels == {"first": 100, "second": 100}
    assert scan.prompt_guess.num_rows == 150
    assert scan.prompt_guess.accuracy.low < 0.5
    assert not scan.given_away


def test_false_alarms_on_rows_that_say_nothing_are_rare():
    alarms = sum(bool(scan_rows(rows(100, seed=seed), {}).findings) for seed in range(60))
    assert alarms <= 1, f"expected {60 * 2 * SURPRISE:.2f} of 60"


def test_a_guess_of_rows_is_fitted_to_rows_before_them_alone():
    # By turns in four parts, of one word each: the first all of one label, the second of the other,
    # the third and fourth like the first. The first is fitted to, the second guessed wrongly by it;
    # of the third the two before say nothing, and the fourth is guessed rightly by all three.
    signs = [part != 1 for _ in range(13) for part in range(4)]
    found = _guess(["word"] * 52, signs)
    assert found is not None
    assert (found.num_rows, found.accuracy.value) == (26, 0.5)
    assert found.p_value == pytest.approx(0.5 + math.comb(26, 13) / 2**27)


def test_rows_of_the_world_both_orders_of_each_have_no_findings():
    made = [
        SupervisedRow(
            preference_id=pair.id,
            label=label,
            prompt=Terse().render(comparison),
            completion="[[A]]" if label is Verdict.FIRST else "[[B]]",
        )
        for pair in preferences("in_distribution", "train", num=150, seed=0)
        for comparison, label in both_orders(pair)
    ]
    assert scan_rows(made, {}).findings == ()


@pytest.mark.parametrize(("leak", "given_away"), [(0.6, False), (1.0, True)])
def test_a_prompt_that_says_the_label_is_found(leak, given_away):
    scan = scan_rows(rows(200, leak=leak), {})
    (finding,) = scan.findings
    assert "the label is told by the words of the prompt" in finding
    assert scan.prompt_guess.p_value < SURPRISE
    assert scan.given_away == given_away


def test_a_verdict_in_the_first_words_is_found():
    (finding,) = scan_rows(rows(200, opening=True), {}).findings
    assert "the verdict is told by the first 4 words" in finding


def test_a_verdict_alone_has_no_opening():
    bare = [replace(row, completion=row.completion.split()[-1]) for row in rows(200)]
    assert scan_rows(bare, {}).opening_guess is None


def test_labels_must_be_even_to_one():
    assert scan_rows(rows(201), {}).findings == ()
    two_more = [*rows(200), *[replace(rows(2)[1], preference_id=f"more-{n}") for n in range(2)]]
    assert "labels are not even: 102 first, 100 second" in scan_rows(two_more, {}).findings


def test_a_source_whose_labels_lean_is_named():
    made = rows(200)
    sources = {
        row.preference_id: "leaning" if number < 80 and row.label is Verdict.FIRST else "other"
        for number, row in enumerate(made)
    }
    found = scan_rows(made, sources).findings
    assert [one for one in found if "'leaning'" in one] == [
        "labels of source 'leaning' are not even: 40 first"
    ]
    assert scan_rows(made, dict.fromkeys(sources, "one")).findings == ()


@pytest.mark.parametrize(("num", "named"), [(11, False), (12, True)])
def test_a_source_is_named_if_chance_does_so_in_less_than_one_of_a_thousand_scans(num, named):
    # Both tails, of both sources: 4 * 2 ** -12 is below 0.001, 4 * 2 ** -11 is not.
    made = rows(200)
    leaning = [row.preference_id for row in made if row.label is Verdict.FIRST][:num]
    found = scan_rows(made, dict.fromkeys(leaning, "leaning")).findings
    assert any("'leaning'" in one for one in found) == named


def test_of_each_preference_one_row_is_guessed_and_of_many_a_thousand():
    made = rows(100)
    turned = [
        replace(row, label=Verdict.FIRST if row.label is Verdict.SECOND else Verdict.SECOND)
        for row in made
    ]
    assert scan_rows([*made, *turned], {}).prompt_guess.num_rows == 75
    assert scan_rows(rows(1200), {}).prompt_guess.num_rows == 750


def test_pairs_whose_preferred_reply_is_always_longer_are_a_finding():
    made = [
        PairRow(
            preference_id=row.preference_id,
            label=row.label,
            prompt=row.prompt,
            chosen=row.completion + " and more",
            rejected=row.completion,
        )
        for row in rows(100)
    ]
    (finding,) = scan_rows(made, {}).findings
    assert finding == "the longer reply is the preferred one in 100.0% of the pairs"


def test_the_order_of_rows_changes_nothing():
    made = rows(120, leak=0.6)
    assert scan_rows(made, {}) == scan_rows(made[::-1], {})


def test_labels_of_single_responses_may_be_told_by_the_prompt():
    made = [replace(row, label=row.label is Verdict.FIRST) for row in rows(200, leak=1.0)]
    scan = scan_rows(made, {})
    assert scan.prompt_guess is None
    assert scan.findings == ()


def test_system_turns_are_not_read():
    made = [
        replace(row, prompt=(Message(role="system", content=str(row.label)), *row.prompt))
        for row in rows(200)
    ]
    assert scan_rows(made, {}).findings == ()
