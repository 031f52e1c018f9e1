"""Losses that prefer one thing to another. Pure functions; nothing here runs a model.

Dimension key: B = pairs.
"""

import torch.nn.functional as F
from torch import Tensor


def bradley_terry_loss(
    chosen_rewards: Tensor, rejected_rewards: Tensor, *, margin: Tensor | None = None
) -> Tensor:
    """Negative log-likelihood of each preference (Bradley-Terry; Mahan et al. 2024, eq. 1-2).

    `p(chosen > rejected) = sigmoid(chosen reward - rejected reward)`: rewards are log-odds.

    Args:
        chosen_rewards: Reward of the response that is preferred. Shape: [B].
        rejected_rewards: Reward of the other one. Shape: [B].
        margin: By how much the chosen reward should be higher at least, in log-odds (Touvron et
            al. 2023, eq. 2). Shape: [B]. None: no margin, as in the paper.

    Returns:
        Loss of each pair in nats, not reduced. Shape: [B].

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> bradley_terry_loss(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0]))
        tensor([0.3133, 0.6931])
    """
    tensors = (
        (chosen_rewards, rejected_rewards)
        if margin is None
        else (
            chosen_rewards,
            rejected_rewards,
            margin,
        )
    )
    _refuse_other_shapes("rewards and margin", *tensors)
    difference = chosen_rewards.float() - rejected_rewards.float()
    if margin is not None:
        difference = difference - margin
    return -F.logsigmoid(difference)


def dpo_loss(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    reference_chosen_logps: Tensor,
    reference_rejected_logps: Tensor,
    *,
    beta: float,
) -> Tensor:
    """Direct preference optimization of each pair (STaR-DPO; Mahan et al. 2024, eq. 9).

    All four inputs are log-probabilities in nats, summed over reasoning and verdict. The paper's
    `beta` of 1.0 goes with sums; with means it would be another number.

    Args:
        chosen_logps: Chosen reply under the policy being trained. Shape: [B].
        rejected_logps: Rejected reply under that policy. Shape: [B].
        reference_chosen_logps: Chosen reply under the frozen reference. Shape: [B].
        reference_rejected_logps: Rejected reply under that reference. Shape: [B].
        beta: How firmly the reference holds the policy back. Positive, no unit.

    Returns:
        Loss of each pair, not reduced. Shape: [B].

    Raises:
        ValueError: If the shapes differ or `beta` is not positive.

    Example:
        >>> import torch
        >>> dpo_loss(*torch.zeros(4, 2), beta=1.0)
        tensor([0.6931, 0.6931])
    """
    _refuse_other_shapes(
        "log-probabilities",
        chosen_logps,
        rejected_logps,
        reference_chosen_logps,
        reference_rejected_logps,
    )
    if not 0 < beta < float("inf"):
        raise ValueError(f"beta must be positive and finite, got {beta}")
    chosen_log_ratios = chosen_logps - reference_chosen_logps
    rejected_log_ratios = rejected_logps - reference_rejected_logps
    return -F.logsigmoid(beta * (chosen_log_ratios - rejected_log_ratios))


def _refuse_other_shapes(what: str, *tensors: Tensor) -> None:
    # Broadcasting [B] with [B, 1] would make B times B pairs of B.
    shapes = [list(tensor.shape) for tensor in tensors]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"{what} must share one shape, got {', '.join(map(str, shapes))}")
