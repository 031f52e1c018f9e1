"""Exchanging the attention function of a transformers model for a while."""

from collections.abc import Generator
from contextlib import contextmanager

from transformers import PreTrainedModel


def can_exchange_attention(model: PreTrainedModel) -> bool:
    """Whether a model calls its attention through the interface of transformers."""
    return model._can_set_attn_implementation()  # pyright: ignore[reportPrivateUsage]


@contextmanager
def attending(model: PreTrainedModel, name: str) -> Generator[None]:
    """Have a model attend through another function while the block runs.

    Args:
        model: One whose attention can be exchanged.
        name: What the function is registered as with `transformers.AttentionInterface`.
    """
    usual = model.config._attn_implementation  # pyright: ignore[reportPrivateUsage]
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(usual or "sdpa")
