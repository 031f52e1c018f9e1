"""What choosing among n candidates is worth: accuracy with intervals, beside choosing at random."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.errors import DataError
from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, group_bootstrap


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionPoint:
    """One rule of choosing, at one number of candidates."""

    n: int
    """Candidates to choose from; of a prompt with fewer, all."""

    accuracy: Estimate
    """Expected share of prompts whose chosen candidate is right."""

    over_random: Estimate
    """That accuracy less that of any candidate, paired prompt by prompt."""

    recovered: float | None
    """Share of the way from any candidate to the best one there is. None where there is no way to
    go. Below 0 for a rule worse than chance."""

    comparisons: float
    """Comparisons for a prompt, on average."""

    tokens: float
    """Tokens written for a prompt, on average."""


def selection_points(
    sizes: Sequence[int],
    chosen: Sequence[Sequence[float]],
    *,
    randomly: Sequence[Sequence[float]],
    oracle: Sequence[Sequence[float]],
    comparisons: Sequence[Sequence[float]],
    tokens: Sequence[Sequence[float]],
    groups: Sequence[str],
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> list[SelectionPoint]:
    """Average a rule's values over prompts, with intervals that resample groups of prompts.

    Args:
        sizes: Values of n. Length S.
        chosen: Expected correctness of what the rule chooses, in [0, 1]. Shape: [S, P].
        randomly: The same of any candidate. Shape: [S, P].
        oracle: The same of the best candidate. Shape: [S, P].
        comparisons: Comparisons made. Shape: [S, P].
        tokens: Tokens written. Shape: [S, P].
        groups: The group of each prompt. Length P.
        num_resamples: How many resamples an interval is drawn from.
        seed: What they are drawn from.

    Raises:
        DataError: If there is no prompt.
        ValueError: If shapes differ.
    """
    if not groups:
        raise DataError("no prompts: the accuracy of choosing for nobody is not a number")
    tables = (chosen, randomly, oracle, comparisons, tokens)
    if any(len(table) != len(sizes) for table in tables) or any(
        len(row) != len(groups) for table in tables for row in table
    ):
        raise ValueError(
            f"expected tables of {len(sizes)} values of n by {len(groups)} prompts, got "
            f"{[(len(table), sorted({len(row) for row in table})) for table in tables]}"
        )
    points: list[SelectionPoint] = []
    for n, mine, others, best, made, written in zip(sizes, *tables, strict=True):
        gain = sum(mine) - sum(others)
        room = sum(best) - sum(others)
        points.append(
            SelectionPoint(
                n=n,
                accuracy=group_bootstrap(mine, groups, num_resamples=num_resamples, seed=seed),
                over_random=group_bootstrap(
                    [one - other for one, other in zip(mine, others, strict=True)],
                    groups,
                    bounds=(-1.0, 1.0),
                    num_resamples=num_resamples,
                    seed=seed,
                ),
                recovered=gain / room if room > 1e-9 * len(groups) else None,
                comparisons=sum(made) / len(groups),
                tokens=sum(written) / len(groups),
            )
        )
    return points
