"""One comparison alone, and at random places among 64 others: the same votes, token by token.

In float32. On a machine whose products depend on how many rows they have, log-probabilities agree
to 1e-4 nats only: that is what is asked for here, and `test_invariant_products.py` asks for equal
bits where they can be had. The controls break the engine as such engines break, and must be
noticed.
"""

import itertools
import random

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, MistralConfig
from transformers import MistralForCausalLM as Mistral

from jurist.engines import transformers as engine_module
from jurist.engines.shared_prefix import SharedPrefixDecoder, _Reading
from jurist.engines.transformers import TransformersEngine
from jurist.types import Sampling, user

SHAPE = {
    "vocab_size": 262,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}
NEEDLE = user("Which answer is better?\n\nA: Forty-two.\n\nB: It depends.")
HAY = [
    user(f"Case {n}. Which is better, " + "this " * (n * 7 % 23) + "or that?") for n in range(64)
]
SAMPLING = Sampling(num_samples=6, max_tokens=24, temperature=0.9, top_p=0.95, seed=11)
ATOL = 1e-4


@pytest.fixture(params=["full", "window"])
def engine(request, make_tokenizer) -> TransformersEngine:
    torch.manual_seed(0)
    if request.param == "full":
        model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    else:
        model = Mistral(MistralConfig(**SHAPE, sliding_window=30))
    model.generation_config = GenerationConfig(eos_token_id=list(range(30, 60)), pad_token_id=0)
    # A budget that makes several waves of it, with other neighbours at every step.
    return TransformersEngine(
        model.eval(), make_tokenizer("chatml"), fingerprint="tiny", max_batch_tokens=4_000
    )


def alone_and_among_others(engine: TransformersEngine, places=(0, 17, 40, 64)):
    """Votes on the needle alone, and from each of several places in the hay."""
    (alone,) = engine.generate([NEEDLE], SAMPLING)
    among = []
    for place in places:
        hay = random.Random(place).sample(HAY, len(HAY))
        among.append(engine.generate([*hay[:place], NEEDLE, *hay[place:]], SAMPLING)[place])
    return alone, among


def differ(alone, among) -> bool:
    """Whether any vote among others is not the vote alone."""
    for votes in among:
        if [vote.text for vote in votes] != [vote.text for vote in alone]:
            return True
        if not np.allclose([v.logp for v in votes], [v.logp for v in alone], rtol=0, atol=ATOL):
            return True
    return False


def test_a_comparison_gets_the_same_votes_alone_and_among_64_others(engine):
    alone, among = alone_and_among_others(engine)
    assert len({vote.text for vote in alone}) > 3
    assert len({vote.num_tokens for vote in alone}) > 1
    assert not differ(alone, among)


def test_a_verdict_is_as_likely_alone_and_among_64_others(engine):
    (alone,) = engine.score([NEEDLE], [["[[A]]", "[[B]]"]])
    for place in (0, 30, 64):
        asked = [*HAY[:place], NEEDLE, *HAY[place:]]
        scores = engine.score(asked, [["[[A]]", "[[B]]"]] * len(asked))
        np.testing.assert_allclose(scores[place], alone, rtol=0, atol=ATOL)


@pytest.mark.gpu
def test_an_accelerator_gives_the_votes_that_the_processor_gives(engine):
    expected = engine.generate([NEEDLE, *HAY], SAMPLING)
    scores = engine.score(HAY, [["[[A]]", "[[B]]"]] * len(HAY))
    engine.model.to("cuda")
    found = engine.generate([NEEDLE, *HAY], SAMPLING)
    for votes, like in zip(found, expected, strict=True):
        assert not differ(like, [votes])
    np.testing.assert_allclose(
        engine.score(HAY, [["[[A]]", "[[B]]"]] * len(HAY)), scores, rtol=0, atol=ATOL
    )


class TestControls:
    def test_a_seed_that_depends_on_the_batch_is_noticed(self, engine, monkeypatch):
        calls = itertools.count()
        monkeypatch.setattr(engine_module, "sample_seed", lambda *_: next(calls))
        assert differ(*alone_and_among_others(engine, places=(17,)))

    def test_prompts_that_see_the_prompts_read_before_them_are_noticed(self, engine, monkeypatch):
        exact = _Reading.attend

        def leaking(self, layer, query, key, value):
            exact(self, layer, query, key, value)
            group = query.shape[1] // key.shape[1]
            key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
            return scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2)

        monkeypatch.setattr(_Reading, "attend", leaking)
        engine.max_batch_tokens = 100_000  # Or the needle may be the first to be read.
        assert differ(*alone_and_among_others(engine, places=(17,)))

    def test_replies_put_back_in_the_wrong_order_are_noticed(self, engine, monkeypatch):
        exact = SharedPrefixDecoder._arrange

        def forgetting(self):
            exact(self)
            if self._order is not None:
                self._inverse = self._order

        monkeypatch.setattr(SharedPrefixDecoder, "_arrange", forgetting)
        assert differ(*alone_and_among_others(engine, places=(17,)))

    def test_one_key_of_the_next_reply_is_noticed(self, engine, monkeypatch):
        exact = SharedPrefixDecoder._over_own

        def leaking(self, layer, query, key, value):
            return exact(self, layer, query, key + 1e-2 * key.roll(1, 0), value)

        monkeypatch.setattr(SharedPrefixDecoder, "_over_own", leaking)
        assert differ(*alone_and_among_others(engine, places=(17,)))
