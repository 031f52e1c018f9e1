"""Judging in parts: sets of any size, a budget, and a run that goes on where it was killed.

RUN/
  judgements/pairs/0001.jsonl.gz ...   the parts, while there are some to come
  judgements/pairs.jsonl.gz            all of them, one after the other, at the end
  judgements/pairs.json                what they cost
"""

import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from jurist.data.objects import read_object
from jurist.errors import ConfigError, StoreError
from jurist.progress import progress
from jurist.recipes.estimate import Estimate, Spent
from jurist.recipes.evaluate import readings_path
from jurist.recipes.open_judge import OpenJudge
from jurist.recipes.readings import iterate_readings, write_readings
from jurist.recipes.run import stopwatch
from jurist.storage import replacing, write_json
from jurist.types import Failure, Judgement, Preference

PART_PAIRS = 500
"""Pairs judged at a time. An engine takes their replies in chunks that are smaller still, so that
more pairs would only take more memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetConfig:
    """How much may be spent on judging a set, in all."""

    max_judgements: int | None = None
    """Stop before there are more readings than these, over all pairs and both orders. What is not
    judged by then is in `unlabelled.jsonl`, with the reason `budget`. None: no limit."""

    max_judge_tokens: int | None = None
    """Stop before the judge may have read and written more tokens than these."""

    def __post_init__(self) -> None:
        for name, value in (
            ("max-judgements", self.max_judgements),
            ("max-judge-tokens", self.max_judge_tokens),
        ):
            if value is not None and value < 1:
                raise ConfigError(f"--{name} must be at least 1, got {value}")

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return (self.max_judgements, self.max_judge_tokens) != (None, None)

    def affordable(self, spent: Spent, *, num_possible: int, estimate: Estimate) -> float:
        """Pairs that what is left is enough for, however many readings and tokens they take.

        A pair is taken to read as many tokens as the estimate says on average, and to write as many
        as it may.
        """
        found = [math.inf]
        if self.max_judgements is not None:
            found.append((self.max_judgements - spent.num_judgements) // num_possible)
        if self.max_judge_tokens is not None:
            tokens = (estimate.num_read + estimate.num_written) / max(estimate.num_comparisons, 1)
            left = self.max_judge_tokens - spent.num_tokens
            found.append(left // tokens if tokens else math.inf)
        return max(min(found), 0)


class Item(Protocol):
    """Pairs that are judged together or not at all: one, or those of a pool."""

    @property
    def pairs(self) -> Sequence[Preference]:
        """What the judge is asked about. May be none."""
        ...


def judge_in_parts(
    opened: OpenJudge,
    items: Iterable[Item],
    *,
    name: str,
    total: int,
    budget: BudgetConfig,
    estimate: Estimate,
    run: Path,
    seed: int,
) -> None:
    """Judge the pairs of all items in both orders, a part of them at a time, within a budget.

    Each part is kept when it is done, and not judged again when the run goes on. What is held in
    memory is one part, unless the judge must see whole sets.

    Args:
        opened: The judge.
        items: What to judge, in order. Once the next one may not fit the budget, none is.
        name: Of the set, in the run's directory.
        total: Pairs of all items together.
        budget: How much may be spent.
        estimate: What tokens a pair is taken to cost.
        run: Directory of the run.
        seed: Draws places.

    Raises:
        ConfigError: If an earlier part was judged of other pairs.
        StoreError: If a part is damaged, or cannot be written.
    """
    size = math.inf if opened.whole_sets else PART_PAIRS
    parts: list[Path] = []
    spent = Spent()
    ahead = _Ahead(items)
    with progress(f"judging {name}", total, "pairs") as done:
        for number in count(1):
            affordable = budget.affordable(
                spent, num_possible=opened.num_possible, estimate=estimate
            )
            pairs = ahead.take(affordable, size)
            if not pairs:
                break
            path = _parts(run, name) / f"{number:06}.jsonl.gz"
            if path.exists():
                kept = iterate_readings(path, pairs)
                spent += _cost(reading.judgements for reading in kept)
            else:
                with stopwatch(run, f"judge/{name}/{number}") as note_time:
                    asked = [pair.shown(seed).comparison for pair in pairs]
                    judged = opened.judge(asked)
                    note_time()
                    write_readings(path, pairs, judged, num_possible=opened.num_possible, seed=seed)
                spent += _cost(judged)
            parts.append(path)
            done(len(pairs))
    write_json(_cost_path(run, name), {"of": total, **asdict(spent)})
    # Gzipped files one after the other are one.
    with replacing(readings_path(run, name)) as whole:
        for path in parts:
            with path.open("rb") as part:
                shutil.copyfileobj(part, whole)


def clear_parts(run: Path, name: str) -> None:
    """Delete the parts of a set that is done: `judge_in_parts` left them for the case of a kill."""
    shutil.rmtree(_parts(run, name), ignore_errors=True)


def spent_on(run: Path, name: str, *, total: int) -> Spent:
    """What `judge_in_parts` spent on a set when it was done with it.

    Raises:
        ConfigError: If the set had another number of pairs.
        StoreError: If the file is damaged.
    """
    path = _cost_path(run, name)
    try:
        found: dict[str, Any] = read_object(path)
        was, spent = found.pop("of"), Spent(**found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: damaged ({error!r}); delete the run and start again") from error
    if was != total:
        raise ConfigError(
            f"{readings_path(run, name)}: judgements of {was:,} pairs, and there are {total:,} "
            f"now; give another --output, or the data as it was"
        )
    return spent


def _parts(run: Path, name: str) -> Path:
    return readings_path(run, name).parent / name


def _cost_path(run: Path, name: str) -> Path:
    return readings_path(run, name).with_name(f"{name}.json")


def _cost(judged: Iterable[Sequence[Judgement]]) -> Spent:
    comparisons = judgements = failures = read = written = 0
    for readings in judged:
        comparisons += 1
        judgements += len(readings)
        failures += sum(isinstance(one.outcome, Failure) for one in readings)
        read += sum(one.num_prompt_tokens for one in readings)
        written += sum(one.num_tokens for one in readings)
    return Spent(
        num_comparisons=comparisons,
        num_judgements=judgements,
        num_failures=failures,
        num_read=read,
        num_written=written,
    )


class _Ahead:
    """Items, of which the next one may be looked at before it is taken."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._next = next(self._items, None)

    def take(self, affordable: float, size: float) -> list[Preference]:
        """Pairs of the next items that can be paid: `size` at most, but for one that has more."""
        pairs: list[Preference] = []
        while self._next is not None:
            number = len(pairs) + len(self._next.pairs)
            if number > affordable or (pairs and number > size):
                break
            pairs += self._next.pairs
            self._next = next(self._items, None)
        return pairs
