"""Length bias, by hand: four pairs whose better response is longer, two where it is shorter."""

from dataclasses import replace

import pytest

from jurist.evaluation import judged, length_bias
from jurist.types import Failure, Judgement, Preference, Verdict, user


def rows(*told):
    """Rows of (better length, worse length, outcome), the outcome right, wrong, tie or failed."""
    preferences = [
        Preference(
            id=str(i),
            prompt=user("q"),
            chosen="x" * better,
            rejected="y" * worse,
            group=str(i),
        )
        for i, (better, worse, _) in enumerate(told)
    ]
    said = []
    for preference, (_, _, outcome) in zip(preferences, told, strict=True):
        label = preference.shown(0).label
        verdict = {
            "right": label,
            "wrong": label.swapped(),
            "tie": Verdict.TIE,
            "failed": Failure.ERROR,
        }[outcome]
        said.append([Judgement(text="", outcome=verdict)])
    return judged(preferences, said, seed=0)


TOLD = (
    (9, 5, "right"),
    (9, 5, "right"),
    (9, 5, "wrong"),
    (9, 5, "failed"),
    (5, 9, "right"),
    (5, 9, "wrong"),
    (5, 9, "tie"),
    (7, 7, "wrong"),
)


def test_shares_are_those_counted_by_hand():
    found = length_bias(rows(*TOLD))
    assert found is not None
    assert (found.num_longer, found.num_shorter) == (4, 3)
    # Decided: right right wrong | right wrong. For the longer: yes yes no | no yes.
    assert found.prefers_longer is not None
    assert found.prefers_longer.value == pytest.approx(3 / 5)
    assert found.labelled_longer.value == pytest.approx(4 / 7)
    assert found.when_longer is not None and found.when_shorter is not None
    assert found.when_longer.value == pytest.approx(2 / 4)
    assert found.when_shorter.value == pytest.approx((1 + 0 + 0.5) / 3)


def test_a_judge_that_goes_by_length_is_found_out_whatever_the_labels_say():
    found = length_bias(rows((9, 5, "right"), (8, 3, "right"), (5, 9, "wrong")))
    assert found is not None and found.prefers_longer is not None
    assert found.prefers_longer.value == 1.0
    assert found.when_longer is not None and found.when_longer.value == 1.0
    assert found.when_shorter is not None and found.when_shorter.value == 0.0


def test_what_there_is_none_of_is_none():
    assert length_bias(rows((7, 7, "right"))) is None
    found = length_bias(rows((9, 5, "tie"), (9, 5, "failed")))
    assert found is not None
    assert found.prefers_longer is None
    assert found.when_shorter is None


def test_rows_labelled_a_tie_are_left_out():
    plain = rows(*TOLD)
    preference = replace(plain[0].preference, id="tied", tie=True, group="tied")
    tied = judged([preference], [[Judgement(text="", outcome=Verdict.FIRST)]], seed=0)
    assert length_bias([*plain, *tied]) == length_bias(plain)
    assert length_bias(tied) is None
