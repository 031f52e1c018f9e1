import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.errors import DataError
from jurist.evaluation import Agreement, Judged, agreement, judged
from jurist.judges import Ballot, BothOrders
from jurist.types import Comparison, Failure, Judgement, Preference, Verdict, user

FIRST, SECOND, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE


def preference(number: int, **fields: object) -> Preference:
    given = {"prompt": user("?"), "chosen": "good", "rejected": "bad", "group": f"g{number}"}
    return Preference(id=str(number), **{**given, **fields})  # type: ignore[arg-type]


def row(
    label: Verdict,
    *outcomes: Verdict | Failure,
    swapped: Sequence[Verdict | Failure] = (),
    number: int = 0,
    tokens: int = 0,
    **fields: object,
) -> Judged:
    """A judged row: outcomes of readings as given, then of swapped readings, all mapped back."""
    source = preference(number, tie=label is TIE, **fields)
    comparison = Comparison(prompt=source.prompt, first="good", second="bad")
    readings = [Judgement(text="", outcome=outcome, num_tokens=tokens) for outcome in outcomes]
    readings += [
        Judgement(text="", outcome=outcome, num_tokens=tokens, swapped=True) for outcome in swapped
    ]
    return Judged(
        preference=source,
        comparison=comparison,
        label=label,
        ballot=Ballot(judgements=tuple(readings)),
    )


def few() -> list[Judged]:
    """Six labelled pairs and two labelled ties, two categories, worked by hand below."""
    truncated = Failure.TRUNCATED
    return [
        # right in both orders
        row(FIRST, FIRST, swapped=[FIRST], number=1, category="a", tokens=10),
        # flips: a tied ballot; both readings took the first slot
        row(FIRST, FIRST, swapped=[SECOND], number=2, category="a", tokens=10),
        # wrong
        row(SECOND, FIRST, swapped=[FIRST], number=3, category="a", tokens=10),
        # one order failed: the other decides, and is right
        row(SECOND, truncated, swapped=[SECOND], number=4, category="b", tokens=10),
        # nothing but failures
        row(FIRST, truncated, swapped=[Failure.REFUSED], number=5, category="b", tokens=10),
        # right
        row(SECOND, SECOND, swapped=[SECOND], number=6, category="a", tokens=10),
        row(TIE, TIE, swapped=[TIE], number=7, category="b", tokens=10),
        row(TIE, FIRST, swapped=[FIRST], number=8, category="b", tokens=10),
    ]


def test_accuracy_worked_by_hand():
    found = agreement(few())
    # credits 1, 1/2, 0, 1, 0, 1
    assert found.accuracy.value == pytest.approx(3.5 / 6)
    assert found.strict.value == pytest.approx(3 / 6)
    # single readings: 1, 1/2, 0, 1/2, 0, 1
    assert found.single.value == pytest.approx(3.0 / 6)
    assert (found.num_pairs, found.num_tie_labels, found.num_groups) == (6, 2, 6)


def test_ties_and_failures_worked_by_hand():
    found = agreement(few())
    assert found.ties.value == pytest.approx(1 / 6)
    assert found.failed.value == pytest.approx(1 / 6)
    assert found.tie_agreement is not None
    assert found.tie_agreement.value == 0.5
    assert found.failures == {
        Failure.TRUNCATED: 2,
        Failure.UNPARSEABLE: 0,
        Failure.REFUSED: 1,
        Failure.ERROR: 0,
    }
    assert found.num_judgements == 16
    assert found.failure_rate == 3 / 16


def test_flips_and_places_worked_by_hand():
    found = agreement(few())
    # rows 1, 2, 3, 6, 7, 8 have a verdict in both orders; only row 2 flips
    assert found.flips is not None
    assert found.flips.value == pytest.approx(1 / 6)
    # 11 readings prefer one response. Took the slot read first: row 1 one of two, row 2 both,
    # row 3 one, row 4 (swapped, second) one of one, row 6 one, row 8 one: 7.
    assert found.first_slot is not None
    assert found.first_slot.value == pytest.approx(7 / 11)


def test_tokens_of_failures_are_paid_by_the_verdicts():
    found = agreement(few())
    assert found.num_tokens == 160
    assert found.tokens_per_verdict == pytest.approx(160 / 13)
    assert found.votes == 2.0


def test_categories_macro_and_micro_worked_by_hand():
    found = agreement(few())
    assert [(part.category, part.num_pairs, part.num_groups) for part in found.categories] == [
        ("a", 4, 4),
        ("b", 2, 2),
    ]
    assert [part.accuracy.value for part in found.categories] == [2.5 / 4, 1 / 2]
    assert found.macro.value == pytest.approx((2.5 / 4 + 1 / 2) / 2)


def test_flips_of_categories_are_of_their_own_labelled_pairs():
    a, b = agreement(few()).categories
    assert a.flips is not None and a.flips.value == pytest.approx(1 / 4)
    # Of the labelled pairs of b, one failed in one order and the other in both.
    assert b.flips is None


def test_one_nameless_category_makes_macro_equal_micro():
    found = agreement([row(FIRST, FIRST, number=1), row(FIRST, SECOND, number=2)])
    assert found.macro == found.accuracy
    assert [part.category for part in found.categories] == [""]


def test_a_judge_read_in_one_order_has_no_flip_rate():
    assert agreement([row(FIRST, FIRST)]).flips is None


def test_a_judge_that_only_fails_has_no_first_slot_rate_and_no_price():
    found = agreement([row(FIRST, Failure.ERROR, tokens=5)])
    assert (found.accuracy.value, found.first_slot, found.tokens_per_verdict) == (0.0, None, None)
    assert found.failed.value == 1.0


@pytest.mark.parametrize("rows", [[], [row(TIE, TIE)]], ids=["no rows", "only ties"])
def test_accuracy_of_nothing_is_refused(rows: list[Judged]):
    with pytest.raises(DataError, match="accuracy of nothing"):
        agreement(rows)


# Laws

OUTCOMES = st.sampled_from([*Verdict, *Failure])


@st.composite
def rows_of(
    draw: st.DrawFn, outcomes: st.SearchStrategy[Verdict | Failure] = OUTCOMES
) -> list[Judged]:
    return [
        row(
            draw(st.sampled_from([FIRST, SECOND])),
            *draw(st.lists(outcomes, min_size=1, max_size=3)),
            swapped=draw(st.lists(outcomes, max_size=3)),
            number=number,
            group=f"g{draw(st.integers(0, 3))}",
            category=draw(st.sampled_from("ab")),
        )
        for number in range(draw(st.integers(1, 8)))
    ]


def quick(rows: Sequence[Judged]) -> Agreement:
    return agreement(rows, num_resamples=50)


def with_label(rows: Sequence[Judged], label: object) -> list[Judged]:
    return [
        Judged(
            preference=one.preference,
            comparison=one.comparison,
            label=label(one.label),  # type: ignore[operator]
            ballot=one.ballot,
        )
        for one in rows
    ]


@settings(deadline=None)
@given(rows=rows_of())
def test_every_rate_is_a_share_and_lies_in_its_interval(rows: list[Judged]):
    found = quick(rows)
    for estimate in (found.accuracy, found.strict, found.single, found.ties, found.failed):
        assert 0.0 <= estimate.low <= estimate.high <= 1.0
        assert 0.0 <= estimate.value <= 1.0
    assert found.strict.value <= found.accuracy.value <= 1.0 - found.failed.value + 1e-12


@settings(deadline=None)
@given(rows=rows_of(st.sampled_from([FIRST, SECOND])))
def test_exchanging_every_label_turns_accuracy_into_its_complement(rows: list[Judged]):
    # Without failures every lost half or whole credit goes to the other label.
    other = quick(with_label(rows, Verdict.swapped))
    assert quick(rows).accuracy.value == pytest.approx(1.0 - other.accuracy.value)


@settings(deadline=None)
@given(rows=rows_of(), times=st.integers(2, 4))
def test_repeating_every_row_within_its_group_changes_no_rate_and_no_interval(
    rows: list[Judged], times: int
):
    once, often = quick(rows), quick([one for one in rows for _ in range(times)])
    for name in ("accuracy", "strict", "macro", "ties", "failed", "flips", "first_slot"):
        mine, theirs = getattr(once, name), getattr(often, name)
        if mine is None:
            assert theirs is None
        else:
            assert (mine.value, mine.low, mine.high) == pytest.approx(
                (theirs.value, theirs.low, theirs.high)
            )


@settings(deadline=None)
@given(rows=rows_of())
def test_exchanging_the_places_of_every_pair_changes_nothing(rows: list[Judged]):
    exchanged = [
        Judged(
            preference=one.preference,
            comparison=one.comparison.swapped(),
            label=one.label.swapped(),
            ballot=Ballot(judgements=tuple(j.mapped_back() for j in one.ballot.judgements)),
        )
        for one in rows
    ]
    assert quick(exchanged) == quick(rows)


@settings(deadline=None)
@given(rows=rows_of(), seed=st.integers(0, 5))
def test_the_order_of_the_rows_changes_no_rate(rows: list[Judged], seed: int):
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert quick(shuffled).accuracy.value == pytest.approx(quick(rows).accuracy.value)


# From a judge to a number


class PlaceJudge:
    """Always prefers what it reads first."""

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        return [[Judgement(text="[[A]]", outcome=FIRST, num_tokens=3)] for _ in comparisons]


class OracleJudge:
    """Prefers the response that says it is good."""

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        return [
            [Judgement(text="", outcome=FIRST if comparison.first == "good" else SECOND)]
            for comparison in comparisons
        ]


def judge_all(judge: object, seed: int = 0) -> Agreement:
    preferences = [preference(number) for number in range(40)]
    shown = [one.shown(seed).comparison for one in preferences]
    readings = BothOrders(judge=judge)(shown)  # type: ignore[arg-type]
    return agreement(judged(preferences, readings, seed=seed))


def test_a_judge_of_places_flips_always_and_is_right_half_the_time():
    found = judge_all(PlaceJudge())
    assert found.accuracy.value == 0.5
    assert found.strict.value == 0.0
    assert found.flips is not None
    assert found.flips.value == 1.0
    assert found.first_slot is not None
    assert found.first_slot.value == 1.0


def test_a_perfect_judge_is_right_wherever_the_responses_stand():
    for seed in range(3):
        found = judge_all(OracleJudge(), seed)
        assert found.accuracy.value == 1.0
        assert found.first_slot is not None
        assert found.first_slot.value == 0.5
        assert found.flips is not None
        assert found.flips.value == 0.0


def test_judgements_under_another_seed_than_they_were_asked_with_do_not_agree():
    # The seed is part of what the judgements mean; this is what goes wrong without it.
    preferences = [preference(number) for number in range(200)]
    shown = [one.shown(0).comparison for one in preferences]
    found = agreement(judged(preferences, BothOrders(judge=OracleJudge())(shown), seed=1))
    assert math.isclose(found.accuracy.value, 0.5, abs_tol=0.12)
