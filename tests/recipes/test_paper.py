"""A replication, end to end on a few pairs, and the parts of its report."""

import json
from dataclasses import replace

import pytest

from jurist.data import read_preferences, write_preferences
from jurist.errors import ConfigError
from jurist.evaluation import Estimate
from jurist.recipes import paper as module
from jurist.recipes import paper_plan
from jurist.recipes.errands import do_errand
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.paper import PaperConfig, held_out, paper
from jurist.recipes.paper_claims import CLAIMS, verdict_on
from jurist.recipes.paper_plan import FOREIGN, SETTINGS, plan
from jurist.recipes.paper_report import author_names, pooled
from jurist.recipes.paper_world import WorldSize, make_author, write_world
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.reports.paper_tables import paper_sections
from jurist.reports.published import FIGURE_2, FIGURE_4
from jurist.storage import write_json
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE, preferences

METHODS = [
    "GenRM (base)",
    "LLM-as-a-judge",
    "Bradley-Terry",
    "PairRM",
    "GenRM",
    "STaR-SFT",
    "STaR-DPO",
    "STaR-IPO",
    "STaR-Rationalizer",
    "STaR-Rationalizer (IPO)",
    "STaR-SFT, foreign first round",
    "STaR-SFT, foreign rounds",
]


def planned(tmp_path, **authors):
    data = DataConfig(train="t.jsonl", test=("a=a.jsonl", "b=b.jsonl"))
    return plan(SETTINGS["tiny"], tmp_path, data, model=str(BASE), authors=authors, seed=3)


def test_every_method_of_the_paper_is_planned_from_one_base_on_the_same_pairs(tmp_path):
    methods = planned(tmp_path, explainer="e", foreign="f")
    assert [method.name for method in methods] == METHODS
    assert len({method.output for method in methods}) == len(METHODS)
    for method in methods:
        config = method.errand.config
        assert config.seed == method.seed == 3
        if hasattr(config, "judge"):
            assert config.judge.model == str(BASE)
            assert config.test == ("a=a.jsonl", "b=b.jsonl")
        else:
            assert config.model == str(BASE)
            assert config.data.train == "t.jsonl"
        assert method.rounds == (3 if "STaR" in method.name else 0)
        assert method.by_round == ("STaR" in method.name and "IPO" not in method.name)
    by_name = {method.name: method.errand.config for method in methods}
    assert by_name["STaR-IPO"].loss.loss == "ipo"
    assert by_name["STaR-Rationalizer (IPO)"].objective == "pairs"
    assert by_name["STaR-Rationalizer"].star.author.author == "e"
    assert by_name["STaR-SFT"].star.author.author == ""
    assert [by_name[name].star.author.author_rounds for name, *_ in FOREIGN] == ["first", "all"]
    # What reasons is asked with reasoning, what does not without.
    assert by_name["GenRM (base)"].judge.format == "terse-direct"
    assert by_name["LLM-as-a-judge"].judge.format == "terse"


def test_without_another_author_its_rows_are_left_out_and_the_judge_explains_itself(tmp_path):
    methods = planned(tmp_path)
    assert [method.name for method in methods] == METHODS[:-2]
    by_name = {method.name: method.errand.config for method in methods}
    assert by_name["STaR-Rationalizer"].star.author.author == ""


def test_what_the_paper_reports_is_about_methods_that_are_run():
    assert set(FIGURE_2) <= set(METHODS)
    assert set(FIGURE_4) <= set(METHODS)
    assert {claim.method for claim in CLAIMS} | {claim.baseline for claim in CLAIMS} <= set(METHODS)


@pytest.mark.parametrize(
    ("sign", "low", "high", "verdict"),
    [
        ("more", 0.01, 0.07, "agrees"),
        ("more", -0.01, 0.07, "not decided"),
        ("more", -0.07, -0.01, "differs"),
        ("less", -0.07, -0.01, "agrees"),
        ("less", 0.01, 0.07, "differs"),
        ("alike", -0.02, 0.03, "agrees"),
        ("alike", -0.02, 0.06, "not decided"),
        ("alike", 0.01, 0.03, "differs"),
    ],
)
def test_a_claim_is_judged_by_its_interval(sign, low, high, verdict):
    estimate = Estimate(value=(low + high) / 2, low=low, high=high)
    assert verdict_on(sign, estimate) == verdict


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scale": "small"}, "--scale small needs --model and --train"),
        ({"train": "pairs.jsonl"}, "--scale tiny is about the world that ships"),
        ({"seeds": ()}, "--seeds must name at least one seed"),
        ({"seeds": (1, 1)}, "--seeds must name at least one seed, each once"),
        ({"jobs": -1}, "--jobs must be 0 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        PaperConfig(**changes)


def test_pairs_of_the_user_are_held_out_by_group_and_once(tmp_path, world):
    source = tmp_path / "pairs.jsonl"
    write_preferences(source, preferences("in_distribution", "train", num=80, seed=0))
    config = PaperConfig(
        output=tmp_path / "run", scale="small", model="m", train=str(source), test=("x=y.jsonl",)
    )
    data = held_out(config)
    assert data.test[1:] == ("x=y.jsonl",)
    name, _, path = data.test[0].partition("=")
    assert name == "held_out"
    train = read_preferences(data.train).preferences
    test = read_preferences(path).preferences
    assert len(train) + len(test) == 80
    assert test
    assert not {one.group for one in train} & {one.group for one in test}
    assert held_out(config) == data


@pytest.mark.slow
def test_an_explainer_comes_to_the_verdict_it_is_given(tmp_path):
    from jurist.engines.transformers import TransformersEngine
    from jurist.formats import Rationalizer, Terse
    from jurist.rationales import sample_rationales
    from jurist.types import Sampling

    engine = TransformersEngine.load(make_author("explainer", tmp_path / "author"))
    pairs = preferences("in_distribution", "validation", num=40, seed=0)
    sampling = Sampling(num_samples=4, max_tokens=64)
    counts = sample_rationales(
        engine, Rationalizer(Terse()), pairs, sampling, sides=("right", "wrong")
    ).counts
    assert counts["kept"] > 0.7 * counts["rationales"]


def shrink(monkeypatch):
    monkeypatch.setattr(module, "WORLD", WorldSize(num_train=16, num_test=6))
    monkeypatch.setattr(
        module, "make_author", lambda kind, folder: make_author(kind, folder, num_documents=16)
    )
    small = replace(
        SETTINGS["tiny"],
        voting=VotingConfig(votes=2, max_tokens=64),
        star=StarConfig(rounds=2, num_samples=8),
        training={
            name: TrainingConfig(learning_rate=1e-4, batch_size=16)
            for name in SETTINGS["tiny"].training
        },
    )
    monkeypatch.setitem(paper_plan.SETTINGS, "tiny", small)


def check_replication(config, methods):
    results = paper(config)
    assert results.methods() == methods
    assert results.splits() == ["in_distribution", "shifted"]
    assert {row.agreement.num_pairs for row in results.rows} == {6}
    # One early round of each STaR run, on two splits.
    by_round = [one for one in methods if "STaR" in one and "IPO" not in one]
    assert len(results.rounds) == len(by_round) * 2
    content = json.loads((config.output / "results.json").read_text())
    assert content["schema"] == 2
    page = (config.output / "report.html").read_text()
    for method in methods:
        assert method in page
    assert "after Fig. 2" in page and "after Table 1" in page and "after Table 3" in page
    assert "73.9 / 74.9" in page, "the paper's own Bradley-Terry stands beside"
    assert page.count("<figure") == 3
    written = {path: path.stat().st_mtime_ns for path in config.output.rglob("model.safetensors")}
    assert paper(config).rows == results.rows
    assert {path: path.stat().st_mtime_ns for path in written} == written
    return results


@pytest.mark.slow
def test_a_replication_ends_in_a_report_and_goes_on_where_it_was(tmp_path, monkeypatch):
    """A few of the methods, in this process."""
    shrink(monkeypatch)
    some = ["LLM-as-a-judge", "Bradley-Terry", "STaR-DPO", "STaR-Rationalizer", FOREIGN[0][0]]
    monkeypatch.setattr(
        module, "plan", lambda *a, **k: [one for one in plan(*a, **k) if one.name in some]
    )
    seen = []

    def run_here(errands, *, logs, jobs):
        for errand in errands:
            if not errand.done:
                seen.append(errand.name)
                write_json(logs / "asked.json", errand.asked)
                assert do_errand(logs / "asked.json") == 0

    monkeypatch.setattr(module, "run_errands", run_here)
    config = PaperConfig(output=tmp_path / "run", seeds=(4, 5))
    results = check_replication(config, some)
    # Of each seed the methods, the first round of three of them, two with averaged verdicts, and
    # three whose traces are read again.
    assert len(seen) == len(set(seen)) == 2 * (5 + 3 + 2 + 3)
    assert {row.method for row in results.faithfulness} == {some[0], some[2], some[3]}
    # Two seeds, both orders, and no more than the six pairs that there are.
    assert all(
        row.faithfulness.num_readings + row.faithfulness.num_without_verdict == 2 * 2 * 6
        for row in results.faithfulness
    )
    assert "Does the verdict follow from the trace" in (config.output / "report.md").read_text()
    told = [claim for claim in CLAIMS if {claim.method, claim.baseline} <= set(some)]
    assert len(results.claims) == len(told) == 6
    assert all(len(row.agreement.by_seed) == 2 for row in results.rows)
    assert results.authors == {FOREIGN[0][0]: "expert, in the first round"}
    (cost,) = [one for one in paper_sections(results) if one.title == "What it costs"]
    for split in results.splits():
        ahead = {cells[0] for cells in cost.cells if cells[1] == split and cells[-1] == "yes"}
        rows = [row for row in results.rows if row.split == split]
        best = max(row.agreement.accuracy.value for row in rows)
        fastest = min(rows, key=lambda row: (row.judging_seconds, -row.agreement.accuracy.value))
        assert fastest.method in ahead
        assert {row.method for row in rows if row.agreement.accuracy.value == best} & ahead


def test_shifted_sets_are_told_apart_and_together(tmp_path, monkeypatch):
    """Two sets whose groups have the same names, and judges that need no training."""
    some = ["GenRM (base)"]
    monkeypatch.setattr(
        module, "plan", lambda *a, **k: [one for one in plan(*a, **k) if one.name in some]
    )
    sources = {"pairs": preferences("in_distribution", "train", num=60, seed=0)}
    for seed, name in enumerate(("far", "farther"), 1):
        rows = preferences("shifted", "test", num=4 + seed, seed=seed)
        sources[name] = [replace(one, group=str(i)) for i, one in enumerate(rows)]
    paths = {name: tmp_path / f"{name}.jsonl" for name in sources}
    for name, rows in sources.items():
        write_preferences(paths[name], rows)
    config = PaperConfig(
        output=tmp_path / "run",
        scale="small",
        model=str(BASE),
        train=str(paths["pairs"]),
        test=(f"far={paths['far']}", f"farther={paths['farther']}"),
        seeds=(0,),
        jobs=1,
    )
    results = paper(config)
    assert results.splits() == ["held_out", "all shifted", "far", "farther"]
    for method in some:
        far, farther = (results.row(method, name).agreement for name in ("far", "farther"))
        both = results.row(method, "all shifted").agreement
        assert (far.num_pairs, farther.num_pairs, both.num_pairs) == (5, 6, 11)
        whole = 5 * far.accuracy.value + 6 * farther.accuracy.value
        assert both.accuracy.value == pytest.approx(whole / 11)
    assert {row.split for row in results.shortcuts} == set(results.splits())


def test_the_claims_are_decided_on_all_shifted_pairs_together():
    assert pooled(("same",)) == {"same": ("same",)}
    assert pooled(("same", "far")) == {"same": ("same",), "far": ("far",)}
    assert list(pooled(("same", "far", "farther"))) == ["same", "all shifted", "far", "farther"]


def test_another_author_is_called_by_the_whole_of_its_name(tmp_path):
    found = author_names([FOREIGN[1][0]], {"foreign": "meta/Llama"}, run=tmp_path)
    assert found == {FOREIGN[1][0]: "meta/Llama, in every round"}


@pytest.mark.slow
def test_all_methods_run_side_by_side(tmp_path, monkeypatch):
    shrink(monkeypatch)
    results = check_replication(PaperConfig(output=tmp_path / "run", seeds=(0,), jobs=2), METHODS)
    assert len(results.claims) == len(CLAIMS)


def test_the_world_is_the_same_whatever_the_seed(tmp_path):
    one, other = (
        write_world(tmp_path / name, WorldSize(num_train=8, num_test=4)) for name in ("a", "b")
    )
    for name in ("train.jsonl.gz", "in_distribution.jsonl.gz", "shifted.jsonl.gz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert one.test[0].startswith("in_distribution=")
    assert len(other.test) == 2
