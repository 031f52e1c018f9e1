"""Forward passes: what a model says of a batch, and the loss each method makes of it.

Dimension key: B = rows, S = sequences of a row, N = S * B, T = tokens, R = tokens of the longest
reply, M = tokens of all replies, D = width of a hidden state, V = vocabulary.
"""

import inspect
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import Linear, Module
from transformers import PreTrainedModel

from jurist.errors import ConfigError
from jurist.models.attending import attending
from jurist.objectives import (
    bradley_terry_loss,
    comparison_loss,
    critique_loss,
    dpo_loss,
    ipo_loss,
    sequence_logps,
    supervised_loss,
    token_logps,
    token_logps_from_hidden,
    verdict_loss,
)
from jurist.training.attention import NAME, shares_prefixes
from jurist.training.batch import Batch
from jurist.training.config import CritiqueLossConfig, PairLossConfig


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


class BatchReader(Module):
    """A model that reads batches: packed trees if it can, else padded rows.

    Prompts are most of a batch, and their logits most of the memory of a large vocabulary: of
    packed trees, only the hidden states that predict a reply's token meet the output head.
    """

    def __init__(self, model: Module) -> None:
        """Wrap a causal language model or a sequence classifier of one label.

        Args:
            model: One of transformers', as it is or with an adapter of peft's.
        """
        super().__init__()
        self.model = model
        unwrap = getattr(model, "get_base_model", None)
        self.base = cast(PreTrainedModel, unwrap() if unwrap else model)
        self.shared = shares_prefixes(self.base) and self._has_a_plain_head()
        """Whether this model reads packed trees, and batches for it must be such."""

    def _has_a_plain_head(self) -> bool:
        head = self.base.get_output_embeddings()
        if head is None:
            return getattr(self.base, "score", None) is not None
        return type(head) is Linear and "bias" not in dict(head.named_parameters())

    @contextmanager
    def reading(self) -> Generator[None]:
        """What every forward and backward pass must happen in."""
        if not self.shared:
            yield
            return
        with attending(self.base, NAME):
            yield

    def forward(
        self, batch: Batch, read: Literal["replies", "rewards", "critiques"]
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Read a batch.

        Returns:
            Log-probability in nats of each token of each reply, float32, 0 where a reply is
            shorter, shape [N, R]; or the reward of each sequence, shape [N]; or, of critiques and
            in one pass, both.
        """
        assert (batch.forest is not None) == self.shared, "collated for another kind of model"
        if read == "rewards":
            return self._rewards(batch)
        logps, rewards = self._replies(batch, rewarded=read == "critiques")
        by_reply = logps.new_zeros(batch.reply_mask.shape).masked_scatter(batch.reply_mask, logps)
        return by_reply if rewards is None else (by_reply, rewards)

    def _replies(self, batch: Batch, *, rewarded: bool) -> tuple[Tensor, Tensor | None]:
        """Log-probability of each token of all replies, [M], and rewards, [N], if wanted."""
        if self.shared:
            head = cast(Linear, self.base.get_output_embeddings())
            softcap = getattr(self.base.config.get_text_config(), "final_logit_softcapping", None)
            hidden = self._hidden(batch)
            logps = token_logps_from_hidden(
                hidden[batch.sources], head.weight, batch.labels, softcap=softcap
            )
            return logps, self._scored(hidden[batch.ends]) if rewarded else None
        rows, columns = batch.sources // batch.ids.shape[1], batch.sources % batch.ids.shape[1]
        first = int(columns.min())
        wanted = torch.arange(first, batch.ids.shape[1], device=batch.ids.device)
        # No attention mask: padding is on the right, where causal attention never looks back from.
        output: Any = self.model(
            input_ids=batch.ids,
            logits_to_keep=wanted,
            use_cache=False,
            output_hidden_states=rewarded,
        )
        logps = token_logps(output.logits[rows, columns - first], batch.labels)
        if not rewarded:
            return logps, None
        return logps, self._scored(output.hidden_states[-1].flatten(0, 1)[batch.ends])

    def _rewards(self, batch: Batch) -> Tensor:
        if self.shared:
            return self._scored(self._hidden(batch)[batch.ends])
        output: Any = self.model(
            input_ids=batch.ids, attention_mask=batch.attention_mask, use_cache=False
        )
        return output.logits[:, 0]

    def _scored(self, hidden: Tensor) -> Tensor:
        """Rewards of last hidden states. Shape: [N, D] to [N]."""
        return cast(Module, self.base.score)(hidden)[:, 0]

    def _hidden(self, batch: Batch) -> Tensor:
        """Last hidden states of packed trees. Shape: [T, D]."""
        forest = batch.forest
        assert forest is not None
        before = forest.num_calls
        body = self.base.base_model
        hidden = body(
            input_ids=batch.ids,
            position_ids=forest.positions[None],
            use_cache=False,
            forest=forest,
        ).last_hidden_state[0]
        if forest.num_calls == before:
            raise ConfigError(
                f"{type(self.base).__name__} did not attend by the trees it was given, and would "
                f"train on rows that see each other; please report this"
            )
        return hidden


def reply_logps(model: Module, batch: Batch) -> Tensor:
    """Log-probability of every reply, in nats, summed over its tokens. Shape: [S, B]."""
    logps = sequence_logps(model(batch, "replies"), batch.reply_mask)
    return logps.view(-1, len(batch.weights))


def supervised(model: Module, batch: Batch) -> Tensor:
    """Negative log-likelihood of each reply, summed over its tokens. Shape: [B].

    The sum, not the mean: with means over tokens, short traces weigh more per token than long
    ones, and a judge learns to be brief before it learns to be right.
    """
    return supervised_loss(model(batch, "replies"), batch.reply_mask).sum(dim=-1)


def verdict(model: Module, batch: Batch) -> Tensor:
    """Negative log-likelihood of each verdict. Shape: [B]."""
    return verdict_loss(model(batch, "replies"), batch.reply_mask)


def bradley_terry(model: Module, batch: Batch) -> Tensor:
    """Bradley-Terry loss of each pair under a model with one output per sequence. Shape: [B]."""
    chosen, rejected = model(batch, "rewards").view(2, len(batch.weights))
    return bradley_terry_loss(chosen, rejected)


def critiques(model: Module, batch: Batch, *, loss: CritiqueLossConfig) -> Tensor:
    """Loss of each pair of critiques: of the rewards read after them, and of their own words.

    Shape: [B].
    """
    logps, rewards = model(batch, "critiques")
    return critique_loss(
        *rewards.view(2, -1),
        *(sequence_logps(logps, batch.reply_mask) / batch.reply_mask.sum(dim=-1)).view(2, -1),
        weights=loss.weights(batch.progress),
    )


def comparison(model: Module, batch: Batch) -> Tensor:
    """Loss of each pair under a head that reads both responses, in either order. Shape: [B]."""
    chosen_first, chosen_second = model(batch, "rewards").view(2, len(batch.weights))
    return comparison_loss(chosen_first, chosen_second)


class PairLosses(NamedTuple):
    """Loss of each pair of replies, and what it does not show."""

    losses: Tensor
    """Shape: [B]."""

    chosen_drops: Tensor
    """By how much the preferred reply is less likely than under the reference, in nats a token. A
    loss of differences falls as well when both replies get ever less likely. Shape: [B]."""


def pairs(model: Module, batch: Batch, *, loss: PairLossConfig) -> PairLosses:
    """Loss of each pair of replies against the reference's log-probabilities."""
    logps, reference = reply_logps(model, batch), torch.stack([*batch.reference_logps])
    num_tokens = batch.reply_mask.sum(dim=-1).view(logps.shape)
    scale = num_tokens if loss.logps == "averaged" else torch.ones_like(num_tokens)
    compared = ipo_loss if loss.loss == "ipo" else dpo_loss
    losses = compared(*(logps / scale), *(reference / scale), beta=loss.strength)
    if loss.sft_weight:
        losses = losses - loss.sft_weight * logps[0] / num_tokens[0]
    drops = (reference[0] - logps[0]).detach() / num_tokens[0]
    return PairLosses(losses=losses, chosen_drops=drops)
