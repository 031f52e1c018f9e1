"""Benchmarks that are no pairs: several responses to one prompt, or a prompt alone.

| layout | columns | checked in |
|---|---|---|
| reward-bench-2 | id, prompt, subset, num_correct; chosen, rejected: lists of texts | GitHub |
| rm-bench | prompt, domain; chosen, rejected: three texts each, plainest first | GitHub |
| rewardmath | problem, eval_solution: steps, solution_type, problem_id, subject | GitHub |
| arena-hard | uid, prompt, category, subcategory or cluster | GitHub |
| math-500 | problem, solution, answer, subject, level, unique_id | its readers |

Checked in November 2026, those on GitHub in the repository of the benchmark itself. `pairs_of`
makes the preferences that a judge of pairs is asked about: every right response beside every wrong
one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar, cast

from jurist.data.cells import kind, name_of, number_of, required, short, text_of
from jurist.data.check import fault
from jurist.data.columns import prompt_group
from jurist.data.layouts import Place, stem
from jurist.data.lines import Columns, Row
from jurist.data.offences import Offences
from jurist.data.read import file_rows
from jurist.data.turns import prompt_of
from jurist.errors import DataError
from jurist.types import Conversation, Preference, user


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """A prompt with several responses, some right and some wrong."""

    id: str
    """Unique within the set."""

    prompt: Conversation
    right: tuple[str, ...]
    """Responses held right. At least one; in the order published."""

    wrong: tuple[str, ...]
    """Responses held wrong. At least one, none of them a right one too."""

    category: str = ""
    source: str = ""
    group: str = ""
    """What a split or a resample must keep together. Never empty once read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A prompt without responses, for a policy to answer."""

    id: str
    prompt: Conversation
    answer: str | None = None
    """The right final answer, where there is one."""

    category: str = ""
    source: str = ""


class CandidateLayout(StrEnum):
    """A way that published sets of candidates and of questions lay out their columns."""

    REWARDBENCH_2 = "reward-bench-2"
    RM_BENCH = "rm-bench"
    REWARDMATH = "rewardmath"
    ARENA_HARD = "arena-hard"
    MATH_500 = "math-500"


TIES = "ties"
"""Name of the subset of RewardBench 2 whose prompts have several right responses."""

RM_BENCH_DOMAINS = ("chat", "math", "code", "safety")
"""What the name of a domain of RM-Bench begins with."""

NUM_STYLES = 3
"""Styles of each response of RM-Bench: concise, detailed, detailed with Markdown."""


def pairs_of(one: Candidates) -> list[Preference]:
    """Every right response beside every wrong one.

    Returns:
        `len(right)` x `len(wrong)` preferences, the wrong responses of the first right one first.
    """
    return [
        Preference(
            id=f"{one.id}/{i}-{j}",
            prompt=one.prompt,
            chosen=right,
            rejected=wrong,
            category=one.category,
            source=one.source,
            group=one.group,
        )
        for i, right in enumerate(one.right, start=1)
        for j, wrong in enumerate(one.wrong, start=1)
    ]


def read_candidates(paths: Iterable[Path], *, skip_bad: Path | None = None) -> list[Candidates]:
    """Read sets of candidates, all of them checked; the layout is recognised from the columns.

    Args:
        paths: Files of JSON Lines, JSON arrays or Parquet.
        skip_bad: Where to set bad rows aside, as `read_preferences` does. If None, a bad row is an
            error.

    Raises:
        DataError: If a file is missing or damaged, a row is bad, an id is there twice, or there is
            no good row.
        ConfigError: If a file is Parquet and pyarrow is not installed.
        StoreError: If the rejects cannot be written.
    """
    return _read(paths, _CANDIDATES, skip_bad)


def read_questions(paths: Iterable[Path], *, skip_bad: Path | None = None) -> list[Question]:
    """Read sets of prompts without responses; everything else as `read_candidates`."""
    return _read(paths, _QUESTIONS, skip_bad)


_Item = TypeVar("_Item", Candidates, Question)


class _Form(NamedTuple, Generic[_Item]):
    layout: CandidateLayout
    marks: frozenset[str]
    """Columns that every row has."""

    read: Callable[[Columns, Place], _Item]
    unless: frozenset[str] = frozenset()
    """Columns that no row has."""


def _read(
    paths: Iterable[Path], forms: Sequence[_Form[_Item]], skip_bad: Path | None
) -> list[_Item]:
    offences = Offences(skip_bad)
    found: dict[str, _Item] = {}
    names: list[str] = []
    for path in paths:
        names.append(str(path))
        for row in _gathered(file_rows(path)):
            if row.columns is None:
                offences.add(str(path), row, row.reason)
                continue
            try:
                one = _form(row.columns, forms).read(
                    row.columns, Place(stem(path.name), row.number)
                )
                if one.id in found:
                    raise DataError(f"expected id {one.id!r} once, found it a second time")
                found[one.id] = one
            except DataError as error:
                offences.add(str(path), row, str(error))
    offences.settle()
    if not found:
        raise DataError(f"{', '.join(names) or 'no file'}: expected rows, found none that is good")
    return list(found.values())


def _form(columns: Columns, forms: Sequence[_Form[_Item]]) -> _Form[_Item]:
    have = {name for name, value in columns.items() if value is not None}
    fitting = [form for form in forms if form.marks <= have and not form.unless & have]
    if len(fitting) != 1:
        wanted = "; ".join(f"{form.layout}: {', '.join(sorted(form.marks))}" for form in forms)
        raise DataError(f"expected the columns of one of {wanted}; found {sorted(columns)}")
    return fitting[0]


# Candidates


def _rewardbench_2(columns: Columns, place: Place) -> Candidates:
    """RewardBench 2 (Malik et al. 2025): one right response of four, or in Ties several of many.

    A prompt of Ties comes twice, as "ref:N" with one right response and as "tied:N" with several;
    the two are one group.
    """
    subset = text_of(columns, "subset")
    identity = name_of(columns, "id") or place.name
    prompt = prompt_of(required(columns, "prompt"))
    right, wrong = (_texts(columns, name) for name in ("chosen", "rejected"))
    for name, count in (
        ("num_correct", len(right)),
        ("total_completions", len(right) + len(wrong)),
    ):
        said = number_of(columns, name)
        if said is not None and said != count:
            raise DataError(
                f"expected {name!r} to be {count}, as many as there are, found {said:g}"
            )
    group = prompt_group(prompt)
    if subset.lower() == TIES:
        sort, _, number = identity.partition(":")
        if sort not in ("ref", "tied") or not number:
            raise DataError(f"expected an id 'ref:N' or 'tied:N' in Ties, found {identity!r}")
        if (sort == "ref") != (len(right) == 1):
            wanted = "one right response" if sort == "ref" else "several right responses"
            raise DataError(f"expected {wanted} to {identity!r}, found {len(right)}")
        group = f"{TIES}:{number}"
    elif len(right) != 1:
        raise DataError(f"expected one right response, found {len(right)}")
    return _checked(
        Candidates(
            id=identity,
            prompt=prompt,
            right=right,
            wrong=wrong,
            category=subset,
            source="reward-bench-2",
            group=group,
        )
    )


def _rm_bench(columns: Columns, place: Place) -> Candidates:
    """RM-Bench (Liu et al. 2025): a right and a wrong response, each in three styles.

    The published id is that of a row within its domain only, so rows are named after their lines.
    """
    right, wrong = (_texts(columns, name) for name in ("chosen", "rejected"))
    if not len(right) == len(wrong) == NUM_STYLES:
        raise DataError(
            f"expected {NUM_STYLES} styles of the chosen and of the rejected response, found "
            f"{len(right)} and {len(wrong)}"
        )
    # The files of single domains have no such column, and are named after their domain.
    named = place.stem if columns.get("domain") is None else text_of(columns, "domain")
    domain = next((one for one in RM_BENCH_DOMAINS if named.startswith(one)), None)
    if domain is None:
        raise DataError(
            f"expected a domain that begins with {', '.join(RM_BENCH_DOMAINS)}, found {named!r}"
        )
    prompt = prompt_of(required(columns, "prompt"))
    return _checked(
        Candidates(
            id=place.name,
            prompt=prompt,
            right=right,
            wrong=wrong,
            category=domain,
            source="rm-bench",
            group=prompt_group(prompt),
        )
    )


_SOLUTIONS = "solutions"


def _gathered(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows of RewardMATH, one a solution, gathered to one a problem; other rows as they are.

    A problem has the number of its first solution.
    """
    problems: dict[object, list[Row]] = {}
    for row in rows:
        columns = row.columns or {}
        if not columns.keys() >= _SOLUTION:
            yield row
            continue
        identity = columns["problem_id"]
        problems.setdefault(identity if isinstance(identity, (int, str)) else None, []).append(row)
    for solutions in problems.values():
        first = solutions[0]
        raws = [row.raw for row in solutions if row.raw is not None]
        yield first._replace(
            columns={**(first.columns or {}), _SOLUTIONS: [row.columns for row in solutions]},
            raw=b"".join(raws) if raws else None,
        )


def _rewardmath(columns: Columns, place: Place) -> Candidates:
    """A problem of RewardMATH (Kim et al. 2024): one right solution and, as published, nine wrong.

    Steps are joined by blank lines.
    """
    identity = name_of(columns, "problem_id")
    problem = text_of(columns, "problem")
    by_type: dict[str, list[str]] = {"chosen": [], "rejected": []}
    for solution in cast("list[Columns]", columns[_SOLUTIONS]):
        sort = text_of(solution, "solution_type")
        if sort not in by_type:
            raise DataError(f"expected 'solution_type' to be chosen or rejected, found {sort!r}")
        if text_of(solution, "problem") != problem:
            raise DataError(f"expected one problem under problem_id {identity!r}, found two")
        by_type[sort].append("\n\n".join(_texts(solution, "eval_solution")))
    if len(by_type["chosen"]) != 1:
        raise DataError(
            f"expected one chosen solution of problem {identity!r}, found {len(by_type['chosen'])}"
        )
    if not by_type["rejected"]:
        raise DataError(f"expected rejected solutions of problem {identity!r}, found none")
    prompt = user(problem)
    return _checked(
        Candidates(
            id=identity or place.name,
            prompt=prompt,
            right=tuple(by_type["chosen"]),
            wrong=tuple(by_type["rejected"]),
            category=name_of(columns, "subject") or "",
            source="rewardmath",
            group=prompt_group(prompt),
        )
    )


def _texts(columns: Columns, name: str) -> tuple[str, ...]:
    """A list of at least one text."""
    value = required(columns, name)
    if not isinstance(value, list) or not value:
        found = "an empty list" if value == [] else kind(value)
        raise DataError(f"expected {name!r} to be a list of texts, found {found}")
    items = cast("list[object]", value)
    for number, item in enumerate(items, start=1):
        if not isinstance(item, str):
            raise DataError(f"expected text {number} of {name!r} to be text, found {kind(item)}")
    return tuple(cast("list[str]", items))


def _checked(one: Candidates) -> Candidates:
    """The candidates, if every pair of them can be judged."""
    for pair in pairs_of(one):
        if wrong := fault(pair):
            raise DataError(f"right and wrong response {pair.id.rpartition('/')[2]}: {wrong}")
    return one


_SOLUTION = frozenset({"problem", "eval_solution", "solution_type", "problem_id"})

_CANDIDATES: Sequence[_Form[Candidates]] = (
    _Form(
        CandidateLayout.REWARDBENCH_2,
        frozenset({"prompt", "chosen", "rejected", "subset", "num_correct"}),
        _rewardbench_2,
    ),
    _Form(
        CandidateLayout.RM_BENCH,
        frozenset({"id", "prompt", "chosen", "rejected"}),
        _rm_bench,
        unless=frozenset({"num_correct"}),
    ),
    _Form(CandidateLayout.REWARDMATH, _SOLUTION, _rewardmath),
)


# Questions


def _arena_hard(columns: Columns, place: Place) -> Question:
    """Arena-Hard (Li et al. 2024), version 0.1 or 2.0: prompts without answers."""
    within = name_of(columns, "subcategory") or name_of(columns, "cluster")
    category = text_of(columns, "category")
    return _asked(
        Question(
            id=text_of(columns, "uid"),
            prompt=user(text_of(columns, "prompt")),
            category=category if within is None else f"{category}/{within}",
            source="arena-hard",
        )
    )


def _math_500(columns: Columns, place: Place) -> Question:
    """MATH-500 (Lightman et al. 2024): problems of MATH with their final answers."""
    return _asked(
        Question(
            id=text_of(columns, "unique_id"),
            prompt=user(text_of(columns, "problem")),
            answer=text_of(columns, "answer"),
            category=name_of(columns, "subject") or "",
            source="math-500",
        )
    )


def _asked(one: Question) -> Question:
    if not one.id:
        raise DataError("expected an id, found empty text")
    if not one.prompt[-1].content.strip():
        raise DataError(f"expected a prompt, found {short(one.prompt[-1].content)}")
    return one


_QUESTIONS: Sequence[_Form[Question]] = (
    _Form(CandidateLayout.ARENA_HARD, frozenset({"uid", "prompt", "category"}), _arena_hard),
    _Form(CandidateLayout.MATH_500, frozenset({"problem", "answer", "unique_id"}), _math_500),
)
