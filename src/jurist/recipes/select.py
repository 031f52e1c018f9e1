"""Best of n: have a judge choose among candidate responses, and measure what that is worth.

jurist select --model runs/star-dpo --pools pools.jsonl --output runs/selected
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jurist.data import Pool
from jurist.digest import canonical
from jurist.errors import ConfigError, DataError
from jurist.recipes.evaluate import show
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.pools import (
    ComparedPools,
    PoolsConfig,
    cohort_of,
    compare_by_rounds,
    compare_pools,
    pair_of,
    read_pool_sets,
)
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, Sets, read_set
from jurist.showing import Console
from jurist.storage import replacing
from jurist.types import Comparison

if TYPE_CHECKING:
    # Loads numpy and more, which `jurist --help` need not wait for.
    from jurist.reports import Results
    from jurist.search import Choice, Cycles

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectConfig:
    """Everything a selection depends on."""

    judge: JudgeConfig
    pools: tuple[str, ...]
    """Sets of pools, each a JSON Lines file (plain or .gz), or NAME=FILE. A row has a prompt and
    candidates, each with a text, and whether it is correct, if known."""

    output: Path
    """Run directory; `selected.jsonl` in it gets a line per pool. The same command run again goes
    on where it was."""

    tournament: Literal["all-pairs", "league", "swiss", "knockout"] = "all-pairs"
    """Who meets whom in a pool. all-pairs: everyone everyone, on which the others are then
    replayed, for every n. league: each candidate --num-opponents others, fixed beforehand. swiss:
    as many, round by round of about its own standing. knockout: who loses is out. The last three
    are measured for whole pools only."""

    limits: PoolsConfig = PoolsConfig()

    aggregation: Literal["bradley-terry", "win-rate"] = "bradley-terry"
    """How comparisons become a reward: strengths by maximum likelihood, or the mean probability of
    winning."""

    prior: float = 0.1
    """Comparisons with an average candidate, half won, that each is credited with beforehand."""

    answers: Literal["auto", "number", "text", "none"] = "auto"
    """How the most common answer is told: by the last number of a candidate, or by its whole text
    without case and punctuation. auto: by numbers where every pool's own answer is one."""

    max_draws: int = 64
    """Draws of n candidates of a pool that are looked at, at most; if there are no more, all."""

    train: str = ""
    """What the judge was trained on, if anything: checked for overlap with the pools."""

    split: str = ""
    """Split of a Hugging Face data set named by --train, if it has several."""

    layout: str = "auto"
    """Columns of --train, as for training."""

    allow_overlap: bool = False
    """Go on though a prompt of a pool is in --train."""

    method: str = "judge"
    """Name of the judge in tables and figures."""

    seed: int = 0

    def __post_init__(self) -> None:
        if not self.pools:
            raise ConfigError("--pools names no set of pools; give at least one")
        if not 0 < self.prior < float("inf"):
            raise ConfigError(f"--prior must be positive and finite, got {self.prior}")
        if self.max_draws < 1:
            raise ConfigError(f"--max-draws must be at least 1, got {self.max_draws}")


def run_select(config: SelectConfig) -> int:
    """Choose the best candidate of every pool, and measure best of n.

    Returns:
        0.
    """
    from jurist.reports.table import selection_lines

    console = Console()
    results = select(config)
    if results is not None:
        show(config.output, results)
        for line in selection_lines(results):
            console.print(line, markup=False, soft_wrap=True)
    console.print(f"chosen: {config.output / 'selected.jsonl'}", markup=False, soft_wrap=True)
    return 0


def select(config: SelectConfig) -> "Results | None":
    """The run behind `run_select`; None if no set of pools is checked, so that nothing is measured.

    Raises:
        DataError: If a set is checked only in part, or a prompt of it was trained on.
    """
    with open_run("select", config) as run:
        sets = read_pool_sets(config.pools, config.limits, seed=config.seed)
        for name, pools in sets.items():
            _refuse_half_checked(name, pools)
        train = _train(config, sets, run=run)
        found = {name: _compared(config, name, pools, run=run) for name, pools in sets.items()}
        circles = {name: _cycles(pools, found[name]) for name, pools in sets.items()}
        with replacing(run / "selected.jsonl") as file:
            for name, pools in sets.items():
                choices = _choices(config, pools, found[name])
                for pool, choice, each in zip(pools, choices, circles[name], strict=True):
                    line = canonical(selected_line(name, pool, choice, each))
                    file.write(f"{line}\n".encode())
        notes = [_counted(name, found[name], of) for name, of in circles.items()]
        for note in notes:
            logger.info("%s", note)
        checked = {name: pools for name, pools in sets.items() if pools[0].checked}
        if not checked:
            logger.warning("no candidate is known to be right or wrong, so nothing is measured")
            return None
        return _published(config, run, train, checked, found, notes)


def selected_line(name: str, pool: Pool, choice: "Choice", cycles: "Cycles") -> dict[str, object]:
    """One line of `selected.jsonl`."""
    chosen = pool.candidates[choice.place]
    return {
        "set": name,
        "id": pool.id,
        "chosen": choice.place,
        "text": chosen.text,
        "correct": chosen.correct,
        "model": chosen.model,
        "rewards": choice.rewards or None,
        "num_comparisons": len(choice.comparisons),
        "num_failed": sum(one.failed for one in choice.comparisons),
        "num_tokens": sum(one.num_tokens for one in choice.comparisons),
        "num_cyclic": cycles.num_cyclic,
        "num_triples": cycles.num_triples,
    }


def _refuse_half_checked(name: str, pools: Sequence[Pool]) -> None:
    unchecked = [pool for pool in pools if not pool.checked]
    known = sum(one.correct is not None for pool in pools for one in pool.candidates)
    if unchecked and known:
        raise DataError(
            f"{name}: {len(unchecked):,} of {len(pools):,} pools hold candidates without 'correct' "
            f"(pool {unchecked[0].id!r} is the first), and others have it; give it to all or none"
        )


def _train(config: SelectConfig, sets: Mapping[str, Sequence[Pool]], *, run: Path) -> Sets:
    """What was trained on, after a look whether it holds a prompt of the pools."""
    data = DataConfig(train=config.train, layout=config.layout)
    train = (
        read_set(config.train, data, output=run, name="train", split=config.split)
        if config.train
        else []
    )
    tests = {
        name: [
            pair_of(
                pool,
                Comparison(
                    prompt=pool.prompt,
                    first=pool.candidates[0].text,
                    second=pool.candidates[1].text,
                ),
            )
            for pool in pools
        ]
        for name, pools in sets.items()
    }
    found = Sets(train=train, tests=tests)
    found.refuse_overlap(allow=config.allow_overlap)
    return found


def _compared(
    config: SelectConfig, name: str, pools: Sequence[Pool], *, run: Path
) -> ComparedPools:
    from jurist.search import knockout_rounds, swiss_rounds

    by_rounds = {
        "knockout": knockout_rounds,
        "swiss": partial(swiss_rounds, num_rounds=config.limits.num_opponents),
    }
    tournament = by_rounds.get(config.tournament)
    if tournament is not None:
        return compare_by_rounds(config.judge, name, pools, tournament, run=run, seed=config.seed)
    bound = config.limits.num_opponents if config.tournament == "league" else None
    return compare_pools(config.judge, name, pools, num_opponents=bound, run=run, seed=config.seed)


def _choices(config: SelectConfig, pools: Sequence[Pool], found: ComparedPools) -> list["Choice"]:
    from jurist.rewards import aggregated
    from jurist.search import Choice, first_drawn, undefeated

    cohorts = [cohort_of(pool) for pool in pools]
    if config.tournament == "knockout":
        return [
            undefeated(cohort, made) for cohort, made in zip(cohorts, found.compared, strict=True)
        ]
    rewarded = aggregated(
        cohorts, found.compared, aggregation=config.aggregation, prior=config.prior
    )
    return [
        Choice(
            place=first_drawn(cohort, rewards.best, seed=config.seed),
            comparisons=rewards.comparisons,
            rewards=rewards.rewards,
        )
        for cohort, rewards in zip(cohorts, rewarded, strict=True)
    ]


def _cycles(pools: Sequence[Pool], found: ComparedPools) -> list["Cycles"]:
    """For each pool, whether the judge has an order of its candidates."""
    from jurist.rewards import matches_of
    from jurist.search import cycles

    return [
        cycles(matches_of(cohort_of(pool), made))
        for pool, made in zip(pools, found.compared, strict=True)
    ]


def _counted(name: str, found: ComparedPools, circles: Sequence["Cycles"]) -> str:
    """A line on what was asked, and on how far the answers make an order."""
    cyclic, triples = (
        sum(one.num_cyclic for one in circles),
        sum(one.num_triples for one in circles),
    )
    said = (
        f"of {triples:,} triples of candidates that all met, {cyclic:,} go round in a circle "
        f"({100 * cyclic / triples:.1f} %; a coin: 25)"
        if triples
        else "no three candidates all met, so cycles cannot be seen"
    )
    return f"{name}: {len(found.pairs):,} comparisons in {len(circles):,} pools; {said}"


def _published(
    config: SelectConfig,
    run: Path,
    train: Sets,
    checked: Mapping[str, Sequence[Pool]],
    found: Mapping[str, ComparedPools],
    counted: Sequence[str],
) -> "Results":
    """Measure the sets whose candidates are checked, and write the report."""
    from jurist.recipes.reporting import gathered, publish
    from jurist.recipes.selection import selection_rows

    labelled = {
        name: found[name] for name in checked if not all(pair.tie for pair in found[name].pairs)
    }
    if not labelled:
        raise DataError(
            "no pool has a right candidate beside a wrong one, so there is nothing to measure; "
            "the chosen ones are in selected.jsonl"
        )
    tests = {name: of.pairs for name, of in labelled.items()}
    readings = {config.method: {name: of.readings for name, of in labelled.items()}}
    results = gathered(
        run,
        Sets(train=train.train, tests=tests),
        readings,
        training_seconds={config.method: None},
        baselines={},
        seed=config.seed,
        notes=(
            "Agreement is that on pairs of a right candidate and a wrong one; other pairs are tie "
            "labels, which no accuracy counts; flips, first slots and failures are of all pairs.",
            *counted,
            *(
                (
                    f"The pairs are those that met in a tournament ({config.tournament}): later "
                    "rounds hold likelier ones.",
                )
                if config.tournament in ("knockout", "swiss")
                else ()
            ),
        ),
    )
    results = replace(
        results,
        selection=tuple(
            row
            for name, pools in checked.items()
            for row in selection_rows(config, name, pools, found[name].compared)
        ),
    )
    publish(run, results, tests=tests, readings=readings)
    return results
