"""A gate: what has no content is not shown to the judge, and loses to what has."""

import logging

import pytest

from jurist.judges import Ballot, BothOrders, Gated
from jurist.types import Comparison, Verdict, user

LONG = "Mercury is the smallest planet of the solar system"
OTHER = "Perhaps Venus, or maybe Mars, or the small planet Pluto"


def comparison(first: str, second: str) -> Comparison:
    return Comparison(prompt=user("Which is the smallest planet?"), first=first, second=second)


ASKED = [
    comparison(LONG, OTHER),
    comparison(".", LONG),
    comparison(LONG, "Solution"),
    comparison("", ":"),
    comparison(OTHER, "Which is the smallest planet?"),
    comparison(OTHER, LONG),
]


@pytest.mark.fault(19, "master keys")
def test_only_what_has_content_on_both_sides_is_shown_to_the_judge(make_stating, caplog):
    inner = make_stating(lambda first, second: 0.9)
    judge = Gated(BothOrders(inner), least_words=4, votes=1)
    with caplog.at_level(logging.INFO, logger="jurist.judges.gated"):
        found = judge(ASKED)
    shown = [ASKED[0], ASKED[5]]
    assert sorted(map(repr, inner.asked)) == sorted(
        repr(way) for one in shown for way in (one, one.swapped())
    )
    outcomes = [Ballot.of(readings).outcome for readings in found]
    assert outcomes[1:5] == [Verdict.SECOND, Verdict.FIRST, Verdict.TIE, Verdict.FIRST]
    assert "4 of 6 comparisons settled without the model" in caplog.text


def test_what_is_settled_has_as_many_readings_as_the_rest_and_costs_nothing(make_stating):
    judge = Gated(BothOrders(make_stating(lambda *_: 0.9)), least_words=4, votes=3)
    readings = judge([ASKED[1]])[0]
    assert [one.swapped for one in readings] == [False] * 3 + [True] * 3
    assert {(one.outcome, one.num_tokens, one.probability) for one in readings} == {
        (Verdict.SECOND, 0, None)
    }
    assert readings[0].text == "gate: no answer in the first response"


def test_a_judge_with_nothing_left_to_judge_is_not_asked(make_stating):
    inner = make_stating(lambda *_: 0.9)
    assert len(Gated(inner, least_words=4, votes=1)([ASKED[3]])) == 1
    assert inner.calls == 0
    assert Gated(inner, least_words=4, votes=1)([]) == []
