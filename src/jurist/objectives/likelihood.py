"""Losses that raise the likelihood of given tokens. Pure functions; nothing here runs a model.

Dimension key: B = sequences, T = tokens, K = tokens of a verdict, V = vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def token_logps(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of each token, over the whole vocabulary.

    Args:
        logits: Scores of the token that stands at the same place of `labels`. Shape: [..., V].
        labels: Token ids. Shape: [...].

    Returns:
        Log-probabilities in nats, in float32 whatever the dtype of the logits. Shape: [...].

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> token_logps(torch.zeros(1, 2, 4), torch.tensor([[3, 0]]))
        tensor([[-1.3863, -1.3863]])
    """
    if logits.shape[:-1] != labels.shape:
        raise ValueError(
            f"logits must be [..., V] and labels [...]; got {list(logits.shape)} and "
            f"{list(labels.shape)}"
        )
    flat = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(), labels.flatten(), reduction="none"
    )
    return -flat.view(labels.shape)


def supervised_loss(logps: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of each token (Mahan et al. 2024, eq. 8).

    Summed over a trace and its verdict this is both terms of the equation:
    `-log p(verdict | prompt, reasoning) - log p(reasoning | prompt)`.

    Args:
        logps: Log-probability of each token, in nats; anything, NaN included, where the mask is
            false. Shape: [B, T].
        mask: True at the tokens to learn. Shape: [B, T].

    Returns:
        Loss of each token in nats, zero where the mask is false, not reduced. Shape: [B, T].

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> supervised_loss(torch.tensor([[-1.5, -9.0]]), torch.tensor([[True, False]]))
        tensor([[1.5000, 0.0000]])
    """
    if logps.shape != mask.shape:
        raise ValueError(
            f"log-probabilities and mask must both be [B, T]; got {list(logps.shape)} and "
            f"{list(mask.shape)}"
        )
    return torch.where(mask, -logps, 0)


def sequence_logps(logps: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of each sequence, summed over the tokens where the mask is true.

    Args:
        logps: Log-probability of each token, in nats. Shape: [B, T].
        mask: True at the tokens that count. Shape: [B, T].

    Returns:
        Sums in nats. Shape: [B].

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> sequence_logps(torch.tensor([[-1.0, -2.0]]), torch.ones(1, 2, dtype=torch.bool))
        tensor([-3.])
    """
    return -supervised_loss(logps, mask).sum(dim=-1)


def verdict_loss(logps: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of each verdict (GenRM; Mahan et al. 2024, eq. 7).

    The likelihood is over the whole vocabulary, as in the paper: beside preferring the right
    verdict the model learns to give one. A verdict is one token in most formats; where it is more,
    its log-probability is the sum.

    Args:
        logps: Log-probability of each token of the right verdict, in nats. Shape: [B, K].
        mask: True at the tokens of each verdict; false where a shorter one has none.
            Shape: [B, K].

    Returns:
        Loss of each verdict in nats, not reduced. Shape: [B].

    Raises:
        ValueError: If the shapes differ, or a row has no verdict.

    Example:
        >>> verdict_loss(torch.tensor([[-0.5]]), torch.tensor([[True]]))
        tensor([0.5000])
    """
    if not bool(mask.any(dim=-1).all()):
        rows = (~mask.any(dim=-1)).nonzero().flatten().tolist()
        raise ValueError(f"every row needs a verdict token, rows {rows} have none")
    return -sequence_logps(logps, mask)
