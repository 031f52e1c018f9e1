"""A judge whose votes are written down beforehand, for everything that stops or spreads votes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from jurist.types import Comparison, Failure, Judgement, Verdict, user


def pair(name: str) -> Comparison:
    return Comparison(prompt=user(name), first=f"{name} one", second=f"{name} two")


@dataclass
class Recorded:
    """Vote i of a comparison is entry i of its list: f, s, t, or x for a failure."""

    num_samples: int
    votes: dict[Comparison, str]
    calls: list[tuple[int, int, int]] = field(default_factory=list)
    """First index, number of samples and number of prompts of each call."""

    def sample(
        self, comparisons: Sequence[Comparison], *, first_index: int, num_samples: int
    ) -> list[list[Judgement]]:
        self.calls.append((first_index, num_samples, len(comparisons)))
        assert first_index + num_samples <= self.num_samples
        return [
            [
                reading(letter, f"{comparison.first} {i}")
                for i, letter in enumerate(self.votes[comparison])
            ][first_index : first_index + num_samples]
            for comparison in comparisons
        ]

    def sample_groups(
        self,
        groups: Sequence[Sequence[Comparison]],
        more: Callable[[Sequence[Sequence[Judgement]]], int],
    ) -> list[list[list[Judgement]]]:
        found: list[list[list[Judgement]]] = []
        for group in groups:
            whole, num = self(group), 0
            while num < self.num_samples and (count := more([one[:num] for one in whole])):
                num = min(num + count, self.num_samples)
            found.append([one[:num] for one in whole])
        return found

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        return self.sample(comparisons, first_index=0, num_samples=self.num_samples)


OUTCOMES = {
    "f": Verdict.FIRST,
    "s": Verdict.SECOND,
    "t": Verdict.TIE,
    "x": Failure.UNPARSEABLE,
}


def reading(letter: str, text: str = "") -> Judgement:
    return Judgement(text=text, outcome=OUTCOMES[letter], num_tokens=3, num_prompt_tokens=10)


MIRROR = str.maketrans("fs", "sf")


def recorded(votes: dict[str, tuple[str, str]]) -> tuple[Recorded, list[Comparison]]:
    """A judge of pairs by name; for each its votes in the order given and in the swapped one.

    Both are written in terms of the pair as given.
    """
    table: dict[Comparison, str] = {}
    for name, (given, swapped) in votes.items():
        table[pair(name)] = given
        table[pair(name).swapped()] = swapped.translate(MIRROR)
    (count,) = {len(letters) for letters in table.values()}
    return Recorded(count, table), [pair(name) for name in votes]


def rolled(count: int, votes: int, seed: int) -> tuple[Recorded, list[Comparison]]:
    """A judge of `count` pairs, each with shares of its own, leaning to places, with failures."""
    dice = random.Random(seed)
    table: dict[str, tuple[str, str]] = {}
    for number in range(count):
        chance, lean = dice.betavariate(0.8, 0.8), dice.uniform(0, 0.3)
        orders = []
        for tilt in (lean, -lean):
            first = min(1.0, max(0.0, chance + tilt))
            weights = [first, 1 - first, 0.05, 0.05]
            orders.append("".join(dice.choices("fstx", weights, k=votes)))
        table[f"pair {number}"] = (orders[0], orders[1])
    return recorded(table)


@pytest.fixture(scope="session")
def make_recorded():
    return recorded


@pytest.fixture(scope="session")
def make_rolled():
    return rolled
