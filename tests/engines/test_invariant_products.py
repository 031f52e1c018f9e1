"""Products whose rows do not depend on their neighbours, and the engine that rests on them.

Which routine a library takes for how many rows is its own affair, so each claim is tried on the
library first, bare: where that fails, there is nothing for the engine to keep, and a test says so.
"""

import functools
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import linear
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.pytorch_utils import Conv1D

from jurist.engines import shared_prefix
from jurist.engines.invariant_products import PackedProducts, packable
from jurist.engines.partial_attention import attention
from jurist.engines.transformers import TransformersEngine
from jurist.types import Sampling, user

needs_packing = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    reason="oneDNN has no bfloat16 products for this processor",
)
NUMS = (1, 2, 3, 5, 8, 11, 16, 17, 24, 31, 33, 64, 96, 129, 200)


def rows_alike(product, rows, nums=NUMS) -> bool:
    """Whether rows come out with the same bits in whatever number and place."""
    whole = product(rows)
    generator = torch.Generator().manual_seed(0)
    picks = [torch.randperm(len(rows), generator=generator)[:num] for num in nums]
    return all(torch.equal(product(rows[pick]), whole[pick]) for pick in picks)


def float32_products_alike() -> bool:
    """Whether the bare library keeps bits from 16 rows on."""
    torch.manual_seed(0)
    nums = [num for num in NUMS if num >= 16]
    return all(
        rows_alike(functools.partial(linear, weight=torch.randn(outputs, inputs)), rows, nums)
        for inputs, outputs in ((192, 192), (192, 1_536), (1_536, 192), (192, 8_192))
        for rows in [torch.randn(256, inputs)]
    )


def queries_alike(dtype: torch.dtype, multiple: int) -> bool:
    """Whether the bare library keeps the bits of queries that come in multiples."""
    torch.manual_seed(0)
    keys, values = torch.randn(2, 1, 2, 90, 16).to(dtype)

    def attend(rows):
        output, total = attention(rows.transpose(0, 1)[None], keys, values, scale=0.25)
        return torch.cat((output[0], total[0, ..., None]), -1).transpose(0, 1)

    return rows_alike(attend, torch.randn(256, 2, 16).to(dtype), (multiple, 2 * multiple))


def layers() -> torch.nn.ModuleDict:
    torch.manual_seed(0)
    conv = Conv1D(48, 32)
    torch.nn.init.normal_(conv.bias)
    modules = {
        "plain": torch.nn.Linear(32, 48, bias=False),
        "biased": torch.nn.Linear(32, 48),
        "conv": conv,
    }
    return torch.nn.ModuleDict(modules).to(torch.bfloat16)


@needs_packing
class TestPackedProducts:
    @pytest.mark.parametrize("name", ["plain", "biased", "conv"])
    @pytest.mark.parametrize("shape", [(1, 32), (5, 1, 32), (1, 300, 32), (0, 32)])
    def test_they_are_the_products_of_the_layer(self, name, shape):
        model = layers()
        inputs = torch.randn(shape).to(torch.bfloat16)
        with torch.inference_mode():
            plain = model[name](inputs)
            with PackedProducts(model).in_use():
                packed = model[name](inputs)
        assert packed.shape == plain.shape and packed.dtype == plain.dtype
        # One rounding to eight bits of numbers of about 1, either way.
        torch.testing.assert_close(packed, plain, rtol=2**-7, atol=2**-7)

    @pytest.mark.parametrize("name", ["plain", "biased", "conv"])
    def test_a_row_has_the_same_bits_in_any_company(self, name):
        model = layers()
        with torch.inference_mode(), PackedProducts(model).in_use():
            assert rows_alike(model[name], torch.randn(256, 32).to(torch.bfloat16))

    def test_the_layers_are_their_own_again_afterwards_even_after_an_error(self):
        model = layers()
        with pytest.raises(RuntimeError, match="no"), PackedProducts(model).in_use():
            raise RuntimeError("no")
        assert all("forward" not in vars(module) for module in model.modules())
        model["plain"](torch.ones(1, 32, dtype=torch.bfloat16)).sum().backward()
        assert model["plain"].weight.grad is not None

    def test_only_bfloat16_on_a_processor_is_packed(self):
        assert packable(layers())
        assert not packable(layers().float())
        assert not packable(layers().to("meta"))


SHAPE = {
    "vocab_size": 8_192,
    "hidden_size": 192,
    "intermediate_size": 1_536,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.05,
}
PROMPTS = [user(f"Case {n}: is it " + "so " * (7 * n % 19) + "or not?") for n in range(9)]
SAMPLING = Sampling(num_samples=5, max_tokens=12, top_p=0.95, seed=3)


def bits(engine: TransformersEngine, prompts, sampling=SAMPLING):
    """How long replies are and how likely: with this vocabulary that tells them apart."""
    replies = engine.generate(prompts, sampling)
    return [[(one.num_tokens, one.logp) for one in row] for row in replies]


@pytest.fixture(params=[torch.float32, pytest.param(torch.bfloat16, marks=needs_packing)], ids=str)
def engine(request, make_tokenizer) -> TransformersEngine:
    if request.param == torch.float32:
        alike = queries_alike(torch.float32, 4) and float32_products_alike()
    else:
        alike = queries_alike(torch.bfloat16, 32)
    if not alike:
        pytest.skip("bare products of this machine's libraries depend on the number of rows")
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    model.generation_config = GenerationConfig(eos_token_id=[*range(1_000)], pad_token_id=0)
    return TransformersEngine(
        model.to(request.param).eval(), make_tokenizer("chatml"), fingerprint="wide"
    )


def test_a_reply_has_the_same_bits_alone_and_among_others_and_in_any_order(engine):
    among = bits(engine, PROMPTS)
    assert len({logp for row in among for _, logp in row}) == len(PROMPTS) * SAMPLING.num_samples
    assert len({num_tokens for row in among for num_tokens, _ in row}) > 5
    assert [bits(engine, [prompt])[0] for prompt in PROMPTS] == among
    assert bits(engine, PROMPTS[::-1])[::-1] == among


def test_a_reply_has_the_same_bits_however_many_are_asked_for(engine):
    (five,) = bits(engine, PROMPTS[:1])
    for num in (1, 2, 4):
        assert bits(engine, PROMPTS[:1], replace(SAMPLING, num_samples=num)) == [five[:num]]


def test_a_score_has_the_same_bits_alone_and_among_others(engine):
    texts = [["[[A]]", "[[B]]", "neither"]] * len(PROMPTS)
    among = engine.score(PROMPTS, texts)
    assert [engine.score([prompt], texts[:1])[0] for prompt in PROMPTS] == among


@pytest.mark.parametrize("engine", [torch.float32], indirect=True)
def test_without_filling_up_the_bits_depend_on_the_others(engine, monkeypatch):
    """The control: products of as many rows as there are."""
    monkeypatch.setattr(shared_prefix, "MIN_ROWS", 1)
    if rows_alike(functools.partial(linear, weight=torch.randn(64, 64)), torch.randn(256, 64)):
        pytest.skip("on this machine few rows have the same bits as many")
    among = bits(engine, PROMPTS)
    assert [bits(engine, [prompt])[0] for prompt in PROMPTS] != among
