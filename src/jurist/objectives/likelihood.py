"""Losses that raise the likelihood of given tokens. Pure functions; nothing here runs a model.

Dimension key: B = sequences, T = tokens, K = tokens of a verdict, V = vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def supervised_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of each token (Mahan et al. 2024, eq. 8).

    Summed over a trace and its verdict this is both terms of the equation:
    `-log p(verdict | prompt, reasoning) - log p(reasoning | prompt)`.

    Computed in float32 whatever the dtype of the logits, and only where the mask is true, so that
    what stands elsewhere, NaN included, reaches neither the loss nor the gradient.

    Args:
        logits: Scores of the token that stands at the same place of `labels`. Shape: [B, T, V].
        labels: Token ids; anything where the mask is false. Shape: [B, T].
        mask: True at the tokens to learn. Shape: [B, T].

    Returns:
        Loss of each token in nats, zero where the mask is false, not reduced. Shape: [B, T].

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> logits = torch.zeros(1, 2, 4)
        >>> supervised_loss(logits, torch.tensor([[3, 0]]), torch.tensor([[True, False]]))
        tensor([[1.3863, 0.0000]])
    """
    if logits.shape[:-1] != labels.shape or mask.shape != labels.shape:
        raise ValueError(
            f"logits must be [B, T, V], labels and mask [B, T]; got {list(logits.shape)}, "
            f"{list(labels.shape)} and {list(mask.shape)}"
        )
    learnt = F.cross_entropy(logits[mask].float(), labels[mask], reduction="none")
    losses = torch.zeros(labels.shape, dtype=learnt.dtype, device=learnt.device)
    return losses.masked_scatter(mask, learnt)


def sequence_logps(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of each sequence, summed over the tokens where the mask is true.

    Args:
        logits: Scores of the token that stands at the same place of `labels`. Shape: [B, T, V].
        labels: Token ids; anything where the mask is false. Shape: [B, T].
        mask: True at the tokens that count. Shape: [B, T].

    Returns:
        Sums in nats, in float32 whatever the dtype of the logits. Shape: [B].

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> labels = torch.tensor([[3, 0]])
        >>> sequence_logps(torch.zeros(1, 2, 4), labels, torch.ones(1, 2, dtype=torch.bool))
        tensor([-2.7726])
    """
    return -supervised_loss(logits, labels, mask).sum(dim=-1)


def verdict_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of each verdict (GenRM; Mahan et al. 2024, eq. 7).

    The likelihood is over the whole vocabulary, as in the paper: beside preferring the right
    verdict the model learns to give one. A verdict is one token in most formats; where it is more,
    its log-probability is the sum.

    Args:
        logits: Scores at the places of the verdict. Shape: [B, K, V].
        labels: Token ids of the right verdict. Shape: [B, K].
        mask: True at the tokens of each verdict; false where a shorter one has none.
            Shape: [B, K].

    Returns:
        Loss of each verdict in nats, not reduced. Shape: [B].

    Raises:
        ValueError: If the shapes do not fit, or a row has no verdict.

    Example:
        >>> verdict_loss(torch.zeros(1, 1, 4), torch.tensor([[2]]), torch.tensor([[True]]))
        tensor([1.3863])
    """
    if not bool(mask.any(dim=-1).all()):
        rows = (~mask.any(dim=-1)).nonzero().flatten().tolist()
        raise ValueError(f"every row needs a verdict token, rows {rows} have none")
    return -sequence_logps(logits, labels, mask)
