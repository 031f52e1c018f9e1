"""The tables of two judges held against each other."""

from jurist.reports.results import Results
from jurist.reports.section import Section, decimal
from jurist.reports.table import NONE, signed_with_interval, with_interval


def difference_sections(results: Results) -> list[Section]:
    """Whether two judges say the same, and where they do not."""
    rows = results.differences
    return [
        Section(
            title="Agreement of the judges",
            text="How often both come to the same verdict, right or wrong; kappa: beyond chance, "
            "by Cohen.",
            headings=("method", "against", "split", "same % [95 %]", "kappa [95 %]"),
            cells=tuple(
                (
                    row.method,
                    row.baseline,
                    row.split,
                    with_interval(row.differences.same),
                    NONE if row.differences.kappa is None else decimal(row.differences.kappa.kappa),
                )
                for row in rows
            ),
        ),
        *(
            Section(
                title=f"Where they differ: {row.split}",
                text=f"First is {row.method}, second is {row.baseline}. Wins are pairs on which "
                f"the first earned more. Length: in characters, about as long within 10 %. Of so "
                f"many kinds one in twenty is expected to stand out by chance.",
                headings=(
                    "by",
                    "pairs that are",
                    "pairs",
                    "same % [95 %]",
                    "difference, points [95 %]",
                    "wins",
                    "losses",
                ),
                cells=tuple(
                    (
                        part.aspect,
                        part.name or "(none)",
                        f"{part.paired.num_pairs:,}",
                        with_interval(part.same),
                        signed_with_interval(part.paired.difference),
                        f"{part.paired.wins:,}",
                        f"{part.paired.losses:,}",
                    )
                    for part in row.differences.parts
                ),
            )
            for row in rows
        ),
    ]
