"""ScPO, end to end on a few pairs of the world that ships."""

import dataclasses
import json

import pytest

from jurist.data import read_preferences, write_preferences
from jurist.errors import ConfigError
from jurist.rationales import PairRow, read_rows
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.scpo import ScPOConfig, scpo
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE


@pytest.fixture
def config(world, tmp_path):
    return ScPOConfig(
        model=str(BASE),
        output=tmp_path / "run",
        data=DataConfig(train=str(world / "train.jsonl"), test=(str(world / "test.jsonl"),)),
        star=StarConfig(rounds=2, num_samples=8, per_prompt=1, round_data="all"),
        training=TrainingConfig(learning_rate=1e-4, batch_size=8),
        voting=VotingConfig(votes=2, max_tokens=64),
    )


def test_rows_weigh_what_the_votes_were_and_each_round_may_have_all_pairs(config):
    results = scpo(config)
    assert results.rows[0].method == "ScPO"
    for number in (1, 2):
        folder = config.output / f"round-{number}"
        counts = json.loads((folder / "rows.json").read_text())
        rows = read_rows(folder / "rows.jsonl.gz", PairRow)
        assert counts["polls"] == 12
        assert counts["rows"] == len(rows) > 0
        # Sixteen votes a pair.
        assert all((16 * row.weight).is_integer() and 0 < row.weight < 1 for row in rows)
        assert len({row.weight for row in rows}) > 1
        traces = json.loads((folder / "traces.json").read_text())
        assert "right" not in traces and traces["first"] > 0
    card = json.loads((config.output / "round-2" / "checkpoint" / "jurist.json").read_text())
    assert card["method"] == "scpo"
    inputs = [
        json.loads((config.output / f"round-{n}" / "checkpoint" / "manifest.json").read_text())
        for n in (1, 2)
    ]
    assert (inputs[0]["inputs"]["beta"], inputs[0]["inputs"]["sft_weight"]) == (1.0, 1.0)
    # Each round is held to the judge that sampled it.
    assert [one["inputs"]["reference"] for one in inputs] == [
        one["inputs"]["model"] for one in inputs
    ]


def test_labels_turned_round_change_no_row_and_no_weight(config, world, tmp_path):
    short = dataclasses.replace(config, star=dataclasses.replace(config.star, rounds=1))
    scpo(short)
    turned = tmp_path / "turned.jsonl"
    write_preferences(
        turned,
        [
            dataclasses.replace(one, chosen=one.rejected, rejected=one.chosen)
            for one in read_preferences(str(world / "train.jsonl")).preferences
        ],
    )
    other = dataclasses.replace(
        short,
        output=tmp_path / "other",
        data=dataclasses.replace(short.data, train=str(turned)),
    )
    scpo(other)
    for name in ("rows.jsonl.gz", "checkpoint/model.safetensors"):
        ours, theirs = ((run.output / "round-1" / name).read_bytes() for run in (short, other))
        assert ours == theirs


@pytest.mark.parametrize("margin", [-0.1, 1.0])
def test_a_margin_that_is_no_share_is_refused(config, margin):
    with pytest.raises(ConfigError, match="--min-margin is a share of the votes below 1"):
        dataclasses.replace(config, min_margin=margin)
