"""Whether verdicts follow from their traces: what a reader makes of traces without the responses.

A high rate is necessary for a trace to be why its verdict was given, and not sufficient: a trace
that only names a winner is followed without fail. See `docs/faithfulness.md` for what each rate
means and does not mean. S = runs, G = groups.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Literal, TypeAlias, get_args

import numpy as np

from jurist.evaluation.intervals import Estimate, Floats, crossed_bootstrap
from jurist.evaluation.judged import credit
from jurist.types import Failure, Verdict

View: TypeAlias = Literal["trace", "argument", "other", "nothing", "responses", "both", "exchanged"]
"""What a reader is shown before it gives its verdict, beside the prompt that was answered.

* `trace`: the reading's own trace up to its verdict, and no response;
* `argument`: the same without the sentences that say which response is better;
* `other`: the trace of another pair, and no response;
* `nothing`: neither trace nor responses;
* `responses`: the responses, and no trace;
* `both`: the responses and the trace, as when the verdict was given;
* `exchanged`: the trace, and the responses in each other's place.
"""

VIEWS: tuple[View, ...] = get_args(View)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rereading:
    """One reading of a pair, and the verdicts that its trace leads a reader to."""

    preference_id: str
    group: str
    swapped: bool
    """The judge read the responses in each other's place; verdicts here are as they were read."""

    outcome: Verdict | Failure
    """The reading's own verdict. A reading without one has nothing to be followed."""

    stated: bool = False
    """The trace has a sentence, before its verdict, that says which response is better."""

    seen: Mapping[View, Verdict | Failure]
    """The reader's verdict in each view, or that its engine could not tell. Without `other` if no
    other pair has a trace; empty if the reading has no verdict."""

    def followed(self, view: View) -> float:
        """1 if the reader comes to the reading's own verdict, one half if it is undecided, else 0.

        A tie is undecided unless it is the reading's own verdict too.
        """
        return credit(self.seen[view], self.outcome) if isinstance(self.outcome, Verdict) else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Faithfulness:
    """How often a reader comes to the verdict that a reading gave. Ties earn half.

    Without a reading that is left to be followed there are counts, and no rates.
    """

    num_readings: int
    """What every rate is over."""

    num_without_verdict: int
    """Readings that were left out because they have no verdict."""

    num_unread: int
    """Readings that were left out because some view of theirs has no verdict."""

    stated: Estimate | None
    """Share of readings that say which response is better before their verdict does."""

    followed: Mapping[View, Estimate]
    """Share of readings whose own verdict the reader gives, in each view."""

    above_other: Estimate | None
    """By how much its own trace says more of the verdict than another pair's: `trace` - `other`."""

    trace_adds: Estimate | None
    """By how much the trace says more of the verdict than the responses: `both` - `responses`."""


def faithfulness(runs: Sequence[Sequence[Rereading]]) -> Faithfulness:
    """Bring the re-read readings of one judge on one set together.

    Intervals resample groups of pairs, and runs too where there are several
    (`jurist.evaluation.crossed_bootstrap`).

    Args:
        runs: What was re-read of each run; with one seed, a single one.
    """
    given = [[one for one in run if isinstance(one.outcome, Verdict)] for run in runs]
    read = [[one for one in run if _read(one)] for run in given]
    num_readings = sum(map(len, read))
    num_without_verdict = sum(map(len, runs)) - sum(map(len, given))
    num_unread = sum(map(len, given)) - num_readings
    if not num_readings:
        return Faithfulness(
            num_readings=0,
            num_without_verdict=num_without_verdict,
            num_unread=num_unread,
            stated=None,
            followed={},
            above_other=None,
            trace_adds=None,
        )
    groups = sorted({one.group for run in read for one in run})

    def table(value: Callable[[Rereading], float]) -> Floats:
        """Sums by run and group. Shape: [S, G]."""
        sums = np.zeros((len(read), len(groups)))
        at = {group: index for index, group in enumerate(groups)}
        for number, run in enumerate(read):
            for one in run:
                sums[number, at[one.group]] += value(one)
        return sums

    sizes = table(lambda one: 1.0)

    def rate(sums: Floats, bounds: tuple[float, float] = (0.0, 1.0)) -> Estimate:
        return crossed_bootstrap(sums, groups, denominators=sizes, bounds=bounds)

    follows: dict[View, Floats] = {view: table(methodcaller("followed", view)) for view in VIEWS}
    return Faithfulness(
        num_readings=num_readings,
        num_without_verdict=num_without_verdict,
        num_unread=num_unread,
        stated=rate(table(lambda one: one.stated)),
        followed={view: rate(sums) for view, sums in follows.items()},
        above_other=rate(follows["trace"] - follows["other"], (-1.0, 1.0)),
        trace_adds=rate(follows["both"] - follows["responses"], (-1.0, 1.0)),
    )


def _read(one: Rereading) -> bool:
    """Whether every view led the reader to a verdict."""
    return set(one.seen) == set(VIEWS) and not any(
        isinstance(outcome, Failure) for outcome in one.seen.values()
    )
