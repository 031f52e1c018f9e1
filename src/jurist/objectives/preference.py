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
    log_ratio_difference = _log_ratio_difference(
        chosen_logps, rejected_logps, reference_chosen_logps, reference_rejected_logps, beta=beta
    )
    return -F.logsigmoid(beta * log_ratio_difference)


def ipo_loss(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    reference_chosen_logps: Tensor,
    reference_rejected_logps: Tensor,
    *,
    beta: float,
) -> Tensor:
    """Identity preference optimization of each pair (Azar et al. 2023, eq. 17).

    With h the difference of the two log-ratios that `dpo_loss` has, `(h - 1 / (2 beta))^2`: the
    margin is drawn to a number, where DPO goes on widening it. The paper's tau is `beta` here.

    The log-probabilities are sums in that paper. Averages over the tokens of each reply, which some
    trainers take, have another scale and so want another `beta`; what is given is what is used.

    Args:
        chosen_logps: Chosen reply under the policy being trained, in nats. Shape: [B].
        rejected_logps: Rejected reply under that policy. Shape: [B].
        reference_chosen_logps: Chosen reply under the frozen reference. Shape: [B].
        reference_rejected_logps: Rejected reply under that reference. Shape: [B].
        beta: Half the inverse of the margin aimed at, per nat. Positive.

    Returns:
        Loss of each pair, not reduced. Shape: [B].

    Raises:
        ValueError: If the shapes differ or `beta` is not positive.

    Example:
        >>> import torch
        >>> ipo_loss(*torch.zeros(4, 2), beta=0.5)
        tensor([1., 1.])
    """
    log_ratio_difference = _log_ratio_difference(
        chosen_logps, rejected_logps, reference_chosen_logps, reference_rejected_logps, beta=beta
    )
    return (log_ratio_difference - 1 / (2 * beta)).square()


def comparison_loss(chosen_first_logits: Tensor, chosen_second_logits: Tensor) -> Tensor:
    """Negative log-likelihood of each preference under a head that reads both responses at once.

    The head gives the log-odds that the response shown first is better, and reads each pair in both
    orders; the loss is the mean of the two. The pairwise baseline of Mahan et al. 2024, after
    PairRM (Jiang et al. 2023, section 3.2), whose two scores of one reading enter by their
    difference alone: it is one number here.

    Args:
        chosen_first_logits: Log-odds read with the chosen response first. Shape: [B].
        chosen_second_logits: Log-odds read with it second. Shape: [B].

    Returns:
        Loss of each pair in nats, not reduced. Shape: [B].

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> comparison_loss(torch.tensor([1.0]), torch.tensor([0.0]))
        tensor([0.5032])
    """
    _refuse_other_shapes("log-odds", chosen_first_logits, chosen_second_logits)
    in_first = -F.logsigmoid(chosen_first_logits.float())
    in_second = -F.logsigmoid(-chosen_second_logits.float())
    return (in_first + in_second) / 2


def critique_loss(
    chosen_rewards: Tensor,
    rejected_rewards: Tensor,
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    *,
    weights: tuple[float, float],
) -> Tensor:
    """Bradley-Terry on rewards read after critiques, and the likelihood of the critiques.

    `a * -log sigmoid(chosen reward - rejected reward) - b * (chosen + rejected logp)`. CLoud
    (Ankner et al. 2024) has `a = 1` and a fixed `b`; Critic-RM (Yu et al. 2024) lets the weight go
    from one term to the other (`CritiqueLossConfig.weights`). Sure: the two terms. Not sure: that
    the logps are means over tokens, and their sum over the two critiques, in either paper.

    Args:
        chosen_rewards: Read after the critique of the preferred response. Shape: [B].
        rejected_rewards: Read after that of the other one. Shape: [B].
        chosen_logps: Log-probability of the first critique, in nats, a mean over its tokens.
            Shape: [B].
        rejected_logps: The same of the other critique. Shape: [B].
        weights: a and b, finite and not negative.

    Returns:
        Loss of each pair, not reduced. With `b = 0` and `a = 1` it is `bradley_terry_loss`.
        Shape: [B].

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> zero = torch.zeros(1)
        >>> critique_loss(zero, zero, zero - 1, zero - 2, weights=(1.0, 0.5))  # log 2 + 0.5 * 3
        tensor([2.1931])
    """
    _refuse_other_shapes(
        "rewards and log-probabilities",
        chosen_rewards,
        rejected_rewards,
        chosen_logps,
        rejected_logps,
    )
    reward_weight, lm_weight = weights
    preferred = bradley_terry_loss(chosen_rewards, rejected_rewards)
    return reward_weight * preferred - lm_weight * (chosen_logps + rejected_logps)


def _log_ratio_difference(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    reference_chosen_logps: Tensor,
    reference_rejected_logps: Tensor,
    *,
    beta: float,
) -> Tensor:
    """How much more the policy than the reference prefers the chosen reply, in nats. Shape: [B]."""
    _refuse_other_shapes(
        "log-probabilities",
        chosen_logps,
        rejected_logps,
        reference_chosen_logps,
        reference_rejected_logps,
    )
    if not 0 < beta < float("inf"):
        raise ValueError(f"beta must be positive and finite, got {beta}")
    return (chosen_logps - reference_chosen_logps) - (rejected_logps - reference_rejected_logps)


def _refuse_other_shapes(what: str, *tensors: Tensor) -> None:
    # Broadcasting [B] with [B, 1] would make B times B pairs of B.
    shapes = [list(tensor.shape) for tensor in tensors]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"{what} must share one shape, got {', '.join(map(str, shapes))}")
