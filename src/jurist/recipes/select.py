"""Best of n: have a judge choose among candidate responses, and measure what that is worth.

jurist select --model runs/star-dpo --pools pools.jsonl --output runs/selected
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from jurist.data import Pool
from jurist.digest import canonical
from jurist.errors import ConfigError, DataError
from jurist.recipes.evaluate import show
from jurist.recipes.open_judge import JudgeConfig
from jurist.recipes.pools import (
    ComparedPools,
    PoolsConfig,
    cohort_of,
    compare_by_knockout,
    compare_pools,
    pair_of,
    read_pool_sets,
)
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, Sets, read_set
from jurist.storage import replacing
from jurist.types import Comparison

if TYPE_CHECKING:
    # Loads numpy and more, which `jurist --help` need not wait for.
    from jurist.reports import Results
    from jurist.search import Choice

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

    comparisons: Literal["all", "bounded", "knockout"] = "all"
    """What is compared: all pairs of a pool, on which bounded comparisons and a knockout are then
    replayed, for every n; each candidate with --num-opponents others; or a knockout. The last two
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
        with replacing(run / "selected.jsonl") as file:
            for name, pools in sets.items():
                for pool, choice in zip(pools, _choices(config, pools, found[name]), strict=True):
                    line = canonical(selected_line(name, pool, choice))
                    file.write(f"{line}\n".encode())
        checked = {name: pools for name, pools in sets.items() if pools[0].checked}
        if not checked:
            logger.warning("no candidate is known to be right or wrong, so nothing is measured")
            return None
        return _published(config, run, train, checked, found)


def selected_line(name: str, pool: Pool, choice: "Choice") -> dict[str, object]:
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
    if config.comparisons == "knockout":
        return compare_by_knockout(config.judge, name, pools, run=run, seed=config.seed)
    bound = config.limits.num_opponents if config.comparisons == "bounded" else None
    return compare_pools(config.judge, name, pools, num_opponents=bound, run=run, seed=config.seed)


def _choices(config: SelectConfig, pools: Sequence[Pool], found: ComparedPools) -> list["Choice"]:
    from jurist.rewards import aggregated
    from jurist.search import Choice, first_drawn, met, replayed_knockout

    cohorts = [cohort_of(pool) for pool in pools]
    if config.comparisons == "knockout":
        return [
            replayed_knockout(cohort, met(made), seed=config.seed)
            for cohort, made in zip(cohorts, found.compared, strict=True)
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


def _published(
    config: SelectConfig,
    run: Path,
    train: Sets,
    checked: Mapping[str, Sequence[Pool]],
    found: Mapping[str, ComparedPools],
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
    results = gathered(
        run,
        Sets(train=train.train, tests={name: of.pairs for name, of in labelled.items()}),
        {config.method: {name: of.readings for name, of in labelled.items()}},
        training_seconds={config.method: None},
        baselines={},
        seed=config.seed,
        notes=(
            "Agreement is that on pairs of a right candidate and a wrong one; other pairs are tie "
            "labels, which no accuracy counts; flips, first slots and failures are of all pairs.",
            *(
                ("The pairs are those that met in a knockout: later rounds hold likelier ones.",)
                if config.comparisons == "knockout"
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
    publish(run, results)
    return results
