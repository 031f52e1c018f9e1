"""A judge card: what a judge is, how well it did and how far to trust it, in words and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.evaluation import Estimate
from jurist.reports.results import JudgedRow, JudgeFacts, Results
from jurist.reports.table import number, percent, row_name

FEW_GROUPS = 100
"""Below so many groups an interval is wide, and the card says so."""

_KINDS = {
    "reasoning": "It reasons before its verdict.",
    "scalar": "It scores one response at a time, and writes nothing.",
    "comparer": "It reads both responses at once, and writes nothing.",
    "direct": "It gives its verdict at once.",
    "verifier": "It reads one response at a time, and says how likely it is right.",
    "critic": "It writes a critique of each response, and scores it by that.",
    "points": "It gives each response points, with its reasons.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeCard:
    """One judge, in words."""

    method: str
    sentences: tuple[tuple[str, str], ...]
    """A heading and what there is to say under it, of each matter."""


def judge_cards(results: Results) -> list[JudgeCard]:
    """A card for each judge of the results, in their order.

    Text is as given: whoever shows it makes it safe for where it is shown.
    """
    facts = {one.method: one for one in results.judges}
    rows: dict[str, list[JudgedRow]] = {}
    for row in results.rows:
        rows.setdefault(row_name(row, results), []).append(row)
    return [
        JudgeCard(
            method=name,
            sentences=(
                ("What it is", _identity(facts.get(of[0].method), of)),
                *((f"On {row.split}", _worth(row, results)) for row in of),
            ),
        )
        for name, of in rows.items()
    ]


def _identity(facts: JudgeFacts | None, rows: Sequence[JudgedRow]) -> str:
    agreement = rows[0].agreement
    votes = number(agreement.votes)
    asked = f"Each pair had {votes} readings, half of them in either order."
    if facts is None:
        return f"A judge of which the run's folder says no more than its name. {asked}"
    said = [f"{facts.model}, behind an address." if facts.served else f"{facts.model}."]
    if facts.kind:
        said.append(_KINDS.get(facts.kind, f"Its kind is {facts.kind}."))
    if facts.format:
        said.append(f"It is asked in the format {facts.format}.")
    if facts.recipe:
        whence = f" from {facts.base}" if facts.base else ""
        on = f" on {facts.trained_on}" if facts.trained_on else ""
        last = f", {facts.num_rows:,} rows in its last training" if facts.num_rows else ""
        said.append(f"Trained by {facts.recipe}{whence}{on}{last}.")
    else:
        said.append("What it was trained on is not known here.")
    return " ".join([*said, asked])


def _worth(row: JudgedRow, results: Results) -> str:
    """How often it is right, against what a shortcut is, and what else to know."""
    agreement = row.agreement
    said = [
        f"It agrees with the label on {percent(agreement.accuracy.value)} % of "
        f"{agreement.num_pairs:,} pairs, 95 % interval {_range(agreement.accuracy)}."
    ]
    rules = [one.shortcut for one in results.shortcuts if one.split == row.split]
    best = max(rules, key=lambda rule: rule.accuracy.value, default=None)
    if best is not None:
        beaten = agreement.accuracy.low > best.accuracy.value
        said.append(
            f"The best shortcut, {best.name}, which never reads the prompt, is right on "
            f"{percent(best.accuracy.value)} %: "
            + (
                "the judge's interval lies above it."
                if beaten
                else "the judge's interval reaches it, so nothing here shows that it reads more "
                "than looks."
            )
        )
    said += [*_places(row), *_lengths(row)]
    if agreement.num_failures:
        said.append(f"{percent(agreement.failure_rate)} % of its readings have no verdict.")
    else:
        said.append("Every reading came to a verdict.")
    if row.calibration is not None:
        said.append(
            f"Its stated confidence is off by {percent(row.calibration.ece)} points on average."
        )
    if agreement.num_groups < FEW_GROUPS:
        said.append(
            f"The pairs fall into {agreement.num_groups:,} groups: few, so take every number for "
            f"a first impression."
        )
    overlaps = [one.num_overlapping for one in results.datasets if one.split == row.split]
    if any(overlaps):
        said.append(f"Prompts of {overlaps[0]:,} rows were in training: the accuracy is flattered.")
    return " ".join(said)


def _places(row: JudgedRow) -> list[str]:
    flips, first = row.agreement.flips, row.agreement.first_slot
    said: list[str] = []
    if flips is not None:
        said.append(f"It says otherwise in the other order on {percent(flips.value)} % of pairs.")
    if first is not None and first.excludes(0.5):
        lean = "first" if first.value > 0.5 else "second"
        said.append(
            f"It leans to the response shown {lean}: {percent(first.value)} % of its verdicts are "
            f"for the first, where 50 would be even."
        )
    return said


def _lengths(row: JudgedRow) -> list[str]:
    length = row.length
    if length is None or length.prefers_longer is None:
        return []
    return [
        f"It prefers the longer response on {percent(length.prefers_longer.value)} % of pairs, "
        f"where the labels do on {percent(length.labelled_longer.value)} %."
    ]


def _range(estimate: Estimate) -> str:
    return f"{percent(estimate.low)} to {percent(estimate.high)}"
