from dataclasses import replace

import pytest

from jurist.errors import DataError
from jurist.evaluation import Judged, compare, judged
from jurist.types import Failure, Judgement, Preference, Verdict, user


def rows(credits: str, ties: int = 0) -> list[Judged]:
    """One judged row a letter: r right, w wrong, t tied, f failed; then rows labelled a tie."""
    preferences = [
        Preference(
            id=str(i),
            prompt=user("?"),
            chosen="x",
            rejected="y",
            group=str(i),
            tie=i >= len(credits),
        )
        for i in range(len(credits) + ties)
    ]
    readings = []
    for letter, preference in zip(credits + "t" * ties, preferences, strict=True):
        label = preference.shown(0).label
        outcome = {
            "r": label,
            "w": label.swapped(),
            "t": Verdict.TIE,
            "f": Failure.UNPARSEABLE,
        }[letter]
        readings.append([Judgement(text="", outcome=outcome)])
    return judged(preferences, readings, seed=0)


def test_comparison_worked_by_hand():
    #                   w  l  w  w  =  =  =  l
    found = compare(rows("rwtrrwtf", ties=2), rows("wrwtrwtt", ties=2))
    assert (found.wins, found.losses) == (3, 2)
    assert (found.both_right, found.both_wrong, found.both_tied) == (1, 1, 1)
    assert found.num_pairs == 8
    # credits 1 0 .5 1 1 0 .5 0 = 4 against 0 1 0 .5 1 0 .5 .5 = 3.5
    assert found.difference.value == pytest.approx(0.5 / 8)
    # 3 of 5 coins: 2 (1 + 5 + 10) / 32
    assert found.p_value == 1.0


def test_a_judge_that_is_better_everywhere_is_told_from_luck():
    found = compare(rows("r" * 60 + "w" * 20), rows("r" * 40 + "w" * 40))
    assert found.difference.value == 0.25
    assert found.difference.excludes(0.0)
    assert found.p_value == 2 / 2**20


def test_pairing_tells_apart_what_two_intervals_would_not():
    # Both are right on about half the pairs, the same ones but for ten.
    found = compare(rows("r" * 55 + "w" * 45), rows("r" * 45 + "w" * 55))
    assert found.difference.excludes(0.0)


def test_exchanging_the_judges_exchanges_every_sign():
    one, other = rows("rrwtfrwr"), rows("rwrtrfww")
    there, back = compare(one, other), compare(other, one)
    assert (there.wins, there.losses, there.p_value) == (back.losses, back.wins, back.p_value)
    assert there.difference.value == -back.difference.value
    assert there.difference.low == pytest.approx(-back.difference.high, abs=1e-3)


def test_a_judge_against_itself_has_no_difference_but_some_doubt():
    found = compare(rows("rrww"), rows("rrww"))
    assert found.difference.value == 0.0
    assert found.p_value == 1.0
    assert found.difference.low < 0.0 < found.difference.high


def test_judges_of_other_rows_are_refused():
    with pytest.raises(DataError, match="one judge has 2 rows and the other 3"):
        compare(rows("rr"), rows("rrr"))
    with pytest.raises(DataError, match=r"row 1: .* '1' .* '2'"):
        compare(rows("rrr"), [*rows("r"), rows("rrr")[2], rows("rrr")[2]])


def test_an_id_with_other_content_is_refused():
    changed = [replace(row, preference=replace(row.preference, chosen="z")) for row in rows("r")]
    with pytest.raises(DataError, match="other content"):
        compare(rows("r"), changed)


def test_nothing_but_labelled_ties_is_refused():
    with pytest.raises(DataError, match="nothing to compare"):
        compare(rows("", ties=2), rows("", ties=2))
