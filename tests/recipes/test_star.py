"""STaR, end to end on a few pairs of the world and the base that ship."""

import dataclasses
import json
import math

import pytest

from jurist.data import write_preferences
from jurist.errors import ConfigError
from jurist.formats import Terse
from jurist.rationales import SupervisedRow
from jurist.rationales.rows import read_rows
from jurist.recipes.checkpoints import checkpoint_folder
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.recipes.star_sft import StarSFTConfig, star_sft
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE, preferences


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"num_samples": 1}, "num_samples must be at least 2, got 1"),
        ({"per_prompt": 0}, "per_prompt must be at least 1, got 0"),
        ({"sampling_temperature": 0.0}, "sampling_temperature must be positive and finite"),
        ({"sampling_temperature": math.inf}, "sampling_temperature must be positive and finite"),
        ({"sampling_temperature": math.nan}, "sampling_temperature must be positive and finite"),
    ],
)
def test_settings_of_the_rounds_are_checked_by_name(changes, said):
    with pytest.raises(ConfigError, match=said):
        StarConfig(**changes)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run of two rounds over twelve pairs, judged on two."""
    folder = tmp_path_factory.mktemp("star")
    write_preferences(
        folder / "train.jsonl", preferences("in_distribution", "train", num=12, seed=0)
    )
    write_preferences(folder / "test.jsonl", preferences("in_distribution", "test", num=2, seed=0))
    config = StarSFTConfig(
        model=str(BASE),
        output=folder / "run",
        data=DataConfig(train=str(folder / "train.jsonl"), test=(f"exam={folder / 'test.jsonl'}",)),
        star=StarConfig(rounds=2, num_samples=4),
        training=TrainingConfig(learning_rate=1e-3, batch_size=8),
        voting=VotingConfig(votes=2, max_tokens=64),
    )
    return config, star_sft(config)


def test_a_run_leaves_what_the_pages_say(small):
    config, results = small
    run = config.output
    assert {path.name for path in run.iterdir()} == {
        *("config.json", "environment.json", "run.lock", "timings.json"),
        *("completions.sqlite", "completions.sqlite.lock"),
        *("round-1", "round-2", "judgements", "results.json", "report.md", "report.html"),
    }
    assert {path.name for path in (run / "round-1").iterdir()} == {
        *("rows.jsonl.gz", "rows.json", "traces.json", "signals.json", "scan.json", "checkpoint"),
    }
    assert [path.name for path in (run / "judgements").iterdir()] == ["exam.jsonl.gz"]
    assert set(json.loads((run / "timings.json").read_text())) == {
        *("train/round-1", "train/round-2", "judge/exam"),
    }
    (row,) = results.rows
    assert (row.method, row.split) == ("STaR-SFT", "exam")
    assert row.training_seconds is not None and row.training_seconds > 0


def test_counts_of_traces_and_rows_add_up(small):
    config, _ = small
    num_pairs = 0
    for number in (1, 2):
        folder = config.output / f"round-{number}"
        traces = json.loads((folder / "traces.json").read_text())
        counts = json.loads((folder / "rows.json").read_text())
        rows = read_rows(folder / "rows.jsonl.gz", SupervisedRow)
        num_pairs += traces["preferences"]
        # Four samples in each of two orders.
        assert traces["traces"] == traces["preferences"] * 2 * 4 == counts["traces"]
        outcomes = ("right", "wrong", "truncated", "unparseable", "refused", "error")
        assert sum(traces[name] for name in outcomes) == traces["traces"]
        assert counts["right"] == traces["right"]
        left_out = sum(counts[name] for name in ("repeated", "spare", "unbalanced"))
        assert counts["rows"] == len(rows) == counts["right"] - left_out > 0
    assert num_pairs == 12


def test_its_checkpoint_is_an_ordinary_model_that_says_how_it_was_trained(small):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config, _ = small
    folder = config.output / "round-2" / "checkpoint"
    assert checkpoint_folder(str(config.output)) == str(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    base = AutoModelForCausalLM.from_pretrained(BASE)
    moved = [
        name
        for (name, weight), other in zip(model.named_parameters(), base.parameters(), strict=True)
        if not weight.equal(other)
    ]
    assert moved
    assert AutoTokenizer.from_pretrained(folder).chat_template
    card = json.loads((folder / "jurist.json").read_text())
    assert (card["method"], card["kind"], card["format"]) == ("star-sft", "reasoning", "terse")


def fingerprint(folder):
    """The weights that a checkpoint's training started from."""
    return json.loads((folder / "manifest.json").read_text())["inputs"]["model"]


def test_each_round_starts_from_the_previous_one_or_from_the_base(small):
    config, _ = small
    base = dataclasses.replace(
        config,
        output=config.output.with_name("base"),
        star=dataclasses.replace(config.star, init_from="base"),
    )
    star_sft(base)
    first, second = (
        [fingerprint(run / f"round-{number}" / "checkpoint") for number in (1, 2)]
        for run in (config.output, base.output)
    )
    assert first[0] == second[0] == second[1] != first[1]
    # Either way the latest judge samples: what it wrote in the second round is the same.
    rows = [
        (run / "round-2" / "rows.jsonl.gz").read_bytes() for run in (config.output, base.output)
    ]
    assert rows[0] == rows[1]


def test_a_finished_run_that_was_moved_is_found_done(small, caplog):
    config, results = small
    moved = config.output.rename(config.output.with_name("moved"))
    try:
        weights = moved / "round-2" / "checkpoint" / "model.safetensors"
        written = weights.stat().st_mtime_ns
        again = star_sft(dataclasses.replace(config, output=moved))
        assert weights.stat().st_mtime_ns == written
        assert again.rows == results.rows
    finally:
        moved.rename(config.output)


def test_star_from_a_judge_without_reasoning_reasons_again(tmp_path, small, monkeypatch):
    from jurist.recipes import star_sft as module

    config, _ = small
    asked = []

    def stops(turn, star, *, format, **_):
        asked.append(format)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "sample_round", stops)
    (tmp_path / "genrm").mkdir()
    (tmp_path / "genrm" / "jurist.json").write_text('{"format": "terse-direct"}')
    with pytest.raises(KeyboardInterrupt):
        star_sft(
            dataclasses.replace(config, model=str(tmp_path / "genrm"), output=tmp_path / "run")
        )
    assert asked == [Terse(seed=config.seed)]
