"""What public benchmarks make of a judge's verdicts, by their own rules, with our intervals.

Each rule acts on what a judge said; no model is asked anything here. Where a rule was written for
one greedy reading, it is applied to what all readings of an order, or of both, come to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jurist.data.candidates import TIES, Candidates
from jurist.errors import DataError
from jurist.evaluation.candidates import (
    Scores,
    StyleScores,
    beats_all,
    best_of,
    reciprocal_rank,
    rows_of,
    scores_of_rows,
    signs,
    style_scores,
    ties_score,
)
from jurist.evaluation.intervals import Estimate, group_bootstrap
from jurist.evaluation.judged import Judged, credit
from jurist.evaluation.orders import (
    conservative_verdict,
    consistent,
    mean_of_orders,
    right_in_both,
    right_on_balance,
)
from jurist.evaluation.sections import SECTION_OF, SECTIONS
from jurist.types import Failure, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class OfficialScore:
    """One number of a benchmark, as the benchmark defines it."""

    name: str
    value: float
    interval: Estimate | None
    """Resamples groups. None where the number is no mean of rows."""

    num: int
    """What it is over: pairs, or prompts where a prompt has several responses."""


def official_scores(
    suite: str,
    rows: Sequence[Judged],
    *,
    candidates: Sequence[Candidates] = (),
    seed: int = 0,
) -> list[OfficialScore]:
    """Score a benchmark by its own rules.

    Args:
        suite: Name of the benchmark, as in `jurist.data.suites`.
        rows: Its pairs, judged.
        candidates: What the pairs were made of, for a benchmark of candidates.
        seed: Of the resamples.

    Returns:
        The benchmark's numbers, the overall one last. None for a benchmark whose number is the
        plain accuracy, which every report has.

    Raises:
        DataError: If the rows are not of that benchmark.
    """
    if suite in _OF_CANDIDATES:
        return _OF_CANDIDATES[suite](candidates, rows_of(candidates, rows), seed)
    if suite in _OF_PAIRS:
        return _OF_PAIRS[suite](rows, seed)
    return []


def check_sections(suite: str, categories: Iterable[str]) -> None:
    """Refuse sections that the rules of a benchmark do not know, before anything is judged.

    Raises:
        DataError: If there is one.
    """
    if suite in _SECTION:
        for category in categories:
            _SECTION[suite](category)


# Means


def _score(name: str, values: Sequence[float], groups: Sequence[str], seed: int) -> OfficialScore:
    interval = group_bootstrap(list(values), groups, seed=seed)
    return OfficialScore(name=name, value=interval.value, interval=interval, num=len(values))


def _of_rows(
    name: str, rows: Sequence[Judged], value: Callable[[Judged], float], seed: int
) -> OfficialScore:
    return _score(name, [value(row) for row in rows], [row.preference.group for row in rows], seed)


def _mean_of_means(
    name: str,
    values: Sequence[float],
    columns: Sequence[str],
    groups: Sequence[str],
    seed: int,
    weights: Sequence[float] | None = None,
) -> OfficialScore:
    """The plain mean of the (weighted) means of several columns of rows."""
    index = {column: i for i, column in enumerate(dict.fromkeys(columns))}
    member = np.eye(len(index))[[index[column] for column in columns]]
    weighted = member * np.asarray(weights or [1.0] * len(values))[:, None]
    interval = group_bootstrap(
        weighted * np.asarray(values)[:, None], groups, denominators=weighted, seed=seed
    )
    return OfficialScore(name=name, value=interval.value, interval=interval, num=len(values))


# Benchmarks of pairs


def _by_category(rows: Sequence[Judged]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {}
    for row in rows:
        found.setdefault(row.preference.category, []).append(row)
    return found


def _credit_of_rewardbench(row: Judged) -> float:
    """Half for a tie and, unlike everywhere else, half for a failure: so its program counts."""
    outcome = row.ballot.outcome
    return 0.5 if isinstance(outcome, Failure) else credit(outcome, row.label)


def _rewardbench(rows: Sequence[Judged], seed: int) -> list[OfficialScore]:
    """Sections weighted as published, and their plain mean."""
    found: list[OfficialScore] = []
    values, sections, weights = _rewardbench_columns(rows)
    groups = [row.preference.group for row in rows]
    for section in SECTIONS:
        chosen = [i for i, one in enumerate(sections) if one == section]
        if chosen:
            found.append(
                _mean_of_means(
                    section,
                    [values[i] for i in chosen],
                    [section] * len(chosen),
                    [groups[i] for i in chosen],
                    seed,
                    [weights[i] for i in chosen],
                )
            )
    overall = _mean_of_means(
        _overall("mean of sections", len(found), len(SECTIONS)),
        values,
        sections,
        groups,
        seed,
        weights,
    )
    return [*found, overall]


def _rewardbench_columns(
    rows: Sequence[Judged],
) -> tuple[list[float], list[str], list[float]]:
    """The credit, the section and the weight of each row."""
    sizes = {subset: len(members) for subset, members in _by_category(rows).items()}
    subsets = [row.preference.category for row in rows]
    return (
        [_credit_of_rewardbench(row) for row in rows],
        [_section(subset) for subset in subsets],
        [SECTIONS[_section(subset)][subset] / sizes[subset] for subset in subsets],
    )


def _m_rewardbench(rows: Sequence[Judged], seed: int) -> list[OfficialScore]:
    """Per language the plain mean of the sections, each pair of a section counting alike."""
    by_language: dict[str, list[Judged]] = {}
    for row in rows:
        by_language.setdefault(row.preference.category.partition("/")[0], []).append(row)
    found = [
        _mean_of_means(
            f"{language}: {_overall('mean of sections', len(_sections_of(members)), 4)}",
            [_credit_of_rewardbench(row) for row in members],
            [_section_of_translated(row.preference.category) for row in members],
            [row.preference.group for row in members],
            seed,
        )
        for language, members in sorted(by_language.items())
    ]
    mean = sum(score.value for score in found) / len(found)
    ordered = [row for members in by_language.values() for row in members]
    # With the same sections in every language the mean of means is the mean of all the columns.
    complete = len({tuple(_sections_of(members)) for members in by_language.values()}) == 1
    interval = (
        _mean_of_means(
            "",
            [_credit_of_rewardbench(row) for row in ordered],
            [
                f"{language}/{_section_of_translated(row.preference.category)}"
                for language, members in by_language.items()
                for row in members
            ],
            [row.preference.group for row in ordered],
            seed,
        ).interval
        if complete
        else None
    )
    return [
        *found,
        OfficialScore(name="mean of languages", value=mean, interval=interval, num=len(rows)),
    ]


def _section(subset: str) -> str:
    if subset not in SECTION_OF:
        raise DataError(f"expected a subset of RewardBench, found {subset!r}")
    return SECTION_OF[subset]


def _section_of_translated(category: str) -> str:
    return _section(category.partition("/")[2])


def _sections_of(rows: Sequence[Judged]) -> list[str]:
    return sorted({_section_of_translated(row.preference.category) for row in rows})


def _judgebench(rows: Sequence[Judged], seed: int) -> list[OfficialScore]:
    """Pairs right on balance of both orders, by section and over all."""
    found = [
        _of_rows(section, members, right_on_balance, seed)
        for section, members in sorted(_by_category(rows).items())
    ]
    return [*found, _of_rows("overall", rows, right_on_balance, seed)]


def _llmbar(rows: Sequence[Judged], seed: int) -> list[OfficialScore]:
    """Natural, each adversarial subset, and the plain mean of these."""
    natural: list[Judged] = []
    adversarial: dict[str, list[Judged]] = {}
    for row in rows:
        name = _llmbar_section(row.preference.category)
        if name == "natural":
            natural.append(row)
        else:
            adversarial.setdefault(name.removeprefix("adversarial"), []).append(row)
    found = [_of_rows("Natural", natural, mean_of_orders, seed)] if natural else []
    found += [
        _of_rows(f"Adversarial: {name}", members, mean_of_orders, seed)
        for name, members in sorted(adversarial.items())
    ]
    if adversarial:
        members = [(name, row) for name, held in sorted(adversarial.items()) for row in held]
        found.append(
            _mean_of_means(
                _overall("Adversarial, mean of subsets", len(adversarial), 4),
                [mean_of_orders(row) for _, row in members],
                [name for name, _ in members],
                [row.preference.group for _, row in members],
                seed,
            )
        )
    return found


def _llmbar_section(category: str) -> str:
    """The name of a subset without what its copies write in different ways."""
    name = "".join(filter(str.isalnum, category.lower()))
    if name != "natural" and not name.startswith("adversarial"):
        raise DataError(f"expected LLMBar's Natural and Adversarial, found {category!r}")
    return name


def _mt_bench(rows: Sequence[Judged], seed: int) -> list[OfficialScore]:
    """Agreement with each person's vote, per turn: ties kept, and all ties left out."""
    found: list[OfficialScore] = []
    for turn, members in sorted(_by_category(rows).items()):
        found.append(_of_rows(f"{turn}, ties kept", members, _agrees, seed))
        decided = [
            row for row in members if Verdict.TIE not in (conservative_verdict(row), row.label)
        ]
        if decided:
            found.append(_of_rows(f"{turn}, without ties", decided, _agrees, seed))
    return found


def _agrees(row: Judged) -> bool:
    return conservative_verdict(row) == row.label


def _auto_j(rows: Sequence[Judged], seed: int) -> list[OfficialScore]:
    """Agreement in both orders, ties among the labels; and consistency of the two orders."""
    return [
        _of_rows("consistency", rows, consistent, seed),
        _of_rows("agreement in both orders, ties kept", rows, right_in_both, seed),
    ]


def _pandalm(rows: Sequence[Judged], seed: int) -> list[OfficialScore]:
    """Accuracy over the three labels, a tie among them."""
    return [
        _of_rows("accuracy, ties kept", rows, lambda row: row.ballot.outcome == row.label, seed)
    ]


# Benchmarks of candidates

_Rows = Sequence[Sequence[Sequence[Judged]]]


def _rewardbench_2(candidates: Sequence[Candidates], rows: _Rows, seed: int) -> list[OfficialScore]:
    """Best of four per subset, Ties by their own arithmetic, and the plain mean of the subsets."""
    subsets: dict[str, list[int]] = {}
    for i, one in enumerate(candidates):
        subsets.setdefault(one.category, []).append(i)
    found: list[OfficialScore] = []
    for subset, members in sorted(subsets.items()):
        if subset.lower() == TIES:
            score = _ties([candidates[i] for i in members], [rows[i] for i in members])
            found += [] if score is None else [score]
        else:
            values = [best_of(signs(rows[i])) for i in members]
            groups = [candidates[i].group for i in members]
            found.append(_score(subset, values, groups, seed))
    if found:
        mean = sum(score.value for score in found) / len(found)
        found.append(
            OfficialScore(
                name=_overall("mean of subsets", len(found), 6),
                value=mean,
                interval=None,
                num=sum(score.num for score in found),
            )
        )
    return found


def _ties(candidates: Sequence[Candidates], rows: _Rows) -> OfficialScore | None:
    """The score of Ties, or None if no prompt is there in both forms."""
    by_sort: dict[str, dict[str, Scores | None]] = {"ref": {}, "tied": {}}
    for one, of_one in zip(candidates, rows, strict=True):
        sort, _, number = one.id.partition(":")
        by_sort[sort][number] = scores_of_rows(of_one)
    if not by_sort["ref"].keys() & by_sort["tied"].keys():
        return None
    overall = ties_score(by_sort["ref"], by_sort["tied"]).overall
    return OfficialScore(name="Ties", value=overall, interval=None, num=len(candidates))


def _rm_bench(candidates: Sequence[Candidates], rows: _Rows, seed: int) -> list[OfficialScore]:
    """Each domain, each difficulty as the plain mean of the domains, and the mean of it all."""
    scores = [style_scores(signs(of_one)) for of_one in rows]
    domains = [one.category for one in candidates]
    groups = [one.group for one in candidates]
    found: list[OfficialScore] = []
    for domain in dict.fromkeys(sorted(domains)):
        members = [i for i, one in enumerate(domains) if one == domain]
        values = [scores[i].mean for i in members]
        found.append(_score(domain, values, [groups[i] for i in members], seed))

    def over_domains(name: str, value: Callable[[StyleScores], float]) -> OfficialScore:
        return _mean_of_means(name, [value(one) for one in scores], domains, groups, seed)

    return [
        *found,
        over_domains("easy", lambda one: one.easy),
        over_domains("normal", lambda one: one.normal),
        over_domains("hard", lambda one: one.hard),
        over_domains(_overall("mean of domains", len(set(domains)), 4), lambda one: one.mean),
    ]


def _rewardmath(candidates: Sequence[Candidates], rows: _Rows, seed: int) -> list[OfficialScore]:
    """Mean reciprocal rank, and how often the right solution beats all the wrong ones."""
    won = [signs(of_one) for of_one in rows]
    groups = [one.group for one in candidates]
    return [
        _score("mean reciprocal rank", [reciprocal_rank(one) for one in won], groups, seed),
        _score("right beats all", [float(beats_all(one)) for one in won], groups, seed),
    ]


def _overall(name: str, num: int, of: int) -> str:
    """The name of a mean, which says so if parts of it are missing."""
    return name if num == of else f"{name} ({num} of {of})"


_OF_PAIRS: Mapping[str, Callable[[Sequence[Judged], int], list[OfficialScore]]] = {
    "rewardbench": _rewardbench,
    "m-rewardbench": _m_rewardbench,
    "judgebench": _judgebench,
    "llmbar": _llmbar,
    "mt-bench": _mt_bench,
    "auto-j": _auto_j,
    "pandalm": _pandalm,
}

_SECTION: Mapping[str, Callable[[str], str]] = {
    "rewardbench": _section,
    "m-rewardbench": _section_of_translated,
    "llmbar": _llmbar_section,
}

_OF_CANDIDATES: Mapping[str, Callable[[Sequence[Candidates], _Rows, int], list[OfficialScore]]] = {
    "reward-bench-2": _rewardbench_2,
    "rm-bench": _rm_bench,
    "rewardmath": _rewardmath,
}
