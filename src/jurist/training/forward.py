"""Forward passes: what a model says of a batch, and the loss each method makes of it.

Dimension key: B = rows, S = sequences of a row, N = S * B, T = tokens, V = vocabulary.
"""

import inspect

import torch
from torch import Tensor
from torch.nn import Module

from jurist.errors import ConfigError
from jurist.objectives import (
    bradley_terry_loss,
    dpo_loss,
    sequence_logps,
    supervised_loss,
    verdict_loss,
)
from jurist.training.batch import Batch


def refuse_without_logits_to_keep(model: Module) -> None:
    """Refuse a causal model that cannot be asked for some logits only.

    Raises:
        ConfigError: If it is one.
    """
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        raise ConfigError(
            f"{type(model).__name__} cannot be trained here: its forward has no logits_to_keep, "
            f"which the causal language models of transformers have"
        )


def reply_logits(model: Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Logits where some reply has a token, the tokens there, and which of them count.

    Prompts are most of a batch, and their logits most of the memory of a large vocabulary: those
    before the shortest prompt's end are never made.

    Returns:
        Logits [N, T, V], labels [N, T] and mask [N, T], with T counted from the end of the
        shortest prompt.
    """
    wanted = torch.arange(batch.first, batch.ids.shape[1] - 1, device=batch.ids.device)
    # No attention mask: padding is on the right, where causal attention never looks back from.
    logits = model(input_ids=batch.ids[:, :-1], logits_to_keep=wanted, use_cache=False).logits
    return logits, batch.ids[:, batch.first + 1 :], batch.reply_mask[:, batch.first + 1 :]


def reply_logps(model: Module, batch: Batch) -> Tensor:
    """Log-probability of every reply, in nats, summed over its tokens. Shape: [S, B]."""
    logps = sequence_logps(*reply_logits(model, batch))
    return logps.view(-1, len(batch.weights))


def supervised(model: Module, batch: Batch) -> Tensor:
    """Negative log-likelihood of each reply, summed over its tokens. Shape: [B].

    The sum, not the mean: with means over tokens, short traces weigh more per token than long
    ones, and a judge learns to be brief before it learns to be right.
    """
    return supervised_loss(*reply_logits(model, batch)).sum(dim=-1)


def verdict(model: Module, batch: Batch) -> Tensor:
    """Negative log-likelihood of each verdict. Shape: [B]."""
    return verdict_loss(*reply_logits(model, batch))


def bradley_terry(model: Module, batch: Batch) -> Tensor:
    """Bradley-Terry loss of each pair under a model with one output per sequence. Shape: [B]."""
    rewards = model(
        input_ids=batch.ids, attention_mask=batch.attention_mask, use_cache=False
    ).logits
    chosen, rejected = rewards.view(2, len(batch.weights))
    return bradley_terry_loss(chosen, rejected)


def dpo(model: Module, batch: Batch, *, beta: float) -> Tensor:
    """DPO loss of each pair against the reference log-probabilities in the batch. Shape: [B]."""
    return dpo_loss(*reply_logps(model, batch), *batch.reference_logps, beta=beta)
