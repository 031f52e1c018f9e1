"""Pools of candidate responses, read for a recipe and compared by a judge, once."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from jurist.data import Pool, read_pools
from jurist.digest import derive_seed, digest
from jurist.errors import ConfigError
from jurist.recipes.evaluate import judge_set, judge_tests_with, readings_path
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_judge import OpenJudge, open_judge
from jurist.recipes.readings import Readings, read_readings
from jurist.recipes.sets import named_source
from jurist.rehearsal import note_set
from jurist.types import Comparison, Preference

if TYPE_CHECKING:
    # Loads numpy, which `jurist --help` need not wait for.
    from jurist.rewards import Cohort, Compared
    from jurist.search import Tournament

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolsConfig:
    """Which candidates of which pools to compare, and how many of them."""

    num_opponents: int = 4
    """Others that each candidate meets in a league or a Swiss tournament."""

    max_pools: int | None = None
    """Take at most so many pools of each set, drawn by their ids. None: all."""

    max_candidates: int | None = None
    """Take at most so many candidates of each pool, drawn by their texts. None: all."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("num_opponents", self.num_opponents, 2),
            ("max_pools", self.max_pools, 1),
            ("max_candidates", self.max_candidates, 2),
        ):
            if value is not None and value < least:
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} must be at least {least}, got {value}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedPools:
    """Pools of one set, the pairs that were judged, and what was said of them."""

    pairs: list[Preference]
    """Every pair that was judged. Length N."""

    readings: Readings
    """What the judge said of each pair. Length N."""

    compared: list[list["Compared"]]
    """The same by pool, each with its ballot."""

    @classmethod
    def empty(cls, pools: Sequence[Pool], *, seed: int) -> "ComparedPools":
        """Pools of which nothing was compared yet."""
        return cls(
            pairs=[],
            readings=Readings(judgements=[], num_unasked=[], seed=seed),
            compared=[[] for _ in pools],
        )

    def add(self, asked: Sequence[tuple[int, Preference]], path: Path) -> list["Compared"]:
        """Add what was judged, each pair with the number of its pool, from where it was kept."""
        from jurist.judges import Ballot
        from jurist.rewards import Compared

        pairs = [pair for _, pair in asked]
        readings = read_readings(path, pairs)
        self.pairs.extend(pairs)
        self.readings.judgements.extend(readings.judgements)
        self.readings.num_unasked.extend(readings.num_unasked)
        added: list[Compared] = []
        for at, (number, pair) in enumerate(asked):
            shown = pair.shown(readings.seed).comparison
            ballot = Ballot.of(readings.judgements[at], num_unasked=readings.num_unasked[at])
            added.append(Compared(first=shown.first, second=shown.second, ballot=ballot))
            self.compared[number].append(added[-1])
        return added


def read_pool_sets(
    sources: Sequence[str], config: PoolsConfig, *, seed: int
) -> dict[str, list[Pool]]:
    """Read sets of pools, each FILE or NAME=FILE, by name, and take what the config asks for.

    Raises:
        ConfigError: If two sets have one name.
        DataError: If a file is missing, damaged, or holds a row that is no pool.
    """
    sets: dict[str, list[Pool]] = {}
    for source in sources:
        name, path = named_source(source)
        if name in sets:
            raise ConfigError(f"two sets are called {name!r}; name one: --pools OTHER={path}")
        pools = read_pools(Path(path))
        taken = sorted(pools, key=lambda pool: derive_seed("pool", seed, pool.id))
        kept = {pool.id for pool in taken[: config.max_pools]}
        sets[name] = [
            limited_pool(pool, config.max_candidates, seed=seed)
            for pool in pools
            if pool.id in kept
        ]
        num_candidates = sum(len(pool.candidates) for pool in sets[name])
        note_set(name, f"{len(kept):,} pools, {num_candidates:,} candidates; {path}")
        logger.info(
            "%s: %s of %s pools, %s candidates",
            name,
            f"{len(kept):,}",
            f"{len(pools):,}",
            f"{num_candidates:,}",
        )
    return sets


def limited_pool(pool: Pool, most: int | None, *, seed: int) -> Pool:
    """A pool with at most so many of its candidates, drawn by their texts."""
    if most is None or len(pool.candidates) <= most:
        return pool
    drawn = sorted(
        range(len(pool.candidates)),
        key=lambda i: (digest("candidate", seed, pool.id, pool.candidates[i].text), i),
    )[:most]
    return replace(pool, candidates=tuple(pool.candidates[i] for i in sorted(drawn)))


def compare_pools(
    judge: JudgeConfig,
    name: str,
    pools: Sequence[Pool],
    *,
    num_opponents: int | None,
    run: Path,
    seed: int,
) -> ComparedPools:
    """Have the candidates of each pool compared: all pairs, or a bounded number (`pairings`)."""
    from jurist.rewards import cohort_comparisons

    asked = [
        (number, pair_of(pool, one))
        for number, pool in enumerate(pools)
        for one in cohort_comparisons(cohort_of(pool), num_opponents=num_opponents, seed=seed)
    ]
    found = ComparedPools.empty(pools, seed=seed)
    if asked:
        judge_tests_with(judge, {name: [pair for _, pair in asked]}, run=run, seed=seed)
        found.add(asked, readings_path(run, name))
    return found


def compare_by_rounds(
    judge: JudgeConfig,
    name: str,
    pools: Sequence[Pool],
    tournament: "Tournament",
    *,
    run: Path,
    seed: int,
) -> ComparedPools:
    """Hold a tournament among the candidates of each pool, a round of all pools at a time."""
    from jurist.rewards import drawn_order
    from jurist.search import going_on

    tournaments = [
        tournament(drawn_order(pool.prompt, [c.text for c in pool.candidates], seed=seed))
        for pool in pools
    ]
    found = ComparedPools.empty(pools, seed=seed)
    going = {
        number: matches
        for number, rounds in enumerate(tournaments)
        if (matches := next(rounds, None)) is not None
    }
    with ExitStack() as stack:
        opened: OpenJudge | None = None
        for number_of_round in count(1):
            if not going:
                break
            asked = [
                (number, pair_of(pools[number], _shown(pools[number], *match)))
                for number, matches in going.items()
                for match in matches
            ]
            part = f"{name}-round-{number_of_round}"
            if not readings_path(run, part).exists():
                opened = opened or stack.enter_context(
                    open_judge(judge, seed=seed, store=run / "completions.sqlite")
                )
                pairs = [pair for _, pair in asked]
                judge_set(opened, part, pairs, run=run, seed=seed, stage=f"judge/{name}/{part}")
            made = iter(found.add(asked, readings_path(run, part)))
            answers = {
                number: [next(made).seen_from(first) for first, _ in matches]
                for number, matches in going.items()
            }
            going = going_on(tournaments, answers)
    return found


def cohort_of(pool: Pool) -> "Cohort":
    """The candidates of a pool as the judge may see them: texts, and nothing else."""
    from jurist.rewards import Cohort

    return Cohort(prompt=pool.prompt, responses=tuple(one.text for one in pool.candidates))


def pair_of(pool: Pool, comparison: Comparison) -> Preference:
    """Two candidates as a preference: the right one chosen, if one is right and the other wrong.

    If nothing sets them apart, it is a tie, whose label says nothing. Its id depends on the texts
    and not on the labels, so that the places they are shown in do not tell.
    """
    first, second = comparison.first, comparison.second
    flags = {
        text: {one.correct for one in pool.candidates if one.text == text}
        for text in (first, second)
    }
    # Equal texts of which only some are right, or nobody checked, are neither right nor wrong.
    right = {text: values.pop() if len(values) == 1 else None for text, values in flags.items()}
    labelled = {right[first], right[second]} == {True, False}
    turned = labelled and right[second] is True
    return Preference(
        id=f"{pool.id}/{digest(*sorted((first, second)))[:16]}",
        prompt=pool.prompt,
        chosen=second if turned else first,
        rejected=first if turned else second,
        tie=not labelled,
        category=pool.category,
        source=pool.source,
        group=pool.group,
    )


def _shown(pool: Pool, first: str, second: str) -> Comparison:
    return Comparison(prompt=pool.prompt, first=first, second=second)
