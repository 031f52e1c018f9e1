"""How fast judges are trained: tokens per second of each method on the shipped base.

    python -m benchmarks.training --threads 1

Each method trains on rows of the quickstart's shape; the rate is that of the steps alone, from the
training's own `timings.jsonl`, its median over the steps. Beside it stands a second program in the
same run: the plain loop anyone would write, the same rows as one padded batch a step through the
same model, with AdamW and no checks.
"""

import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch.nn.functional import cross_entropy

from jurist.engines.transformers import TransformersEngine
from jurist.formats import Terse
from jurist.models.chat import encode_prompt, encode_reply
from jurist.models.load import load_causal, load_tokenizer
from jurist.rationales import SupervisedRow, right_and_wrong, right_traces, sample_traces
from jurist.training import (
    PairLossConfig,
    TrainingConfig,
    train_pairs,
    train_scalar,
    train_supervised,
)
from jurist.types import Sampling
from jurist.worlds import BASE, preferences


@dataclass(frozen=True, kw_only=True, slots=True)
class ThroughputConfig:
    """What is measured."""

    num_pairs: int = 100
    threads: int = 1


def main() -> None:
    """Train with every method and with the plain loop; print the medians."""
    config = tyro.cli(ThroughputConfig)
    torch.set_num_threads(config.threads)
    pairs = preferences("in_distribution", "train", num=config.num_pairs, seed=0)
    engine = TransformersEngine.load(BASE)
    sampling = Sampling(num_samples=4, max_tokens=64)
    traces = sample_traces(engine, Terse(), pairs, sampling).traces
    right = right_traces(traces, per_prompt=2, seed=0).rows
    contrast = right_and_wrong(traces, per_prompt=2, seed=0).rows
    settings = TrainingConfig(learning_rate=1e-4)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        card = {"method": "benchmark"}
        model = str(BASE)
        train_scalar(model, pairs, settings, seed=0, output=folder / "scalar", card=card)
        train_supervised(model, right, settings, seed=0, output=folder / "supervised", card=card)
        train_pairs(
            model,
            contrast,
            settings,
            reference=model,
            loss=PairLossConfig(),
            seed=0,
            output=folder / "dpo",
            card=card,
        )
        for method in ("scalar", "supervised", "dpo"):
            rates = [
                json.loads(line)["train/tokens_per_second"]
                for line in (folder / method / "timings.jsonl").read_text().splitlines()
            ]
            print(
                f"{method:12} {statistics.median(rates):10,.0f} tokens/s, median of {len(rates)} "
                f"steps ({min(rates):,.0f} to {max(rates):,.0f})"
            )
    rates = plain_loop(right)
    print(
        f"{'plain loop':12} {statistics.median(rates):10,.0f} tokens/s, median of {len(rates)} "
        f"steps ({min(rates):,.0f} to {max(rates):,.0f}), rows of supervised"
    )


def plain_loop(rows: list[SupervisedRow], batch_size: int = 32) -> list[float]:
    """Tokens per second of each step of a loop without any of the package's care."""
    model, tokenizer = load_causal(BASE).train(), load_tokenizer(BASE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    rates: list[float] = []
    for start in range(0, len(rows), batch_size):
        started = time.monotonic()
        batch = [
            (encode_prompt(tokenizer, row.prompt), encode_reply(tokenizer, row.completion))
            for row in rows[start : start + batch_size]
        ]
        longest = max(len(prompt) + len(reply) for prompt, reply in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        labels = torch.full_like(ids, -100)
        for row, (prompt, reply) in enumerate(batch):
            ids[row, : len(prompt) + len(reply)] = torch.tensor(prompt + reply)
            labels[row, len(prompt) : len(prompt) + len(reply)] = torch.tensor(reply)
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        tokens = sum(len(prompt) + len(reply) for prompt, reply in batch)
        rates.append(tokens / (time.monotonic() - started))
    return rates


if __name__ == "__main__":
    main()
