"""Cohorts that come one by one: whole when they are full, or when their window is over."""

import asyncio

import pytest

from jurist.errors import EngineError
from jurist.rewards import CohortRewards
from jurist.serving import Gatherer
from jurist.types import user

PROMPT, OTHER = user("Name a prime."), user("Name a square.")


class Lengths:
    """Rewards a response by its length."""

    def __init__(self):
        self.cohorts = []

    async def __call__(self, cohort):
        self.cohorts.append(cohort.responses)
        if "down" in cohort.responses:
            raise EngineError("down")
        return CohortRewards(rewards=tuple(float(len(text)) for text in cohort.responses))


@pytest.fixture
def lengths():
    return Lengths()


def test_a_cohort_that_is_full_waits_no_longer(lengths):
    async def main():
        gather = Gatherer(lengths, window_seconds=600.0, size=3)
        return await asyncio.gather(*(gather(PROMPT, text) for text in ("a", "bb", "ccc")))

    found = asyncio.run(main())
    assert [one.cohort.rewards[one.place] for one in found] == [1.0, 2.0, 3.0]
    assert [one.size for one in found] == [3, 3, 3]
    assert lengths.cohorts == [("a", "bb", "ccc")]


def test_a_window_that_is_over_takes_whoever_came(lengths):
    async def main():
        gather = Gatherer(lengths, window_seconds=0.05, size=3)
        return await asyncio.gather(gather(PROMPT, "a"), gather(PROMPT, "bb"))

    found = asyncio.run(main())
    assert [one.size for one in found] == [2, 2] and lengths.cohorts == [("a", "bb")]


def test_one_that_stays_alone_has_no_cohort(lengths):
    async def main():
        return await Gatherer(lengths, window_seconds=0.01, size=None)(PROMPT, "a")

    found = asyncio.run(main())
    assert found.cohort is None and found.size == 1 and lengths.cohorts == []


def test_other_prompts_and_other_groups_are_other_cohorts(lengths):
    async def main():
        gather = Gatherer(lengths, window_seconds=600.0, size=2)
        await asyncio.gather(
            gather(PROMPT, "a"),
            gather(OTHER, "b"),
            gather(PROMPT, "c", group="2"),
            gather(PROMPT, "d"),
            gather(OTHER, "e"),
            gather(PROMPT, "f", group="2"),
        )
        assert gather.num_open == 0

    asyncio.run(main())
    assert sorted(lengths.cohorts) == [("a", "d"), ("b", "e"), ("c", "f")]


def test_after_a_full_cohort_the_next_one_begins(lengths):
    async def main():
        gather = Gatherer(lengths, window_seconds=600.0, size=2)
        await asyncio.gather(*(gather(PROMPT, text) for text in "abcd"))

    asyncio.run(main())
    assert lengths.cohorts == [("a", "b"), ("c", "d")]


def test_who_hangs_up_leaves_its_response_and_the_others_their_rewards(lengths):
    async def main():
        gather = Gatherer(lengths, window_seconds=0.1, size=3)
        gone = asyncio.create_task(gather(PROMPT, "a"))
        await asyncio.sleep(0)
        gone.cancel()
        return await gather(PROMPT, "bb")

    found = asyncio.run(main())
    assert found.cohort.rewards == (1.0, 2.0) and found.place == 1


def test_what_fails_fails_for_all_of_the_cohort_and_no_other(lengths):
    async def main():
        gather = Gatherer(lengths, window_seconds=600.0, size=2)
        found = await asyncio.gather(
            *(gather(PROMPT, text) for text in ("a", "down")), return_exceptions=True
        )
        fine = await asyncio.gather(*(gather(PROMPT, text) for text in ("a", "bb")))
        return found, fine

    found, fine = asyncio.run(main())
    assert all(isinstance(one, EngineError) for one in found)
    assert fine[1].cohort.rewards == (1.0, 2.0)


@pytest.mark.parametrize("window", [0.0, -1.0, float("inf"), float("nan")])
def test_a_window_is_positive_and_finite(lengths, window):
    with pytest.raises(ValueError, match="window_seconds"):
        Gatherer(lengths, window_seconds=window, size=None)


def test_a_cohort_of_one_is_refused(lengths):
    with pytest.raises(ValueError, match="at least 2"):
        Gatherer(lengths, window_seconds=1.0, size=1)
