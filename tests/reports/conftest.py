"""A run of seven methods on two splits, judged by dice: for tests of how a report looks."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from jurist.evaluation import Judged, compare, judged, shortcuts
from jurist.judges import BothOrders
from jurist.reports import (
    ComparisonRow,
    DatasetFacts,
    Results,
    ShortcutRow,
    judged_row,
    worst_disagreements,
)
from jurist.types import Comparison, Failure, Judgement, Preference, Verdict, user


@dataclass(frozen=True, kw_only=True)
class Dice:
    """Right with a chance of its own on each pair, leaning to the first slot, failing now and then.

    The right response starts with the sum that the prompt asks for.
    """

    skill: float
    lean: float
    failing: float
    votes: int
    tokens: int
    seed: int

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        return [self._judge(comparison) for comparison in comparisons]

    def _judge(self, comparison: Comparison) -> list[Judgement]:
        texts = sorted((comparison.first, comparison.second))
        chance = random.Random(f"{self.seed} {texts}").betavariate(
            6 * self.skill, 6 * (1 - self.skill)
        )
        dice = random.Random(f"{self.seed} {comparison}")
        return [self._reading(comparison, chance, dice) for _ in range(self.votes)]

    def _reading(self, comparison: Comparison, chance: float, dice: random.Random) -> Judgement:
        tokens = round(dice.gauss(self.tokens, self.tokens / 6)) if self.tokens else 0
        if dice.random() < self.failing:
            return Judgement(text="I cannot", outcome=Failure.UNPARSEABLE, num_tokens=tokens)
        asked = int(comparison.prompt[0].content.split()[2])
        right = (
            Verdict.FIRST if comparison.first.startswith(f"{2 * asked + 1}.") else Verdict.SECOND
        )
        outcome = right if dice.random() < chance else right.swapped()
        if dice.random() < self.lean:
            outcome = Verdict.FIRST
        mark = "A" if outcome is Verdict.FIRST else "B"
        text = f"Response {mark} answers what was asked, step by step.\n[[{mark}]]"
        return Judgement(
            text=text if self.tokens else "",
            outcome=outcome,
            num_tokens=tokens,
            num_prompt_tokens=220,
        )


def preferences(split: str, count: int) -> list[Preference]:
    dice = random.Random(split)

    def padding(care: float) -> str:
        phrases = ("Count on from the first.", "It is plain to see.")
        return " ".join(phrases[dice.random() > care] for _ in range(dice.randint(0, 6)))

    return [
        Preference(
            id=f"{split}-{i}",
            prompt=user(f"What is {i} plus {i + 1}, and how do you know?"),
            chosen=f"{2 * i + 1}. {padding(0.6)}",
            rejected=f"{2 * i}. {padding(0.45)}",
            category=("sums", "words", "chat")[i % 3],
            group=f"{split}-{i // 2}",
        )
        for i in range(count)
    ]


METHODS = (
    ("zero-shot, no reasoning", 0.51, 0.55, 0.0, 1, 1, None),
    ("zero-shot judge", 0.64, 0.12, 0.04, 8, 42, None),
    ("Bradley–Terry", 0.70, 0.0, 0.0, 1, 0, 19.0),  # noqa: RUF001 - two people, not a minus
    ("PairRM", 0.69, 0.05, 0.0, 1, 0, 22.5),
    ("GenRM", 0.71, 0.08, 0.0, 1, 1, 40.2),
    ("STaR-SFT", 0.78, 0.03, 0.01, 8, 55, 95.0),
    ("STaR-DPO", 0.84, 0.02, 0.02, 8, 71, 103.4),
)


SPLITS = {"in-distribution": 0.0, "shifted": -0.09}


@pytest.fixture(scope="session")
def demo() -> Results:
    """The whole run; small, so that many tests can show it."""
    return demo_results(60)


@pytest.fixture(scope="session")
def judges() -> dict[str, dict[str, list[Judged]]]:
    """What each method says of twenty pairs of each split."""
    return demo_judged(20)


def demo_judged(count: int) -> dict[str, dict[str, list[Judged]]]:
    """What each method says of each split."""
    found: dict[str, dict[str, list[Judged]]] = {}
    for number, (name, skill, lean, failing, votes, tokens, _) in enumerate(METHODS):
        for split, loss in SPLITS.items():
            judge = BothOrders(
                judge=Dice(
                    skill=skill + (loss if skill > 0.6 else 0.0),
                    lean=lean,
                    failing=failing,
                    votes=votes,
                    tokens=tokens,
                    seed=number,
                )
            )
            pairs = preferences(split, count)
            seen = judge([preference.shown(0).comparison for preference in pairs])
            found.setdefault(name, {})[split] = judged(pairs, seen, seed=0)
    return found


def demo_results(count: int = 240) -> Results:
    data = {split: preferences(split, count) for split in SPLITS}
    train = preferences("train", 400)
    by_method = demo_judged(count)
    rows = [
        judged_row(
            by_method[name][split],
            method=name,
            split=split,
            judging_seconds=0.4 + votes * tokens * count / 9000,
            training_seconds=training,
            seed=0,
        )
        for name, _, _, _, votes, tokens, training in METHODS
        for split in SPLITS
    ]
    return Results(
        run="quickstart",
        version="0.1.0",
        environment={"python": "3.11.2", "numpy": "2.4.6", "device": "cpu, 2 threads"},
        datasets=tuple(
            DatasetFacts(
                name=f"world/{split}",
                split=split,
                num_pairs=len(pairs),
                num_tie_labels=0,
                num_groups=len({preference.group for preference in pairs}),
                categories={
                    name: sum(preference.category == name for preference in pairs)
                    for name in ("sums", "words", "chat")
                },
                num_overlapping=None if split == "train" else 0,
            )
            for split, pairs in {"train": train, **data}.items()
        ),
        rows=tuple(rows),
        shortcuts=tuple(
            ShortcutRow(split=split, shortcut=shortcut)
            for split, pairs in data.items()
            for shortcut in shortcuts(train, pairs)
        ),
        comparisons=tuple(
            ComparisonRow(
                method=method,
                baseline="zero-shot judge",
                split=split,
                paired=compare(by_method[method][split], by_method["zero-shot judge"][split]),
            )
            for method in ("Bradley–Terry", "GenRM", "STaR-SFT", "STaR-DPO")  # noqa: RUF001
            for split in SPLITS
        ),
        disagreements=tuple(
            case
            for method, by_split in by_method.items()
            if method == "STaR-DPO"
            for split, seen in by_split.items()
            for case in worst_disagreements(seen, method=method, split=split)
        ),
        notes=(
            "The data are dice: this page shows how a report looks and says nothing of any model.",
        ),
    )
