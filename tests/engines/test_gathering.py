"""What is wanted, by the samples that are there, in whatever order they come."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.engines.base import groups_of
from jurist.engines.gathering import Gathering
from jurist.engines.schedule import Schedule, Start
from jurist.types import Completion, StoppingRule

Samples = Sequence[Sequence[Completion]]


def reply(text: str) -> Completion:
    return Completion(text=text, finish_reason="stop")


def plan(num_prompts: int, num: int, rule: StoppingRule | None, **settings) -> Schedule:
    return Schedule(
        [1] * num_prompts,
        [[1] * num] * num_prompts,
        max_tokens=1000,
        max_rows=1000,
        groups=groups_of(num_prompts, rule),
        **settings,
    )


def texts(gathering: Gathering) -> list[str]:
    return ["".join(reply.text for reply in row) for row in gathering.answers()]


def test_a_rule_is_told_of_a_group_when_all_that_it_wanted_is_there():
    told: list[list[str]] = []

    def more(samples: Samples) -> int:
        told.append(["".join(reply.text for reply in have) for have in samples])
        return 2 if not samples[0] else 0

    rule = StoppingRule(more, 2)
    schedule = plan(2, 4, rule, lean_rows=6)
    gathering = Gathering(schedule, 4, rule)
    # Two of each are wanted, and one more of each is begun ahead of need.
    assert len(schedule.starts()) == 6
    for prompt, sample in [(0, 1), (1, 2), (1, 0), (0, 0)]:
        schedule.end(prompt, sample)
        gathering.add(prompt, sample, reply("ab"[prompt] if sample else "AB"[prompt]))
    assert told == [["", ""]]
    assert schedule.wanted(0, 2)
    schedule.end(1, 1)
    gathering.add(1, 1, reply("b"))
    assert told == [["", ""], ["Aa", "Bb"]]
    assert texts(gathering) == ["Aa", "Bb"]
    assert schedule.rows == 0 and not schedule.held(0)


def test_what_came_ahead_of_need_is_there_when_it_is_wanted():
    rule = StoppingRule(lambda samples: 1)
    schedule = plan(1, 4, rule, lean_rows=4)
    gathering = Gathering(schedule, 4, rule)
    assert len(schedule.starts()) == 4
    for sample in (3, 1, 2, 0):
        schedule.end(0, sample)
        gathering.add(0, sample, reply(str(sample)))
    assert texts(gathering) == ["0123"]


def test_without_a_rule_it_takes_all():
    schedule = plan(2, 3, None)
    gathering = Gathering(schedule, 3, None)
    for prompt, sample in schedule.starts()[::-1]:
        schedule.end(prompt, sample)
        gathering.add(prompt, sample, reply(str(sample)))
    assert texts(gathering) == ["012", "012"]


@pytest.mark.parametrize("wanted", [0, 7])
def test_to_want_none_or_too_many_is_to_want_none_or_all(wanted: int):
    rule = StoppingRule(lambda _: wanted)
    schedule = plan(1, 3, rule, lean_rows=0)
    gathering = Gathering(schedule, 3, rule)
    starts = schedule.starts()
    assert len(starts) == min(wanted, 3)
    for prompt, sample in starts:
        schedule.end(prompt, sample)
        gathering.add(prompt, sample, reply("x"))
    assert texts(gathering) == ["x" * len(starts)]


@given(
    num_groups=st.integers(1, 5),
    size=st.integers(1, 3),
    num=st.integers(1, 9),
    lean_rows=st.integers(0, 30),
    ahead=st.integers(1, 4),
    max_rows=st.integers(1, 30),
    steps=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    seed=st.integers(0, 99),
)
def test_neither_luck_nor_eagerness_changes_an_answer(
    num_groups, size, num, lean_rows, ahead, max_rows, steps, seed
):
    def more(samples: Samples) -> int:
        # Of what was said, and not only of how much.
        said = sum(int(one.text) for have in samples for one in have)
        return steps[said % len(steps)]

    rule = StoppingRule(more, size)
    num_prompts = num_groups * size
    schedule = Schedule(
        [3] * num_prompts,
        [[2] * num] * num_prompts,
        max_tokens=40,
        max_rows=max_rows,
        groups=groups_of(num_prompts, rule),
        lean_rows=lean_rows,
        ahead=ahead,
    )
    gathering, chance = Gathering(schedule, num, rule), random.Random(seed)
    whole = [[reply(str(7 * i + n * n)) for n in range(num)] for i in range(num_prompts)]
    flying: list[Start] = []
    while flying := [*flying, *schedule.starts()]:
        prompt, sample = flying.pop(chance.randrange(len(flying)))
        schedule.end(prompt, sample)
        gathering.add(prompt, sample, whole[prompt][sample])
        flying = [start for start in flying if schedule.wanted(*start)]
    expected: list[list[Completion]] = []
    for group in groups_of(num_prompts, rule):
        due = 0
        while due < num and (count := more([whole[i][:due] for i in group])):
            due = min(due + count, num)
        expected += [whole[i][:due] for i in group]
    assert gathering.answers() == expected
