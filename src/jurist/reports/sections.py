"""The cells of the smaller tables, the same in Markdown, on the page and on the terminal."""

from collections.abc import Sequence

from jurist.evaluation import Estimate, cost_frontier
from jurist.reports.attack_sections import attack_section, robustness_section
from jurist.reports.bias_sections import author_section, bias_section, flip_section
from jurist.reports.difference_sections import difference_sections
from jurist.reports.results import JudgedRow, Results, RuleKind
from jurist.reports.section import Section, decimal
from jurist.reports.table import (
    NONE,
    number,
    percent,
    row_name,
    seconds,
    signed_with_interval,
    with_interval,
)


def sections(results: Results) -> list[Section]:
    """The smaller tables that have rows, in the order that a report shows them.

    Text in the cells is as given: whoever shows it makes it safe for where it is shown.
    """
    every = [
        *(
            _selection(results, split)
            for split in dict.fromkeys(r.split for r in results.selection)
        ),
        _official(results),
        _comparisons(results),
        *difference_sections(results),
        bias_section(results),
        author_section(results),
        robustness_section(results),
        *(attack_section(results, row) for row in results.robustness),
        _stopping(results),
        _strengths(results),
        *(_languages(results, split) for split in dict.fromkeys(r.split for r in results.rows)),
        _cost(results),
        *(_categories(results, split) for split in dict.fromkeys(r.split for r in results.rows)),
        *(flip_section(results, split) for split in dict.fromkeys(r.split for r in results.rows)),
        _rounds(results),
        _lengths(results),
        _data(results),
        Section(
            title="Environment",
            text="What the numbers may depend on besides the configuration.",
            headings=("what", "value"),
            cells=tuple(results.environment.items()),
        ),
    ]
    return [section for section in every if section.cells]


def _official(results: Results) -> Section:
    return Section(
        title="Official scores",
        text="What each benchmark makes of the same verdicts by its own rules, in per cent; the "
        "interval, where there is one, is ours and resamples groups. The rules are in docs/suites.",
        headings=("method", "split", "score", "value", "over"),
        cells=tuple(
            (
                row.method,
                row.split,
                row.score.name,
                percent(row.score.value)
                if row.score.interval is None
                else with_interval(row.score.interval),
                f"{row.score.num:,}",
            )
            for row in results.official
        ),
    )


def _selection(results: Results, split: str) -> Section:
    rows = [row for row in results.selection if row.split == split]
    return Section(
        title=f"Best of n: {split}",
        text=f"A rule chooses one of n candidates: how often a right one, over "
        f"{rows[0].num_pools:,} prompts in {rows[0].num_groups:,} groups, n candidates drawn at "
        f"random. Recovered is the share of the way from random to the oracle. "
        f"Comparisons and tokens are what the rule takes for a prompt. Intervals resample groups "
        f"of prompts.",
        headings=(
            "method",
            "rule",
            "n",
            "right, % [95 %]",
            "over random, points [95 %]",
            "recovered, %",
            "comparisons",
            "tokens",
        ),
        cells=tuple(
            (
                row.method,
                row.rule or NONE,
                f"{point.n:,}",
                with_interval(point.accuracy),
                signed_with_interval(point.over_random),
                NONE if point.recovered is None else percent(point.recovered),
                f"{point.comparisons:,.1f}" if row.kind is RuleKind.JUDGE else NONE,
                f"{point.tokens:,.0f}" if row.kind is RuleKind.JUDGE else NONE,
            )
            for row in rows
            for point in row.points
        ),
    )


def _comparisons(results: Results) -> Section:
    return Section(
        title="Paired comparisons",
        text="The same pairs, judged by both. The interval resamples groups of pairs; the p-value "
        "is the exact McNemar test of wins against losses.",
        headings=(
            "method",
            "against",
            "split",
            "difference, points [95 %]",
            "wins",
            "losses",
            "both right",
            "both wrong",
            "both tied",
            "McNemar p",
        ),
        cells=tuple(
            (
                row.method,
                row.baseline,
                row.split,
                signed_with_interval(row.paired.difference),
                f"{row.paired.wins:,}",
                f"{row.paired.losses:,}",
                f"{row.paired.both_right:,}",
                f"{row.paired.both_wrong:,}",
                f"{row.paired.both_tied:,}",
                "< 0.0001" if row.paired.p_value < 0.0001 else f"{row.paired.p_value:.4f}",
            )
            for row in results.comparisons
        ),
    )


def _rounds(results: Results) -> Section:
    return Section(
        title="Rounds",
        text="What each round sampled with the latest judge, on preferences to train on, and how "
        "many rows of it were trained on. Right is the share of traces, of those with a verdict, "
        "that agree with the label: each trace is one reading in one order.",
        headings=("method", "round", "preferences", "traces", "right %", "no verdict %", "rows"),
        cells=tuple(
            (
                row.method,
                row.name,
                _count(row.num_preferences),
                _count(row.num_traces),
                _ratio(row.num_right, row.num_right, row.num_wrong),
                _ratio(row.num_failed, row.num_traces),
                _count(row.num_rows),
            )
            for row in results.rounds
        ),
    )


def _lengths(results: Results) -> Section:
    found = [(curve, curve.lengths) for curve in results.training if curve.lengths is not None]
    return Section(
        title="Lengths of what was trained on",
        text="Tokens: the median, what one sequence of a hundred is longer than, and the longest; "
        "both sequences of a pair count. A row that is longer than the limit (--max-length, or the "
        "model's context) is refused before the first step, and nothing is cut. lengths.json "
        "beside the judge has a histogram.",
        headings=("method", "training", "rows", "limit", "prompt", "reply", "together"),
        cells=tuple(
            (
                curve.method,
                curve.name,
                _count(lengths.num_rows),
                _count(lengths.limit),
                *(
                    f"{spread.median:,} / {spread.p99:,} / {spread.longest:,}"
                    for spread in (lengths.prompt, lengths.reply, lengths.total)
                ),
            )
            for curve, lengths in found
        ),
    )


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def _ratio(top: int | None, *bottoms: int | None) -> str:
    """A share in per cent, of the sum of the last; none if a number is not known, or all are 0."""
    known = [value for value in bottoms if value is not None]
    if top is None or len(known) < len(bottoms) or not sum(known):
        return NONE
    return percent(top / sum(known))


def _stopping(results: Results) -> Section:
    return Section(
        title="Stopping early",
        text="What early-stopped voting gives on the same votes, replayed: a pair is read on only "
        "while the probability that all votes would give another verdict is above the one allowed. "
        "With 0 allowed the verdicts are those of all votes.",
        headings=(
            "method",
            "split",
            "allowed",
            "verdict of all votes, % [95 %]",
            "votes cast, % [95 %]",
            "votes",
            "tokens / pair",
            "accuracy % [95 %]",
        ),
        cells=tuple(
            (
                row_name(row, results),
                row.split,
                f"{point.stop_at:g}",
                with_interval(point.same),
                with_interval(point.share),
                f"{point.votes:.1f}",
                f"{point.tokens:,.0f}",
                with_interval(point.accuracy),
            )
            for row in results.rows
            for point in row.stopping
        ),
    )


def _strengths(results: Results) -> Section:
    found = [(row, row.strength) for row in results.rows if row.strength is not None]
    return Section(
        title="Stated strengths",
        text="How much better the judge says that a response is, beside the margins of the labels, "
        "over the pairs that have both. The correlations need no common scale; the mean error and "
        "the share within one do, such as -3 to 3.",
        headings=(
            "method",
            "split",
            "pairs",
            "lacking",
            "Pearson [95 %]",
            "Spearman [95 %]",
            "Kendall [95 %]",
            "mean error [95 %]",
            "within one, % [95 %]",
        ),
        cells=tuple(
            (
                row_name(row, results),
                row.split,
                f"{one.num_pairs:,}",
                f"{one.num_missing:,}",
                decimal(one.correlations.pearson),
                decimal(one.correlations.spearman),
                decimal(one.correlations.kendall),
                decimal(one.mean_error),
                with_interval(one.within_one),
            )
            for row, one in found
        ),
    )


def _languages(results: Results, split: str) -> Section:
    """One row a judge and language."""
    rows = [row for row in results.rows if row.split == split and row.languages is not None]
    references = {row.languages.reference for row in rows if row.languages is not None}
    reference = next(iter(references), None)
    cells: list[tuple[str, ...]] = []
    for row in rows:
        languages = row.languages
        if languages is None:
            continue
        for one in languages.languages:
            kappa = NONE if one.kappa is None else decimal(one.kappa.kappa)
            cells.append(
                (
                    row_name(row, results),
                    one.language or "(none)",
                    f"{one.num_pairs:,}",
                    with_interval(one.accuracy),
                    f"{one.num_shared:,}" if one.language != reference else NONE,
                    NONE if one.drop is None else signed_with_interval(one.drop),
                    NONE if one.kappa is None else percent(one.kappa.observed),
                    kappa,
                )
            )
        if languages.mean_drop is not None:
            drop = signed_with_interval(languages.mean_drop)
            cells.append((row_name(row, results), "mean drop", *[NONE] * 3, drop, *[NONE] * 2))
    return Section(
        title=f"Languages: {split}",
        text="No language to compare with is among them: name one with --reference-language."
        if reference is None
        else f"Drop: accuracy in {reference} less that in this language, on the pairs that are in "
        f"both, which their ids say. Same: how often the judge prefers the same response in both, "
        f"where it came to a verdict in both; kappa: beyond chance, by Cohen.",
        headings=(
            "method",
            "language",
            "pairs",
            "accuracy % [95 %]",
            "shared",
            "drop, points [95 %]",
            "same %",
            "kappa [95 %]",
        ),
        cells=tuple(cells),
    )


def _cost(results: Results) -> Section:
    """Accuracy beside cost, where there are several judges to choose among."""
    cells: list[tuple[str, ...]] = []
    for split in dict.fromkeys(row.split for row in results.rows):
        rows = [row for row in results.rows if row.split == split]
        sizes = [row.agreement.num_pairs + row.agreement.num_tie_labels for row in rows]
        costs = [row.judging_seconds / size for row, size in zip(rows, sizes, strict=True)]
        ahead = cost_frontier(costs, [row.agreement.accuracy.value for row in rows])
        for row, size, cost, is_ahead in zip(rows, sizes, costs, ahead, strict=True):
            cells.append(
                (
                    row_name(row, results),
                    split,
                    with_interval(row.agreement.accuracy),
                    seconds(100.0 * cost),
                    number(row.agreement.num_tokens / size),
                    "yes" if is_ahead else "no",
                )
            )
    return Section(
        title="Accuracy and cost",
        text="On the frontier: no judge of this table is as accurate for fewer seconds a pair, or "
        "more accurate for as few. Accuracies within each other's intervals may trade places.",
        headings=(
            "method",
            "split",
            "accuracy % [95 %]",
            "judge s / 100 pairs",
            "tokens / pair",
            "on the frontier",
        ),
        cells=tuple(cells) if len({row_name(row, results) for row in results.rows}) > 1 else (),
    )


def _categories(results: Results, split: str) -> Section:
    """One row a category, one column a judge; none if the split has a single category."""
    rows = [row for row in results.rows if row.split == split]
    sizes = {part.category: part for row in rows for part in row.agreement.categories}
    averages = (
        ("macro: mean of categories", [row.agreement.macro for row in rows]),
        ("micro: mean of pairs", [row.agreement.accuracy for row in rows]),
    )
    cells = [
        (
            category or "(none)",
            f"{sizes[category].num_pairs:,}",
            f"{sizes[category].num_groups:,}",
            *(_of_category(row, category) for row in rows),
        )
        for category in sorted(sizes)
    ]
    pairs, groups = rows[0].agreement.num_pairs, rows[0].agreement.num_groups
    cells += [
        (name, f"{pairs:,}", f"{groups:,}", *map(with_interval, estimates))
        for name, estimates in averages
    ]
    return Section(
        title=f"Categories: {split}",
        text="Accuracy in per cent and its 95 % interval. Macro counts every category alike, "
        "micro every pair.",
        headings=("category", "pairs", "groups", *(row_name(row, results) for row in rows)),
        cells=tuple(cells) if len(sizes) > 1 else (),
    )


def _of_category(row: JudgedRow, category: str) -> str:
    found: Sequence[Estimate] = [
        part.accuracy for part in row.agreement.categories if part.category == category
    ]
    return with_interval(found[0]) if found else NONE


def _data(results: Results) -> Section:
    return Section(
        title="Data",
        text="Rows of one group share a prompt, a task or a topic. Ties are rows labelled a tie; "
        "no accuracy counts them.",
        headings=("data", "split", "pairs", "ties", "groups", "categories", "in training too"),
        cells=tuple(
            (
                facts.name,
                facts.split,
                f"{facts.num_pairs:,}",
                f"{facts.num_tie_labels:,}",
                f"{facts.num_groups:,}",
                ", ".join(f"{name or '(none)'} {n:,}" for name, n in facts.categories.items()),
                NONE if facts.num_overlapping is None else f"{facts.num_overlapping:,}",
            )
            for facts in results.datasets
        ),
    )
