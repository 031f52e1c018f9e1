"""What is to be labelled, read row by row and as often as needed: pairs, or pools of candidates."""

import heapq
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from jurist.data import Pool
from jurist.data.labelled import LabelLayout, misfit
from jurist.data.pools import iterate_pools
from jurist.data.read import RowCounts, iterate_preferences
from jurist.digest import derive_seed
from jurist.errors import DataError
from jurist.recipes.pools import PoolsConfig, cohort_of, limited_pool, pair_of
from jurist.types import Comparison, Conversation, Preference

logger = logging.getLogger(__name__)

NUM_MEASURED = 200
"""Comparisons that an estimate is measured on, about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelItem:
    """One row to label, and what the judge is asked about it."""

    id: str
    prompt: Conversation
    pairs: tuple[Preference, ...]
    """One; of a pool those that meet, none if it has no two different candidates."""

    pool: Pool | None = None


Items = Callable[[], Iterator[LabelItem]]
"""Reads the rows once more, the same ones in the same order."""


def pair_items(source: str, *, layout: str, split: str, skip_bad: Path | None) -> Items:
    """Pairs in any layout of preferences."""
    told: list[str] = []

    def read() -> Generator[LabelItem]:
        counts = yield from _as_items(
            iterate_preferences(source, layout=layout, split=split or None, skip_bad=skip_bad)
        )
        for count, what in (
            (counts.num_rejected, f"bad rows set aside in {skip_bad}"),
            (counts.num_deduplicated, "rows given twice left out"),
            (counts.num_repeated, "rows repeated under another id, and judged again"),
        ):
            line = f"{source}: {count:,} {what}"
            if count and line not in told:
                told.append(line)
                logger.warning("%s", line)

    return read


def _as_items(
    rows: Generator[Preference, None, RowCounts],
) -> Generator[LabelItem, None, RowCounts]:
    while True:
        try:
            pair = next(rows)
        except StopIteration as end:
            return end.value
        yield LabelItem(id=pair.id, prompt=pair.prompt, pairs=(pair,))


def pool_items(
    path: Path,
    limits: PoolsConfig,
    *,
    tournament: Literal["all-pairs", "league"],
    seed: int,
) -> Items:
    """Pools, each with the pairs of its candidates that meet."""

    def read() -> Generator[LabelItem]:
        from jurist.rewards import cohort_comparisons

        bound = limits.num_opponents if tournament == "league" else None
        kept: set[str] | None = None
        if limits.max_pools is not None:
            ids = (pool.id for pool in iterate_pools(path))
            drawn = sorted(ids, key=lambda name: derive_seed("pool", seed, name))
            kept = set(drawn[: limits.max_pools])
        for pool in iterate_pools(path):
            if kept is not None and pool.id not in kept:
                continue
            # The labels of the candidates, if they have any, must not decide how a pair is written.
            pool = _unchecked(limited_pool(pool, limits.max_candidates, seed=seed))
            met = cohort_comparisons(cohort_of(pool), num_opponents=bound, seed=seed)
            yield LabelItem(
                id=pool.id,
                prompt=pool.prompt,
                pairs=tuple(pair_of(pool, one) for one in met),
                pool=pool,
            )

    return read


def _unchecked(pool: Pool) -> Pool:
    return replace(
        pool,
        candidates=tuple(replace(candidate, correct=None) for candidate in pool.candidates),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What there is to label, found by reading all of it once."""

    num_items: int
    num_pairs: int
    sample: list[Comparison]
    """Comparisons of some rows, drawn by their ids."""


def surveyed(items: Items, layouts: Sequence[LabelLayout], *, seed: int) -> Survey:
    """Read everything once: so that a bad last row is found before the first one is judged.

    Raises:
        DataError: If a row is bad, or cannot be written in one of the layouts.
    """
    num_items = num_pairs = num_drawn = 0
    drawn: list[tuple[int, int, LabelItem]] = []
    for item in items():
        for layout in layouts:
            if wrong := misfit(item.prompt, layout):
                raise DataError(f"{item.id}: {wrong}; leave --layouts {layout}, or the row")
        num_items += 1
        num_pairs += len(item.pairs)
        # A heap of those with the least draws, the greatest of them on top.
        heapq.heappush(drawn, (-derive_seed("estimate", seed, item.id), num_items, item))
        num_drawn += len(item.pairs)
        while drawn and num_drawn - len(drawn[0][2].pairs) >= NUM_MEASURED:
            num_drawn -= len(heapq.heappop(drawn)[2].pairs)
    sample = [
        pair.shown(seed).comparison
        for *_, item in sorted(drawn, reverse=True)
        for pair in item.pairs
    ]
    return Survey(num_items=num_items, num_pairs=num_pairs, sample=sample)
