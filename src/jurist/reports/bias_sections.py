"""The tables of what should not decide: the order of the responses, and their length."""

from jurist.reports.results import Results
from jurist.reports.section import Section, interval_or_none
from jurist.reports.table import NONE, row_name, signed_with_interval, with_interval


def bias_section(results: Results) -> Section:
    """Places and lengths: what should not decide, and how far it does."""
    cells: list[tuple[str, ...]] = []
    for row in results.rows:
        agreement, length = row.agreement, row.length
        cells.append(
            (
                row_name(row, results),
                row.split,
                interval_or_none(agreement.flips),
                interval_or_none(agreement.first_slot),
                interval_or_none(length and length.prefers_longer),
                interval_or_none(length and length.labelled_longer),
                interval_or_none(length and length.when_longer),
                interval_or_none(length and length.when_shorter),
            )
        )
    return Section(
        title="Order and length",
        text="Without a lean to a place half the verdicts are for the response shown first. "
        "Without a lean to length a judge prefers the longer response about as often as the labels "
        "do, and is as often right where the better one is longer as where it is shorter, if the "
        "pairs are equally hard.",
        headings=(
            "method",
            "split",
            "flips % [95 %]",
            "first slot % [95 %]",
            "prefers the longer % [95 %]",
            "labels do % [95 %]",
            "accuracy, better is longer % [95 %]",
            "accuracy, better is shorter % [95 %]",
        ),
        cells=tuple(cells),
    )


def author_section(results: Results) -> Section:
    """One row a judge, split and author; none if nobody says who wrote what."""
    return Section(
        title="Authors",
        text="How often a model's responses are preferred, by the judge and by the labels, over "
        "the pairs of which it wrote one response. A lean above 0 to the model that the judge "
        "comes from is self-preference.",
        headings=(
            "method",
            "split",
            "author",
            "pairs",
            "preferred % [95 %]",
            "labelled better % [95 %]",
            "lean, points [95 %]",
        ),
        cells=tuple(
            (
                row_name(row, results),
                row.split,
                one.author,
                f"{one.num_pairs:,}",
                with_interval(one.preferred),
                with_interval(one.labelled),
                signed_with_interval(one.lean),
            )
            for row in results.rows
            for one in row.authors
        ),
    )


def flip_section(results: Results, split: str) -> Section:
    """One row a category, one column a judge; none if the split has a single category."""
    rows = [row for row in results.rows if row.split == split and row.agreement.flips is not None]
    of = [{part.category: part for part in row.agreement.categories} for row in rows]
    names = sorted({name for parts in of for name in parts})
    return Section(
        title=f"Flips by category: {split}",
        text="Pairs on which showing the responses in the other order changes the verdict, in per "
        "cent, and the 95 % interval.",
        headings=("category", "pairs", *(row_name(row, results) for row in rows)),
        cells=tuple(
            (
                name or "(none)",
                f"{max(parts[name].num_pairs for parts in of if name in parts):,}",
                *(interval_or_none(parts[name].flips) if name in parts else NONE for parts in of),
            )
            for name in names
        )
        if len(names) > 1
        else (),
    )
