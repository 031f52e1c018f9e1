import math
import subprocess
import sys

import pytest

from jurist.errors import ConfigError
from jurist.training import CritiqueLossConfig, PairLossConfig, TrainingConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("epochs", 0),
        ("batch_size", 0),
        ("micro_batch_tokens", 0),
        ("max_length", 1),
        ("warmup_ratio", 1.0),
        ("weight_decay", -0.1),
        ("betas", (0.9, 1.0)),
        ("max_grad_norm", 0.0),
        ("lora_rank", -1),
        ("lora_alpha", 0.0),
        ("checkpoint_every", 0),
        ("guard", "Stop"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_flag(field, value):
    with pytest.raises(ConfigError, match=f"--{field.replace('_', '-')} must be .*, got"):
        TrainingConfig(**{field: value})


def test_settings_are_those_of_the_paper_where_it_gives_them():
    config = TrainingConfig()
    assert (config.betas, config.weight_decay, config.warmup_ratio) == ((0.9, 0.95), 0.1, 0.1)


def test_the_settings_are_read_without_torch():
    code = "import sys, jurist.training; print('torch' in sys.modules, 'numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_the_room_offers_what_it_lists_and_nothing_else():
    import jurist.training as room

    assert all(callable(getattr(room, name)) for name in room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'train_wizard'"):
        _ = room.train_wizard


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan, math.inf])
def test_beta_is_positive_and_finite(beta):
    with pytest.raises(ConfigError, match="beta must be positive and finite"):
        PairLossConfig(beta=beta)


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_the_weight_of_the_preferred_reply_is_finite_and_not_negative(weight):
    with pytest.raises(ConfigError, match="sft_weight must be finite and not negative"):
        PairLossConfig(sft_weight=weight)


def test_beta_is_the_papers_for_each_loss_unless_it_is_given():
    assert PairLossConfig().strength == 1.0
    assert PairLossConfig(loss="ipo").strength == 0.4
    assert PairLossConfig(loss="ipo", beta=0.1).strength == 0.1


def test_a_constant_weight_stays_and_a_shifting_one_goes_from_the_critiques_to_the_reward():
    constant = CritiqueLossConfig(lm_weight=1.25)
    assert {constant.weights(done) for done in (0.0, 0.5, 1.0)} == {(1.0, 1.25)}
    shifting = CritiqueLossConfig(lm_weight=2.0, lm_share=0.5)
    # Three quarters through, half of the way from 0.5 to 1 is gone.
    found = [shifting.weights(done) for done in (0.0, 0.5, 0.75, 1.0)]
    assert found == [(0.0, 2.0), (0.0, 2.0), (0.5, 1.0), (1.0, 0.0)]


@pytest.mark.parametrize(
    "settings", [{"lm_weight": -1.0}, {"lm_weight": float("inf")}, {"lm_share": 1.0}]
)
def test_weights_of_critiques_that_cannot_be_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        CritiqueLossConfig(**settings)
