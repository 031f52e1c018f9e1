import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jurist.objectives import sequence_logps, supervised_loss, token_logps, verdict_loss


def random_case(seed: int):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 5, 7, generator=generator) * 3
    labels = torch.randint(0, 7, (3, 5), generator=generator)
    mask = torch.rand(3, 5, generator=generator) < 0.6
    return logits, labels, mask


def test_supervised_loss_matches_hand_worked_values():
    # softmax of (log 1, log 3) = (1/4, 3/4); of (0, 0) = (1/2, 1/2)
    logits = torch.tensor([[[0.0, math.log(3)], [0.0, 0.0], [5.0, 0.0]]])
    labels = torch.tensor([[1, 0, 1]])
    mask = torch.tensor([[True, True, False]])
    worked = torch.tensor([[math.log(4 / 3), math.log(2), 0.0]])
    torch.testing.assert_close(supervised_loss(token_logps(logits, labels), mask), worked)


def test_sequence_logps_matches_hand_worked_sum():
    logits = torch.tensor([[[0.0, math.log(3)], [0.0, 0.0]]])
    logps = sequence_logps(
        token_logps(logits, torch.tensor([[1, 0]])), torch.tensor([[True, True]])
    )
    torch.testing.assert_close(logps, torch.tensor([math.log(3 / 4) + math.log(1 / 2)]))


def test_verdict_loss_matches_hand_worked_values():
    # One verdict of one token with p = 3/4, one of two tokens with p = 1/4 * 1/2.
    logits = torch.tensor([[[0.0, math.log(3)], [9.0, 9.0]], [[0.0, math.log(3)], [0.0, 0.0]]])
    labels = torch.tensor([[1, 0], [0, 1]])
    mask = torch.tensor([[True, False], [True, True]])
    losses = verdict_loss(token_logps(logits, labels), mask)
    torch.testing.assert_close(losses, torch.tensor([math.log(4 / 3), math.log(8)]))


def test_verdict_likelihood_is_over_the_whole_vocabulary():
    # Both verdicts are as likely as each other, and a third token takes half of the mass.
    logits = torch.tensor([[[0.0, 0.0, math.log(2)]]])
    loss = verdict_loss(token_logps(logits, torch.tensor([[0]])), torch.tensor([[True]]))
    torch.testing.assert_close(loss, torch.tensor([math.log(4)]))


def test_a_row_without_a_verdict_is_refused_by_number():
    mask = torch.tensor([[True], [False]])
    with pytest.raises(ValueError, match=r"rows \[1\] have none"):
        verdict_loss(torch.zeros(2, 1), mask)


@given(seed=st.integers(0, 10_000))
def test_masked_loss_equals_loss_of_what_is_left_after_filtering(seed):
    logits, labels, mask = random_case(seed)
    for row in range(3):
        kept = mask[row]
        filtered = torch.nn.functional.cross_entropy(
            logits[row, kept], labels[row, kept], reduction="none"
        )
        torch.testing.assert_close(
            supervised_loss(token_logps(logits, labels), mask)[row, kept], filtered
        )
        torch.testing.assert_close(
            sequence_logps(token_logps(logits, labels), mask)[row], -filtered.sum()
        )


@given(seed=st.integers(0, 10_000), shift=st.floats(-20, 20))
def test_a_constant_added_to_all_logits_changes_nothing(seed, shift):
    logits, labels, mask = random_case(seed)
    torch.testing.assert_close(
        supervised_loss(token_logps(logits + shift, labels), mask),
        supervised_loss(token_logps(logits, labels), mask),
        rtol=1e-4,
        atol=1e-4,
    )


def test_what_stands_outside_the_mask_reaches_neither_loss_nor_gradient():
    logits, labels, mask = random_case(3)
    logps = token_logps(logits, labels)
    logps[~mask] = float("nan")
    logps.requires_grad_()
    losses = supervised_loss(logps, mask)
    losses.sum().backward()
    assert logps.grad is not None
    assert bool(losses.isfinite().all())
    assert bool((losses[~mask] == 0).all())
    assert bool((logps.grad[mask] == -1).all())
    assert bool((logps.grad[~mask] == 0).all())


def test_half_precision_logits_are_summed_in_float32():
    # 300 tokens of log 2 each: in bfloat16 the sum would stop growing long before 208.
    logits = torch.zeros(1, 300, 2, dtype=torch.bfloat16)
    labels = torch.zeros(1, 300, dtype=torch.long)
    logps = sequence_logps(token_logps(logits, labels), torch.ones(1, 300, dtype=torch.bool))
    assert logps.dtype == torch.float32
    torch.testing.assert_close(logps, torch.tensor([-300 * math.log(2)]))


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_extreme_logits_keep_losses_and_gradients_finite(size):
    logits = torch.tensor([[[size, -size, 0.0]]], requires_grad=True)
    loss = supervised_loss(token_logps(logits, torch.tensor([[1]])), torch.tensor([[True]]))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert bool(loss.isfinite().all())
    assert bool(gradient.isfinite().all())


def test_split_into_microbatches_sums_to_the_whole_batch():
    logits, labels, mask = random_case(5)
    whole = supervised_loss(token_logps(logits, labels), mask).sum() / mask.sum()
    parts = sum(
        supervised_loss(token_logps(logits, labels)[i : i + 1], mask[i : i + 1]).sum() / mask.sum()
        for i in range(3)
    )
    torch.testing.assert_close(parts, whole)


def test_an_all_masked_batch_has_zero_loss_and_zero_gradient():
    logits = torch.randn(2, 3, 4, requires_grad=True)
    logps = token_logps(logits, torch.zeros(2, 3, dtype=torch.long))
    losses = supervised_loss(logps, torch.zeros(2, 3, dtype=torch.bool))
    losses.sum().backward()
    assert logits.grad is not None
    assert bool((losses == 0).all())
    assert bool((logits.grad == 0).all())


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"got \[1, 2, 4\] and \[1, 3\]"):
        token_logps(torch.zeros(1, 2, 4), torch.zeros(1, 3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"got \[1, 2\] and \[1, 3\]"):
        supervised_loss(torch.zeros(1, 2), torch.ones(1, 3, dtype=torch.bool))
