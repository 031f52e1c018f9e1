"""Public benchmarks on disk: which there are, where their files lie, and what is in them.

Nothing is fetched. A benchmark is found in a folder of the caller's, by its name, or in the cache
of the Hugging Face hub, whose files are read as they lie there.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from jurist.data.candidates import Candidates, Question, pairs_of, read_candidates, read_questions
from jurist.data.layouts import stem
from jurist.data.read import SUFFIXES, read_preferences
from jurist.data.split import limited
from jurist.errors import ConfigError, DataError
from jurist.types import Preference


class SuiteForm(StrEnum):
    """What the rows of a benchmark are."""

    PAIRS = "pairs"
    CANDIDATES = "candidates"
    """Several responses to a prompt, judged in pairs of a right and a wrong one."""

    QUESTIONS = "questions"
    """Prompts without responses: nothing to judge, but to answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """A public benchmark."""

    name: str
    title: str
    form: SuiteForm
    licence: str
    hub_ids: tuple[str, ...] = ()
    """Ids on the Hugging Face hub whose files are in a layout read here."""

    names: tuple[str, ...] = ()
    """What its file or folder may be called besides its name and the names in `hub_ids`."""

    files: tuple[str, ...] = ()
    """Where its rows lie in a folder: the first pattern that fits any file is taken. After these,
    `data/*`, `*` and `**/*`."""

    category_from_file: bool = False
    """The rows do not say which section they are of; their files' names do."""

    category_needed: bool = False
    """Its numbers cannot be computed without the sections."""


SUITES: tuple[Suite, ...] = (
    Suite(
        name="rewardbench",
        title="RewardBench",
        form=SuiteForm.PAIRS,
        licence="ODC-BY",
        hub_ids=("allenai/reward-bench",),
        files=("data/filtered-*.parquet", "filtered*"),
    ),
    Suite(
        name="reward-bench-2",
        title="RewardBench 2",
        form=SuiteForm.CANDIDATES,
        licence="ODC-BY",
        hub_ids=("allenai/reward-bench-2",),
    ),
    Suite(
        name="rm-bench",
        title="RM-Bench",
        form=SuiteForm.CANDIDATES,
        licence="not stated in its repository",
        hub_ids=("THU-KEG/RM-Bench",),
        files=("data/total_dataset.json", "total_dataset.json"),
    ),
    Suite(
        name="judgebench",
        title="JudgeBench",
        form=SuiteForm.PAIRS,
        licence="not stated in its repository",
        hub_ids=("ScalerLab/JudgeBench",),
    ),
    Suite(
        name="llmbar",
        title="LLMBar",
        form=SuiteForm.PAIRS,
        licence="MIT",
        files=("Dataset/LLMBar/**/dataset.json", "**/dataset.json"),
        category_from_file=True,
        category_needed=True,
    ),
    Suite(
        name="hhh",
        title="HHH alignment",
        form=SuiteForm.PAIRS,
        licence="Apache-2.0",
        hub_ids=("HuggingFaceH4/hhh_alignment",),
        files=("data/*/task.json", "*/task.json"),
        category_from_file=True,
    ),
    Suite(
        name="mt-bench",
        title="MT-Bench human judgments",
        form=SuiteForm.PAIRS,
        licence="CC-BY-4.0",
        hub_ids=("lmsys/mt_bench_human_judgments",),
        names=("mt_bench_human",),
        files=("data/human-*.parquet",),
    ),
    Suite(
        name="pandalm",
        title="PandaLM test set",
        form=SuiteForm.PAIRS,
        licence="Apache-2.0",
        files=("data/testset-v1.json", "testset-v1.json"),
    ),
    Suite(
        name="auto-j",
        title="Auto-J pairwise test set",
        form=SuiteForm.PAIRS,
        licence="not stated in its repository",
        files=("data/test/testdata_pairwise.jsonl", "testdata_pairwise.jsonl"),
    ),
    Suite(
        name="rewardmath",
        title="RewardMATH",
        form=SuiteForm.CANDIDATES,
        licence="MIT",
        hub_ids=("RewardMATH/RewardMATH",),
        files=("dataset/benchmark/RewardMATH_direct.json", "RewardMATH_direct.json"),
    ),
    Suite(
        name="m-rewardbench",
        title="M-RewardBench",
        form=SuiteForm.PAIRS,
        licence="ODC-BY",
        hub_ids=(
            "CohereLabsCommunity/multilingual-reward-bench",
            "C4AI-Community/multilingual-reward-bench",
        ),
        files=("*/test-*.parquet",),
    ),
    Suite(
        name="arena-hard",
        title="Arena-Hard",
        form=SuiteForm.QUESTIONS,
        licence="Apache-2.0",
        names=("arena-hard-auto",),
        files=("data/arena-hard-v2.0/question.jsonl", "question.jsonl"),
    ),
    Suite(
        name="math-500",
        title="MATH-500",
        form=SuiteForm.QUESTIONS,
        licence="MIT",
        hub_ids=("HuggingFaceH4/MATH-500",),
        files=("test.jsonl",),
    ),
)
"""The benchmarks that can be read. Columns, rules and what was checked where: docs/suites.md."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundSuite:
    """A benchmark and its files."""

    suite: Suite
    root: Path
    """The file, or the folder that holds the files."""

    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteSearch:
    """What was found of the benchmarks, and what not."""

    found: tuple[FoundSuite, ...]
    """In the order of `SUITES`."""

    missing: tuple[Suite, ...]
    ignored: tuple[str, ...]
    """Files and folders beside them that are called after no benchmark."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteRows:
    """The rows of a benchmark."""

    preferences: list[Preference]
    """What a judge is asked about."""

    candidates: list[Candidates]
    """What the preferences were made of; empty for a benchmark of pairs."""

    questions: list[Question]
    """Prompts without responses; a benchmark of questions has these and nothing else."""

    num_left_out: int
    """Pairs, candidates or questions that a limit left out."""

    num_rejected: int
    """Bad rows set aside."""


def find_suites(folder: Path | None, *, hub_cache: Path | None = None) -> SuiteSearch:
    """Find every benchmark that is present.

    Args:
        folder: Folder with a file or a folder for each, called after it: case, "-", "_" and
            suffixes do not count. None for none.
        hub_cache: Cache of the Hugging Face hub, where those that are not in `folder` are looked
            for. None for none.

    Raises:
        ConfigError: If two entries of the folder are called after one benchmark.
        DataError: If the folder is not there, or a benchmark's folder holds no file of rows.
    """
    entries = _entries(folder)
    found: list[FoundSuite] = []
    missing: list[Suite] = []
    taken: set[str] = set()
    for suite in SUITES:
        known = {_plain(name) for name in (suite.name, *suite.names, *suite.hub_ids)}
        here = [entry for entry in entries if _plain(stem(entry.name)) in known]
        if len(here) > 1:
            raise ConfigError(
                f"{folder}: expected one file or folder of {suite.title}, found "
                f"{' and '.join(entry.name for entry in here)}"
            )
        taken |= {entry.name for entry in here}
        for root in here or _cached(suite, hub_cache):
            files = _files(suite, root)
            if files:
                found.append(FoundSuite(suite=suite, root=root, files=files))
                break
            if here:
                raise DataError(
                    f"{root}: expected files of {suite.title} named "
                    f"{', '.join('*' + end for end in SUFFIXES)}, found none"
                )
        else:
            missing.append(suite)
    return SuiteSearch(
        found=tuple(found),
        missing=tuple(missing),
        ignored=tuple(entry.name for entry in entries if entry.name not in taken),
    )


def default_hub_cache() -> Path:
    """Where the Hugging Face hub keeps what was downloaded, by its environment variables."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


def read_suite(
    found: FoundSuite, *, rejects: Path | None = None, limit: int | None = None, seed: int = 0
) -> SuiteRows:
    """Read a benchmark, all rows checked.

    Args:
        found: The benchmark and its files.
        rejects: Folder to set bad rows aside in. If None, a bad row is an error.
        limit: About how many pairs or prompts to keep: whole groups, drawn by hash from `seed`,
            until there are as many. None for all.
        seed: Draws the groups.

    Raises:
        DataError: If a file is damaged, a row is bad, or the files do not say which section their
            rows are of and must.
        ConfigError: If a file is Parquet and pyarrow is not installed.
        StoreError: If the rejects cannot be written.
    """
    form = found.suite.form
    aside = None if rejects is None else rejects / f"{found.suite.name}.jsonl"
    preferences: list[Preference] = []
    candidates: list[Candidates] = []
    questions: list[Question] = []
    if form is SuiteForm.QUESTIONS:
        read = read_questions(found.files, skip_bad=aside)
        questions = limited(read, lambda one: one.id, limit, seed)
        num, num_rejected = len(read) - len(questions), _num_lines(aside)
    elif form is SuiteForm.CANDIDATES:
        held = read_candidates(found.files, skip_bad=aside)
        candidates = limited(held, lambda one: one.group, limit, seed)
        preferences = [pair for one in candidates for pair in pairs_of(one)]
        num, num_rejected = len(held) - len(candidates), _num_lines(aside)
    else:
        parts = [_pairs(found, file, rejects) for file in found.files]
        pairs = [pair for part, _ in parts for pair in part]
        preferences = limited(pairs, lambda one: one.group, limit, seed)
        num, num_rejected = len(pairs) - len(preferences), sum(count for _, count in parts)
    return SuiteRows(
        preferences=preferences,
        candidates=candidates,
        questions=questions,
        num_left_out=num,
        num_rejected=num_rejected,
    )


def _num_lines(path: Path | None) -> int:
    return 0 if path is None else path.read_bytes().count(b"\n")


def _pairs(found: FoundSuite, file: Path, rejects: Path | None) -> tuple[list[Preference], int]:
    """The pairs of one file, their ids unique in the benchmark, and how many rows were bad."""
    section = _section(found.root, file)
    several = len(found.files) > 1
    name = "-".join((found.suite.name, *(section.split("/") if several else ())))
    aside = None if rejects is None else rejects / f"{name}.jsonl"
    read = read_preferences(file, skip_bad=aside)
    pairs = read.preferences
    if found.suite.category_from_file:
        pairs = [replace(one, category=one.category or section) for one in pairs]
    if found.suite.category_needed and not all(one.category for one in pairs):
        raise DataError(
            f"{file}: expected to know which section of {found.suite.title} the rows are of, found "
            f"no column that says it; give a folder {found.suite.name} with a file named after each"
        )
    if several:
        pairs = [replace(one, id=f"{section}/{one.id}") for one in pairs]
    return pairs, read.num_rejected


def _section(root: Path, file: Path) -> str:
    """What the place of a file within its benchmark says of it; nothing of a file by itself."""
    if file == root:
        return ""
    inner = file.relative_to(root)
    name = stem(inner.name)
    parts = [part for part in inner.parent.parts if part not in ("data", "Dataset", "LLMBar")]
    return "/".join([*parts, *([] if parts and name in ("dataset", "task") else [name])])


def _entries(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder of benchmarks, found none of that name")
    return sorted(
        entry
        for entry in folder.iterdir()
        if not entry.name.startswith(".") and (entry.is_dir() or entry.name.endswith(SUFFIXES))
    )


def _plain(name: str) -> str:
    """A name without the owner and without what people write in different ways."""
    return "".join(filter(str.isalnum, name.rpartition("/")[2].lower()))


def _cached(suite: Suite, cache: Path | None) -> list[Path]:
    """The newest revisions of a benchmark in the hub's cache."""
    if cache is None:
        return []
    snapshots: list[Path] = []
    for hub_id in suite.hub_ids:
        kept = cache / f"datasets--{hub_id.replace('/', '--')}"
        try:
            revision = (kept / "refs" / "main").read_text("utf-8").strip()
        except OSError:
            continue
        snapshots.append(kept / "snapshots" / revision)
    return [snapshot for snapshot in snapshots if snapshot.is_dir()]


def _files(suite: Suite, root: Path) -> tuple[Path, ...]:
    """The files of rows; none if there are none."""
    if root.is_file():
        return (root,)
    for pattern in (*suite.files, "data/*", "*", "**/*"):
        files = [path for path in root.glob(pattern) if path.name.endswith(SUFFIXES)]
        if files := sorted(path for path in files if path.is_file()):
            return tuple(files)
    return ()


def suites_named(names: Sequence[str]) -> Mapping[str, Suite]:
    """The benchmarks of some names; all of them if none is named.

    Raises:
        ConfigError: If there is no benchmark of a name.
    """
    known = {suite.name: suite for suite in SUITES}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(
            f"expected --only to name benchmarks ({', '.join(known)}), found {unknown[0]!r}"
        )
    return {name: known[name] for name in names or known}
