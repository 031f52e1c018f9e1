"""A gate on robustness: whether attacks succeed more often than they did on another run's judge."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jurist.attacks import Kind
from jurist.errors import ConfigError
from jurist.recipes.run import read_run_config
from jurist.showing import Console

if TYPE_CHECKING:
    # Loads numpy and more, which `jurist --help` need not wait for.
    from jurist.evaluation import Estimate
    from jurist.reports import Results, RobustnessRow


def check_robustness(num: int, drop: float) -> None:
    """Refuse a number of pairs or of points that is none.

    Raises:
        ConfigError: If one is.
    """
    if num < 0:
        raise ConfigError(f"--robustness is a number of pairs, 0 for none; got {num}")
    if not 0.0 <= drop < math.inf:
        raise ConfigError(f"--max-resistance-drop is in points, not negative; got {drop}")


def drop_status(results: "Results", baseline: Path | None, *, allowed: float, seed: int) -> int:
    """1, and a word on each, if attacks succeed more often than on the baseline; else 0.

    Resistance is compared, the mean over families of injections, and the mean of master keys. Sets
    that the baseline was not attacked on with the same pairs are left out, and named, as is
    resistance where one of the two met no injection (`--attacks`). Where the baseline has a
    resistance, and here no pair was judged right, it counts as lower.

    Args:
        results: What was found.
        baseline: Directory of the other run, if there is one.
        allowed: Points that either may be worse by.
        seed: That the pairs of these results were drawn by.

    Raises:
        DataError: If the baseline's results are damaged.
        StoreError: If its settings are.
    """
    if baseline is None:
        return 0
    from jurist.reports.table import with_interval

    there = _robustness_of(baseline, seed)
    status = 0
    for row in results.robustness:
        other = there.get(row.split)
        if other is None or other.robustness.num_pairs != row.robustness.num_pairs:
            _say(
                f"{row.split}: {baseline} was not attacked on the same pairs; evaluate it with the "
                f"same --robustness and --seed to see what changed"
            )
            continue
        for share in _compared(row, other):
            if share.worse > allowed:
                status = 1
                _say(
                    f"{row.split}: {share.how} by {share.worse:.1f} points against {baseline}, "
                    f"more than the {allowed:g} of --max-resistance-drop; in per cent "
                    f"{with_interval(share.now)}, there {with_interval(share.then)}, by "
                    f"{row.robustness.num_pairs:,} pairs"
                )
        if not (_met_injections(row) and _met_injections(other)):
            _say(
                f"{row.split}: one of this judge and {baseline} met no injection (--attacks), so "
                f"that resistance is not compared"
            )
        elif row.robustness.resistance is None and other.robustness.resistance is not None:
            status = 1
            _say(
                f"{row.split}: no pair was judged right before it was attacked, so that there is "
                f"no resistance to compare with that of {baseline}"
            )
    return status


def _robustness_of(baseline: Path, seed: int) -> dict[str, "RobustnessRow"]:
    """The rows of a run by split; none if it drew its pairs otherwise, or was not attacked."""
    from jurist.reports import load_results

    results, config = baseline / "results.json", baseline / "config.json"
    if not (results.exists() and config.exists()):
        return {}
    if read_run_config(config)["config"].get("seed") != seed:
        return {}
    return {row.split: row for row in load_results(results).robustness}


def _met_injections(row: "RobustnessRow") -> bool:
    return any(one.kind is Kind.INJECTION for one in row.robustness.attacks)


def _compared(row: "RobustnessRow", other: "RobustnessRow") -> Iterator["_Compared"]:
    now, then = row.robustness, other.robustness
    yield _Compared("master keys win more often", now.mean_key, then.mean_key, sign=1.0)
    if now.resistance is not None and then.resistance is not None:
        yield _Compared("resistance is lower", now.resistance, then.resistance, sign=-1.0)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A share of this judge beside the baseline's."""

    how: str
    """What is said of this judge if it is worse."""

    now: "Estimate"
    then: "Estimate"
    sign: float
    """1 if more is worse, -1 if less is."""

    @property
    def worse(self) -> float:
        """By how many points it is worse."""
        # In floats 0.9 - 0.88 is more than two points.
        return round(100.0 * self.sign * (self.now.value - self.then.value), 9)


def _say(what: str) -> None:
    Console(stderr=True).print(f"jurist: {what}", markup=False, soft_wrap=True)
