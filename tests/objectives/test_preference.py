import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jurist.objectives import bradley_terry_loss, comparison_loss, critique_loss, dpo_loss, ipo_loss

rewards = st.floats(-30, 30, width=32)


def test_bradley_terry_loss_matches_hand_worked_values():
    # differences 1 - (-1) = 2, 0 - 0 = 0 and -1 - 1 = -2; loss = log(1 + e^-difference)
    losses = bradley_terry_loss(torch.tensor([1.0, 0.0, -1.0]), torch.tensor([-1.0, 0.0, 1.0]))
    worked = [math.log1p(math.exp(-2)), math.log(2), math.log1p(math.exp(2))]
    torch.testing.assert_close(losses, torch.tensor(worked))


def test_bradley_terry_margin_is_taken_off_the_difference():
    # 2 - 0 - 0.5 = 1.5
    loss = bradley_terry_loss(torch.tensor([2.0]), torch.tensor([0.0]), margin=torch.tensor([0.5]))
    torch.testing.assert_close(loss, torch.tensor([math.log1p(math.exp(-1.5))]))


@given(chosen=rewards, rejected=rewards, shift=st.floats(-10, 10, width=32))
def test_bradley_terry_loss_does_not_change_when_both_rewards_shift(chosen, rejected, shift):
    pair = torch.tensor([[chosen], [rejected]], dtype=torch.float32)
    torch.testing.assert_close(
        bradley_terry_loss(*(pair + shift)), bradley_terry_loss(*pair), rtol=1e-4, atol=1e-4
    )


@given(first=rewards, second=rewards)
def test_bradley_terry_probabilities_of_a_pair_and_its_swap_sum_to_one(first, second):
    pair = torch.tensor([[first], [second]])
    both = torch.exp(-bradley_terry_loss(*pair)) + torch.exp(-bradley_terry_loss(*pair.flip(0)))
    torch.testing.assert_close(both, torch.ones(1))


def test_bradley_terry_gradients_of_the_two_rewards_are_opposite():
    pair = torch.tensor([[0.3, -2.0], [1.1, 0.4]], requires_grad=True)
    bradley_terry_loss(pair[0], pair[1]).sum().backward()
    assert pair.grad is not None
    torch.testing.assert_close(pair.grad[0], -pair.grad[1])
    assert bool((pair.grad[0] < 0).all())


def test_dpo_loss_matches_hand_worked_value():
    # log-ratios: chosen -1 - -2 = 1, rejected -3 - -3.5 = 0.5; 0.5 * (1 - 0.5) = 0.25
    loss = dpo_loss(*torch.tensor([[-1.0], [-3.0], [-2.0], [-3.5]]), beta=0.5)
    torch.testing.assert_close(loss, torch.tensor([math.log1p(math.exp(-0.25))]))


@given(logps=st.tuples(*[st.floats(-20, 0, width=32)] * 2), beta=st.floats(0.01, 5))
def test_dpo_loss_is_log_two_where_policy_and_reference_agree(logps, beta):
    pair = torch.tensor(logps).unsqueeze(-1)
    torch.testing.assert_close(dpo_loss(*pair, *pair, beta=beta), torch.tensor([math.log(2)]))


@given(
    logps=st.tuples(*[st.floats(-20, 0, width=32)] * 4),
    shift=st.floats(-5, 5, width=32),
)
def test_dpo_loss_does_not_change_when_a_reply_is_likelier_under_both_models(logps, shift):
    chosen, rejected, ref_chosen, ref_rejected = torch.tensor(logps).unsqueeze(-1)
    moved = dpo_loss(chosen + shift, rejected, ref_chosen + shift, ref_rejected, beta=0.7)
    still = dpo_loss(chosen, rejected, ref_chosen, ref_rejected, beta=0.7)
    torch.testing.assert_close(moved, still, rtol=1e-4, atol=1e-4)


@given(logps=st.tuples(*[st.floats(-20, 0, width=32)] * 4))
def test_dpo_probabilities_of_a_pair_and_its_swap_sum_to_one(logps):
    chosen, rejected, ref_chosen, ref_rejected = torch.tensor(logps).unsqueeze(-1)
    both = torch.exp(-dpo_loss(chosen, rejected, ref_chosen, ref_rejected, beta=0.3)) + torch.exp(
        -dpo_loss(rejected, chosen, ref_rejected, ref_chosen, beta=0.3)
    )
    torch.testing.assert_close(both, torch.ones(1))


@pytest.mark.parametrize("size", [1e4, -1e4, 1e30, -1e30])
def test_extreme_inputs_keep_losses_and_gradients_finite(size):
    extreme = torch.tensor([size], requires_grad=True)
    zero = torch.zeros(1)
    for loss in (
        bradley_terry_loss(extreme, zero),
        bradley_terry_loss(zero, extreme),
        dpo_loss(extreme, zero, zero, zero, beta=1.0),
    ):
        (gradient,) = torch.autograd.grad(loss.sum(), extreme)
        assert bool(loss.isfinite().all())
        assert bool(gradient.isfinite().all())


def test_losses_of_microbatches_are_the_losses_of_the_batch():
    torch.manual_seed(0)
    logps = torch.randn(4, 6)
    whole = dpo_loss(*logps, beta=0.5)
    parts = torch.cat([dpo_loss(*logps[:, at : at + 2], beta=0.5) for at in (0, 2, 4)])
    torch.testing.assert_close(parts, whole)
    assert whole.shape == (6,)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"share one shape, got \[3\], \[3, 1\]"):
        bradley_terry_loss(torch.zeros(3), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="share one shape"):
        dpo_loss(torch.zeros(3), torch.zeros(3), torch.zeros(3), torch.zeros(1), beta=1.0)


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan"), float("inf")])
def test_a_beta_that_is_not_positive_is_refused(beta):
    with pytest.raises(ValueError, match="beta must be positive"):
        dpo_loss(*torch.zeros(4, 1), beta=beta)


def test_ipo_loss_matches_hand_worked_value():
    # log-ratios: chosen -1 - -2 = 1, rejected -3 - -3.5 = 0.5; (1 - 0.5 - 1 / 0.8)^2 = 0.75^2
    loss = ipo_loss(*torch.tensor([[-1.0], [-3.0], [-2.0], [-3.5]]), beta=0.4)
    torch.testing.assert_close(loss, torch.tensor([0.5625]))


@given(
    logps=st.tuples(*[st.floats(-20, 0, width=32)] * 3),
    beta=st.floats(0.05, 5),
    over=st.floats(0.1, 9),
)
def test_ipo_loss_is_least_at_its_margin_and_grows_alike_on_both_sides(logps, beta, over):
    rejected, ref_chosen, ref_rejected = torch.tensor(logps).double().unsqueeze(-1)
    aimed = ref_chosen + rejected - ref_rejected + 1 / (2 * beta)
    at, above, below = (
        ipo_loss(chosen, rejected, ref_chosen, ref_rejected, beta=beta)
        for chosen in (aimed, aimed + over, aimed - over)
    )
    torch.testing.assert_close(at, torch.zeros_like(at), atol=1e-9, rtol=0)
    torch.testing.assert_close(above, torch.full_like(above, over**2))
    torch.testing.assert_close(above, below)


def test_comparison_loss_matches_hand_worked_values():
    # (log(1 + e^-2) + log(1 + e^1)) / 2: log-odds 2 with the chosen first, 1 with it second
    loss = comparison_loss(torch.tensor([2.0]), torch.tensor([1.0]))
    worked = (math.log1p(math.exp(-2)) + math.log1p(math.e)) / 2
    torch.testing.assert_close(loss, torch.tensor([worked]))


@given(log_odds=rewards)
def test_comparison_loss_of_a_head_without_bias_is_bradley_terrys(log_odds):
    one = torch.tensor([log_odds])
    torch.testing.assert_close(
        comparison_loss(one, -one), bradley_terry_loss(one, torch.zeros(1)), rtol=1e-5, atol=1e-6
    )


@given(first=rewards, second=rewards)
def test_a_head_that_only_knows_the_place_does_not_gain_by_it(first, second):
    place = torch.tensor([first])
    assert comparison_loss(place, place).item() >= math.log(2) - 1e-6
    swapped = comparison_loss(torch.tensor([second]), place)
    torch.testing.assert_close(comparison_loss(-place, torch.tensor([-second])), swapped)


@pytest.mark.parametrize("loss", [dpo_loss, ipo_loss])
@pytest.mark.parametrize("beta", [0.0, -1.0, float("inf"), float("nan")])
def test_a_beta_that_holds_nothing_is_refused_by_either_loss(loss, beta):
    with pytest.raises(ValueError, match="beta must be positive and finite"):
        loss(*torch.zeros(4, 1), beta=beta)


def test_critique_loss_matches_hand_worked_values():
    # margin 2 - 1 = 1, so log(1 + e^-1); the critiques cost 0.5 and 1.5 nats a token
    loss = critique_loss(
        *torch.tensor([[2.0], [1.0], [-0.5], [-1.5]]),
        weights=(0.25, 3.0),
    )
    torch.testing.assert_close(loss, torch.tensor([0.25 * math.log1p(math.exp(-1)) + 3.0 * 2.0]))


@given(st.lists(rewards, min_size=2, max_size=2), st.lists(rewards, min_size=2, max_size=2))
def test_critique_loss_without_the_critiques_own_term_is_bradley_terrys(given_rewards, logps):
    chosen, rejected = torch.tensor(given_rewards)[:, None]
    loss = critique_loss(chosen, rejected, *torch.tensor(logps)[:, None], weights=(1.0, 0.0))
    torch.testing.assert_close(loss, bradley_terry_loss(chosen, rejected))
