"""A judge that fell apart in one round is found in the next, before anything learns from it."""

import json
import logging
from dataclasses import replace

import pytest

from jurist.data import write_preferences
from jurist.errors import TrainingError
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.recipes.star_sft import StarSFTConfig, star_sft
from jurist.training.checkpoint import verify
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE, preferences


@pytest.fixture
def config(tmp_path) -> StarSFTConfig:
    """Two rounds of two steps, at a learning rate that breaks the judge in the first."""
    pairs = preferences("in_distribution", "train", num=40, seed=0)
    write_preferences(tmp_path / "train.jsonl", pairs)
    write_preferences(
        tmp_path / "test.jsonl", preferences("in_distribution", "test", num=4, seed=1)
    )
    return StarSFTConfig(
        model=str(BASE),
        output=tmp_path / "run",
        data=DataConfig(train=str(tmp_path / "train.jsonl"), test=(str(tmp_path / "test.jsonl"),)),
        star=StarConfig(rounds=2, num_samples=4),
        training=TrainingConfig(learning_rate=0.05, epochs=1, batch_size=32),
        voting=VotingConfig(votes=1, max_tokens=32),
    )


@pytest.mark.fault(17, "collapse")
def test_a_round_is_not_trained_on_traces_of_a_judge_that_fell_apart(config):
    with pytest.raises(TrainingError) as caught:
        star_sft(config)
    said = str(caught.value)
    assert caught.value.exit_code == 1
    assert said.startswith("round-2: the latest judge has fallen apart: ")
    assert "end without a verdict" in said
    assert "the base is as it was" in said
    run = config.output
    verify(run / "round-1" / "checkpoint")
    signals = json.loads((run / "round-2" / "signals.json").read_text())
    before = json.loads((run / "round-1" / "signals.json").read_text())
    assert signals["failure_rate"] > before["failure_rate"] + 0.2
    assert not (run / "round-2" / "rows.jsonl.gz").exists()
    assert not (run / "round-2" / "checkpoint").exists()
    # Asked again it stops again, from what it kept; asked to go on, it says so and does.
    with pytest.raises(TrainingError, match="has fallen apart"):
        star_sft(config)


def test_a_healthy_run_keeps_signals_and_scans_of_every_round_and_says_nothing(config, caplog):
    caplog.set_level(logging.WARNING)
    star_sft(replace(config, training=replace(config.training, learning_rate=3e-4)))
    for number in (1, 2):
        folder = config.output / f"round-{number}"
        signals = json.loads((folder / "signals.json").read_text())
        assert signals["num_traces"] == 4 * 2 * 20
        scan = json.loads((folder / "scan.json").read_text())
        assert scan["labels"]["first"] == scan["labels"]["second"]
        assert scan["findings"] == []
        assert scan["labels_by_source"].keys() == {"chains"}
    assert "fallen apart" not in caplog.text
