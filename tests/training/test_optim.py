import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from jurist.training import TrainingConfig
from jurist.training.optim import (
    learning_rate,
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
)


@given(num_steps=st.integers(1, 300), warmup_ratio=st.floats(0, 0.99))
def test_the_learning_rate_rises_to_the_peak_then_falls_and_never_stops(num_steps, warmup_ratio):
    rates = [
        learning_rate(step, peak=2.0, num_steps=num_steps, warmup_ratio=warmup_ratio)
        for step in range(num_steps)
    ]
    top = rates.index(max(rates))
    assert math.isclose(max(rates), 2.0)
    assert all(0 < rate <= 2.0 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_only_matrices_decay():
    layer = torch.nn.Linear(3, 2)
    optimizer = make_optimizer(layer.parameters(), TrainingConfig(weight_decay=0.5))
    assert [(group["weight_decay"], len(group["params"])) for group in optimizer.param_groups] == [
        (0.5, 1),
        (0.0, 1),
    ]
    matrices = make_optimizer([layer.weight], TrainingConfig())
    assert len(matrices.param_groups) == 1


def test_one_step_matches_adamw_by_hand():
    # With one step the bias-corrected moments are g and g^2: w - lr * wd * w - lr * g / |g|.
    weight = torch.nn.Parameter(torch.tensor([[2.0, -3.0]]))
    config = TrainingConfig(learning_rate=0.1, weight_decay=0.5)
    optimizer = make_optimizer([weight], config)
    weight.grad = torch.tensor([[4.0, -0.5]])
    optimizer.step()
    worked = torch.tensor([[2.0 - 0.1 - 0.1, -3.0 + 0.15 + 0.1]])
    torch.testing.assert_close(weight.detach(), worked, atol=1e-6, rtol=0)


def test_a_restored_optimizer_steps_as_the_one_it_was_taken_from():
    def stepped(weight: torch.nn.Parameter, optimizer: torch.optim.Optimizer, times: int):
        for _ in range(times):
            weight.grad = weight.detach() * 0.3 + 1
            optimizer.step()

    one = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = make_optimizer([one], TrainingConfig(learning_rate=0.01))
    stepped(one, optimizer, 3)
    other = torch.nn.Parameter(one.detach().clone())
    resumed = make_optimizer([other], TrainingConfig(learning_rate=0.01))
    restore_optimizer(resumed, {"w": other}, optimizer_tensors(optimizer, {"w": one}))
    stepped(one, optimizer, 3)
    stepped(other, resumed, 3)
    assert torch.equal(one, other)


def test_two_steps_use_the_decay_rates_of_the_config():
    # Gradients 1 and 0 from weight 0, without decay. Step 1 goes by the learning rate. In step 2
    # the moments are 0.9 * 0.1 = 0.09 and 0.95 * 0.05 = 0.0475, corrected by 1 - 0.9^2 = 0.19 and
    # 1 - 0.95^2 = 0.0975.
    weight = torch.nn.Parameter(torch.zeros(1, 1))
    config = TrainingConfig(learning_rate=0.1, weight_decay=0.0, betas=(0.9, 0.95))
    optimizer = make_optimizer([weight], config)
    for gradient in (1.0, 0.0):
        weight.grad = torch.tensor([[gradient]])
        optimizer.step()
    worked = -0.1 - 0.1 * (0.09 / 0.19) / math.sqrt(0.0475 / 0.0975)
    torch.testing.assert_close(weight.item(), worked, atol=1e-6, rtol=0)
