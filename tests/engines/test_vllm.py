"""The engine vLLM: what can be told without it, and (-m slow, where it is installed) itself."""

import importlib.util
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.engines.schedule import Schedule, Start
from jurist.engines.vllm import (
    LEAST_TEMPERATURE,
    MAX_SCORED_TOKENS,
    VllmEngine,
    questions,
    read_output,
    run,
    sampling_settings,
)
from jurist.errors import ConfigError, DataError, EngineError
from jurist.models.chat import encode_text
from jurist.types import Completion, Conversation, Sampling, user
from jurist.worlds import BASE, preferences

INSTALLED = importlib.util.find_spec("vllm") is not None


class TestWithoutIt:
    @pytest.mark.skipif(INSTALLED, reason="vLLM is installed here")
    def test_what_to_install_is_said(self):
        with pytest.raises(ConfigError, match=r"pip install 'jurist\[vllm\]'"):
            VllmEngine.load(BASE)


def test_settings_say_all_that_vllm_would_choose_otherwise():
    sampling = Sampling(num_samples=8, temperature=0.7, top_p=0.9, max_tokens=33, seed=5)
    assert sampling_settings(sampling, seed=2**62, stops=[1, 7]) == {
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 33,
        "seed": 2**62,
        "stop_token_ids": [1, 7],
        "ignore_eos": True,
        "logprobs": 0,
        "detokenize": False,
    }


class TestReadOutput:
    def output(self, tokenizer, text: str, end: list[int], reason: str, logp: float = -2.5):
        ids = (*encode_text(tokenizer, text), *end)
        return SimpleNamespace(token_ids=ids, finish_reason=reason, cumulative_logprob=logp)

    def test_the_token_that_ended_a_reply_counts_and_is_not_text(self, make_tokenizer):
        tokenizer = make_tokenizer("chatml")
        output = self.output(tokenizer, "Grüße", [tokenizer.eos_token_id], "stop")
        assert read_output(tokenizer, output, 11) == Completion(
            text="Grüße", finish_reason="stop", num_tokens=8, num_prompt_tokens=11, logp=-2.5
        )

    def test_a_reply_that_was_cut_keeps_its_last_token(self, make_tokenizer):
        tokenizer = make_tokenizer("chatml")
        output = self.output(tokenizer, " a  b .", [], "length")
        assert read_output(tokenizer, output, 1) == Completion(
            text=" a  b .", finish_reason="length", num_tokens=7, num_prompt_tokens=1, logp=-2.5
        )

    def test_a_log_probability_is_never_positive(self, make_tokenizer):
        tokenizer = make_tokenizer("chatml")
        output = self.output(tokenizer, "x", [], "length", logp=3e-7)
        assert read_output(tokenizer, output, 1).logp == 0.0

    @pytest.mark.parametrize("reason", ["abort", "error", None])
    def test_what_did_not_end_by_itself_is_an_error(self, make_tokenizer, reason):
        tokenizer = make_tokenizer("chatml")
        output = self.output(tokenizer, "half of it", [], reason)
        assert read_output(tokenizer, output, 3) == Completion(
            text="", finish_reason="error", num_prompt_tokens=3
        )


class TestQuestions:
    def test_a_beginning_that_replies_share_is_asked_once(self):
        assert questions([[5, 6], [5, 7, 8], [9], []]) == [
            ((), [5, 9]),
            ((5,), [6, 7]),
            ((5, 7), [8]),
        ]

    def test_more_tokens_than_one_request_may_name_make_several(self):
        asked = questions([[n] for n in range(MAX_SCORED_TOKENS + 2)])
        assert [(beginning, len(tokens)) for beginning, tokens in asked] == [((), 128), ((), 2)]

    @given(st.lists(st.lists(st.integers(0, 3), max_size=4), max_size=6))
    def test_every_token_is_asked_for_where_it_stands_and_once(self, replies):
        asked = [(*before, token) for before, tokens in questions(replies) for token in tokens]
        wanted = {tuple(ids[: n + 1]) for ids in replies for n in range(len(ids))}
        assert sorted(asked) == sorted(wanted)


@dataclass
class Steps:
    """Stands for vLLM's LLMEngine: a request ends after as many steps as its first token says."""

    running: dict[str, int] = field(default_factory=dict)
    aborted: list[str] = field(default_factory=list)
    asked: list[tuple[list[int], object]] = field(default_factory=list)
    most: int = 0

    def add_request(self, name: str, prompt: dict[str, list[int]], parameters: object) -> None:
        assert name not in self.running
        self.running[name] = prompt["prompt_token_ids"][0]
        self.asked.append((prompt["prompt_token_ids"], parameters))
        self.most = max(self.most, len(self.running))

    def step(self) -> list[SimpleNamespace]:
        self.running = {name: left - 1 for name, left in self.running.items()}
        ended = [name for name, left in self.running.items() if left <= 0]
        for name in ended:
            del self.running[name]
        return [SimpleNamespace(request_id=name, outputs=[name]) for name in reversed(ended)]

    def abort_request(self, names: list[str]) -> None:
        for name in names:
            del self.running[name]
        self.aborted += names


class TestRun:
    def plan(self, num_prompts: int, num: int, **settings) -> Schedule:
        return Schedule(
            [1] * num_prompts,
            [[1] * num] * num_prompts,
            max_tokens=2**40,
            **{"max_rows": 8, **settings},
        )

    @given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 12))
    def test_everything_asked_for_comes_once(self, steps, num):
        core = Steps()
        plan = self.plan(len(steps), num)
        found = [
            start
            for start, _ in run(
                core, plan, lambda start: ([steps[start.prompt]], None), itertools.count()
            )
        ]
        assert sorted(found) == [Start(i, n) for i in range(len(steps)) for n in range(num)]
        assert core.running == {}
        assert core.aborted == []
        assert core.most <= 8

    def test_requests_of_a_prompt_that_has_enough_are_aborted_and_no_more_begun(self):
        core = Steps()
        plan = self.plan(2, 6, max_rows=12)
        # The first sample of the first prompt ends at once; nothing else of it is wanted then.
        length = {Start(0, 0): 1}
        found = []
        for start, _ in run(
            core, plan, lambda start: ([length.get(start, 5)], None), itertools.count()
        ):
            found.append(start)
            if start.prompt == 0:
                plan.stop(0)
        assert Counter(start.prompt for start in found) == {0: 1, 1: 6}
        assert len(core.aborted) == 5
        assert core.running == {}

    def test_two_that_end_at_one_step_are_not_both_handed_on_if_the_first_was_enough(self):
        core = Steps()
        plan = self.plan(1, 4)
        found = []
        for start, _ in run(core, plan, lambda _: ([1], None), itertools.count()):
            found.append(start)
            plan.stop(0)
        assert len(found) == 1

    def test_a_caller_that_gives_up_leaves_nothing_running(self):
        core = Steps()
        outputs = run(core, self.plan(1, 4), lambda start: ([start.sample + 1], None), iter("abcd"))
        next(outputs)
        outputs.close()
        assert core.running == {}
        assert core.aborted == ["b", "c", "d"]

    def test_a_failure_of_vllm_is_an_engine_error(self):
        class Failing(Steps):
            def step(self):
                raise RuntimeError("out of memory\nwith a long report")

        core = Failing()
        with pytest.raises(EngineError, match=r"in the middle of a call: out of memory$"):
            list(run(core, self.plan(1, 2), lambda _: ([1], None), itertools.count()))
        assert core.running == {}

    def test_names_are_not_used_again(self):
        core, names = Steps(), itertools.count()
        for _ in range(2):
            list(run(core, self.plan(1, 3), lambda _: ([1], None), names))
        assert next(names) == 6


SMOLLM2 = Path(__file__).parents[2] / "models" / "SmolLM2-135M-Instruct"
MODELS = {"base": BASE, "smollm2": SMOLLM2}


@pytest.fixture(scope="module", params=MODELS)
def engines(request: pytest.FixtureRequest):
    """The same weights in vLLM and in transformers."""
    if not INSTALLED:  # And not importorskip: its import is the engine's to prepare.
        pytest.skip("vLLM is not installed here; see make test-vllm")
    from jurist.engines.transformers import TransformersEngine

    folder = MODELS[request.param]
    if not folder.exists():
        pytest.skip(f"{folder} is not there; see make smollm2")
    context = 256 if folder is BASE else 512
    ours = TransformersEngine.load(folder)
    theirs = VllmEngine.load(
        folder, max_model_len=context, kv_cache_memory_bytes=2**29, enforce_eager=True
    )
    return theirs, ours


def prompts(num: int = 6) -> list[Conversation]:
    rows = preferences("in_distribution", "train", num=num, seed=0)
    return [user(f"{row.prompt[-1].content} {row.chosen}") for row in rows]


@pytest.mark.slow
class TestAgainstTransformers:
    def test_the_likeliest_reply_is_the_same_to_the_last_field(self, engines):
        sampling = Sampling(temperature=0.0, max_tokens=40)
        for theirs, ours in zip(*(e.generate(prompts(), sampling) for e in engines), strict=True):
            (reply,), (like,) = theirs, ours
            assert reply.text == like.text
            assert reply.finish_reason == like.finish_reason
            assert reply.num_tokens == like.num_tokens
            assert reply.num_prompt_tokens == like.num_prompt_tokens
            assert reply.logp == pytest.approx(like.logp, abs=1e-3)

    def test_scores_agree_and_those_of_many_tokens_too(self, engines):
        asked = [["A", " [[B]]", "", "the second one is better"], ["A"], []]
        theirs, ours = (engine.score(prompts(3), asked) for engine in engines)
        assert [len(row) for row in theirs] == [4, 1, 0]
        for row, like in zip(theirs, ours, strict=True):
            assert row == pytest.approx(like, abs=1e-3)

    def test_the_log_probability_of_a_sample_is_what_the_other_engine_gives_it(self, engines):
        # At any temperature: it is that of the model, not of the draw.
        engine, other = engines
        sampling = Sampling(num_samples=8, temperature=0.6, top_p=0.9, max_tokens=4, seed=1)
        (replies,) = engine.generate(prompts(1), sampling)
        cut = [reply for reply in replies if reply.finish_reason == "length"]
        cut = [r for r in cut if len(encode_text(other.tokenizer, r.text)) == 4]
        assert cut
        (scores,) = other.score(prompts(1), [[reply.text for reply in cut]])
        assert [reply.logp for reply in cut] == pytest.approx(scores, abs=1e-3)

    def test_samples_come_as_often_as_they_are_likely(self, engines):
        engine, other = engines
        num = 600
        (replies,) = engine.generate(prompts(1), Sampling(num_samples=num, max_tokens=1, seed=3))
        counts = Counter(reply.text for reply in replies if reply.finish_reason == "length")
        common = [text for text, _ in counts.most_common(4) if text.strip()]
        assert common
        (logps,) = other.score(prompts(1), [common])
        for text, logp in zip(common, logps, strict=True):
            share = math.exp(logp)
            # Five standard deviations.
            allowed = 5 * math.sqrt(share * (1 - share) / num)
            assert counts[text] / num == pytest.approx(share, abs=allowed + 1e-3)

    def test_the_fingerprints_differ(self, engines):
        theirs, ours = engines
        assert theirs.fingerprint != ours.fingerprint


@pytest.mark.slow
class TestItself:
    def test_more_samples_begin_with_fewer(self, engines):
        engine, _ = engines
        eight, four = (
            engine.generate(prompts(2), Sampling(num_samples=num, max_tokens=12)) for num in (8, 4)
        )
        assert [[r.text for r in row[:4]] for row in eight] == [
            [r.text for r in row] for row in four
        ]

    def test_what_is_not_wanted_any_more_is_aborted(self, engines):
        engine, _ = engines
        sampling = Sampling(num_samples=16, max_tokens=24)
        found = engine.generate(prompts(3), sampling, lambda have: True)
        assert [len(row) for row in found] == [1, 1, 1]
        assert not engine._core.has_unfinished_requests()

    def test_a_caller_that_fails_leaves_the_engine_as_it_was(self, engines):
        engine, _ = engines
        sampling = Sampling(num_samples=4, max_tokens=8)
        before = engine.generate(prompts(1), sampling)

        def fail(have: Sequence[Completion]) -> bool:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            engine.generate(prompts(3), sampling, fail)
        assert not engine._core.has_unfinished_requests()
        assert [r.text for r in engine.generate(prompts(1), sampling)[0]] == [
            r.text for r in before[0]
        ]

    def test_a_prompt_that_leaves_no_room_is_refused(self, engines):
        engine, _ = engines
        with pytest.raises(DataError, match="1 of 2 prompts do not fit"):
            long = user(" ".join(["3 + 4 = 7"] * 100))
            engine.generate([prompts(1)[0], long], Sampling(max_tokens=40))

    def test_a_temperature_that_it_would_round_is_refused(self, engines):
        engine, _ = engines
        with pytest.raises(ConfigError, match=str(LEAST_TEMPERATURE)):
            engine.generate(prompts(1), Sampling(temperature=0.004, max_tokens=4))


@pytest.mark.slow
def test_an_adapter_is_merged_into_its_base(tmp_path: Path):
    if not INSTALLED:
        pytest.skip("vLLM is not installed here; see make test-vllm")
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from jurist.engines.transformers import TransformersEngine

    torch.manual_seed(0)
    adapter = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(BASE), adapter).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(BASE).save_pretrained(tmp_path)
    settings = {"max_model_len": 256, "kv_cache_memory_bytes": 2**28, "enforce_eager": True}
    asked = [["8 - 3"]] * 3
    merged = VllmEngine.load(tmp_path, **settings).score(prompts(3), asked)
    like = TransformersEngine.load(tmp_path).score(prompts(3), asked)
    base = TransformersEngine.load(BASE).score(prompts(3), asked)
    for row, same in zip(merged, like, strict=True):
        assert row == pytest.approx(same, abs=1e-3)
    assert max(abs(row[0] - other[0]) for row, other in zip(merged, base, strict=True)) > 1.0
