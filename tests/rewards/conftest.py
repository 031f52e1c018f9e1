"""Judges for tests of rewards: by a table of probabilities, by length, by place, or failing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from jurist.types import Comparison, Failure, Judgement, Verdict


@dataclass
class Stating:
    """States the probability that a function of the two texts gives; None is a failure."""

    probability: Callable[[str, str], float | None]
    asked: list[Comparison] = field(default_factory=list)
    calls: int = 0

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        self.calls += 1
        self.asked += comparisons
        return [[self.judge(one)] for one in comparisons]

    def judge(self, one: Comparison) -> Judgement:
        p = self.probability(one.first, one.second)
        if p is None:
            return Judgement(text="?", outcome=Failure.UNPARSEABLE, num_tokens=3)
        outcome = Verdict.TIE if p == 0.5 else Verdict.FIRST if p > 0.5 else Verdict.SECOND
        return Judgement(text="", outcome=outcome, probability=p, num_tokens=3, num_prompt_tokens=9)


@pytest.fixture(scope="session")
def make_stating():
    return Stating
