"""Random models of every supported family, small enough to be made in a test."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

VOCABULARY = 61
COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LAYERS = ["sliding_attention", "full_attention"]

FAMILIES: dict[str, Callable[[], PretrainedConfig]] = {
    "llama": lambda: LlamaConfig(**COMMON, tie_word_embeddings=True),
    "mistral": lambda: MistralConfig(**COMMON, sliding_window=None),
    "mistral, window": lambda: MistralConfig(**COMMON, sliding_window=6),
    "qwen2": lambda: Qwen2Config(**COMMON),
    "qwen2, window": lambda: Qwen2Config(
        **COMMON, use_sliding_window=True, sliding_window=6, layer_types=LAYERS
    ),
    "qwen3": lambda: Qwen3Config(**COMMON, head_dim=16),
    "gemma": lambda: GemmaConfig(**COMMON, head_dim=8),
    "gemma2": lambda: Gemma2Config(
        **COMMON,
        head_dim=8,
        sliding_window=6,
        layer_types=LAYERS,
        attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0,
        query_pre_attn_scalar=8,
    ),
    "gemma3": lambda: Gemma3TextConfig(
        **COMMON, head_dim=8, sliding_window=6, layer_types=LAYERS, query_pre_attn_scalar=8
    ),
    "gpt2": lambda: GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    ),
    "olmo2": lambda: Olmo2Config(**COMMON),
    "smollm3": lambda: SmolLM3Config(**COMMON, no_rope_layers=[1, 0]),
    "smollm3, window": lambda: SmolLM3Config(
        **COMMON,
        no_rope_layers=[1, 0],
        use_sliding_window=True,
        sliding_window=6,
        layer_types=LAYERS,
    ),
}
"""By name. Capped scores are capped hard, and windows end within the shortest prompt."""

OTHERS: dict[str, Callable[[], PretrainedConfig]] = {
    "gpt-neox": lambda: GPTNeoXConfig(
        **{key: value for key, value in COMMON.items() if key != "num_key_value_heads"}
    ),
}
"""Families that read padded rows."""


def causal(family: str) -> PreTrainedModel:
    """A causal language model whose weights are far enough from zero to tell tokens apart."""
    return _spread(AutoModelForCausalLM, family)


def scalar(family: str) -> PreTrainedModel:
    """A sequence classifier of one label."""
    return _spread(AutoModelForSequenceClassification, family)


def _spread(auto: Any, family: str) -> PreTrainedModel:
    config = {**FAMILIES, **OTHERS}[family]()
    config.num_labels = 1
    # Eager attention caps scores where the family does; torch's own cannot.
    model = auto.from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3, generator=generator)
    return model.eval()
