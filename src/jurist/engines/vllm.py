"""An engine that runs a causal language model in this process, with vLLM.

vLLM is handed tokens, not text: prompts are rendered by `jurist.models.chat`, as for the engine
`transformers`, so both ask a model the same. Each sample is a request of its own with a seed of its
own. A request for n samples would not do: vLLM draws its sample i with seed + i, which no sample's
own seed is, and one that is not wanted any more could not be aborted by itself. vLLM splits such a
request into n of its own anyway, and the prefix cache finds what they share either way; the cost
was 5 % of the votes per second on a processor, and log-probabilities took as much again.

vLLM writes its settings for the processor (threads, memory of the cache) into environment
variables; `docs/engines.md` names those that matter.
"""

import importlib
import itertools
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from transformers import PreTrainedTokenizerBase

from jurist.digest import digest
from jurist.engines.base import groups_of, sample_seed
from jurist.engines.gathering import Gathering
from jurist.engines.local import (
    completion,
    encoded_continuations,
    encoded_prompts,
    refuse_too_long,
    refuse_unlike,
)
from jurist.engines.schedule import Schedule, Start
from jurist.errors import ConfigError, EngineError
from jurist.extras import refuse_missing, refuse_unfit
from jurist.models.chat import stop_ids
from jurist.models.load import (
    Dtype,
    load_causal,
    load_tokenizer,
    weights_fingerprint,
)
from jurist.models.unsafe import refuse_unsafe
from jurist.progress import progress
from jurist.types import Completion, Conversation, Sampling, StoppingRule

LEAST_TEMPERATURE: Final = 0.01
"""vLLM reads a lower one, unless it is 0, as this."""

MAX_SCORED_TOKENS: Final = 128
"""Tokens whose probability one request may ask for (vLLM's `MAX_LOGPROB_TOKEN_IDS`)."""

_ENVIRONMENT: Final = {
    # The scheduler in this process: it goes step by step, so that a call draws the same each time.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Nobody asked a judge to tell anyone that it runs.
    "VLLM_NO_USAGE_STATS": "1",
    # Standard output is for results.
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""What vLLM is told where the user's environment says nothing."""

_ON_PROCESSOR: Final = {
    # A part of a prompt ends in a draw that is thrown away, and a generator on a processor cannot
    # go back by one: vLLM 0.32 stops at the first sample with a seed of its own.
    "enable_chunked_prefill": False,
    # Only whole blocks are shared, and the default there is 128 tokens: the rest of a prompt would
    # be read again for each of its samples.
    "block_size": 32,
}
"""Settings where vLLM runs on a processor, if none are given."""

Request: TypeAlias = tuple[Sequence[int], Any]
"""Tokens to go on from, and vLLM's `SamplingParams`."""


class VllmEngine:
    """Samples and scores with vLLM in this process."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - a vllm.LLM
        tokenizer: PreTrainedTokenizerBase,
        *,
        fingerprint: str,
    ) -> None:
        """Wrap a model that is loaded.

        Args:
            model: A `vllm.LLM` with prefix caching, whose `logprobs_mode` is "raw_logprobs".
            tokenizer: The model's, with a chat template.
            fingerprint: What its replies depend on; see `Engine.fingerprint`.
        """
        core = model.llm_engine
        config = core.vllm_config
        self._core = core
        self.tokenizer = tokenizer
        self._fingerprint = fingerprint
        self._context: int = config.model_config.max_model_len
        # As many wait as run, so that what ends is replaced at once.
        self._max_rows: int = 2 * config.scheduler_config.max_num_seqs
        generation: dict[str, Any] = config.model_config.try_get_generation_config()
        self.stops = stop_ids(tokenizer, generation.get("eos_token_id"))
        self._names = itertools.count()

    @classmethod
    def load(cls, model: str | Path, *, dtype: Dtype = "float32", **settings: Any) -> Self:  # noqa: ANN401
        """Load a checkpoint folder or hub id.

        Args:
            model: Checkpoint folder or hub id. An adapter is merged into its base.
            dtype: What weights, keys and values are held in.
            settings: More arguments of `vllm.LLM`: `max_model_len`, `max_num_seqs`,
                `gpu_memory_utilization`, `kv_cache_memory_bytes`, `tensor_parallel_size` and so on.
                None of them is part of the fingerprint.

        Raises:
            ConfigError: If vLLM is not installed, there is no such model, it has no chat template,
                or vLLM cannot run it here.
        """
        vllm = _vllm()
        refuse_unsafe(model)
        tokenizer = load_tokenizer(model)
        if importlib.import_module("vllm.platforms").current_platform.is_cpu():
            settings = _ON_PROCESSOR | settings
        fingerprint = digest("vllm", weights_fingerprint(model), dtype, vllm.__version__)
        with _whole(model, dtype, tokenizer) as folder, _constructing(model):
            loaded = vllm.LLM(
                model=str(folder),
                dtype=dtype,
                load_format="safetensors",
                trust_remote_code=False,
                skip_tokenizer_init=True,
                enable_prefix_caching=True,
                logprobs_mode="raw_logprobs",
                seed=0,
                **settings,
            )
            return cls(loaded, tokenizer, fingerprint=fingerprint)

    @property
    def fingerprint(self) -> str:
        """Digest of weights, config, tokenizer, chat template, type of the weights and vLLM."""
        return self._fingerprint

    def generate(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        rule: StoppingRule | None = None,
    ) -> list[list[Completion]]:
        """Sample replies; see `Engine.generate`.

        Samples are decoded side by side, those of one prompt too. With a rule, those that it wants
        are begun, and while few are open in all others too; vLLM is told to abort what is still
        open when the rule wants no more of a group.

        Raises:
            ConfigError: A temperature that vLLM would round.
            DataError: A prompt does not fit the model's context.
        """
        if 0.0 < sampling.temperature < LEAST_TEMPERATURE:
            raise ConfigError(
                f"vLLM samples at temperature 0 or from {LEAST_TEMPERATURE} on, and was asked for "
                f"{sampling.temperature}"
            )
        encoded = encoded_prompts(self.tokenizer, prompts)
        refuse_too_long(encoded, sampling.max_tokens, self._context)
        stops = sorted(self.stops)

        def request(start: Start) -> Request:
            seed = sample_seed(
                sampling.seed, prompts[start.prompt], sampling.first_index + start.sample
            )
            settings = sampling_settings(sampling, seed=seed, stops=stops)
            return encoded[start.prompt], self._parameters(**settings)

        sizes = [[sampling.max_tokens] * sampling.num_samples] * len(prompts)
        schedule = self._plan(encoded, sizes, groups_of(len(prompts), rule))
        gathering = Gathering(schedule, sampling.num_samples, rule)
        with (
            progress("sampling", len(prompts) * sampling.num_samples, "replies") as advance,
            closing(run(self._core, schedule, request, self._names)) as outputs,
        ):
            for start, output in outputs:
                one = read_output(self.tokenizer, output, len(encoded[start.prompt]))
                gathering.add(start.prompt, start.sample, one)
                advance(1)
        return gathering.answers()

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Log-probabilities of continuations; see `LogprobEngine.score`.

        A continuation is scored as text with which the reply begins: the token that would end the
        reply is not part of it. Each beginning that continuations of a prompt share is asked once
        for the tokens that they go on with; the prompt is in the prefix cache from the first on.
        """
        encoded = encoded_prompts(self.tokenizer, prompts)
        replies = encoded_continuations(self.tokenizer, continuations)
        refuse_unlike(encoded, replies)
        longest = max((len(ids) for row in replies for ids in row), default=0)
        refuse_too_long(encoded, longest, self._context)
        asked = [questions(row) for row in replies]

        def request(start: Start) -> Request:
            beginning, tokens = asked[start.prompt][start.sample]
            parameters = self._parameters(
                temperature=0.0, max_tokens=1, logprob_token_ids=tokens, detokenize=False
            )
            return [*encoded[start.prompt], *beginning], parameters

        logps: list[dict[tuple[int, ...], float]] = [{} for _ in prompts]
        schedule = self._plan(encoded, [[1] * len(row) for row in asked])
        with (
            progress("scoring", sum(map(len, asked)), "beginnings") as advance,
            closing(run(self._core, schedule, request, self._names)) as outputs,
        ):
            for start, output in outputs:
                beginning, tokens = asked[start.prompt][start.sample]
                told = output.logprobs[0] if output.logprobs else {}
                for token in tokens:
                    logp = told[token].logprob if token in told else math.nan
                    logps[start.prompt][*beginning, token] = logp
                advance(1)
        return [
            [math.fsum(known[tuple(ids[: n + 1])] for n in range(len(ids))) for ids in row]
            for known, row in zip(logps, replies, strict=True)
        ]

    def _plan(
        self,
        encoded: Sequence[Sequence[int]],
        sizes: Sequence[Sequence[int]],
        groups: Sequence[range] | None = None,
    ) -> Schedule:
        # vLLM has a budget of memory of its own.
        lengths = [len(ids) for ids in encoded]
        return Schedule(
            lengths, sizes, max_tokens=sys.maxsize, max_rows=self._max_rows, groups=groups
        )

    def _parameters(self, **settings: Any) -> Any:  # noqa: ANN401 - vllm.SamplingParams
        vllm = _vllm()
        only_whole = vllm.sampling_params.RequestOutputKind.FINAL_ONLY
        return vllm.SamplingParams(**settings, output_kind=only_whole)


def run(
    core: Any,  # noqa: ANN401 - vLLM's LLMEngine
    schedule: Schedule,
    request: Callable[[Start], Request],
    names: Iterator[int],
) -> Generator[tuple[Start, Any]]:
    """Run the requests of a schedule, and leave nothing running.

    Args:
        core: What runs them.
        schedule: Which, and when. The caller may `stop` a prompt between two outputs: its requests
            in flight are aborted.
        request: What to ask for a start.
        names: Numbers never used before.

    Yields:
        Each output as it ends, in no order to rely on.

    Raises:
        EngineError: If vLLM fails, for want of memory say.
    """
    in_flight: dict[str, Start] = {}
    try:
        while True:
            for start in schedule.starts():
                tokens, parameters = request(start)
                name = str(next(names))
                in_flight[name] = start
                core.add_request(name, {"prompt_token_ids": list(tokens)}, parameters)
            if not in_flight:
                return
            for output in _stepped(core):
                start = in_flight.pop(output.request_id)
                if schedule.wanted(*start):
                    schedule.end(*start)
                    yield start, output.outputs[0]
            unwanted = [name for name, start in in_flight.items() if not schedule.wanted(*start)]
            if unwanted:
                core.abort_request(unwanted)
            for name in unwanted:
                del in_flight[name]
    finally:
        # Or the next call would go on with what this one left.
        if in_flight:
            core.abort_request(list(in_flight))


def _stepped(core: Any) -> list[Any]:  # noqa: ANN401 - as in `run`
    try:
        return core.step()
    except RuntimeError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise EngineError(f"vLLM stopped in the middle of a call: {lines[0][:500]}") from error


def sampling_settings(sampling: Sampling, *, seed: int, stops: Iterable[int]) -> dict[str, Any]:
    """vLLM's parameters for one sample.

    Args:
        sampling: How to sample.
        seed: The sample's own.
        stops: Tokens that end a reply. No others do: vLLM's own reading of the model's end is
            switched off, so that it stops where the other engines stop.
    """
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": seed,
        "stop_token_ids": list(stops),
        "ignore_eos": True,
        # Of the token drawn and no others.
        "logprobs": 0,
        "detokenize": False,
    }


def read_output(
    tokenizer: PreTrainedTokenizerBase,
    output: Any,  # noqa: ANN401 - vLLM's CompletionOutput
    num_prompt_tokens: int,
) -> Completion:
    """vLLM's output of one request as a completion."""
    if output.finish_reason not in ("stop", "length"):
        return Completion(text="", finish_reason="error", num_prompt_tokens=num_prompt_tokens)
    return completion(
        tokenizer,
        list(output.token_ids),
        stopped=output.finish_reason == "stop",
        # A sum of rounded numbers may end a hair above what a probability can be.
        logp=min(0.0, output.cumulative_logprob),
        num_prompt_tokens=num_prompt_tokens,
    )


def questions(replies: Sequence[Sequence[int]]) -> list[tuple[tuple[int, ...], list[int]]]:
    """What to ask a model so as to score replies token by token.

    Args:
        replies: Tokens of each.

    Returns:
        Beginnings of replies, and of each the tokens whose probability is wanted after it, at most
        `MAX_SCORED_TOKENS` at a time.
    """
    wanted: dict[tuple[int, ...], dict[int, None]] = {}
    for ids in replies:
        for n, token in enumerate(ids):
            wanted.setdefault(tuple(ids[:n]), {})[token] = None
    return [
        (beginning, list(tokens)[n : n + MAX_SCORED_TOKENS])
        for beginning, tokens in wanted.items()
        for n in range(0, len(tokens), MAX_SCORED_TOKENS)
    ]


def _vllm() -> Any:  # noqa: ANN401 - a module, which is not there when types are checked
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    refuse_missing("vllm")
    with warnings.catch_warnings(action="ignore"):
        found = importlib.import_module("vllm")
    refuse_unfit("vllm")
    return found


@contextmanager
def _whole(
    model: str | Path, dtype: Dtype, tokenizer: PreTrainedTokenizerBase
) -> Generator[str | Path]:
    """A checkpoint without an adapter: the one given, or its adapter merged into its base."""
    if not (Path(model) / "adapter_config.json").exists():
        yield model
        return
    with tempfile.TemporaryDirectory(prefix="jurist-merged-") as folder:
        load_causal(model, dtype=dtype).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        yield folder


@contextmanager
def _constructing(model: str | Path) -> Generator[None]:
    """Quiet, and with vLLM's failures told in one sentence."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except (OSError, ValueError, RuntimeError, KeyError, NotImplementedError) as error:
        if isinstance(error, ConfigError):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ConfigError(
            f"{model}: vLLM cannot run this model here: {' '.join(lines[:3])[:500]}; "
            f"--engine transformers may"
        ) from error
