"""Early stopping replayed: what it says is what `Adaptive` does."""

import random
from collections.abc import Sequence

import pytest

from jurist.evaluation import STOP_AT, Judged, agreement, judged, stopping_curve, vote_curve
from jurist.judges import Adaptive, BothOrders
from jurist.types import Comparison, Failure, Judgement, Preference, Verdict, user

FIRST, SECOND, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE


def preference(number: int, tie: bool = False) -> Preference:
    return Preference(
        id=str(number),
        prompt=user(f"{number}?"),
        chosen="good",
        rejected="bad",
        group=str(number // 2),
        tie=tie,
    )


class Dice:
    """Right with a chance of its own on each pair; every tenth reading fails or is a tie."""

    def __init__(self, num_samples: int) -> None:
        self.num_samples = num_samples

    def sample(
        self, comparisons: Sequence[Comparison], *, first_index: int, num_samples: int
    ) -> list[list[Judgement]]:
        span = range(first_index, first_index + num_samples)
        return [[self._reading(comparison, index) for index in span] for comparison in comparisons]

    def sample_groups(self, groups, more):
        found = []
        for group in groups:
            whole, num = self(group), 0
            while num < self.num_samples and (count := more([one[:num] for one in whole])):
                num = min(num + count, self.num_samples)
            found.append([one[:num] for one in whole])
        return found

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        return self.sample(comparisons, first_index=0, num_samples=self.num_samples)

    def _reading(self, comparison: Comparison, index: int) -> Judgement:
        skill = random.Random(comparison.prompt[0].content).betavariate(1.5, 0.8)
        dice = random.Random(f"{comparison} {index}")
        right = FIRST if comparison.first == "good" else SECOND
        outcome = right if dice.random() < skill else right.swapped()
        odd = dice.random()
        if odd < 0.1:
            outcome = TIE if odd < 0.05 else Failure.TRUNCATED
        return Judgement(text="", outcome=outcome, num_tokens=dice.randint(1, 9))


PREFERENCES = [preference(number, tie=number % 10 == 9) for number in range(80)]
SHOWN = [one.shown(0).comparison for one in PREFERENCES]


def rows_of(judge, votes: int) -> list[Judged]:
    found = judge(SHOWN)
    return judged(PREFERENCES, found, seed=0, num_unasked=[2 * votes - len(one) for one in found])


@pytest.mark.parametrize("stop_at", [0.0, 0.01, 0.1])
def test_a_replay_is_what_adaptive_voting_does(stop_at: float):
    full = rows_of(BothOrders(Dice(8)), 8)
    stopped = rows_of(Adaptive(Dice(8), stop_at=stop_at), 8)
    (point,) = stopping_curve(full, stop_at=[stop_at], num_resamples=50)
    pairs = [
        (one.ballot, other.ballot)
        for one, other in zip(full, stopped, strict=True)
        if one.label is not TIE
    ]
    assert point.stop_at == stop_at
    assert point.votes == pytest.approx(sum(len(b.judgements) for _, b in pairs) / len(pairs))
    assert point.share.value == pytest.approx(point.votes / 16)
    assert point.tokens == pytest.approx(sum(b.num_tokens for _, b in pairs) / len(pairs))
    assert point.same.value == pytest.approx(
        sum(one.outcome == other.outcome for one, other in pairs) / len(pairs)
    )
    assert point.accuracy.value == agreement(stopped, num_resamples=20).accuracy.value


def test_the_stricter_the_setting_the_nearer_to_all_votes():
    full = rows_of(BothOrders(Dice(16)), 16)
    points = stopping_curve(full, num_resamples=50)
    assert [point.stop_at for point in points] == list(STOP_AT)
    shares = [point.share.value for point in points]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] < 1.0
    assert points[0].same.value == 1.0
    assert points[0].accuracy.value == agreement(full, num_resamples=20).accuracy.value
    assert points[-1].same.value < 1.0


def cut(rows: list[Judged], given: int, swapped: int) -> list[Judged]:
    return judged(
        PREFERENCES,
        [
            [one for one in row.ballot.judgements if not one.swapped][:given]
            + [one for one in row.ballot.judgements if one.swapped][:swapped]
            for row in rows
        ],
        seed=0,
    )


def test_where_there_is_nothing_to_stop_there_is_no_curve():
    full = rows_of(BothOrders(Dice(4)), 4)
    assert stopping_curve(cut(full, 2, 2), num_resamples=20)
    assert stopping_curve(cut(full, 1, 1)) == []
    assert stopping_curve(cut(full, 3, 2)) == []
    assert stopping_curve(cut(full, 4, 0)) == []
    assert stopping_curve(rows_of(Adaptive(Dice(4), stop_at=0.1), 4)) == []
    stated = [
        [Judgement(text="", outcome=FIRST, probability=0.9, swapped=i > 1) for i in range(4)]
    ] * len(PREFERENCES)
    assert stopping_curve(judged(PREFERENCES, stated, seed=0)) == []


def test_nothing_labelled_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        stopping_curve([])


def test_curve_and_single_readings_of_stopped_votes_rest_on_what_every_pair_has():
    full = rows_of(BothOrders(Dice(16)), 16)
    stopped = rows_of(Adaptive(Dice(16), stop_at=0.01), 16)
    least = min(len(row.ballot.judgements) for row in stopped) // 2
    assert 2 <= least < 8
    same = cut(full, least, least)
    assert vote_curve(stopped, num_resamples=20) == vote_curve(same, num_resamples=20)
    found, expected = agreement(stopped, num_resamples=20), agreement(same, num_resamples=20)
    assert found.single == expected.single
    assert found.first_slot == expected.first_slot


def test_votes_cast_and_votes_possible_are_both_told():
    full, stopped = rows_of(BothOrders(Dice(8)), 8), rows_of(Adaptive(Dice(8), stop_at=0.1), 8)
    all_votes, some = agreement(full, num_resamples=20), agreement(stopped, num_resamples=20)
    assert (all_votes.votes, all_votes.possible_votes, all_votes.num_unasked) == (16.0, 16.0, 0)
    assert some.votes < 16.0
    assert some.possible_votes == pytest.approx(16.0)
    assert some.num_judgements + some.num_unasked == 16 * 80
    assert some.num_failures == sum(row.ballot.num_failures for row in stopped)
