"""Laws of what a server in trouble is spared."""

import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.engines.patience import Clock, Patience
from jurist.engines.restraint import Breaker, Pace, Restraint, RetryBudget


class TestBudget:
    @given(
        st.lists(st.booleans(), max_size=300),
        st.floats(0.0, 2.0),
        st.integers(0, 30),
    )
    def test_there_are_never_more_retries_than_the_share_and_the_free_ones(
        self, wants_retry, share, free
    ):
        budget = RetryBudget(share, free)
        for wants in wants_retry:
            if wants:
                before = budget.num_retries
                assert budget.take() == (before + 1 <= free + share * budget.num_requests)
            else:
                budget.num_requests += 1
            assert budget.num_retries <= free + share * budget.num_requests

    def test_a_tenth_and_a_few(self):
        budget = RetryBudget(0.1, 2)
        assert [budget.take() for _ in range(3)] == [True, True, False]
        budget.num_requests = 10
        assert [budget.take() for _ in range(2)] == [True, False]


def served(allowed_per_second: float, *, share: float, num: int, seed: int = 0) -> float:
    """Turned away, as a share of answers, before a server that bears so much: a token bucket."""
    pace, chance = Pace(share), random.Random(seed)
    now = tokens = 0.0
    answered = turned_away = 0
    while answered < num:
        at = max(pace.booked(now), now + chance.uniform(0.001, 0.003))
        tokens = min(5.0, tokens + (at - now) * allowed_per_second)
        now = at
        if tokens >= 1.0:
            tokens -= 1.0
            answered += 1
            pace.answered()
        else:
            turned_away += 1
            pace.turned_away(at, now, 0.0)
    return turned_away / answered


class TestPace:
    def test_nothing_is_held_back_before_a_server_that_bears_it(self):
        pace = Pace(0.1)
        assert [pace.booked(now) for now in (0.0, 0.0, 1.0)] == [0.0, 0.0, 1.0]

    def test_one_that_is_turned_away_doubles_the_gap_and_answers_lessen_it(self):
        pace = Pace(0.2)
        for number in range(8):  # 0.01 s, then twice that, and so on
            pace.turned_away(booked=number + 0.5, now=number + 1.0, wait=0.0)
        assert [pace.booked(9.0) for _ in range(3)] == pytest.approx([9.28, 10.56, 11.84])
        for _ in range(10):
            pace.answered()  # 2 ** -0.1 each
        assert pace.booked(9.0) == pytest.approx(13.12)
        assert pace.booked(9.0) == pytest.approx(13.12 + 0.64)

    def test_what_was_booked_before_says_nothing_and_does_not_stand(self):
        pace = Pace(0.1)
        at = pace.booked(0.0)
        assert pace.stands(at, booked=0.0)
        for _ in range(9):
            pace.turned_away(booked=0.5, now=1.0, wait=0.0)
        assert not pace.stands(5.0, booked=0.5)
        assert pace.booked(1.0) == 1.01

    def test_while_it_wants_to_be_left_alone_nothing_begins(self):
        pace = Pace(0.1)
        pace.turned_away(booked=0.0, now=1.0, wait=30.0)
        pace.turned_away(booked=0.0, now=2.0, wait=40.0)
        assert not pace.stands(41.0, booked=2.0) and pace.stands(42.0, booked=2.0)
        assert pace.booked(2.0) == 42.0

    @pytest.mark.fault(11, "429")
    @pytest.mark.parametrize("allowed_per_second", [0.02, 1.0, 30.0])
    def test_in_the_long_run_few_are_turned_away_whatever_the_server_bears(
        self, allowed_per_second
    ):
        # The first refusals find out what it bears.
        assert served(allowed_per_second, share=0.1, num=2000) < 0.1

    @pytest.mark.parametrize(("share", "num"), [(0.1, 300), (0.0, 2000)])
    def test_a_gap_ends(self, share, num):
        pace = Pace(share)
        pace.turned_away(0.0, now=1.0, wait=0.0)
        for _ in range(num):
            pace.answered()
        assert pace.booked(2.0) == pace.booked(2.0) == 2.0


class TestBreaker:
    def opened(self) -> Breaker:
        breaker = Breaker(3, max_interval=5.0)
        breaker.answered()
        for now in (10.0, 11.0, 12.0):
            assert not breaker.is_open
            breaker.failed(now, 0.0, probe=False)
        assert breaker.is_open
        return breaker

    def test_probes_are_further_and_further_apart(self):
        breaker = self.opened()
        times = []
        while (now := breaker.next_probe) < 40.0:
            times.append(now)
            breaker.probe(now)
            breaker.failed(now + 0.5, 0.0, probe=True)
        assert times == [13.0, 15.5, 20.0, 25.5, 31.0, 36.5]
        assert breaker.open_seconds(40.0) == 28.0

    def test_an_answer_closes_it_and_the_count_begins_again(self):
        breaker = self.opened()
        breaker.answered()
        assert not breaker.is_open and breaker.open_seconds(99.0) == 0.0
        breaker.failed(20.0, 0.0, probe=False)
        assert not breaker.is_open

    def test_what_was_on_its_way_does_not_put_the_probe_off(self):
        breaker = self.opened()
        for _ in range(50):
            breaker.failed(12.1, 0.0, probe=False)
        assert breaker.next_probe == 13.0

    def test_a_server_that_says_when_is_probed_then(self):
        breaker = self.opened()
        breaker.failed(12.0, 100.0, probe=False)
        assert breaker.next_probe == 112.0

    def test_a_server_that_never_answered_is_not_down(self):
        breaker = Breaker(1, max_interval=5.0)
        for _ in range(100):
            breaker.failed(0.0, 0.0, probe=False)
        assert not breaker.is_open


def test_a_copy_in_another_process_knows_nothing_of_its_clock():
    restraint = Restraint(Patience(item_seconds=7.0), Clock())
    restraint.breaker.answered()
    restraint.reached = True
    copy = pickle.loads(pickle.dumps(restraint))
    assert copy.patience == restraint.patience
    assert not copy.reached and not copy.breaker.ever_answered


@pytest.mark.parametrize(
    ("setting", "value"),
    [("retry_share", -0.1), ("retry_share", float("nan")), ("free_retries", -1),
     ("max_retries", -1), ("outage_failures", 0), ("outage_seconds", 0.0)],
)  # fmt: skip
def test_patience_without_sense_is_refused(setting, value):
    with pytest.raises(ValueError, match=f"{setting} must"):
        Patience(**{setting: value})
