"""Con-J, end to end on a few pairs of the world that ships."""

import dataclasses
import json

import pytest

from jurist.errors import ConfigError
from jurist.rationales import PairRow, read_rows
from jurist.recipes.con_j import ConJConfig, con_j
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE


@pytest.fixture
def config(world, tmp_path):
    return ConJConfig(
        model=str(BASE),
        output=tmp_path / "run",
        data=DataConfig(train=str(world / "train.jsonl"), test=(str(world / "test.jsonl"),)),
        star=StarConfig(rounds=1, num_samples=8, per_prompt=3),
        training=TrainingConfig(learning_rate=1e-4, batch_size=8),
        voting=VotingConfig(votes=2, max_tokens=64),
        hinted_samples=4,
    )


def test_pairs_come_in_three_ways_and_are_counted_apart(config):
    results = con_j(config)
    assert results.rows[0].method == "Con-J"
    folder = config.output / "round-1"
    counts = json.loads((folder / "rows.json").read_text())
    rows = read_rows(folder / "rows.jsonl.gz", PairRow)
    of_each = [counts[f"{way}/rows"] for way in ("sampled", "unreadable", "hinted")]
    assert counts["rows"] == len(rows) == sum(of_each) - counts["repeated"] > 0
    assert of_each[0] > 0
    written = json.loads((folder / "rationales.json").read_text())
    assert written["rationales"] == 12 * 2 * 2 * 4
    card = json.loads((folder / "checkpoint" / "jurist.json").read_text())
    assert card["method"] == "con-j"
    inputs = json.loads((folder / "checkpoint" / "manifest.json").read_text())["inputs"]
    assert (inputs["loss"], inputs["beta"], inputs["sft_weight"]) == ("dpo", 0.1, 0.1)


def test_without_hints_nothing_is_explained(config):
    con_j(dataclasses.replace(config, hinted_samples=0))
    assert not (config.output / "round-1" / "rationales.json").exists()


def test_fewer_than_no_hints_are_refused(config):
    with pytest.raises(ConfigError, match="--hinted-samples must be 0 or more, got -1"):
        dataclasses.replace(config, hinted_samples=-1)
