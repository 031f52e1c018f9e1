"""What of a gain on the chains world is habit: how judgements begin, and how right each habit is.

    python -m benchmarks.habits runs/quickstart/zero-shot-judge runs/quickstart/star-dpo

Reads the kept judgements of finished runs. A judgement that begins with none of the three habits of
the corpus is called "other"; one without a verdict is wrong. "chains right" is the share of the
redone chains that are right in every step.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jurist.data import read_preferences
from jurist.recipes.evaluate import kept_readings
from jurist.recipes.run import read_run_config
from jurist.recipes.sets import named_source
from jurist.types import Judgement, Preference
from jurist.worlds.chains import read_question, work

HABITS = ("redo", "skim", "gut", "other")


@dataclass(frozen=True, kw_only=True, slots=True)
class HabitsConfig:
    """One look at some runs."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Directories of finished runs on the chains world."""


def main() -> None:
    """Print a line for every run and test set."""
    for run in tyro.cli(HabitsConfig).runs:
        settings = read_run_config(run / "config.json")["config"]
        sources = dict(map(named_source, settings.get("data", settings)["test"]))
        tests = {name: read_preferences(path).preferences for name, path in sources.items()}
        for name, readings in kept_readings(run, tests).items():
            print(f"{run} {name}: {described(tests[name], readings.judgements, readings.seed)}")


def described(
    preferences: Sequence[Preference], judgements: Sequence[Sequence[Judgement]], seed: int
) -> str:
    """Share and accuracy of every habit, and how many of the redone chains are right."""
    num, num_right, num_chains = Counter[str](), Counter[str](), 0
    for preference, of_pair in zip(preferences, judgements, strict=True):
        answer = work(read_question(preference.prompt[-1].content)).text
        label = preference.shown(seed).label
        for judgement in of_pair:
            begins = judgement.text.split(" ", 1)[0]
            habit = begins if begins in HABITS else "other"
            num[habit] += 1
            num_right[habit] += judgement.outcome == label
            num_chains += judgement.text.startswith(f"redo {answer} ;")
    total = sum(num.values())
    parts = [
        f"{habit} {num[habit] / total:.1%} (right {num_right[habit] / num[habit]:.1%})"
        for habit in HABITS
        if num[habit]
    ]
    return (
        f"{total} judgements, right {sum(num_right.values()) / total:.1%}; {', '.join(parts)}; "
        f"chains right {num_chains / max(1, num['redo']):.1%}"
    )


if __name__ == "__main__":
    main()
