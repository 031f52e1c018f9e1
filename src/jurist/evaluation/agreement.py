"""How often a judge agrees with the people who labelled, and how it came by its verdicts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jurist.errors import DataError
from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, group_bootstrap
from jurist.evaluation.judged import Judged, credit, equal_readings
from jurist.types import Failure, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryAgreement:
    """Accuracy within one section of the data."""

    category: str
    accuracy: Estimate
    flips: Estimate | None
    """Share of its pairs that flip, among those where both orders came to a verdict. None if there
    is no such pair."""

    num_pairs: int
    num_groups: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How far the outcomes of one judge agree with the labels of one set of preferences.

    Every interval resamples groups. Accuracies and the tie rate are over the *labelled pairs*, the
    rows whose label is not a tie; flips, places, failures and tokens are over all rows.

    Of a judge that stops voting early, `single` and `first_slot` rest on the first readings, as
    many as every row has (`jurist.evaluation.equal_readings`), everything else on all there are.
    """

    accuracy: Estimate
    """Mean credit of the ballots (`jurist.evaluation.credit`): micro average, failures counted."""

    strict: Estimate
    """The same with a tied ballot counted wrong."""

    single: Estimate
    """Mean credit of one reading taken alone, averaged within each pair and then over pairs."""

    macro: Estimate
    """Plain mean of the categories' accuracies."""

    categories: tuple[CategoryAgreement, ...]
    """Sorted by name. One nameless category if the source has none."""

    ties: Estimate
    """Share of labelled pairs whose ballot is tied."""

    failed: Estimate
    """Share of labelled pairs whose ballot has no verdict at all."""

    tie_agreement: Estimate | None
    """Share of the rows labelled a tie that the judge holds tied. None if there is no such row."""

    flips: Estimate | None
    """Share of rows on which the two orders, each by its own majority, come to different verdicts,
    among those where both came to one. None if there is no such row."""

    first_slot: Estimate | None
    """Share of the readings preferring one response that prefer the one read first. A judge
    without a bias for places has 0.5 if every row was read in both orders. None if no reading
    prefers one."""

    failures: Mapping[Failure, int]
    """Readings without a verdict, by kind; every kind has its count."""

    num_pairs: int
    """Labelled pairs: what the accuracies are over."""

    num_tie_labels: int
    """Rows labelled a tie: what `tie_agreement` is over."""

    num_groups: int
    """Groups of the labelled pairs: what the intervals rest on."""

    num_judgements: int
    """Readings, in either order."""

    num_unasked: int
    """Readings that were possible and not asked for, since voting was stopped early."""

    num_tokens: int
    """Tokens written, those of failures included."""

    num_prompt_tokens: int
    """Tokens read, once for every reading."""

    @property
    def num_failures(self) -> int:
        """Readings without a verdict, of any kind."""
        return sum(self.failures.values())

    @property
    def failure_rate(self) -> float:
        """Share of readings without a verdict. In [0, 1]."""
        return self.num_failures / self.num_judgements

    @property
    def votes(self) -> float:
        """Mean number of readings of a row, both orders together."""
        return self.num_judgements / (self.num_pairs + self.num_tie_labels)

    @property
    def possible_votes(self) -> float:
        """Mean number of readings there would be of a row, had voting not been stopped early."""
        return self.votes + self.num_unasked / (self.num_pairs + self.num_tie_labels)

    @property
    def tokens_per_verdict(self) -> float | None:
        """Tokens written for each reading that came to a verdict, failures' tokens included.

        None if no reading did.
        """
        num_verdicts = self.num_judgements - self.num_failures
        return self.num_tokens / num_verdicts if num_verdicts else None


def agreement(
    rows: Sequence[Judged], *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Agreement:
    """Compare what a judge said with what people said.

    Args:
        rows: What was judged, as `judged` sets it out. Length N.
        num_resamples: How many resamples an interval is drawn from.
        seed: What the resamples are drawn from.

    Raises:
        DataError: If no row is labelled better one way or the other: the accuracy of nothing is
            not a number.
    """
    labelled = [row for row in rows if row.label is not Verdict.TIE]
    tied = [row for row in rows if row.label is Verdict.TIE]
    if not labelled:
        raise DataError(
            f"no accuracy of nothing: of {len(rows)} rows {len(tied)} are labelled ties; at least "
            f"one must have a better response"
        )

    def mean(of: Sequence[Judged], values: Iterable[float]) -> Estimate:
        groups = [row.preference.group for row in of]
        return group_bootstrap(list(values), groups, num_resamples=num_resamples, seed=seed)

    def ratio(of: Sequence[Judged], tops: Sequence[int], bottoms: Sequence[int]) -> Estimate | None:
        if not any(bottoms):
            return None
        groups = [row.preference.group for row in of]
        return group_bootstrap(
            tops, groups, denominators=bottoms, num_resamples=num_resamples, seed=seed
        )

    def flips(of: Sequence[Judged]) -> Estimate | None:
        found = [row.ballot.flip for row in of]
        return ratio(of, [flip is True for flip in found], [flip is not None for flip in found])

    outcomes = [row.ballot.outcome for row in labelled]
    credits = [row.credit for row in labelled]
    by_category: dict[str, list[Judged]] = {}
    for row in labelled:
        by_category.setdefault(row.preference.category, []).append(row)
    judgements = [judgement for row in rows for judgement in row.ballot.judgements]
    equal = equal_readings(rows)
    return Agreement(
        accuracy=mean(labelled, credits),
        strict=mean(labelled, (value == 1.0 for value in credits)),
        single=mean(
            labelled, (single_credit(row) for row in equal if row.label is not Verdict.TIE)
        ),
        macro=_macro(labelled, credits, sorted(by_category), num_resamples, seed),
        categories=tuple(
            CategoryAgreement(
                category=category,
                accuracy=mean(members, (row.credit for row in members)),
                flips=flips(members),
                num_pairs=len(members),
                num_groups=len({row.preference.group for row in members}),
            )
            for category, members in sorted(by_category.items())
        ),
        ties=mean(labelled, (outcome is Verdict.TIE for outcome in outcomes)),
        failed=mean(labelled, (isinstance(outcome, Failure) for outcome in outcomes)),
        tie_agreement=mean(tied, (row.credit for row in tied)) if tied else None,
        flips=flips(rows),
        first_slot=ratio(
            equal,
            [row.ballot.num_first_slot for row in equal],
            [row.ballot.first + row.ballot.second for row in equal],
        ),
        failures={
            kind: sum(judgement.outcome is kind for judgement in judgements) for kind in Failure
        },
        num_pairs=len(labelled),
        num_tie_labels=len(tied),
        num_groups=len({row.preference.group for row in labelled}),
        num_judgements=len(judgements),
        num_unasked=sum(row.ballot.num_unasked for row in rows),
        num_tokens=sum(judgement.num_tokens for judgement in judgements),
        num_prompt_tokens=sum(judgement.num_prompt_tokens for judgement in judgements),
    )


def single_credit(row: Judged) -> float:
    """Mean credit of a row's readings, each taken alone. In [0, 1]."""
    earned = {outcome: credit(outcome, row.label) for outcome in (*Verdict, *Failure)}
    judgements = row.ballot.judgements
    return sum(earned[judgement.outcome] for judgement in judgements) / len(judgements)


def _macro(
    labelled: Sequence[Judged],
    credits: Sequence[float],
    categories: Sequence[str],
    num_resamples: int,
    seed: int,
) -> Estimate:
    column = {category: i for i, category in enumerate(categories)}
    member = np.eye(len(categories))[[column[row.preference.category] for row in labelled]]
    return group_bootstrap(
        member * np.asarray(credits)[:, None],
        [row.preference.group for row in labelled],
        denominators=member,
        num_resamples=num_resamples,
        seed=seed,
    )
