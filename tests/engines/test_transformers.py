"""The engine against the plainest thing that is right: one whole forward pass for each token."""

import math
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GenerationConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from jurist.engines.base import Engine, LogprobEngine, sample_seed
from jurist.engines.drawing import uniforms
from jurist.engines.shared_prefix import SUPPORTED, SharedPrefixDecoder, supported
from jurist.engines.transformers import TransformersEngine
from jurist.errors import DataError
from jurist.models.chat import encode_prompt, encode_text
from jurist.types import Conversation, Sampling, StoppingRule, user

SHAPE = {
    "vocab_size": 262,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,  # Wide, so that what is attended to shows in the logits.
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": None,
}
WHOLE = SHAPE | {"num_key_value_heads": 4}
WIDE = {"head_dim": 16}
SHARING = {
    "llama": LlamaConfig(**WHOLE),
    "llama, grouped heads": LlamaConfig(**SHAPE),
    "mistral": MistralConfig(**SHAPE, sliding_window=None),
    "mistral, window shorter than a reply": MistralConfig(**SHAPE, sliding_window=5),
    "mistral, window shorter than a prompt": MistralConfig(**SHAPE, sliding_window=40),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen2, window in one layer": Qwen2Config(
        **SHAPE, use_sliding_window=True, sliding_window=12, max_window_layers=1
    ),
    "qwen3": Qwen3Config(**SHAPE, **WIDE),
    "gemma, wide heads": GemmaConfig(**SHAPE, **WIDE),
    "gemma2, window and capped scores": Gemma2Config(
        **SHAPE, **WIDE, sliding_window=12, attn_logit_softcapping=2.0, query_pre_attn_scalar=7
    ),
    "gemma3, window and two rotations": Gemma3TextConfig(
        **SHAPE,
        **WIDE,
        sliding_window=12,
        query_pre_attn_scalar=7,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "phi3, one matrix for all": Phi3Config(**SHAPE),
    "olmo2": Olmo2Config(**SHAPE),
    "smollm3": SmolLM3Config(**SHAPE),
    "gpt2, learned positions": GPT2Config(
        vocab_size=262,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=256,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
    ),
    "gpt2, scores scaled by layer": GPT2Config(
        vocab_size=262,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=256,
        initializer_range=0.3,
        scale_attn_by_inverse_layer_idx=True,
        bos_token_id=None,
        eos_token_id=None,
    ),
}
PLAIN = {"gpt-neox": GPTNeoXConfig(**WHOLE)}
CONFIGS = SHARING | PLAIN

PROMPTS = [
    user("A"),
    user("Which is better, A or B? Say why."),
    user("Is this one longer than the others, so that they all stand behind padding?"),
    user("B"),
    user("Which of the two is better, A or B?"),
]
STOPS = list(range(30, 70))
"""Bytes that end a reply, so that replies of a model of random weights differ in length."""


def make_model(config):
    torch.manual_seed(0)
    model = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)](config)
    model.generation_config = GenerationConfig(eos_token_id=STOPS, pad_token_id=0)
    return model.eval()


@pytest.fixture
def make_engine(make_tokenizer):
    def make(config=CONFIGS["llama, grouped heads"], **settings) -> TransformersEngine:
        tokenizer = make_tokenizer("chatml")
        return TransformersEngine(make_model(config), tokenizer, fingerprint="tiny", **settings)

    return make


@pytest.fixture
def engine(make_engine) -> TransformersEngine:
    return make_engine()


def told(engine: TransformersEngine, prompts, sampling: Sampling):
    return [
        [(c.text, c.finish_reason, c.num_tokens, c.num_prompt_tokens) for c in completions]
        for completions in engine.generate(prompts, sampling)
    ]


def logps(completions) -> list[float]:
    return [completion.logp for of_prompt in completions for completion in of_prompt]


@torch.inference_mode()
def plainly(engine: TransformersEngine, prompt: Conversation, sampling: Sampling, index: int):
    """One sample: no cache, no padding, no batch, and the distribution inverted by hand."""
    ids = encode_prompt(engine.tokenizer, prompt)
    begin, logp = len(ids), 0.0
    places = uniforms(sample_seed(sampling.seed, prompt, index), sampling.max_tokens)
    for place in places:
        logits = engine.model(torch.tensor([ids])).logits[0, -1].double().numpy()
        if sampling.temperature == 0:
            token = int(logits.argmax())
        else:
            weights = np.exp((logits - logits.max()) / sampling.temperature)
            weights /= weights.sum()
            order = np.argsort(-weights)
            inside = np.cumsum(weights[order]) - weights[order] < sampling.top_p
            weights[order[~inside]] = 0.0
            token = int(np.searchsorted(np.cumsum(weights), place * weights.sum(), side="right"))
        ids.append(token)
        logp += float(logits[token] - np.logaddexp.reduce(logits))
        if token in engine.stops:
            break
    stopped = ids[-1] in engine.stops
    written = ids[begin : len(ids) - stopped]
    text = engine.tokenizer.decode(written, clean_up_tokenization_spaces=False)
    return (text, "stop" if stopped else "length", len(ids) - begin, begin), logp


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    "drawn", [{"temperature": 0.0}, {"temperature": 0.8, "top_p": 0.9}], ids=str
)
def test_replies_are_those_of_one_whole_forward_pass_for_each_token(make_engine, name, drawn):
    engine = make_engine(CONFIGS[name])
    sampling = Sampling(num_samples=3, max_tokens=12, seed=5, **drawn)
    found = engine.generate(PROMPTS, sampling)
    expected = [[plainly(engine, p, sampling, i) for i in range(3)] for p in PROMPTS]
    assert told(engine, PROMPTS, sampling) == [[reply for reply, _ in row] for row in expected]
    wanted = [logp for row in expected for _, logp in row]
    np.testing.assert_allclose(logps(found), wanted, atol=1e-4)


def test_the_replies_compared_end_at_different_lengths(engine):
    sampling = Sampling(num_samples=3, max_tokens=12, seed=5, temperature=0.8, top_p=0.9)
    lengths = {c.num_tokens for c in chain(*engine.generate(PROMPTS, sampling))}
    assert len(lengths) > 3, "replies of one length would not test that finished ones leave"


@pytest.mark.parametrize("name", CONFIGS)
def test_models_share_the_prefix_if_and_only_if_they_are_known_to(name):
    assert supported(make_model(CONFIGS[name])) == (name in SHARING)


def test_every_architecture_that_shares_the_prefix_is_compared_here():
    assert {config.model_type for config in SHARING.values()} == SUPPORTED


def test_the_distribution_sampled_is_the_models(engine):
    [replies] = engine.generate(PROMPTS[:1], Sampling(num_samples=4000, max_tokens=1))
    ids = torch.tensor([encode_prompt(engine.tokenizer, PROMPTS[0])])
    with torch.inference_mode():
        expected = engine.model(ids).logits[0, -1].double().softmax(-1)
    # A token's expected probability is the sum of squares, and its variance the sum of cubes less
    # the square of that.
    mean = float((expected**2).sum())
    error = math.sqrt((float((expected**3).sum()) - mean**2) / len(replies))
    assert sum(math.exp(r.logp) for r in replies) / len(replies) == pytest.approx(
        mean, abs=4 * error
    )


class TestBatching:
    SAMPLING = Sampling(num_samples=7, max_tokens=16, seed=3)

    @pytest.mark.parametrize("size", [1, 7, 64])
    def test_replies_are_the_same_in_batches_of_any_size(self, engine, size):
        prompts = [user("A" * (n % 9) + "?" + str(n)) for n in range(64)]
        whole = engine.generate(prompts, self.SAMPLING)
        parts = [
            reply
            for start in range(0, 64, size)
            for reply in engine.generate(prompts[start : start + size], self.SAMPLING)
        ]
        assert [[c.text for c in row] for row in parts] == [[c.text for c in row] for row in whole]
        np.testing.assert_allclose(logps(parts), logps(whole), atol=1e-4)

    def test_replies_are_the_same_whatever_the_budget(self, make_engine):
        expected = told(make_engine(), PROMPTS, self.SAMPLING)
        for budget in (1, 200, 1000):
            assert told(make_engine(max_batch_tokens=budget), PROMPTS, self.SAMPLING) == expected

    def test_a_sample_depends_on_nothing_but_run_seed_prompt_and_index(self, engine):
        whole = told(engine, PROMPTS, self.SAMPLING)
        alone = told(engine, PROMPTS[2:3], replace(self.SAMPLING, num_samples=2, first_index=4))
        assert alone == [whole[2][4:6]]
        turned = told(engine, PROMPTS[::-1], self.SAMPLING)
        assert turned == whole[::-1]
        assert told(engine, PROMPTS, replace(self.SAMPLING, seed=4)) != whole
        assert len(set(whole[2])) > 3

    def test_the_first_tokens_do_not_depend_on_how_many_may_follow(self, engine):
        short = engine.generate(PROMPTS, replace(self.SAMPLING, max_tokens=4))
        longer = engine.generate(PROMPTS, self.SAMPLING)
        for few, many in zip(chain(*short), chain(*longer), strict=True):
            assert few.finish_reason == "length" or few == many

    def test_the_same_call_gives_the_same_bits(self, engine):
        first = engine.generate(PROMPTS, self.SAMPLING)
        assert engine.generate(PROMPTS, self.SAMPLING) == first

    def test_one_character_far_away_changes_the_probabilities(self, engine):
        # The control of the tests above: what they compare does depend on the whole prompt.
        near = engine.generate([user("A" + "-" * 60)], replace(self.SAMPLING, temperature=0.0))
        far = engine.generate([user("B" + "-" * 60)], replace(self.SAMPLING, temperature=0.0))
        assert abs(near[0][0].logp - far[0][0].logp) > 1e-2

    def test_no_more_is_held_at_once_than_the_budget(self, make_engine, monkeypatch):
        budget, held = 600, []
        step = SharedPrefixDecoder.step

        def noting(self, tokens):
            logits = step(self, tokens)
            waves = sum(wave.keys[0].shape[0] * (wave.room + 1) for wave in self._waves)
            held.append((sum(one.length for one in self._prefixes.values()), waves))
            return logits

        monkeypatch.setattr(SharedPrefixDecoder, "step", noting)
        sampling = Sampling(num_samples=50, max_tokens=20)
        engine = make_engine(max_batch_tokens=budget)
        assert [len(row) for row in engine.generate(PROMPTS, sampling)] == [50] * len(PROMPTS)
        # Rows that ended give their memory back by the quarter of a wave.
        assert max(prompts + 0.75 * waves for prompts, waves in held) <= budget
        assert max(prompts + waves for prompts, waves in held) > 0.8 * budget

    def test_a_prompt_is_let_go_of_with_its_last_reply(self, make_engine, monkeypatch):
        held = []
        step = SharedPrefixDecoder.step

        def noting(self, tokens):
            open_now = {prompt for wave in self._waves for prompt in wave.prompts}
            held.append((set(self._prefixes), open_now))
            return step(self, tokens)

        monkeypatch.setattr(SharedPrefixDecoder, "step", noting)
        make_engine(max_batch_tokens=150).generate(PROMPTS, Sampling(num_samples=3, max_tokens=12))
        assert len({frozenset(prompts) for prompts, _ in held}) > 2
        assert all(prompts == open_now for prompts, open_now in held)

    def test_what_ends_is_replaced_before_the_rest_ends(self, make_engine, monkeypatch):
        rows = []
        step = SharedPrefixDecoder.step

        def noting(self, tokens):
            rows.append(len(tokens))
            return step(self, tokens)

        monkeypatch.setattr(SharedPrefixDecoder, "step", noting)
        engine = make_engine(max_batch_tokens=1000)
        engine.generate(PROMPTS, Sampling(num_samples=300, max_tokens=40))
        # Batch after batch would fall to a few rows before each next batch.
        busy = rows[:-40]
        assert len(busy) > 100
        assert min(busy) > 0.6 * max(busy)

    def test_the_model_attends_as_before_afterwards(self, engine):
        ids = torch.tensor([encode_prompt(engine.tokenizer, PROMPTS[1])])
        before = engine.model(ids).logits
        engine.generate(PROMPTS, self.SAMPLING)
        assert torch.equal(engine.model(ids).logits, before)


class TestCompletions:
    def test_the_ending_token_counts_and_is_not_in_the_text(self, engine):
        replies = engine.generate(PROMPTS, Sampling(num_samples=20, max_tokens=12))
        ended = [c for row in replies for c in row if c.finish_reason == "stop"]
        stops = {engine.tokenizer.decode([token]) for token in engine.stops}
        assert ended
        for completion in ended:
            assert not stops & set(completion.text.replace("<|im_start|>", ""))
            assert completion.num_tokens <= 12

    def test_a_reply_that_is_cut_says_so(self, engine):
        replies = engine.generate(PROMPTS, Sampling(num_samples=20, max_tokens=2))
        assert {c.num_tokens for row in replies for c in row if c.finish_reason == "length"} == {2}

    def test_nothing_asked_is_nothing_answered(self, engine):
        assert engine.generate([], Sampling()) == []
        assert engine.score([], []) == []

    def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_sampled(
        self, engine, monkeypatch
    ):
        monkeypatch.setattr(engine.model, "forward", lambda **_: pytest.fail("sampled"))
        long = user("word " * 60)
        size = len(encode_prompt(engine.tokenizer, long))
        with pytest.raises(DataError, match=rf"1 of 2 .*256 .*number 1, has {size}"):
            engine.generate([PROMPTS[0], long], Sampling(max_tokens=8))
        with pytest.raises(DataError, match="256"):
            engine.generate(PROMPTS[:1], Sampling(max_tokens=256))
        with pytest.raises(DataError, match="256"):
            engine.score([long], [["yes"]])

    def test_a_prompt_that_just_fits_is_answered(self, engine):
        size = len(encode_prompt(engine.tokenizer, PROMPTS[0]))
        [[reply]] = engine.generate(PROMPTS[:1], Sampling(max_tokens=256 - size))
        assert reply.num_tokens <= 256 - size

    def test_what_is_in_flight_of_a_group_is_dropped_when_no_more_of_it_is_wanted(
        self, engine, monkeypatch
    ):
        sampling = Sampling(num_samples=8, max_tokens=20, seed=2)
        whole = engine.generate(PROMPTS[:2], sampling)
        assert 2 < whole[0][0].num_tokens < max(c.num_tokens for c in whole[0])
        rows, ended = [], []
        step = SharedPrefixDecoder.step

        def noting(self, tokens):
            rows.append((bool(ended), [p for wave in self._waves for p in wave.prompts]))
            return step(self, tokens)

        def more(samples) -> int:
            (completions,) = samples
            over = bool(completions) and completions[0].text == whole[0][0].text
            if over:
                ended.append(len(completions))
            return 1 - over

        monkeypatch.setattr(SharedPrefixDecoder, "step", noting)
        found = engine.generate(PROMPTS[:2], sampling, StoppingRule(more))
        assert ended == [1]
        assert [[c.text for c in row] for row in found] == [
            [c.text for c in row] for row in (whole[0][:1], whole[1])
        ]
        assert any(0 in prompts for over, prompts in rows if not over)
        assert not any(0 in prompts for over, prompts in rows if over)

    @pytest.mark.parametrize("budget", [60, 300, 100_000])
    @pytest.mark.parametrize("name", ["llama", "gpt-neox"])
    def test_what_is_wanted_does_not_depend_on_the_budget(self, make_engine, name, budget):
        sampling = Sampling(num_samples=12, max_tokens=16, seed=3)
        asked = [*PROMPTS, PROMPTS[0]][: len(PROMPTS) // 2 * 2]
        whole = make_engine(CONFIGS[name]).generate(asked, sampling)

        def enough(samples) -> bool:
            return sum(c.finish_reason == "stop" for have in samples for c in have) >= 6

        engine = make_engine(CONFIGS[name], max_batch_tokens=budget)
        rule = StoppingRule(lambda samples: 1 - enough(samples), 2)
        found = engine.generate(asked, sampling, rule)
        for first in range(0, len(asked), 2):
            group = whole[first : first + 2]
            count = next((n for n in range(12) if enough([row[:n] for row in group])), 12)
            for few, row in zip(found[first : first + 2], group, strict=True):
                assert [c.text for c in few] == [c.text for c in row][:count]

    @pytest.mark.parametrize("name", ["llama", "gpt-neox"])
    def test_prompts_are_read_once_however_often_more_is_wanted(
        self, make_engine, name, monkeypatch
    ):
        engine = make_engine(CONFIGS[name])
        read = []
        begin = type(engine._plan([], [])[1]).begin

        def noting(self, prompts, rows, room):
            read.extend(prompts)
            return begin(self, prompts, rows, room)

        monkeypatch.setattr(type(engine._plan([], [])[1]), "begin", noting)
        rule = StoppingRule(lambda samples: 1, 2)
        engine.generate(PROMPTS[:2] * 30, Sampling(num_samples=4, max_tokens=8), rule)
        assert sorted(read) == list(range(60))


class TestScore:
    CONTINUATIONS = (["[[A]]", "[[B]]", "A"], ["Because", "B"], [""], ["x"], [])

    @pytest.mark.parametrize("name", CONFIGS)
    def test_scores_are_those_of_one_forward_pass(self, make_engine, name):
        engine = make_engine(CONFIGS[name])
        found = engine.score(PROMPTS, self.CONTINUATIONS)
        for prompt, texts, scores in zip(PROMPTS, self.CONTINUATIONS, found, strict=True):
            opening = encode_prompt(engine.tokenizer, prompt)
            expected = []
            for text in texts:
                ids = encode_text(engine.tokenizer, text)
                with torch.inference_mode():
                    logits = engine.model(torch.tensor([opening + ids])).logits[0]
                table = logits.log_softmax(-1)[len(opening) - 1 : -1]
                expected.append(float(sum(table[t, token] for t, token in enumerate(ids))))
            np.testing.assert_allclose(scores, expected, atol=1e-4)

    def test_scores_do_not_depend_on_the_budget(self, make_engine):
        whole = make_engine().score(PROMPTS, self.CONTINUATIONS)
        small = make_engine(max_batch_tokens=1).score(PROMPTS, self.CONTINUATIONS)
        for one, other in zip(whole, small, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)

    def test_a_sampled_reply_scores_what_it_was_sampled_with(self, engine):
        replies = engine.generate(PROMPTS, Sampling(num_samples=40, max_tokens=1))
        # A lone byte of several, and a special token, are no text that spells what was sampled.
        faithful = [
            [
                c
                for c in row
                if c.finish_reason == "length" and c.text.isascii() and len(c.text) == 1
            ]
            for row in replies
        ]
        assert sum(map(len, faithful)) > 10
        scores = engine.score(PROMPTS, [[c.text for c in row] for row in faithful])
        for row, of_prompt in zip(faithful, scores, strict=True):
            np.testing.assert_allclose(of_prompt, [c.logp for c in row], atol=1e-4)


def test_it_is_an_engine_that_tells_log_probabilities(engine):
    checked: Engine = engine
    assert isinstance(checked, LogprobEngine)
    assert engine.fingerprint == "tiny"


def test_it_samples_in_bfloat16_what_it_would_score(make_engine):
    engine = make_engine()
    engine.model.to(torch.bfloat16)
    replies = engine.generate(PROMPTS, Sampling(num_samples=4, max_tokens=8))
    assert all(math.isfinite(logp) and logp < 0 for logp in logps(replies))
