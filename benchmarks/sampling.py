"""How fast judgements are sampled: this engine against transformers' own `generate`.

    python -m benchmarks.sampling --votes 32

Both sample the same number of replies to the same prompts with the same weights, in turn, in one
process, on one thread. `generate` gets its best: all prompts in one batch, padded on the left,
`num_return_sequences` for the votes, and the same stopping tokens. Reported are medians of the
repeats. Seconds of the processor are the fairer of the two on a machine that others use too.
"""

import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import tyro

from jurist.engines.transformers import TransformersEngine
from jurist.formats import FormatName, make_format
from jurist.models.chat import encode_prompt
from jurist.types import Conversation, Sampling
from jurist.worlds import BASE, preferences


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingConfig:
    """What is measured."""

    model: str = str(BASE)
    format: FormatName = "terse"
    num_prompts: int = 64
    votes: int = 8
    max_tokens: int = 64
    batch_size: int = 64
    """Prompts at once in `generate`; the engine chooses for itself."""

    threads: int = 1
    repeats: int = 5


def with_engine(
    engine: TransformersEngine, prompts: list[Conversation], sampling: Sampling
) -> tuple[int, int]:
    """Sample with the engine; the number of replies and of tokens in them."""
    replies = [reply for row in engine.generate(prompts, sampling) for reply in row]
    return len(replies), sum(reply.num_tokens for reply in replies)


@torch.inference_mode()
def with_generate(
    engine: TransformersEngine, prompts: list[Conversation], sampling: Sampling, batch_size: int
) -> tuple[int, int]:
    """Sample with `generate`; the number of replies and of tokens in them."""
    encoded = sorted((encode_prompt(engine.tokenizer, prompt) for prompt in prompts), key=len)
    stops = torch.tensor(sorted(engine.stops))
    num_replies = num_tokens = 0
    for start in range(0, len(encoded), batch_size):
        batch = encoded[start : start + batch_size]
        longest = max(map(len, batch))
        ids = torch.tensor([[0] * (longest - len(one)) + one for one in batch])
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in batch])
        found = engine.model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=sampling.temperature,
            top_k=0,
            num_return_sequences=sampling.num_samples,
            max_new_tokens=sampling.max_tokens,
            eos_token_id=stops.tolist(),
            pad_token_id=int(stops[0]),
        )[:, longest:]
        ended = torch.isin(found, stops).cumsum(-1)
        num_replies += len(found)
        num_tokens += int((ended - torch.isin(found, stops).long() == 0).sum())
    return num_replies, num_tokens


def measure(config: SamplingConfig) -> None:
    """Measure and print."""
    torch.set_num_threads(config.threads)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    engine = TransformersEngine.load(config.model)
    form = make_format(config.format, seed=0)
    pairs = preferences("in_distribution", "train", num=config.num_prompts, seed=0)
    prompts = [form.render(pair.shown(0).comparison) for pair in pairs]
    sampling = Sampling(num_samples=config.votes, max_tokens=config.max_tokens)
    ways: dict[str, Callable[[], tuple[int, int]]] = {
        "engine": lambda: with_engine(engine, prompts, sampling),
        "generate": lambda: with_generate(engine, prompts, sampling, config.batch_size),
    }
    for way in ways.values():
        way()
    rates: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    for _ in range(config.repeats):
        for name, way in ways.items():
            wall, busy = time.perf_counter(), time.process_time()
            num_replies, num_tokens = way()
            wall, busy = time.perf_counter() - wall, time.process_time() - busy
            rates[name].append((num_replies / wall, num_replies / busy, num_tokens / num_replies))
    print(f"{config.num_prompts} prompts x {config.votes} votes, {config.threads} thread(s)")
    for name, found in rates.items():
        columns = zip(*found, strict=True)
        per_wall, per_busy, tokens = (statistics.median(column) for column in columns)
        print(
            f"{name:9} {per_wall:7.1f} replies/s, {per_busy:7.1f} per processor second, "
            f"{tokens:.1f} tokens each"
        )


if __name__ == "__main__":
    measure(tyro.cli(SamplingConfig))
