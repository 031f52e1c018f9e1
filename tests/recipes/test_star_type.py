"""A STaR judge is read in the type of number that its traces were sampled in."""

import pytest

from jurist.data import write_preferences
from jurist.engines import Cached
from jurist.engines.transformers import TransformersEngine
from jurist.formats import make_format
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.recipes.star_dpo import StarDPOConfig, star_dpo
from jurist.recipes.star_sft import StarSFTConfig, star_sft
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE, preferences


@pytest.mark.parametrize(
    ("recipe", "config"), [(star_sft, StarSFTConfig), (star_dpo, StarDPOConfig)]
)
def test_bf16_holds_for_the_evaluation_too(recipe, config, tmp_path):
    test = preferences("in_distribution", "test", num=2, seed=0)
    write_preferences(
        tmp_path / "train.jsonl", preferences("in_distribution", "train", num=12, seed=0)
    )
    write_preferences(tmp_path / "test.jsonl", test)
    voting = VotingConfig(votes=2, max_tokens=64)
    recipe(
        config(
            model=str(BASE),
            output=tmp_path / "run",
            data=DataConfig(
                train=str(tmp_path / "train.jsonl"), test=(str(tmp_path / "test.jsonl"),)
            ),
            star=StarConfig(rounds=1, num_samples=4),
            training=TrainingConfig(bf16=True),
            voting=voting,
        )
    )
    # Asked again in bfloat16, the store has every answer, so that is what was asked before.
    checkpoint = tmp_path / "run" / "round-1" / "checkpoint"
    engine = TransformersEngine.load(checkpoint, dtype="bfloat16")
    form = make_format("terse", seed=0)
    asked = [form.render(one.shown(0).comparison) for one in test]
    with Cached(engine, tmp_path / "run" / "completions.sqlite") as cached:
        cached.generate(asked, voting.sampling(seed=0))
        assert (cached.hits, cached.misses) == (4, 0)
