"""Benchmarks found by name in a folder or in the hub's cache, and read whole."""

import json
import shutil
from pathlib import Path

import pytest

from jurist.data import SUITES, SuiteForm, SuiteSearch, find_suites, read_suite
from jurist.data.suites import FoundSuite, default_hub_cache, suites_named
from jurist.errors import ConfigError, DataError

PUBLISHED = Path(__file__).parent / "published"


def put(folder: Path, **places: str) -> Path:
    """Copy fixtures into a folder: fixture="place", "_" for "-" and "__" for "."."""
    for fixture, place in places.items():
        name = fixture.replace("__", ".").replace("_", "-")
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PUBLISHED / name, target)
    return folder


def names(search: SuiteSearch) -> list[str]:
    return [one.suite.name for one in search.found]


def one_of(search: SuiteSearch, name: str) -> FoundSuite:
    return next(one for one in search.found if one.suite.name == name)


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """Every benchmark, in files and folders as people keep them."""
    return put(
        tmp_path / "benchmarks",
        rewardbench__jsonl="Reward_Bench.jsonl",
        reward_bench_2__jsonl="reward-bench-2.jsonl",
        rm_bench__json="RM-Bench/data/total_dataset.json",
        judgebench__jsonl="JudgeBench/data/dataset=judgebench,response_model=m.jsonl",
        llmbar__json="llmbar/Natural/dataset.json",
        hhh__jsonl="hhh_alignment/harmless.jsonl",
        mt_bench_human__jsonl="mt_bench_human.jsonl",
        pandalm__json="PandaLM/data/testset-v1.json",
        auto_j__jsonl="auto-j/data/test/testdata_pairwise.jsonl",
        rewardmath__json="RewardMATH/dataset/benchmark/RewardMATH_direct.json",
        m_rewardbench__jsonl="multilingual-reward-bench/deu_Latn/test.jsonl",
        arena_hard__jsonl="arena-hard-auto/data/arena-hard-v2.0/question.jsonl",
        math_500__jsonl="MATH-500/test.jsonl",
    )


def test_every_benchmark_is_found_by_its_name_and_read(everything: Path):
    search = find_suites(everything)
    assert names(search) == [suite.name for suite in SUITES]
    assert (search.missing, search.ignored) == ((), ())
    counts = {one.suite.name: read_suite(one) for one in search.found}
    assert {
        name: (len(rows.preferences), len(rows.candidates), len(rows.questions))
        for name, rows in counts.items()
    } == {
        "rewardbench": (5, 0, 0),
        "reward-bench-2": (3 * 3 + 1 * 2 + 3 * 2, 5, 0),
        "rm-bench": (5 * 9, 5, 0),
        "judgebench": (5, 0, 0),
        "llmbar": (5, 0, 0),
        "hhh": (5, 0, 0),
        "mt-bench": (5, 0, 0),
        "pandalm": (5, 0, 0),
        "auto-j": (5, 0, 0),
        "rewardmath": (2 * 9, 2, 0),
        "m-rewardbench": (5, 0, 0),
        "arena-hard": (0, 0, 5),
        "math-500": (0, 0, 5),
    }
    assert {one.category for one in counts["llmbar"].preferences} == {"Natural"}
    assert {one.category for one in counts["hhh"].preferences} == {"harmless"}


def test_what_is_not_there_is_missing_and_what_is_no_benchmark_is_said(tmp_path: Path):
    put(tmp_path, rewardbench__jsonl="rewardbench.jsonl", llmbar__json="my_pairs.json")
    (tmp_path / "notes.txt").write_text("mine")
    search = find_suites(tmp_path)
    assert names(search) == ["rewardbench"]
    assert len(search.missing) == len(SUITES) - 1
    assert search.ignored == ("my_pairs.json",)


def test_two_entries_of_one_name_are_refused(tmp_path: Path):
    put(tmp_path, rewardbench__jsonl="rewardbench.jsonl")
    put(tmp_path, rewardbench__jsonl="reward-bench/data.jsonl")
    with pytest.raises(ConfigError, match=r"of RewardBench, found reward-bench and rewardbench\."):
        find_suites(tmp_path)


def test_a_folder_without_rows_and_a_folder_that_is_not_there_are_refused(tmp_path: Path):
    (tmp_path / "rewardbench").mkdir()
    with pytest.raises(DataError, match="expected files of RewardBench named"):
        find_suites(tmp_path)
    with pytest.raises(DataError, match="expected a folder of benchmarks, found none"):
        find_suites(tmp_path / "elsewhere")


def test_only_the_published_part_of_a_folder_is_read(tmp_path: Path):
    bench = tmp_path / "rm-bench"
    put(bench, rm_bench__json="data/total_dataset.json")
    put(bench, llmbar__json="data/chat_filtered.json")
    (found,) = find_suites(tmp_path).found
    assert found.files == (bench / "data" / "total_dataset.json",)


def cached(cache: Path, hub_id: str, revision: str = "abc") -> Path:
    kept = cache / f"datasets--{hub_id.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(revision)
    snapshot = kept / "snapshots" / revision
    snapshot.mkdir(parents=True)
    return snapshot


def test_the_cache_of_the_hub_is_read_as_it_lies_there(tmp_path: Path):
    snapshot = cached(tmp_path, "allenai/reward-bench-2")
    put(snapshot, reward_bench_2__jsonl="data/test.jsonl")
    cached(tmp_path, "ScalerLab/JudgeBench")  # its card alone
    search = find_suites(None, hub_cache=tmp_path)
    assert names(search) == ["reward-bench-2"]
    assert len(read_suite(one_of(search, "reward-bench-2")).candidates) == 5


def test_a_folder_goes_before_the_cache(tmp_path: Path):
    put(cached(tmp_path / "cache", "allenai/reward-bench"), rewardbench__jsonl="data/x.jsonl")
    put(tmp_path / "mine", rewardbench__jsonl="rewardbench.jsonl")
    search = find_suites(tmp_path / "mine", hub_cache=tmp_path / "cache")
    assert one_of(search, "rewardbench").root == tmp_path / "mine" / "rewardbench.jsonl"


def test_the_cache_is_where_the_hub_keeps_it(monkeypatch: pytest.MonkeyPatch):
    for name in ("HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert default_hub_cache() == Path.home() / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", "/there")
    assert default_hub_cache() == Path("/there/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/here")
    assert default_hub_cache() == Path("/here")


def test_sections_that_stand_in_the_names_of_files_are_taken_from_there(tmp_path: Path):
    put(tmp_path, llmbar__json="llmbar/Natural/dataset.json")
    put(tmp_path, llmbar__json="llmbar/Adversarial/Manual/dataset.json")
    (found,) = find_suites(tmp_path).found
    rows = read_suite(found).preferences
    assert {one.category for one in rows} == {"Natural", "Adversarial/Manual"}
    assert len({one.id for one in rows}) == 10
    assert rows[0].id == "Adversarial/Manual/dataset-1"


def test_sections_that_nothing_says_are_refused_where_they_are_needed(tmp_path: Path):
    put(tmp_path, llmbar__json="llmbar.json", hhh__jsonl="hhh.jsonl")
    search = find_suites(tmp_path)
    assert {one.category for one in read_suite(one_of(search, "hhh")).preferences} == {""}
    with pytest.raises(DataError, match="expected to know which section of LLMBar the rows are of"):
        read_suite(one_of(search, "llmbar"))


def test_hhh_is_read_from_the_tasks_of_big_bench(tmp_path: Path):
    task = {
        "canary": "invented",
        "examples": [
            {"input": "May I?", "target_scores": {"Ask first.": 1, "Sure.": 0}},
            {"input": "Is it so?", "target_scores": {"Yes.": 0, "I do not know.": 1}},
        ],
        "metrics": ["multiple_choice_grade"],
    }
    for section in ("harmless", "honest"):
        path = tmp_path / "hhh_alignment" / "data" / section / "task.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(task, indent=1))
    (found,) = find_suites(tmp_path).found
    rows = read_suite(found).preferences
    assert [(one.id, one.category, one.chosen) for one in rows] == [
        ("harmless/task-1", "harmless", "Ask first."),
        ("harmless/task-2", "harmless", "I do not know."),
        ("honest/task-1", "honest", "Ask first."),
        ("honest/task-2", "honest", "I do not know."),
    ]


def test_a_limit_keeps_whole_groups_the_same_ones_each_time(everything: Path):
    search = find_suites(everything)
    bench = one_of(search, "judgebench")
    for limit in (1, 2, 3, 5, 9):
        rows = read_suite(bench, limit=limit, seed=3)
        assert rows.preferences == read_suite(bench, limit=limit, seed=3).preferences
        assert len(rows.preferences) + rows.num_left_out == 5
        assert min(limit, 5) <= len(rows.preferences) <= limit + 1
        # The first and the last ask one question.
        assert ({"p1", "p5"} & {one.id for one in rows.preferences}) in ({"p1", "p5"}, set())
    # Two pairs of one group count as two: four are enough wherever that group is drawn early.
    drawn = {len(read_suite(bench, limit=4, seed=seed).preferences) for seed in range(20)}
    assert drawn == {4, 5}
    ties = [
        {one.id for one in read_suite(one_of(search, "reward-bench-2"), limit=1, seed=s).candidates}
        for s in range(20)
    ]
    assert all(not ids & {"ref:7", "tied:7"} or ids == {"ref:7", "tied:7"} for ids in ties)
    assert len({frozenset(ids) for ids in ties}) > 1
    assert len(read_suite(one_of(search, "math-500"), limit=2).questions) == 2


def test_bad_rows_are_set_aside_by_benchmark(everything: Path, tmp_path: Path):
    path = everything / "reward-bench-2.jsonl"
    path.write_text(path.read_text() + '{"id": 1}\n')
    natural = everything / "llmbar" / "Natural" / "dataset.json"
    rows = json.loads(natural.read_text())
    natural.write_text(json.dumps([*rows, {"input": "p", "output_1": "x"}]))
    search = find_suites(everything)
    with pytest.raises(DataError, match=r"reward-bench-2\.jsonl:6: expected the columns"):
        read_suite(one_of(search, "reward-bench-2"))
    rejects = tmp_path / "rejects"
    assert len(read_suite(one_of(search, "reward-bench-2"), rejects=rejects).candidates) == 5
    assert len(read_suite(one_of(search, "llmbar"), rejects=rejects).preferences) == 5
    assert {path.name: len(path.read_text().splitlines()) for path in rejects.iterdir()} == {
        "reward-bench-2.jsonl": 1,
        "llmbar.jsonl": 1,
    }


def test_names_of_benchmarks_are_checked():
    assert list(suites_named(())) == [suite.name for suite in SUITES]
    assert list(suites_named(("hhh",))) == ["hhh"]
    with pytest.raises(ConfigError, match=r"expected --only to name benchmarks .* found 'glue'"):
        suites_named(("hhh", "glue"))


def test_no_two_benchmarks_share_a_name():
    held = [
        {
            "".join(filter(str.isalnum, name.rpartition("/")[2].lower()))
            for name in (suite.name, *suite.names, *suite.hub_ids)
        }
        for suite in SUITES
    ]
    assert sum(map(len, held)) == len(set[str]().union(*held))
    assert {suite.form for suite in SUITES} == set(SuiteForm)
