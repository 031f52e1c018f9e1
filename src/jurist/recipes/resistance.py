"""A gate on robustness: whether attacks succeed more often than they did on another run's judge."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from jurist.errors import ConfigError
from jurist.showing import Console

if TYPE_CHECKING:
    # Loads numpy and more, which `jurist --help` need not wait for.
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


def drop_status(results: "Results", baseline: Path | None, *, allowed: float) -> int:
    """1, and a word on each, if attacks succeed more often than on the baseline; else 0.

    Resistance is compared, the mean over families of injections, and the mean of master keys. Sets
    that the baseline was not attacked on with as many pairs are left out, and named.

    Args:
        results: What was found.
        baseline: Directory of the other run, if there is one.
        allowed: Points that either may be worse by.
    """
    if baseline is None:
        return 0
    from jurist.reports import load_results

    path = baseline / "results.json"
    there = {row.split: row for row in load_results(path).robustness} if path.exists() else {}
    console = Console(stderr=True)
    status = 0
    for row in results.robustness:
        other = there.get(row.split)
        if other is None or other.robustness.num_pairs != row.robustness.num_pairs:
            console.print(
                f"jurist: {row.split}: {baseline} was not attacked on as many pairs; evaluate it "
                f"with the same --robustness to see what changed",
                markup=False,
                soft_wrap=True,
            )
            continue
        for what, worse in _worse(row, other).items():
            if worse > allowed:
                status = 1
                console.print(
                    f"jurist: {row.split}: {what} by {worse:.1f} points against {baseline}, more "
                    f"than the {allowed:g} of --max-resistance-drop",
                    markup=False,
                    soft_wrap=True,
                )
    return status


def _worse(row: "RobustnessRow", other: "RobustnessRow") -> dict[str, float]:
    """By how many points it is worse, by what it says of that."""
    now, then = row.robustness, other.robustness
    found = {"master keys win more often": now.mean_key.value - then.mean_key.value}
    if now.resistance is not None and then.resistance is not None:
        found["resistance is lower"] = then.resistance.value - now.resistance.value
    return {what: 100.0 * worse for what, worse in found.items()}
