"""Whether a judge favours the responses of one model beyond what the labels do.

Self-preference is a lean to the model that the judge is, or comes from (Panickssery et al. 2024).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jurist.evaluation.intervals import NUM_RESAMPLES, Estimate, group_bootstrap
from jurist.evaluation.judged import Judged
from jurist.types import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorLean:
    """How one model's responses fare with a judge, beside how they fare with people."""

    author: str
    num_pairs: int
    """Labelled pairs of which the author wrote exactly one response and the judge has a verdict."""

    preferred: Estimate
    """Share in which the judge prefers the author's response; a tie counts half."""

    labelled: Estimate
    """Share in which the labels do."""

    lean: Estimate
    """The former less the latter. Above 0: the judge favours the author more than people do."""


def author_leans(
    rows: Sequence[Judged], *, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> list[AuthorLean]:
    """The lean to each author, by name. Empty if the rows do not say who wrote their responses.

    Args:
        rows: What was judged.
        seed: The resamples are drawn from it.
        num_resamples: How many an interval is drawn from.
    """
    known = [
        row
        for row in rows
        if row.label is not Verdict.TIE
        and row.preference.chosen_model
        and row.preference.rejected_model
        and row.preference.chosen_model != row.preference.rejected_model
        and isinstance(row.ballot.outcome, Verdict)
    ]
    authors = {
        name
        for row in known
        for name in (row.preference.chosen_model, row.preference.rejected_model)
    }
    found: list[AuthorLean] = []
    for author in sorted(authors):
        mine = [
            row
            for row in known
            if author in (row.preference.chosen_model, row.preference.rejected_model)
        ]
        by_label = [float(row.preference.chosen_model == author) for row in mine]
        # The credit is what the better response got; the other one got the rest.
        by_judge = [
            row.credit if label else 1.0 - row.credit
            for row, label in zip(mine, by_label, strict=True)
        ]
        groups = [row.preference.group for row in mine]
        preferred, labelled, lean = (
            group_bootstrap(values, groups, bounds=bounds, num_resamples=num_resamples, seed=seed)
            for values, bounds in (
                (by_judge, (0.0, 1.0)),
                (by_label, (0.0, 1.0)),
                ([one - other for one, other in zip(by_judge, by_label, strict=True)], (-1.0, 1.0)),
            )
        )
        found.append(
            AuthorLean(
                author=author,
                num_pairs=len(mine),
                preferred=preferred,
                labelled=labelled,
                lean=lean,
            )
        )
    return found
