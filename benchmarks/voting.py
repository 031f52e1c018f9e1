"""Votes per second: this engine against what else samples many replies to long prompts.

    python -m benchmarks.voting --comparisons 8 --votes 32      # voting-8x32
    python -m benchmarks.voting --comparisons 1 --votes 32      # voting-1x32

All sample the same number of replies, of the same number of tokens, to the same prompts with the
same weights, one after the other and again: transformers' `generate(num_return_sequences)` and its
continuous batching (`generate_batch`) in this process, vLLM and llama.cpp in processes of their
own, each with the settings that were fastest here (`benchmarks/rivals`). Replies never end before
their last token, so that all do the same work. All but vLLM are timed on fewer comparisons, since
they take as long for each; so they have the better of it where a batch slows them down.

The last line is one JSON object. Votes per second are medians over the runs, by the wall clock and
by seconds of the processor; the second is the fairer on a machine that others use too.
"""

import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
import transformers
import tyro
from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedTokenizerBase

from jurist.engines.transformers import TransformersEngine
from jurist.models.chat import encode_prompt
from jurist.models.load import Dtype
from jurist.types import Conversation, Sampling, user
from jurist.worlds import preferences

RIVALS = Path(__file__).parent / "rivals"


@dataclass(frozen=True, kw_only=True, slots=True)
class VotingConfig:
    """What is measured."""

    model: str = "models/SmolLM2-135M-Instruct"
    comparisons: int = 8
    votes: int = 32
    max_tokens: int = 64
    prompt_tokens: int = 600
    """About as many in each prompt: no two are of one length."""

    dtypes: tuple[Dtype, ...] = ("bfloat16", "float32")
    """Types of the weights for everything that runs in this process; each gets its better one."""

    rivals: tuple[Literal["generate", "generate_batch"], ...] = ("generate", "generate_batch")
    rival_comparisons: int = 1
    """Comparisons that those two and llama.cpp are timed on: they take them one after the other."""

    vllm: str = ".venv-vllm/bin/python"
    """An interpreter that has vLLM; `make vllm` makes this one. If it is not there, nothing is
    compared with vLLM."""

    llama_cpp: str = ".venv-llama-cpp/bin/python"
    """An interpreter that has llama-cpp-python; `make llama-cpp` makes this one."""

    gguf: str = ".venv-llama-cpp/SmolLM2-135M-Instruct.Q4_1.gguf"
    """The model for llama.cpp."""

    threads: int = 2
    repeats: int = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One timed run."""

    votes: int
    seconds: float
    processor_seconds: float


Way = Callable[[], Run]


def long_prompts(tokenizer: PreTrainedTokenizerBase, num: int, tokens: int) -> list[Conversation]:
    """Prompts of about as many tokens, from pairs of the world that ships."""
    texts = [
        f"{pair.prompt[-1].content}\n\nA: {pair.chosen}\n\nB: {pair.rejected}\n"
        for pair in preferences("in_distribution", "train", num=200 * num, seed=0)
    ]
    prompts: list[Conversation] = []
    for n in range(num):
        wanted = tokens + (2 * (n % 8) - 7) * tokens // 200
        content = "Which answer of each pair is better?\n"
        for text in texts[200 * n :]:
            if len(encode_prompt(tokenizer, user(content))) >= wanted:
                break
            content += text
        words = content.split(" ")
        while len(encode_prompt(tokenizer, user(" ".join(words)))) > wanted:
            words.pop()
        prompts.append(user(" ".join(words)))
    return prompts


def timed(work: Callable[[], int]) -> Run:
    """Time what returns a number of votes."""
    wall, busy = time.perf_counter(), time.process_time()
    votes = work()
    return Run(votes, time.perf_counter() - wall, time.process_time() - busy)


def with_engine(engine: TransformersEngine, prompts: list[Conversation], sampling: Sampling) -> int:
    """Sample with the engine."""
    replies = [reply for row in engine.generate(prompts, sampling) for reply in row]
    assert {reply.num_tokens for reply in replies} == {sampling.max_tokens}
    return len(replies)


@torch.inference_mode()
def with_generate(engine: TransformersEngine, encoded: list[list[int]], sampling: Sampling) -> int:
    """Sample with `generate`, a prompt at a time, as it is fastest."""
    votes = 0
    for ids in encoded:
        found = engine.model.generate(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            generation_config=_generation(sampling),
        )
        assert found.shape[1] == len(ids) + sampling.max_tokens
        votes += len(found)
    return votes


def with_generate_batch(
    engine: TransformersEngine, encoded: list[list[int]], sampling: Sampling
) -> int:
    """Sample with transformers' continuous batching, its cache as large as all of it needs."""
    room = max(map(len, encoded)) + sampling.max_tokens
    pages = -(-room // 256) * len(encoded) * sampling.num_samples
    found = engine.model.generate_batch(
        encoded,
        generation_config=_generation(sampling),
        continuous_batching_config=ContinuousBatchingConfig(
            num_blocks=pages, max_batch_tokens=1024
        ),
    )
    assert {len(one.generated_tokens) for one in found.values()} == {sampling.max_tokens}
    return len(found)


def _generation(sampling: Sampling) -> GenerationConfig:
    return GenerationConfig(
        do_sample=True,
        temperature=sampling.temperature,
        top_k=0,
        num_return_sequences=sampling.num_samples,
        max_new_tokens=sampling.max_tokens,
        eos_token_id=-1,
        pad_token_id=0,
    )


class Elsewhere:
    """A rival in a process of its own, which goes on between runs."""

    def __init__(self, python: str, program: Path, opening: dict[str, object]) -> None:
        # vLLM asks for Intel's threads before all others, and its build for processors brings them.
        threads = Path(python).absolute().parents[1] / "lib" / "libiomp5.so"
        preload = {"LD_PRELOAD": str(threads)} if threads.exists() else {}
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [python, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(opening["threads"]), **preload},
        )
        self.version = str(self._told(opening)["version"])

    def run(self, encoded: list[list[int]], sampling: Sampling) -> Run:
        """Have it do a job, which it times itself."""
        told = self._told(
            {"prompts": encoded, "votes": sampling.num_samples, "tokens": sampling.max_tokens}
        )
        votes = len(encoded) * sampling.num_samples
        assert told["tokens"] == votes * sampling.max_tokens
        return Run(votes, told["seconds"], told["processor_seconds"])

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait()
        self._log.close()

    def _told(self, asked: dict[str, object]) -> dict[str, float]:
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            ended = self._process.wait()
            self._log.seek(0)
            said = self._log.read()[-3000:]
            raise SystemExit(f"{self._process.args}: ended with {ended}\n{said}")
        return json.loads(line)


@dataclass(frozen=True, slots=True)
class Work:
    """Operations and bytes that sampling needs, whoever does it, and what the machine gives."""

    operations: float
    """Multiplications and additions of the matrix products."""

    seconds: float
    """The least time: of each pass, the longer of its operations and its bytes."""


def needed_work(
    engine: TransformersEngine,
    lengths: list[int],
    sampling: Sampling,
    rate: float,
    bandwidth: float,
) -> Work:
    """The least that reading the prompts once and stepping all votes together takes.

    Args:
        engine: Whose model is meant.
        lengths: Tokens of the prompts.
        sampling: How many votes of how many tokens.
        rate: Operations a second of the machine.
        bandwidth: Bytes a second.
    """
    config = engine.model.config
    size = engine.model.dtype.itemsize
    head = config.vocab_size * config.hidden_size
    body = sum(p.numel() for name, p in engine.model.named_parameters() if p.dim() == 2) - head
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    # Scores and sums over one key, in all heads and layers; and a key and a value in bytes.
    per_key = 4 * config.num_hidden_layers * config.num_attention_heads * width
    key_bytes = 2 * config.num_hidden_layers * config.num_key_value_heads * width * size
    rows = len(lengths) * sampling.num_samples
    read = sum(2 * body * n + per_key * n * (n + 1) / 2 + 2 * head for n in lengths)
    passes = [(read, (body + head) * size + key_bytes * sum(lengths))]
    for step in range(1, sampling.max_tokens):
        keys = sampling.num_samples * sum(lengths) + rows * step
        passes.append(
            (
                2 * (body + head) * rows + per_key * keys,
                (body + head) * size + key_bytes * (sum(lengths) + rows * step),
            )
        )
    return Work(
        operations=sum(operations for operations, _ in passes),
        seconds=sum(max(operations / rate, moved / bandwidth) for operations, moved in passes),
    )


@torch.inference_mode()
def matrix_rate(dtype: torch.dtype) -> float:
    """Operations a second of the fastest of several matrix products, each the best of ten."""
    best = 0.0
    for rows, inner, columns in (
        (256, 576, 1536), (512, 576, 576), (600, 576, 1536), (1024, 1024, 1024), (2048, 2048, 2048)
    ):  # fmt: skip
        left, right = torch.randn(rows, inner).to(dtype), torch.randn(columns, inner).to(dtype)
        for _ in range(12):
            began = time.perf_counter()
            torch.nn.functional.linear(left, right)
            best = max(best, 2 * rows * inner * columns / (time.perf_counter() - began))
    return best


@torch.inference_mode()
def memory_bandwidth() -> float:
    """Bytes a second read from 1 GB, the best of five."""
    table = torch.ones(2**28)
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        table.sum()
        best = max(best, table.nbytes / (time.perf_counter() - began))
    return best


def machine(threads: int) -> dict[str, object]:
    """What this was measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(models),
        "threads": threads,
        "amx_bf16": "amx_bf16" in flags,
        "avx512_bf16": "avx512_bf16" in flags,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def here(
    config: VotingConfig,
    dtype: Dtype,
    engine: TransformersEngine,
    prompts: list[Conversation],
    sampling: Sampling,
) -> dict[str, Way]:
    """The ways of this process, with weights of one type."""
    few = [encode_prompt(engine.tokenizer, one) for one in prompts[: config.rival_comparisons]]
    rivals = {"generate": with_generate, "generate_batch": with_generate_batch}
    ways: dict[str, Way] = {
        f"ours {dtype}": lambda: timed(lambda: with_engine(engine, prompts, sampling))
    }
    for name in config.rivals:
        ways[f"{name} {dtype}"] = lambda rival=rivals[name]: timed(
            lambda: rival(engine, few, sampling)
        )
    return ways


def elsewhere(config: VotingConfig, lengths: list[int]) -> dict[str, Elsewhere]:
    """The rivals that run in processes of their own, started."""
    opening: dict[str, object] = {
        "model": str(Path(config.model).resolve()),
        "dtype": "bfloat16",
        "threads": config.threads,
        "max_model_len": max(lengths) + config.max_tokens,
        "num_rows": config.comparisons * config.votes,
    }
    asked = (
        ("vllm", config.vllm, opening),
        ("llama_cpp", config.llama_cpp, opening | {"model": str(Path(config.gguf).resolve())}),
    )
    return {
        name: Elsewhere(python, RIVALS / f"{name}_votes.py", told)
        for name, python, told in asked
        if Path(python).exists()
    }


def measure(config: VotingConfig) -> dict[str, object]:
    """Measure everything in turn, `repeats` times over."""
    torch.set_num_threads(config.threads)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    engines = {dtype: TransformersEngine.load(config.model, dtype=dtype) for dtype in config.dtypes}
    sampling = Sampling(num_samples=config.votes, max_tokens=config.max_tokens)
    tokenizer = engines[config.dtypes[0]].tokenizer
    prompts = long_prompts(tokenizer, config.comparisons, config.prompt_tokens)
    encoded = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    ways: dict[str, Way] = {}
    for dtype, engine in engines.items():
        engine.stops = frozenset()
        ways |= here(config, dtype, engine, prompts, sampling)
        with_engine(engine, prompts[:1], Sampling(num_samples=2, max_tokens=2))
    others = elsewhere(config, [len(ids) for ids in encoded])
    for name, other in others.items():
        given = encoded if name == "vllm" else encoded[: config.rival_comparisons]
        ways[name] = lambda other=other, given=given: other.run(given, sampling)
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    rates: dict[str, list[float]] = {dtype: [] for dtype in config.dtypes}
    for _ in range(config.repeats):
        for dtype in config.dtypes:
            rates[dtype].append(matrix_rate(getattr(torch, dtype)))
        for name, way in ways.items():
            run = way()
            runs[name].append(run)
            print(
                f"{name:24} {run.votes:4} votes {run.seconds:8.2f} s, "
                f"{run.processor_seconds:8.2f} s of the processor",
                flush=True,
            )
    for other in others.values():
        other.close()
    versions = {name: other.version for name, other in others.items()}
    return result(config, engines, [len(ids) for ids in encoded], runs, rates, versions)


def result(
    config: VotingConfig,
    engines: dict[Dtype, TransformersEngine],
    lengths: list[int],
    runs: dict[str, list[Run]],
    rates: dict[str, list[float]],
    versions: dict[str, str],
) -> dict[str, object]:
    """What is printed last."""
    wall = {n: statistics.median(r.votes / r.seconds for r in found) for n, found in runs.items()}
    busy = {
        name: statistics.median(run.votes / run.processor_seconds for run in found)
        for name, found in runs.items()
    }
    best = max((name for name in runs if name.startswith("ours")), key=busy.__getitem__)
    rivals: dict[str, str] = {}
    for name in runs:
        kind = name.split()[0]
        if kind != "ours" and (kind not in rivals or busy[name] > busy[rivals[kind]]):
            rivals[kind] = name
    bandwidth = memory_bandwidth()
    dtype: Dtype = "float32" if "float32" in best else "bfloat16"
    rate = statistics.median(rates[dtype])
    sampling = Sampling(num_samples=config.votes, max_tokens=config.max_tokens)
    work = needed_work(engines[dtype], lengths, sampling, rate, bandwidth)
    least = statistics.median(run.seconds for run in runs[best])
    busiest = statistics.median(run.processor_seconds for run in runs[best])
    return {
        "name": f"voting-{config.comparisons}x{config.votes}",
        "unit": "votes per second",
        "ours": {"way": best, "wall": wall[best], "processor": busy[best]},
        "rivals": {
            kind: {"way": name, "wall": wall[name], "processor": busy[name]}
            for kind, name in rivals.items()
        },
        "ratios": {
            kind: {"wall": wall[best] / wall[name], "processor": busy[best] / busy[name]}
            for kind, name in rivals.items()
        },
        "roofline_fraction": work.seconds / least,
        "roofline": {
            "operations": work.operations,
            "operations_per_second": rate,
            "bytes_per_second": bandwidth,
            "seconds": work.seconds,
            # What the threads would have taken, had each had a core to itself.
            "fraction_of_processor_time": work.seconds / (busiest / config.threads),
        },
        "not_there": [name for name in ("vllm", "llama_cpp") if name not in rivals],
        "runs": {name: [asdict(run) for run in found] for name, found in runs.items()},
        "prompt_tokens": lengths,
        "machine": machine(config.threads) | versions,
    }


if __name__ == "__main__":
    print(json.dumps(measure(tyro.cli(VotingConfig))), file=sys.stdout)
