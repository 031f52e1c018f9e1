"""Packed trees against the plain reference: every sequence alone through the model as it comes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Module
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

from jurist.errors import ConfigError
from jurist.objectives import (
    bradley_terry_loss,
    comparison_loss,
    dpo_loss,
    ipo_loss,
    token_logps,
)
from jurist.training import CritiqueLossConfig, PairLossConfig, forward
from jurist.training.batch import Batch, collate
from jurist.training.examples import Encoded, Example
from jurist.training.forward import BatchReader

CPU = torch.device("cpu")
BETA = 0.3
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


def make_rows(num_sequences: int) -> list[Example]:
    """Rows of one or two sequences, over four prompts; some share theirs, one stands alone."""
    rng = random.Random(3)

    def tokens(count: int) -> list[int]:
        return [rng.randrange(3, VOCABULARY) for _ in range(count)]

    rows: list[Example] = []
    for length, replies in ((9, (4, 7, 5)), (12, (3,)), (20, (2, 6)), (9, (5, 5))):
        prompt = tokens(length)
        rows += [
            Example(
                name="",
                sequences=tuple(
                    Encoded(ids=prompt + tokens(reply + more), prompt_length=length)
                    for more in range(num_sequences)
                ),
                weight=1.0 + reply / 4,
                reference_logps=(-20.0 - reply, -22.0) if num_sequences == 2 else (),
            )
            for reply in replies
        ]
    return rows


def alone(model: PreTrainedModel, rows: Sequence[Example]) -> Tensor:
    """Log-probability of each reply, each sequence by itself. Shape: [S, B]."""
    found: list[list[Tensor]] = []
    for place in range(len(rows[0].sequences)):
        found.append([])
        for row in rows:
            ids = torch.tensor([row.sequences[place].ids])
            logps = token_logps(model(input_ids=ids, use_cache=False).logits[:, :-1], ids[:, 1:])
            found[-1].append(logps[0, row.sequences[place].prompt_length - 1 :].sum())
    return torch.stack([torch.stack(one) for one in found])


def rewards_alone(model: PreTrainedModel, rows: Sequence[Example]) -> Tensor:
    return torch.stack(
        [
            torch.stack(
                [
                    model(input_ids=torch.tensor([row.sequences[place].ids])).logits[0, 0]
                    for row in rows
                ]
            )
            for place in (0, 1)
        ]
    )


METHODS: dict[str, tuple[int, Callable[[Module, Batch], Tensor], Callable[..., Tensor]]] = {
    "supervised": (1, forward.supervised, lambda logps, *_: -logps[0]),
    "verdict": (1, forward.verdict, lambda logps, *_: -logps[0]),
    "dpo": (
        2,
        lambda model, batch: forward.pairs(model, batch, loss=PairLossConfig(beta=BETA)).losses,
        lambda logps, references, _: dpo_loss(*logps, *references, beta=BETA),
    ),
    "ipo": (
        2,
        lambda model, batch: forward.pairs(model, batch, loss=PairLossConfig(loss="ipo")).losses,
        lambda logps, references, _: ipo_loss(*logps, *references, beta=0.4),
    ),
    "ipo of averages": (
        2,
        lambda model, batch: (
            forward.pairs(
                model, batch, loss=PairLossConfig(loss="ipo", beta=BETA, logps="averaged")
            ).losses
        ),
        lambda logps, references, lengths: ipo_loss(
            *(logps / lengths), *(references / lengths), beta=BETA
        ),
    ),
    "anchored dpo": (
        2,
        lambda model, batch: (
            forward.pairs(model, batch, loss=PairLossConfig(beta=BETA, sft_weight=0.5)).losses
        ),
        lambda logps, references, lengths: (
            dpo_loss(*logps, *references, beta=BETA) - 0.5 * logps[0] / lengths[0]
        ),
    ),
}


def packed(
    model: Module, rows: Sequence[Example], loss: Callable[[Module, Batch], Tensor], pad_id: int = 0
) -> tuple[Tensor, list[Tensor | None]]:
    """Losses, and the gradient of their weighted sum."""
    reader = BatchReader(model)
    with reader.reading():
        batch = collate(rows, shared=reader.shared, pad_id=pad_id, device=CPU)
        losses = loss(reader, batch)
        return losses, gradients((losses * batch.weights).sum(), model)


def gradients(loss: Tensor, model: Module) -> list[Tensor | None]:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return list(torch.autograd.grad(loss, trained, allow_unused=True))


def assert_same(
    found: tuple[Tensor, list[Tensor | None]],
    wanted: tuple[Tensor, list[Tensor | None]],
    *,
    tolerance: float = 2e-5,
) -> None:
    """Losses to a relative tolerance, gradients to one of the largest of their tensor.

    The gradient of GPT-2's key bias is zero in theory and rounding in fact, so a tensor counts for
    a hundredth of the largest of all at least.
    """
    torch.testing.assert_close(found[0], wanted[0], rtol=tolerance, atol=tolerance)
    least = max(each.abs().max().item() for each in wanted[1] if each is not None) / 100
    for one, other in zip(found[1], wanted[1], strict=True):
        if one is None or other is None:
            assert one is other
            continue
        largest = max(other.abs().max().item(), least)
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * largest)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", [*FAMILIES, *OTHERS])
def test_losses_and_gradients_are_those_of_each_sequence_alone(family, method):
    num_sequences, loss, worked = METHODS[method]
    rows, model = make_rows(num_sequences), causal(family)
    weights = torch.tensor([row.weight for row in rows])
    references = torch.tensor([row.reference_logps for row in rows]).T
    lengths = torch.tensor(
        [[len(one.ids) - one.prompt_length for one in row.sequences] for row in rows]
    ).T
    wanted = worked(alone(model, rows), references, lengths)
    assert BatchReader(model).shared is (family in FAMILIES)
    assert_same(packed(model, rows, loss), (wanted, gradients((wanted * weights).sum(), model)))


@pytest.mark.parametrize("family", [*FAMILIES, *OTHERS])
def test_rewards_and_their_gradients_are_those_of_each_conversation_alone(family):
    rows, model = make_rows(2), scalar(family)
    weights = torch.tensor([row.weight for row in rows])
    wanted = bradley_terry_loss(*rewards_alone(model, rows))
    assert_same(
        packed(model, rows, forward.bradley_terry),
        (wanted, gradients((wanted * weights).sum(), model)),
    )
    wanted = comparison_loss(*rewards_alone(model, rows))
    assert_same(
        packed(model, rows, forward.comparison),
        (wanted, gradients((wanted * weights).sum(), model)),
    )


@pytest.mark.parametrize("family", [*FAMILIES, *OTHERS])
@pytest.mark.parametrize("progress", [0.0, 0.75])
def test_critiques_are_rewarded_and_learnt_as_each_sequence_alone(family, progress):
    rows, model = make_rows(2), causal(family)
    body = model.get_output_embeddings().weight.shape[1]
    model.score = torch.nn.Linear(body, 1, bias=False)
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(2))
    weights = torch.tensor([row.weight for row in rows])
    lengths = torch.tensor(
        [[len(one.ids) - one.prompt_length for one in row.sequences] for row in rows]
    ).T
    rewards = torch.stack(
        [
            torch.stack(
                [
                    model.score(
                        model.base_model(
                            torch.tensor([row.sequences[place].ids])
                        ).last_hidden_state[0, -1]
                    )[0]
                    for row in rows
                ]
            )
            for place in (0, 1)
        ]
    )
    loss = CritiqueLossConfig(lm_weight=0.7, lm_share=0.5)
    # At 0 the likelihood alone counts, by 0.7; half of the way on each by half of its weight.
    a, b = (0.0, 0.7) if progress == 0 else (0.5, 0.35)
    averages = alone(model, rows) / lengths
    wanted = a * bradley_terry_loss(*rewards) - b * averages.sum(dim=0)
    reader = BatchReader(model)
    with reader.reading():
        batch = collate(rows, shared=reader.shared, pad_id=0, device=CPU, progress=progress)
        found = forward.critiques(reader, batch, loss=loss)
        assert_same(
            (found, gradients((found * weights).sum(), model)),
            (wanted, gradients((wanted * weights).sum(), model)),
        )


def test_a_reward_is_read_where_the_model_itself_reads_it_though_eos_is_padding():
    model, rows = scalar("llama"), make_rows(2)
    model.config.pad_token_id = end = 7
    rows = [
        replace(
            row,
            sequences=tuple(replace(one, ids=[*one.ids, end]) for one in row.sequences),
        )
        for row in rows
    ]
    wanted = bradley_terry_loss(*rewards_alone(model, rows))
    found, _ = packed(model, rows, forward.bradley_terry, pad_id=end)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_the_tokens_of_one_reply_change_nothing_in_another():
    model, rows = causal("llama"), make_rows(2)
    chosen, rejected = rows[0].sequences
    other = replace(rejected, ids=[*chosen.prompt, *[5] * 8])
    changed = [replace(rows[0], sequences=(chosen, other)), *rows[1:]]
    found = []
    for these in (rows, changed):
        reader = BatchReader(model)
        with reader.reading(), torch.no_grad():
            batch = collate(these, shared=True, pad_id=0, device=CPU)
            found.append(forward.reply_logps(reader, batch))
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][:, 1:], found[1][:, 1:])
    assert abs(found[0][1, 0] - found[1][1, 0]) > 0.1


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_recomputing_activations_attends_by_the_same_trees(family):
    rows, model = make_rows(2), causal(family).train()
    loss = METHODS["dpo"][1]
    wanted = packed(model, rows, loss)
    model.activation_checkpointing_enable()
    assert_same(packed(model, rows, loss), wanted, tolerance=1e-6)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_bfloat16_is_near_float32(family):
    rows, model = make_rows(2), causal(family)
    with torch.no_grad():
        wanted = alone(model, rows)
        reader = BatchReader(model)
        with reader.reading(), torch.autocast("cpu", torch.bfloat16):
            found = forward.reply_logps(reader, collate(rows, shared=True, pad_id=0, device=CPU))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.3)


def test_attention_dropout_drops():
    rows, model = make_rows(1), causal("llama").train()
    loss = METHODS["supervised"][1]
    still = packed(model, rows, loss)[0]
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    torch.manual_seed(0)
    one = packed(model, rows, loss)[0]
    torch.manual_seed(0)
    assert torch.equal(packed(model, rows, loss)[0], one)
    assert (one - still).abs().max() > 1e-2


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
def test_an_adapter_learns_as_if_each_sequence_were_alone():
    from peft import LoraConfig, get_peft_model

    rows, model = make_rows(1), causal("llama")
    torch.manual_seed(0)
    adapted = get_peft_model(
        model,
        LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False),  # type: ignore[arg-type]
    )
    weights = torch.tensor([row.weight for row in rows])
    wanted = -alone(adapted, rows)[0]  # type: ignore[arg-type]
    found = packed(adapted, rows, forward.supervised)
    assert_same(found, (wanted, gradients((wanted * weights).sum(), adapted)))


def test_the_usual_attention_is_back_after_reading():
    model = causal("llama")
    with BatchReader(model).reading():
        assert model.config._attn_implementation == "jurist_tree"
    assert model.config._attn_implementation == "eager"


def test_a_model_that_ignores_its_trees_is_refused():
    model = causal("llama")
    reader = BatchReader(model)
    with pytest.raises(ConfigError, match="did not attend by the trees"):
        forward.supervised(reader, collate(make_rows(1), shared=True, pad_id=0, device=CPU))


def test_a_head_with_a_bias_reads_padded_rows():
    model = causal("llama")
    model.lm_head.bias = torch.nn.Parameter(torch.randn(VOCABULARY))
    rows = make_rows(1)
    found, _ = packed(model, rows, forward.supervised)
    torch.testing.assert_close(found, -alone(model, rows)[0], rtol=1e-5, atol=1e-5)
    assert not BatchReader(model).shared


def test_a_model_that_cannot_be_asked_for_some_logits_is_refused():
    class Plain(torch.nn.Module):
        def forward(self, input_ids):
            return input_ids

    with pytest.raises(ConfigError, match=r"Plain cannot be trained here.*logits_to_keep"):
        forward.refuse_without_logits_to_keep(Plain())
