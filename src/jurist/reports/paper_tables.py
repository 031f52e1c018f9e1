"""The tables of a replication, in the paper's order, then what the paper does not have."""

from collections.abc import Sequence

from jurist.evaluation import SeededAgreement, cost_frontier
from jurist.reports.faithfulness import faithfulness_section
from jurist.reports.paper import PaperResults
from jurist.reports.published import FIGURE_2, FIGURE_4, FIGURE_5, TABLE_1, TABLE_3
from jurist.reports.section import Section
from jurist.reports.table import (
    NONE,
    number,
    percent,
    seconds,
    signed_with_interval,
    with_interval,
)


def paper_sections(results: PaperResults) -> list[Section]:
    """The tables, in the paper's order, then what it does not have."""
    every = [
        _two_axes(results),
        _claims(results),
        _votes(results),
        _averaged(results),
        _authors(results),
        _rounds(results),
        _reliability(results),
        _confidence(results),
        _reasons(results),
        faithfulness_section(results.faithfulness),
        _categories(results),
        _cost(results),
        _data(results),
        Section(
            title="Environment",
            text="What the numbers may depend on besides the configuration.",
            headings=("what", "value"),
            cells=tuple(results.environment.items()),
        ),
    ]
    return [section for section in every if section.cells]


def _two_axes(results: PaperResults) -> Section:
    splits = results.splits()
    cells: list[tuple[str, ...]] = []
    for method in results.methods():
        found = [results.row(method, split).agreement for split in splits]
        figure_2, figure_4 = FIGURE_2.get(method), FIGURE_4.get(method, ("", ""))
        cells.append(
            (
                method,
                *(
                    f"{with_interval(one.accuracy)} ({_each_seed(one)})"
                    if len(one.seeds) > 1
                    else with_interval(one.accuracy)
                    for one in found
                ),
                NONE if figure_2 is None else f"{figure_2.in_distribution} / {figure_2.shifted}",
                " / ".join(value or NONE for value in figure_4) if any(figure_4) else NONE,
            )
        )
    for name in dict.fromkeys(row.shortcut.name for row in results.shortcuts):
        by_split = {
            row.split: row.shortcut.accuracy
            for row in results.shortcuts
            if row.shortcut.name == name
        }
        shown = (with_interval(by_split[one]) if one in by_split else NONE for one in splits)
        cells.append((f"{name} (shortcut)", *shown, NONE, NONE))
    pairs = ", ".join(
        f"{results.row(results.methods()[0], split).agreement.num_pairs:,} pairs of {split}"
        for split in splits
    )
    return Section(
        title="Two axes: in distribution and shifted (after Fig. 2 and 4)",
        text="Accuracy of all votes in both orders, in per cent, with the 95 % interval over seeds "
        f"and groups of pairs, and the accuracy of each seed; {pairs}. Shortcuts never read the "
        "prompt. The last two columns are the paper's own numbers, of another model and data: "
        f"trained on UltraFeedback, held-out UltraFeedback / RewardBench overall (Fig. 2, read off "
        f"the figure); trained on UltraInteract, held-out UltraInteract / RewardBench reasoning "
        f"(Fig. 4, from the text). It gives no intervals.",
        headings=("method", *splits, "paper, UltraFeedback", "paper, UltraInteract"),
        cells=tuple(cells),
    )


def _each_seed(agreement: SeededAgreement) -> str:
    return ", ".join(percent(value) for value in agreement.by_seed)


def _claims(results: PaperResults) -> Section:
    return Section(
        title="What the paper says, and what is found here",
        text="Differences in points on the same pairs with the same seeds; the interval resamples "
        "seeds and groups. A difference of the paper agrees if the one here has its sign and its "
        "interval excludes zero; that two methods are alike agrees if the interval includes zero "
        "and is within 5 points of it.",
        headings=("claim", "paper, points", "split", "here, points [95 %]", "verdict"),
        cells=tuple(
            (
                row.claim,
                row.published,
                row.split,
                signed_with_interval(row.difference),
                row.verdict,
            )
            for row in results.claims
        ),
    )


def _votes(results: PaperResults) -> Section:
    rows = [row for row in results.rows if len(row.agreement.curve) > 2]
    most = max((point.votes for row in rows for point in row.agreement.curve), default=0)
    sizes = [2**i for i in range(most.bit_length()) if 2**i <= most]
    gains = "; ".join(f"{side.replace('_', ' ')} {gain}" for side, gain in FIGURE_5.items())
    return Section(
        title="Votes (after Fig. 5)",
        text=f"Accuracy in per cent with the majority of so many votes, half of them in either "
        f"order; one vote is any single reading. In the paper 32 votes of STaR-DPO gain over one, "
        f"in points: {gains}.",
        headings=("method", "split", *(str(size) for size in sizes), "gain, points"),
        cells=tuple(
            (
                row.method,
                row.split,
                *_padded([percent(point.accuracy.value) for point in row.agreement.curve], sizes),
                f"{100 * (row.agreement.accuracy.value - row.agreement.single.value):+.1f}",
            )
            for row in rows
        ),
    )


def _averaged(results: PaperResults) -> Section:
    cells: list[tuple[str, ...]] = []
    most = 0
    for row in results.averaged:
        counted = results.row(row.method, row.split)
        for way, agreement in (("counted", counted.agreement), ("averaged", row.agreement)):
            most = max(most, len(agreement.curve))
            cells.append(
                (
                    row.method,
                    row.split,
                    way,
                    *(with_interval(point.accuracy) for point in agreement.curve),
                    _share(agreement.ece),
                    NONE if agreement.brier is None else f"{agreement.brier:.3f}",
                )
            )
    sizes = [2**i for i in range(most)]
    return Section(
        title="Counted votes and averaged verdicts",
        text="The same readings, counted by the verdict that each wrote, or averaged by the "
        "probability that each one's reasoning leaves the verdicts: accuracy in per cent by number "
        "of readings. The paper counts.",
        headings=(
            "method",
            "split",
            "verdicts",
            *(f"{size} votes" if size > 1 else "1 vote" for size in sizes),
            "ECE %",
            "Brier",
        ),
        cells=tuple(cells),
    )


def _padded(cells: Sequence[str], sizes: Sequence[int]) -> list[str]:
    return [*cells, *[NONE] * (len(sizes) - len(cells))]


def _authors(results: PaperResults) -> Section:
    cells: list[tuple[str, ...]] = []
    for method, author in results.authors.items():
        for split in results.splits():
            after = _after_each_round(results, method, split)
            cells.append((method, author, split, *(with_interval(one.accuracy) for one in after)))
    longest = max((len(row) for row in cells), default=3) - 3
    published = "; ".join(
        f"{author}: " + ", ".join(f"{uf} / {rb}" for uf, rb in rounds)
        for author, rounds in TABLE_1.items()
    )
    return Section(
        title="Who writes the rationales (after Table 1)",
        text=f"STaR-SFT with rationales of different authors: accuracy after each round, in per "
        f"cent. The paper's, UltraFeedback / RewardBench after each round: {published}.",
        headings=(
            "method",
            "author",
            "split",
            *(f"round {number}" for number in range(1, longest + 1)),
        ),
        cells=tuple((*row, *[NONE] * (longest + 3 - len(row))) for row in cells),
    )


def _after_each_round(results: PaperResults, method: str, split: str) -> list[SeededAgreement]:
    early = [row.agreement for row in results.rounds if (row.method, row.split) == (method, split)]
    return [*early, results.row(method, split).agreement]


def _rounds(results: PaperResults) -> Section:
    with_rounds = list(dict.fromkeys(row.method for row in results.rounds))
    cells: list[tuple[str, ...]] = []
    for method in with_rounds:
        if method in results.authors and method != "STaR-SFT":
            continue  # Foreign authors have a table of their own.
        for split in results.splits():
            after = _after_each_round(results, method, split)
            shown = [f"{percent(a.single.value)} / {with_interval(a.accuracy)}" for a in after]
            cells.append((method, split, *shown, TABLE_3.get(method, NONE)))
    longest = max((len(row) for row in cells), default=3) - 3
    return Section(
        title="Round by round (after Table 3)",
        text="Accuracy after each round, in per cent: of one reading / of all votes. The last "
        "column is what was recovered of the paper's table.",
        headings=(
            "method",
            "split",
            *(f"round {number}" for number in range(1, longest + 1)),
            "paper",
        ),
        cells=tuple(cells),
    )


def _reliability(results: PaperResults) -> Section:
    return Section(
        title="Order, failures and calibration",
        text="Means over the seeds. Flips: pairs judged otherwise in the other order. First slot: "
        "readings that prefer the response shown first; 50 is no bias. Failures: readings without "
        "a verdict. ECE and Brier are of the ballots' probabilities. The paper has none of these.",
        headings=(
            *("method", "split", "flips %", "first slot %", "failures %", "ties %"),
            *("ECE %", "Brier", "votes", "seeds"),
        ),
        cells=tuple(
            (
                row.method,
                row.split,
                _share(row.agreement.flips),
                _share(row.agreement.first_slot),
                percent(row.agreement.failure_rate),
                percent(row.agreement.ties),
                _share(row.agreement.ece),
                NONE if row.agreement.brier is None else f"{row.agreement.brier:.3f}",
                f"{row.agreement.votes:g}",
                str(len(row.agreement.seeds)),
            )
            for row in results.rows
        ),
    )


def _confidence(results: PaperResults) -> Section:
    coverages = list(results.rows[0].confidence.abstention)
    return Section(
        title="Confidence",
        text="ECE as it is, and with a temperature that was fitted on one half of the groups for "
        "the other; above 1 it takes confidence away. Then accuracy in per cent if the judge "
        "answers only so many of the pairs, those it is surest of. Means over the seeds.",
        headings=(
            *("method", "split", "ECE %", "temperature", "ECE % with it"),
            *(f"answering {coverage} %" for coverage in coverages),
        ),
        cells=tuple(
            (
                row.method,
                row.split,
                _share(row.agreement.ece),
                NONE if row.confidence.temperature is None else f"{row.confidence.temperature:.2f}",
                _share(row.confidence.tempered_ece),
                *(percent(row.confidence.abstention[coverage]) for coverage in coverages),
            )
            for row in results.rows
        ),
    )


def _reasons(results: PaperResults) -> Section:
    rows = [(row, row.reasons) for row in results.rows if row.reasons is not None]
    habits = list(dict.fromkeys(habit for _, reasons in rows for habit in reasons.habits))
    return Section(
        title="Right for a right reason",
        text="In this world every step of a judgement can be checked. Of the readings that name "
        "the labelled response, the share whose every step is true and leads there; and in what "
        "way all readings go about it. Selecting by verdicts alone keeps what came out right by "
        "luck.",
        headings=(
            *("method", "split", "right %", "of those sound %"),
            *(f"{habit} %" for habit in habits),
        ),
        cells=tuple(
            (
                row.method,
                row.split,
                percent(reasons.right),
                _share(reasons.sound),
                *(percent(reasons.habits[habit]) for habit in habits),
            )
            for row, reasons in rows
        ),
    )


def _share(value: float | None) -> str:
    return NONE if value is None else percent(value)


def _categories(results: PaperResults) -> Section:
    cells: list[tuple[str, ...]] = []
    methods = results.methods()
    for split in results.splits():
        rows = [results.row(method, split).agreement for method in methods]
        if len(rows[0].categories) < 2:
            continue
        for at, category in enumerate(rows[0].categories):
            cells.append(
                (
                    split,
                    category.category or "(none)",
                    f"{category.num_pairs:,}",
                    *(percent(one.categories[at].accuracy.value) for one in rows),
                )
            )
        cells.append((split, "macro", f"{rows[0].num_pairs:,}", *(percent(a.macro) for a in rows)))
        micro = (percent(one.accuracy.value) for one in rows)
        cells.append((split, "micro", f"{rows[0].num_pairs:,}", *micro))
    return Section(
        title="By section, macro and micro",
        text="Accuracy in per cent, mean of the seeds. Macro counts every section alike, micro "
        "every pair; the paper's overall number is neither of its own bars' exactly.",
        headings=("split", "section", "pairs", *methods),
        cells=tuple(cells),
    )


def _cost(results: PaperResults) -> Section:
    # By split and method; a frontier is among the methods of one split.
    ahead: dict[tuple[str, str], bool] = {}
    for split in results.splits():
        rows = [row for row in results.rows if row.split == split]
        costs = [row.judging_seconds / row.agreement.num_pairs for row in rows]
        found = cost_frontier(costs, [row.agreement.accuracy.value for row in rows])
        ahead |= {(split, row.method): one for row, one in zip(rows, found, strict=True)}
    return Section(
        title="What it costs",
        text="Seconds on the clock of the machine below, mean of the seeds, with as many runs at a "
        "time as it was told to; what 32 votes cost is the reviewers' first question. On the "
        "frontier: no method is as accurate on the split for fewer seconds of judging, or more "
        "accurate for as few.",
        headings=(
            "method",
            "split",
            "train s",
            "judge s / 100 pairs",
            "tokens / verdict",
            "on the frontier",
        ),
        cells=tuple(
            (
                row.method,
                row.split,
                NONE if row.training_seconds is None else seconds(row.training_seconds),
                seconds(100.0 * row.judging_seconds / row.agreement.num_pairs),
                number(row.agreement.tokens_per_verdict),
                "yes" if ahead[row.split, row.method] else "no",
            )
            for row in results.rows
        ),
    )


def _data(results: PaperResults) -> Section:
    return Section(
        title="Data",
        text="Rows of one group share a prompt, a task or a topic.",
        headings=("data", "split", "pairs", "ties", "groups", "in training too"),
        cells=tuple(
            (
                facts.name,
                facts.split,
                f"{facts.num_pairs:,}",
                f"{facts.num_tie_labels:,}",
                f"{facts.num_groups:,}",
                NONE if facts.num_overlapping is None else f"{facts.num_overlapping:,}",
            )
            for facts in results.datasets
        ),
    )
