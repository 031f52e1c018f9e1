"""Judging in parts: of a set one part is held, and a budget is asked before each."""

import json
import math
import tracemalloc

import pytest

from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError, StoreError
from jurist.recipes import judged_parts, label_input
from jurist.recipes.estimate import Estimate, Spent
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.judged_parts import BudgetConfig, spent_on
from jurist.recipes.label import run_label
from jurist.recipes.label_config import LabelConfig

ESTIMATE = Estimate(
    num_comparisons=10,
    num_judgements=40,
    num_read=800,
    num_written=200,
    price=None,
    counted_by="characters",
    num_measured=10,
)


@pytest.mark.parametrize(
    ("budget", "spent", "affordable"),
    [
        (BudgetConfig(), Spent(num_judgements=10**9), math.inf),
        (BudgetConfig(max_judgements=11), Spent(), 2),
        (BudgetConfig(max_judgements=11), Spent(num_judgements=8), 0),
        (BudgetConfig(max_judgements=11), Spent(num_judgements=12), 0),
        # A pair may take 100 tokens.
        (BudgetConfig(max_judge_tokens=999), Spent(), 9),
        (BudgetConfig(max_judge_tokens=999), Spent(num_read=500, num_written=300), 1),
        (BudgetConfig(max_judge_tokens=999, max_judgements=4), Spent(), 1),
    ],
)
def test_what_is_left_is_enough_for_so_many_pairs(budget, spent, affordable):
    assert budget.affordable(spent, num_possible=4, estimate=ESTIMATE) == affordable


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"max_judgements": 0}, "--max-judgements must be at least 1, got 0"),
        ({"max_judge_tokens": -5}, "--max-judge-tokens must be at least 1, got -5"),
    ],
)
def test_budgets_that_are_none_are_refused(changes, wanted):
    with pytest.raises(ConfigError, match=wanted):
        BudgetConfig(**changes)


@pytest.fixture
def label(tmp_path, monkeypatch):
    """Label so many long rows, and give the run's directory."""
    monkeypatch.setattr(
        served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(lambda p, i: "[[A]]")
    )

    def run(num, name="run"):
        path = tmp_path / f"pairs-{num}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for number in range(num):
                long = f"{number} " + "word " * 400
                row = {"id": f"p{number}", "prompt": long, "chosen": long + "a", "rejected": long}
                file.write(json.dumps(row) + "\n")
        judge = JudgeConfig(model="m", base_url="http://scripted", voting=VotingConfig(votes=1))
        run_label(LabelConfig(judge=judge, output=tmp_path / name, pairs=str(path)))
        return tmp_path / name

    return run


def test_ten_times_the_rows_take_hardly_more_memory(label, monkeypatch):
    monkeypatch.setattr(judged_parts, "PART_PAIRS", 20)
    monkeypatch.setattr(label_input, "NUM_MEASURED", 20)
    label(60, "first")  # loads what is loaded once
    peaks = []
    for num in (100, 600):
        tracemalloc.start()
        label(num, str(num))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 500 rows more are 3 MB of text; of each, its name and digests are held.
    assert peaks[1] - peaks[0] < 0.8e6


def test_what_a_set_did_cost_is_of_that_set(label):
    run = label(3)
    assert spent_on(run, "pairs", total=3).num_judgements == 6
    with pytest.raises(ConfigError, match="judgements of 3 pairs, and there are 4 now"):
        spent_on(run, "pairs", total=4)
    (run / "judgements" / "pairs.json").write_text("{", "utf-8")
    with pytest.raises(StoreError, match="damaged"):
        spent_on(run, "pairs", total=3)


def test_what_a_kill_left_of_the_parts_is_cleared(label):
    run = label(3)
    left = run / "judgements" / "pairs"
    left.mkdir()
    (left / "000001.jsonl.gz").write_bytes(b"")
    label(3)
    assert not left.exists()


def test_a_damaged_part_is_told(label, monkeypatch):
    monkeypatch.setattr(judged_parts, "PART_PAIRS", 2)
    from jurist.recipes import label as recipe

    monkeypatch.setattr(recipe, "clear_parts", lambda *_: None)
    run = label(3)
    (run / "judgements" / "pairs.jsonl.gz").unlink()
    (run / "judgements" / "pairs" / "000001.jsonl.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(StoreError, match=r"000001\.jsonl\.gz: damaged"):
        label(3)
