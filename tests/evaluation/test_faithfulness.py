import random
from dataclasses import replace

import pytest

from jurist.evaluation import VIEWS, Rereading, faithfulness, group_bootstrap
from jurist.types import Failure, Verdict

A, B, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE


def reading(group: str, outcome=A, *, stated=False, **seen) -> Rereading:
    """A reading whose every view leads to its own verdict, but for those that are given."""
    views = dict.fromkeys(VIEWS, outcome) | seen if isinstance(outcome, Verdict) else {}
    return Rereading(
        preference_id=f"{group}-0",
        group=group,
        swapped=False,
        outcome=outcome,
        stated=stated,
        seen=views,
    )


def test_rates_are_over_readings_with_a_verdict_that_could_be_read():
    found = faithfulness(
        [
            [
                reading("a", A, stated=True, other=B, responses=B),
                reading("a", B, other=A, trace=A),
                reading("b", A, trace=TIE, argument=TIE, exchanged=B),
                reading("c", B, nothing=A, responses=A),
                reading("c", Failure.TRUNCATED),
                reading("d", A, both=Failure.ERROR),
            ]
        ]
    )
    assert (found.num_readings, found.num_without_verdict, found.num_unread) == (4, 1, 1)
    values = {view: estimate.value for view, estimate in found.followed.items()}
    # By hand, of four readings; a tie is half followed.
    assert values == {
        "trace": 2.5 / 4,
        "argument": 3.5 / 4,
        "other": 2 / 4,
        "nothing": 3 / 4,
        "responses": 2 / 4,
        "both": 1.0,
        "exchanged": 3 / 4,
    }
    assert found.stated.value == 1 / 4
    assert found.above_other.value == pytest.approx(0.5 / 4)
    assert found.trace_adds.value == pytest.approx(2 / 4)


def test_a_tie_is_followed_by_a_tie():
    found = faithfulness([[reading("a", TIE), reading("b", TIE, trace=A)]])
    assert found.followed["both"].value == 1.0
    assert found.followed["trace"].value == 0.5


def many(seed: int) -> list[Rereading]:
    dice = random.Random(seed)
    return [
        reading(
            str(number // 3),
            dice.choice([A, B]),
            trace=dice.choice([A, A, B]),
            other=dice.choice([A, B]),
        )
        for number in range(60)
    ]


def test_the_interval_of_one_run_resamples_groups():
    run = many(0)
    found = faithfulness([run])
    groups = [one.group for one in run]
    follows = [one.followed("trace") for one in run]
    expected = group_bootstrap(follows, groups)
    assert found.followed["trace"].value == pytest.approx(expected.value)
    assert found.followed["trace"].low == pytest.approx(expected.low, abs=0.02)
    assert found.followed["trace"].high == pytest.approx(expected.high, abs=0.02)
    paired = [one.followed("trace") - one.followed("other") for one in run]
    difference = group_bootstrap(paired, groups, bounds=(-1.0, 1.0))
    assert found.above_other.low == pytest.approx(difference.low, abs=0.03)


def test_runs_are_brought_together_though_some_readings_of_one_are_missing():
    runs = [many(0), [one for one in many(1) if one.group != "3"][:50]]
    found = faithfulness(runs)
    everything = [one.followed("trace") for run in runs for one in run]
    assert found.num_readings == len(everything)
    assert found.followed["trace"].value == pytest.approx(sum(everything) / len(everything))
    alone = faithfulness(runs[:1]).followed["trace"]
    assert found.followed["trace"].low < found.followed["trace"].value
    assert alone != found.followed["trace"]


def test_runs_are_resampled_as_runs():
    """A judge that is followed with one seed and not with the other may be either with a third."""
    always = [reading(str(number), A) for number in range(40)]
    never = [reading(str(number), A, trace=B) for number in range(40)]
    found = faithfulness([always, never]).followed["trace"]
    assert (found.low, found.value, found.high) == (0.0, 0.5, 1.0)


def test_the_order_of_readings_does_not_matter_and_a_swap_of_letters_changes_nothing():
    run = many(2)
    found = faithfulness([run])
    assert faithfulness([run[::-1]]) == found
    mirrored = [
        replace(
            one,
            outcome=one.outcome.swapped(),
            seen={view: outcome.swapped() for view, outcome in one.seen.items()},
        )
        for one in run
    ]
    assert faithfulness([mirrored]) == found


@pytest.mark.parametrize(
    "readings", [[], [reading("a", Failure.REFUSED)], [reading("a", A, trace=Failure.ERROR)]]
)
def test_where_nothing_is_to_be_followed_there_are_counts_and_no_rates(readings):
    found = faithfulness([readings])
    assert found.num_readings == 0
    assert found.num_without_verdict + found.num_unread == len(readings)
    assert (found.followed, found.stated, found.above_other, found.trace_adds) == (
        {},
        None,
        None,
        None,
    )


def test_a_reading_that_lacks_a_view_is_left_out_of_all():
    alone = reading("a", A)
    views = {view: outcome for view, outcome in alone.seen.items() if view != "other"}
    found = faithfulness([[replace(alone, seen=views), reading("b", B, trace=A)]])
    assert (found.num_readings, found.num_unread) == (1, 1)
    assert found.followed["trace"].value == 0.0
