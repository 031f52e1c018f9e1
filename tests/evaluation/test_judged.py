import pytest

from jurist.errors import DataError
from jurist.evaluation import credit, judged
from jurist.types import Failure, Judgement, Preference, Verdict, user

RIGHT = [Judgement(text="", outcome=Verdict.FIRST)]


def preference(**fields: object) -> Preference:
    given = {"id": "p1", "prompt": user("?"), "chosen": "x", "rejected": "y", "group": "g"}
    return Preference(**{**given, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "label", "earned"),
    [
        (Verdict.FIRST, Verdict.FIRST, 1.0),
        (Verdict.SECOND, Verdict.FIRST, 0.0),
        (Verdict.TIE, Verdict.SECOND, 0.5),
        (Verdict.TIE, Verdict.TIE, 1.0),
        (Verdict.FIRST, Verdict.TIE, 0.0),
        *((failure, label, 0.0) for failure in Failure for label in Verdict),
    ],
)
def test_credit_of_every_outcome(outcome: Verdict | Failure, label: Verdict, earned: float):
    assert credit(outcome, label) == earned


def test_label_and_comparison_are_those_of_the_seed():
    for seed in range(8):
        (row,) = judged([preference()], [RIGHT], seed=seed)
        assert (row.comparison, row.label) == preference().shown(seed)
        assert row.credit == float(row.comparison.first == "x")


def test_a_row_labelled_a_tie_keeps_that_label():
    (row,) = judged([preference(tie=True)], [RIGHT], seed=0)
    assert row.label is Verdict.TIE
    assert row.credit == 0.0


def test_as_many_judgements_as_preferences_are_wanted():
    with pytest.raises(DataError, match="1 preferences and judgements of 2"):
        judged([preference()], [RIGHT, RIGHT], seed=0)


def test_a_preference_without_a_judgement_is_named():
    with pytest.raises(DataError, match="'p1': no judgement"):
        judged([preference()], [[]], seed=0)


def test_a_preference_without_a_group_is_named():
    with pytest.raises(DataError, match="'p1': no group"):
        judged([preference(group="")], [RIGHT], seed=0)
