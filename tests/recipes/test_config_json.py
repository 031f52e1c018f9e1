"""Every recipe's config goes into config.json and comes out of it the same."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.cli import COMMANDS
from jurist.errors import ConfigError
from jurist.recipes.bradley_terry import BradleyTerryConfig
from jurist.recipes.cloud import CLoudConfig
from jurist.recipes.compare import CompareConfig
from jurist.recipes.con_j import ConJConfig
from jurist.recipes.critic_rm import CriticRMConfig
from jurist.recipes.evaluate import EvaluateConfig
from jurist.recipes.faithfulness import FaithfulnessConfig
from jurist.recipes.generative_verifier import GenerativeVerifierConfig
from jurist.recipes.genrm import GenRMConfig
from jurist.recipes.judge import JudgeFileConfig
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.jury import JuryConfig
from jurist.recipes.label_config import LabelConfig
from jurist.recipes.listwise import ListwiseConfig
from jurist.recipes.pair_rm import PairRMConfig
from jurist.recipes.paper import PaperConfig
from jurist.recipes.pools import PoolsConfig
from jurist.recipes.quickstart import QuickstartConfig
from jurist.recipes.rerun import RECIPES
from jurist.recipes.run import from_json, to_json
from jurist.recipes.scan import ScanConfig
from jurist.recipes.scpo import ScPOConfig
from jurist.recipes.select import SelectConfig
from jurist.recipes.self_reward import SelfRewardConfig
from jurist.recipes.self_taught import SelfTaughtConfig
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.recipes.star_dpo import StarDPOConfig
from jurist.recipes.star_rationalizer import StarRationalizerConfig
from jurist.recipes.star_sft import StarSFTConfig
from jurist.recipes.suites import SuitesConfig
from jurist.recipes.vote import VoteConfig
from jurist.training.config import CritiqueLossConfig, PairLossConfig, TrainingConfig

OUTPUT = Path("runs/there")
words = st.text(st.characters(exclude_categories=["Cs"]))
data = st.builds(
    DataConfig,
    train=words,
    test=st.lists(words, max_size=3).map(tuple),
    split=words,
    skip_bad=st.booleans(),
)
# Whole numbers too: a learning rate of 1 is written as one, and read as a number.
rates = st.floats(1e-6, 1.0) | st.just(1)
training = st.builds(
    TrainingConfig,
    learning_rate=rates,
    betas=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    lora_rank=st.integers(0, 8),
    bf16=st.booleans(),
)
pair_loss = st.builds(
    PairLossConfig,
    loss=st.sampled_from(["dpo", "ipo"]),
    beta=st.none() | rates,
    sft_weight=st.floats(0, 2),
)
voting = st.builds(VotingConfig, votes=st.integers(1, 64), temperature=st.floats(0, 2))
star = st.builds(
    StarConfig,
    rounds=st.integers(1, 5),
    init_from=st.sampled_from(["base"]),
    round_data=st.sampled_from(["fresh", "all"]),
)
judge = st.builds(JudgeConfig, model=words, base_url=words, voting=voting)
limits = st.builds(
    PoolsConfig,
    num_opponents=st.integers(2, 9),
    max_pools=st.none() | st.integers(1, 9),
    max_candidates=st.none() | st.integers(2, 9),
)
paths = words.map(lambda name: Path("runs") / name.replace("\0", ""))
seeds = st.integers(0, 2**63)

CONFIGS = {
    "quickstart": st.builds(
        QuickstartConfig, output=paths, model=words, quick=st.booleans(), seed=seeds
    ),
    "bradley-terry": st.builds(
        BradleyTerryConfig, model=words, output=paths, data=data, training=training, seed=seeds
    ),
    "genrm": st.builds(GenRMConfig, model=words, output=paths, data=data, training=training),
    "pair-rm": st.builds(PairRMConfig, model=words, output=paths, data=data, training=training),
    "star-sft": st.builds(
        StarSFTConfig, model=words, output=paths, data=data, star=star, voting=voting
    ),
    "star-dpo": st.builds(
        StarDPOConfig,
        model=words,
        output=paths,
        data=data,
        star=star,
        training=training,
        voting=voting,
        loss=pair_loss,
        reference=st.sampled_from(["previous", "base"]),
    ),
    "con-j": st.builds(ConJConfig, model=words, output=paths, data=data, star=star),
    "scpo": st.builds(
        ScPOConfig,
        model=words,
        output=paths,
        data=data,
        star=star,
        loss=pair_loss,
        min_margin=st.floats(0, 0.99),
        voters=st.sampled_from(["both-orders", "each-order"]),
    ),
    "self-reward": st.builds(SelfRewardConfig, model=words, output=paths, data=data, voting=voting),
    "self-taught": st.builds(
        SelfTaughtConfig,
        model=words,
        output=paths,
        data=data,
        star=star,
        writer=words,
        good=st.sampled_from(["sampled", "chosen"]),
    ),
    "star-rationalizer": st.builds(
        StarRationalizerConfig,
        model=words,
        output=paths,
        data=data,
        star=star,
        loss=pair_loss,
        objective=st.sampled_from(["sft", "pairs"]),
    ),
    "generative-verifier": st.builds(
        GenerativeVerifierConfig,
        model=words,
        output=paths,
        data=data,
        star=star,
        reasoning=st.booleans(),
        generation_weight=st.floats(0, 2),
    ),
    "cloud": st.builds(
        CLoudConfig,
        model=words,
        output=paths,
        data=data,
        star=star,
        voting=voting,
        lm_weight=st.floats(0, 2),
        reward_learning_rate=st.none() | rates,
    ),
    "critic-rm": st.builds(
        CriticRMConfig,
        model=words,
        output=paths,
        data=data,
        star=star,
        loss=st.builds(CritiqueLossConfig, lm_share=st.none() | st.floats(0, 0.9)),
    ),
    "paper": st.builds(PaperConfig, output=paths, model=words, author=words),
    "judge": st.builds(JudgeFileConfig, judge=judge, pairs=words, output=paths),
    "jury": st.builds(
        JuryConfig,
        judged=st.just(("a", "b=runs/b")),
        test=st.lists(words, min_size=1, max_size=3).map(tuple),
        output=paths,
        estimate_on=words.filter(bool),
        reliabilities=st.none(),
        layout=words,
        seed=st.integers(0, 9),
    ),
    "label": st.builds(
        LabelConfig,
        judge=judge,
        output=paths,
        pairs=words.filter(bool),
        pools=st.just(""),
        limits=limits,
        min_confidence=st.floats(0.5, 0.99),
        consistent=st.booleans(),
        max_failure_rate=st.floats(0.0, 1.0),
    ),
    "select": st.builds(
        SelectConfig,
        judge=judge,
        pools=st.lists(words, min_size=1, max_size=3).map(tuple),
        output=paths,
        tournament=st.sampled_from(["all-pairs", "league", "swiss", "knockout"]),
        limits=limits,
        prior=rates,
        max_draws=st.integers(1, 99),
    ),
    "vote": st.builds(
        VoteConfig,
        judge=judge,
        pools=st.lists(words, min_size=1, max_size=3).map(tuple),
        output=paths,
        ask=st.sampled_from(["auto", "pointwise", "terse-pointwise"]),
        rule=st.sampled_from(["majority", "best", "mean", "weighted", "pessimistic"]),
        alpha=st.floats(0, 9),
        certainty=words,
        power=st.floats(0, 9),
        limits=limits,
    ),
    "listwise": st.builds(
        ListwiseConfig,
        judge=judge,
        pools=st.lists(words, min_size=1, max_size=3).map(tuple),
        output=paths,
        aim=st.sampled_from(["best", "consistent", "new"]),
        limits=limits,
    ),
    "evaluate": st.builds(
        EvaluateConfig,
        judge=judge,
        test=st.lists(words, min_size=1, max_size=3).map(tuple),
        output=paths,
        baseline=st.none() | st.just(Path("runs/other")),
        max_failure_rate=st.floats(0.0, 1.0),
    ),
    "faithfulness": st.builds(
        FaithfulnessConfig,
        run=paths,
        output=paths,
        reader=words,
        readings=st.integers(1, 9),
        limit=st.none() | st.integers(2, 99),
    ),
    "scan": st.builds(
        ScanConfig,
        data=words,
        output=paths,
        by=words,
        judged=st.none() | paths,
        fail_on_finding=st.booleans(),
    ),
    "compare": st.builds(
        CompareConfig,
        runs=st.just(("a", "b=runs/b")),
        output=paths,
        test=st.lists(words, max_size=3).map(tuple),
        explorer_megabytes=st.integers(1, 99),
        seed=seeds,
    ),
    "suites": st.builds(
        SuitesConfig,
        judge=judge,
        data=paths,
        output=paths,
        hub_cache=st.booleans(),
        only=st.lists(st.sampled_from(["rewardbench", "rm-bench"]), max_size=2).map(tuple),
        limit=st.none() | st.integers(1, 100),
        skip_bad=st.booleans(),
    ),
}


def test_every_command_that_has_a_run_is_here_and_can_be_run_again():
    assert (
        set(CONFIGS)
        == set(RECIPES)
        == set(COMMANDS) - {*("rerun", "doctor", "serve", "push", "export", "completion")}
    )


@pytest.mark.parametrize("recipe", CONFIGS)
@given(draw=st.data())
def test_a_config_comes_back_the_same_from_its_json(recipe, draw):
    config = draw.draw(CONFIGS[recipe])
    kind, _ = RECIPES[recipe]
    text = json.dumps(to_json(config), allow_nan=False)
    back = from_json(kind, json.loads(text))
    assert back == config
    assert type(back.output) is type(config.output)
    assert json.dumps(to_json(back)) == json.dumps(to_json(from_json(kind, to_json(back))))


LOSS = to_json(PairLossConfig())


def kept(**changes):
    config = StarDPOConfig(model="m", output=OUTPUT, data=DataConfig(train="t"))
    values = json.loads(json.dumps(to_json(config)))
    return {**values, **changes}


def test_a_setting_of_another_version_is_named():
    with pytest.raises(ConfigError, match=r"StarDPOConfig has no gamma; .* another version"):
        from_json(StarDPOConfig, kept(gamma=1))
    with pytest.raises(ConfigError, match="DataConfig has no shuffle"):
        from_json(StarDPOConfig, kept(data={**kept()["data"], "shuffle": True}))


@pytest.mark.parametrize("name", ["model", "reference"])
def test_a_setting_that_is_missing_is_named_even_if_it_has_a_default(name):
    values = kept()
    del values[name]
    with pytest.raises(ConfigError, match=f"StarDPOConfig needs {name}"):
        from_json(StarDPOConfig, values)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {**LOSS, "beta": "high"}},
        {"loss": None},
        {"training": 3},
        {"data": []},
        {"output": 7},
    ],
)
def test_a_value_of_another_type_is_a_clear_error(changes):
    with pytest.raises(ConfigError):
        from_json(StarDPOConfig, kept(**changes))


def test_a_whole_number_is_read_as_the_number_that_the_setting_is():
    config = from_json(StarDPOConfig, kept(loss={**LOSS, "beta": 1}))
    assert type(config.loss.beta) is float


def test_a_value_out_of_bounds_is_refused_in_its_own_words():
    with pytest.raises(ConfigError, match=r"^beta must be positive"):
        from_json(StarDPOConfig, kept(loss={**LOSS, "beta": -1}))


@pytest.mark.parametrize("value", [math.inf, math.nan, -0.01, 5.0])
def test_a_share_that_is_none_is_refused_by_its_flag(value):
    judge = JudgeConfig(model="m")
    with pytest.raises(ConfigError, match="--max-failure-rate is a share, from 0 to 1"):
        EvaluateConfig(judge=judge, test=("t",), output=OUTPUT, max_failure_rate=value)
    with pytest.raises(ConfigError, match="--max-failure-rate is a share, from 0 to 1"):
        JudgeFileConfig(judge=judge, pairs="p", output=OUTPUT, max_failure_rate=value)


def test_a_number_that_json_has_no_word_for_is_refused_by_its_flag():
    inner = StarSFTConfig(
        model="m",
        output=OUTPUT,
        data=DataConfig(train="t"),
        training=TrainingConfig(max_grad_norm=math.inf),
    )
    with pytest.raises(ConfigError, match="--max-grad-norm must be finite"):
        to_json(inner)
