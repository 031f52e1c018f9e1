"""The schedule by itself: what starts when, and what is in flight."""

import random

from hypothesis import given
from hypothesis import strategies as st

from jurist.engines.schedule import LEAN_ROWS, Schedule, Start


def plan(lengths, sizes, **settings) -> Schedule:
    return Schedule(lengths, sizes, **{"max_tokens": 1000, "max_rows": 1000, **settings})


def test_everything_that_fits_starts_at_once_the_longest_prompt_first():
    schedule = plan([5, 9], [[10, 10], [10]])
    assert schedule.starts() == [Start(1, 0), Start(0, 0), Start(0, 1)]
    # 5 + 9 tokens of prompts and 3 x 10 of samples.
    assert (schedule.rows, schedule.tokens) == (3, 44)
    assert schedule.starts() == []


def test_what_ends_makes_room_for_the_same_prompt_before_another():
    schedule = plan([5, 4], [[10, 10, 10], [10]], max_tokens=25)
    assert schedule.starts() == [Start(0, 0), Start(0, 1)]
    schedule.end(0, 1)
    assert schedule.starts() == [Start(0, 2)]
    schedule.end(0, 0)
    # The second prompt needs 14, and 15 of 25 are taken.
    assert schedule.starts() == []
    schedule.end(0, 2)
    assert not schedule.held(0)
    assert schedule.starts() == [Start(1, 0)]


def test_a_sample_that_never_fits_is_decoded_alone():
    schedule = plan([50, 50], [[10], [10]], max_tokens=1)
    assert schedule.starts() == [Start(0, 0)]
    assert schedule.starts() == []
    schedule.end(0, 0)
    assert schedule.starts() == [Start(1, 0)]


def test_rows_are_a_budget_too():
    schedule = plan([5], [[10] * 7], max_rows=4)
    assert len(schedule.starts()) == 4


def test_few_samples_wait_for_more_while_many_are_in_flight():
    schedule = plan([5], [[1] * 40], max_rows=16)
    assert len(schedule.starts()) == 16
    schedule.end(0, 3)
    # 1 is less than an eighth of the 15 that go on; 2 of 14 are not.
    assert schedule.starts() == []
    schedule.end(0, 4)
    assert schedule.starts() == [Start(0, 16), Start(0, 17)]


def test_samples_of_a_prompt_that_was_stopped_are_in_flight_no_more():
    schedule = plan([5, 4], [[10] * 3, [10] * 3])
    schedule.starts()
    schedule.end(0, 1)
    schedule.stop(0)
    assert not schedule.wanted(0, 0)
    assert not schedule.held(0)
    assert schedule.wanted(1, 0)
    assert (schedule.rows, schedule.tokens) == (3, 34)


class TestWanted:
    def test_a_prompt_starts_what_is_wanted(self):
        num = 2 * LEAN_ROWS
        schedule = plan([5] * num, [[1] * 8] * num)
        for i in range(num):
            schedule.want(i, 1)
        assert schedule.starts() == [Start(i, 0) for i in range(num)]
        for i in range(num):
            schedule.end(i, 0)
            schedule.want(i, 3)
        assert schedule.starts() == [Start(i, n) for i in range(num) for n in (1, 2)]

    def test_a_batch_that_is_nearly_empty_is_filled_with_one_more_of_each_in_turn(self):
        schedule = plan([5] * 2, [[1] * 100] * 2, lean_rows=10)
        for i in range(2):
            schedule.want(i, 2)
        assert schedule.starts() == [
            *[Start(0, 0), Start(0, 1), Start(1, 0), Start(1, 1)],
            *[Start(i, n) for n in (2, 3, 4) for i in (0, 1)],
        ]

    def test_a_batch_is_not_filled_with_prompts_that_nothing_is_in_flight_of(self):
        schedule = plan([5] * 2, [[1] * 100] * 2, lean_rows=4)
        for i in range(2):
            schedule.want(i, 2)
        schedule.starts()
        schedule.end(0, 0)
        schedule.end(0, 1)
        # The first prompt waits for what the rule makes of the second.
        assert schedule.starts() == [Start(1, 2), Start(1, 3)]

    def test_when_more_is_wanted_more_than_that_is_begun(self):
        schedule = plan([5], [[1] * 12], lean_rows=0, ahead=3)
        schedule.want(0, 2)
        # The first time no more than is wanted.
        assert schedule.starts() == [Start(0, 0), Start(0, 1)]
        schedule.end(0, 0)
        schedule.end(0, 1)
        schedule.want(0, 4)
        assert schedule.starts() == [Start(0, n) for n in range(2, 8)]
        for n in range(2, 8):
            schedule.end(0, n)
        schedule.want(0, 8)
        assert schedule.starts() == []
        schedule.want(0, 10)
        assert schedule.starts() == [Start(0, n) for n in range(8, 12)]

    def test_one_of_which_nothing_is_wanted_now_is_held_until_it_is_stopped(self):
        schedule = plan([5] * 2, [[1] * 8] * 2, lean_rows=0)
        schedule.want(0, 1)
        assert len(schedule.starts()) == 9
        schedule.end(0, 0)
        assert schedule.starts() == []
        assert schedule.held(0)
        schedule.want(0, 2)
        schedule.end(1, 0)
        assert schedule.starts() == [Start(0, 1)]
        schedule.stop(0)
        assert not schedule.held(0)
        assert (schedule.rows, schedule.tokens) == (7, 12)

    def test_one_that_was_stopped_before_it_started_never_does(self):
        schedule = plan([5] * 2, [[1] * 2] * 2)
        schedule.stop(0)
        assert schedule.starts() == [Start(1, 0), Start(1, 1)]
        assert (schedule.held(0), schedule.tokens) == (False, 7)


class TestGroups:
    def test_are_opened_together_the_longest_prompt_first(self):
        groups = [range(2), range(2, 4)]
        schedule = plan([5, 6, 2, 9], [[10]] * 4, max_tokens=35, groups=groups)
        # 2 + 9 + 5 + 6 and two samples of each: the second group has no room beside the first.
        assert schedule.starts() == [Start(2, 0), Start(3, 0)]
        assert not schedule.held(0)
        schedule.end(2, 0)
        assert schedule.starts() == []
        schedule.end(3, 0)
        assert schedule.starts() == [Start(0, 0), Start(1, 0)]

    def test_one_that_never_fits_is_decoded_sample_by_sample(self):
        schedule = plan([50, 50], [[10], [10]], max_tokens=1, groups=[range(2)])
        assert schedule.starts() == [Start(0, 0)]
        assert schedule.starts() == []
        schedule.end(0, 0)
        assert schedule.starts() == [Start(1, 0)]


@given(
    work=st.lists(
        st.tuples(st.integers(1, 30), st.lists(st.integers(1, 20), max_size=9)), max_size=12
    ),
    size=st.integers(1, 3),
    max_tokens=st.integers(1, 120),
    max_rows=st.integers(1, 20),
    lean_rows=st.integers(0, 20),
    ahead=st.integers(1, 4),
    at_first=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_every_wanted_sample_runs_once_in_order_within_the_budget(
    work, size, max_tokens, max_rows, lean_rows, ahead, at_first, seed
):
    work = work[: len(work) // size * size]
    lengths, sizes = [length for length, _ in work], [row for _, row in work]
    groups = [range(i, i + size) for i in range(0, len(work), size)]
    schedule = Schedule(
        lengths,
        sizes,
        max_tokens=max_tokens,
        max_rows=max_rows,
        groups=groups,
        lean_rows=lean_rows,
        ahead=ahead,
    )
    chance = random.Random(seed)
    wanted = [min(at_first, len(row)) for row in sizes]
    for i, count in enumerate(wanted):
        schedule.want(i, count)
    done: list[Start] = []
    flying: list[Start] = []
    stopped: set[int] = set()
    while True:
        flying += schedule.starts()
        assert schedule.rows == len(flying)
        held = [i for i in range(len(work)) if schedule.held(i)]
        tokens = sum(lengths[i] for i in held) + sum(sizes[i][n] for i, n in flying)
        assert schedule.tokens == tokens
        assert len(flying) <= max_rows
        assert len(flying) <= 1 or tokens <= max_tokens
        if not flying:
            break
        one = flying.pop(chance.randrange(len(flying)))
        schedule.end(*one)
        done.append(one)
        if chance.random() < 0.3:
            i = chance.randrange(len(work))
            wanted[i] = min(wanted[i] + 1, len(sizes[i]))
            schedule.want(i, wanted[i])
        if chance.random() < 0.05:
            schedule.stop(one.prompt)
            stopped.add(one.prompt)
            flying = [other for other in flying if other.prompt != one.prompt]
    assert len(set(done)) == len(done)
    for i, count in enumerate(wanted):
        ran = sorted(n for prompt, n in done if prompt == i)
        if i not in stopped:
            assert ran == list(range(len(ran)))
            assert len(ran) >= count
