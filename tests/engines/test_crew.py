"""How a call is cut into jobs, and what a run that was interrupted asks when it goes on."""

from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.engines import Cached, ScriptedEngine
from jurist.engines.crew import Death, Job, SampleJob, Spread
from jurist.errors import EngineError
from jurist.types import Conversation, Sampling, StoppingRule, user


def words(prompt: Conversation, index: int) -> str:
    return f"{index} of {prompt[0].content}"


class Noted:
    """A crew in this process, that does one job after the other and notes each."""

    def __init__(self, num: int = 1, *, dies_at: int | None = None):
        self.num = num
        self.fingerprint = "scripted"
        self.jobs: list[Job] = []
        self.abandoned = False
        self._engine = ScriptedEngine(words, lambda prompt, text: -float(len(text)))
        self._waiting: deque[tuple[int, Job, StoppingRule | None]] = deque()
        self._dies_at = dies_at

    def begin(self, place, job, rule):
        assert len(self._waiting) < self.num
        self._waiting.append((place, job, rule))

    def wait(self):
        # The one begun last is done first: nobody may rely on an order.
        place, job, rule = self._waiting.pop()
        if self._dies_at is not None and len(self.jobs) >= self._dies_at:
            return place, Death("of the test")
        self.jobs.append(job)
        return place, job.done_by(self._engine, rule)

    def abandon(self):
        self.abandoned = True
        self._waiting.clear()

    def close(self):
        pass

    @property
    def asked(self) -> set[tuple[Conversation, ...]]:
        """The prompts of each job: what is decoded together."""
        return {job.prompts for job in self.jobs}


lengths = st.lists(st.integers(0, 300), min_size=1, max_size=40)


def prompts_of(sizes: list[int]) -> list[Conversation]:
    return [user(f"{number} " + "x" * size) for number, size in enumerate(sizes)]


@given(sizes=lengths, votes=st.integers(1, 9), job_size=st.integers(1, 40))
def test_every_prompt_stands_in_one_job_and_the_answers_are_in_the_order_asked(
    sizes, votes, job_size
):
    crew, prompts = Noted(3), prompts_of(sizes)
    found = Spread(crew, job_size=job_size).generate(prompts, Sampling(num_samples=votes))
    assert [[reply.text for reply in replies] for replies in found] == [
        [words(prompt, index) for index in range(votes)] for prompt in prompts
    ]
    assert sorted(item for job in crew.jobs for item in job.items) == list(range(len(prompts)))
    assert all(len(job.items) * votes <= max(votes, job_size) for job in crew.jobs)


@given(
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=20),
    size=st.integers(1, 3),
    at_first=st.integers(0, 4),
    job_size=st.integers(1, 40),
)
def test_what_is_asked_together_stands_in_one_job(sizes, size, at_first, job_size):
    crew, prompts = Noted(2), prompts_of([n for n in sizes for _ in range(size)])
    rule = StoppingRule(lambda samples: 0 if len(samples[0]) else at_first, size)
    found = Spread(crew, job_size=job_size).generate(prompts, Sampling(num_samples=9), rule)
    assert [len(replies) for replies in found] == [at_first] * len(prompts)
    # By what is wanted at first: nobody knows yet of how many there will be.
    groups_each = max(1, job_size // (size * max(1, at_first)))
    assert len(crew.jobs) == -(-len(sizes) // groups_each)
    for job in crew.jobs:
        assert len(job.items) <= groups_each * size
        groups = [job.items[n : n + size] for n in range(0, len(job.items), size)]
        assert all(group == tuple(range(group[0], group[0] + size)) for group in groups)
        assert all(group[0] % size == 0 for group in groups)
    assert sorted(item for job in crew.jobs for item in job.items) == list(range(len(prompts)))


@given(sizes=lengths, num=st.integers(2, 7))
def test_the_same_call_is_the_same_jobs_however_many_do_them(sizes, num):
    alone, several = Noted(1), Noted(num)
    for crew in (alone, several):
        Spread(crew, job_size=8).generate(prompts_of(sizes), Sampling(num_samples=3))
        Spread(crew, job_size=8).score(prompts_of(sizes), [["A", "B"]] * len(sizes))
    assert alone.asked == several.asked
    assert len(alone.jobs) == len(several.jobs)


@pytest.mark.parametrize("dies_at", [0, 1, 3, 5, 7])
def test_a_run_that_goes_on_decodes_the_batches_of_one_that_was_not_interrupted(
    tmp_path: Path, dies_at: int
):
    prompts, sampling = prompts_of([n * 37 % 11 for n in range(40)]), Sampling(num_samples=3)
    whole, first, second = Noted(2), Noted(2, dies_at=dies_at), Noted(2)

    def ask(crew: Noted, name: str):
        with Cached(Spread(crew, job_size=9), tmp_path / name, chunk_size=24) as cached:
            return cached.generate(prompts, sampling)

    expected = ask(whole, "whole.sqlite")
    with pytest.raises(EngineError, match="died"):
        ask(first, "interrupted.sqlite")
    assert first.abandoned
    assert ask(second, "interrupted.sqlite") == expected
    assert first.asked | second.asked == whole.asked
    # What was committed is not asked again: whole chunks of eight prompts, in three jobs each.
    assert len(second.jobs) == len(whole.jobs) - dies_at // 3 * 3


class DiesOnce(Noted):
    """One process that dies over every job once."""

    def __init__(self):
        super().__init__(1)
        self.begun: list[tuple[int, ...]] = []

    def begin(self, place, job, rule):
        self.begun.append(job.items)
        super().begin(place, job, rule)

    def wait(self):
        if self.begun.count(self.begun[-1]) == 1:
            place, _, _ = self._waiting.pop()
            return place, Death("of the test")
        return super().wait()


def test_deaths_with_a_job_done_in_between_end_nothing_and_a_job_is_tried_again_at_once():
    crew, prompts = DiesOnce(), prompts_of([1] * 12)
    found = Spread(crew, job_size=1).generate(prompts, Sampling())
    assert [replies[0].text for replies in found] == [words(prompt, 0) for prompt in prompts]
    assert len(crew.begun) == 24
    assert crew.begun[::2] == crew.begun[1::2]


def test_the_longest_prompts_are_begun_first():
    crew = Noted()
    Spread(crew, job_size=1).generate(prompts_of([5, 90, 40, 70]), Sampling())
    assert [job.items for job in crew.jobs] == [(1,), (3,), (2,), (0,)]


def test_a_job_holds_its_sampling_and_nothing_of_the_call_around_it():
    crew = Noted()
    Spread(crew, job_size=2).generate(prompts_of([1, 2, 3]), Sampling(first_index=4))
    assert all(isinstance(job, SampleJob) and job.sampling.first_index == 4 for job in crew.jobs)
