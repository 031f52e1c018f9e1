"""PairRM, end to end on a few pairs of the world and the base that ship."""

import pytest

from jurist.errors import ConfigError
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_engine import ProcessesConfig
from jurist.recipes.open_judge import open_judge
from jurist.recipes.pair_rm import PairRMConfig, pair_rm
from jurist.recipes.sets import DataConfig
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE, preferences


@pytest.fixture
def run(world, tmp_path):
    config = PairRMConfig(
        model=str(BASE),
        output=tmp_path / "run",
        data=DataConfig(train=str(world / "train.jsonl"), test=(str(world / "test.jsonl"),)),
        training=TrainingConfig(learning_rate=1e-3, batch_size=8),
    )
    return config, pair_rm(config)


def test_a_run_ends_in_results_of_both_orders(run):
    _, results = run
    (row,) = results.rows
    assert row.method == "PairRM"
    assert row.agreement.num_pairs == 4
    assert row.agreement.failure_rate == 0


def test_its_checkpoint_is_a_judge_that_reads_each_order_once(run, tmp_path):
    config, _ = run
    shown = [pair.shown(0).comparison for pair in preferences("shifted", "test", 3, seed=5)]
    judge = JudgeConfig(model=str(config.output))
    with open_judge(judge, seed=0, store=tmp_path / "store") as opened:
        assert (opened.kind, opened.format, opened.num_possible) == ("comparer", "terse-direct", 2)
        judged = opened.judge(shown)
        turned = opened.judge([comparison.swapped() for comparison in shown])
    for readings, others in zip(judged, turned, strict=True):
        assert [reading.swapped for reading in readings] == [False, True]
        # What is read first is read second, the other way about.
        assert readings[0].probability == pytest.approx(1 - others[1].probability)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "terse"}, "read as it was trained"),
        ({"engine": "vllm"}, "asked for --engine vllm"),
        ({"processes": ProcessesConfig(workers=2)}, "runs in this process"),
    ],
)
def test_what_a_head_cannot_do_is_refused(run, changes, said, tmp_path):
    config, _ = run
    judge = JudgeConfig(model=str(config.output), **changes)
    with (
        pytest.raises(ConfigError, match=said),
        open_judge(judge, seed=0, store=tmp_path / "store"),
    ):
        pass
