"""What it costs to lose nothing: judging that keeps every reply, against judging that keeps none.

    make bench ONLY=durability
    python -m benchmarks.durability --model models/SmolLM2-135M-Instruct --num-pairs 4

The same comparisons are judged with the store and the readings' file as every run has them, and
with no reply kept and no file at all. The two take turns, so that whatever else the machine does
meets both. The judge is a model in this process and, far harder, a server on loopback
that answers at once: what a real one takes is not there, so that the store's share of what is left
is as large as it can be.

Ratios of two runs scatter by more than the store takes, so the time inside the store's own calls
is counted as well: opening, looking up, writing, committing, closing, and the file of readings.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.harness import Result, machine
from benchmarks.http_100k import instant_server
from jurist.engines import Cached, cached
from jurist.engines.base import Engine
from jurist.engines.openai import OpenAIEngine
from jurist.engines.store import AnswerStore
from jurist.formats import Format, make_format
from jurist.judges import PairwiseJudge
from jurist.recipes.checkpoints import format_name, read_card
from jurist.recipes.readings import write_readings
from jurist.types import Completion, Sampling
from jurist.worlds import BASE, preferences


@dataclass(frozen=True, kw_only=True, slots=True)
class DurabilityConfig:
    """What is measured."""

    model: str = str(BASE)
    """Judge in this process."""

    num_pairs: int = 100
    """Pairs that it judges, in each round."""

    served_pairs: int = 1_000
    """Pairs that the instant server judges, in each round."""

    votes: int = 8
    max_tokens: int = 64
    in_flight: int = 64
    """Requests to the server at once."""

    rounds: int = 7
    threads: int = int(os.environ.get("OMP_NUM_THREADS", "1"))


class Clock:
    """Seconds of the clock and of the processor inside some calls."""

    def __init__(self) -> None:
        self.wall = self.busy = 0.0

    @contextmanager
    def running(self) -> Generator[None]:
        """Count what the block takes in this thread."""
        wall, busy = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.busy += time.thread_time() - busy


def timed_store(clock: Clock) -> type[AnswerStore]:
    """The store as it is, its calls counted."""

    class Timed(AnswerStore):
        def __init__(self, path: Path) -> None:
            with clock.running():
                super().__init__(path)

        def close(self) -> None:
            with clock.running():
                super().close()

        def completion(self, key: bytes) -> Completion | None:
            with clock.running():
                return super().completion(key)

        def keep_completions(self, rows: Iterable[tuple[bytes, Completion]]) -> None:
            with clock.running():
                super().keep_completions(rows)

    return Timed


class Forgetting:
    """Answers as long as the process lives."""

    def __init__(self, path: Path) -> None:
        self.completion = dict[bytes, Completion]().get

    def close(self) -> None:
        """Nothing to let go of."""

    def keep_completions(self, rows: Iterable[tuple[bytes, Completion]]) -> None:
        """Take them, and keep none: nothing is asked for twice here."""
        for _ in rows:
            pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """What judging once took, in seconds."""

    wall: float
    busy: float
    store_wall: float
    store_busy: float


def judged(
    engine: Engine, format: Format, config: DurabilityConfig, *, num: int, seed: int, keep: bool
) -> Piece:
    """Judge pairs that were not judged before."""
    pairs = preferences("in_distribution", "test", num=num, seed=seed)
    sampling = Sampling(num_samples=config.votes, max_tokens=config.max_tokens, seed=seed)
    clock = Clock()
    cached.AnswerStore = timed_store(clock) if keep else Forgetting  # pyright: ignore
    with tempfile.TemporaryDirectory() as folder:
        wall, busy = time.perf_counter(), time.process_time()
        with Cached(engine, Path(folder) / "completions.sqlite") as asked:
            judge = PairwiseJudge(asked, format=format, sampling=sampling)
            found = judge([pair.shown(seed).comparison for pair in pairs])
            if keep:
                with clock.running():
                    path = Path(folder) / "judgements.jsonl.gz"
                    write_readings(path, pairs, found, num_possible=config.votes, seed=seed)
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
    return Piece(wall=wall, busy=busy, store_wall=clock.wall, store_busy=clock.busy)


def compared(judge: Callable[[int, bool], Piece], rounds: int) -> dict[str, object]:
    """Both ways in turn: shares of time inside the store, and ratios of both ways."""
    kept: list[Piece] = []
    wall: list[float] = []
    busy: list[float] = []
    for seed in range(rounds + 1):
        # The one that goes second finds what the first has warmed.
        first = seed % 2 == 0
        pieces = {keep: judge(seed, keep) for keep in (first, not first)}
        if seed:  # the very first round also warms up
            kept.append(pieces[True])
            wall.append(pieces[True].wall / pieces[False].wall - 1)
            busy.append(pieces[True].busy / pieces[False].busy - 1)
    return {
        "seconds": spread([piece.wall for piece in kept]),
        "processor_seconds": spread([piece.busy for piece in kept]),
        "store_percent_of_wall": spread([100 * one.store_wall / one.wall for one in kept]),
        "store_percent_of_processor": spread([100 * one.store_busy / one.busy for one in kept]),
        "more_wall_percent": spread([100 * one for one in wall]),
        "more_processor_percent": spread([100 * one for one in busy]),
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    found = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


def main(config: DurabilityConfig) -> None:
    """Measure both judges."""
    import torch

    from jurist.engines.transformers import TransformersEngine

    torch.set_num_threads(config.threads)
    ours: dict[str, dict[str, object]] = {}
    with ExitStack() as opened:
        form = make_format(format_name("auto", read_card(config.model), reasoning=True), seed=0)
        engine = TransformersEngine.load(config.model)
        ours[Path(config.model).name] = compared(
            lambda seed, keep: judged(
                engine, form, config, num=config.num_pairs, seed=seed, keep=keep
            ),
            config.rounds,
        )
        url, _ = opened.enter_context(instant_server())
        plain = make_format("pairwise", seed=0)
        ours["instant server"] = compared(
            lambda seed, keep: judged(
                OpenAIEngine(url, "instant", max_concurrency=config.in_flight),
                plain,
                config,
                num=config.served_pairs,
                seed=seed,
                keep=keep,
            ),
            config.rounds,
        )
    for name, found in ours.items():
        print(name)
        for what, values in found.items():
            print(f"  {what}: {json.dumps(values)}")
    Result(
        name="durability",
        ours=ours,
        rivals={},
        ratios={},
        roofline_fraction=0.0,
        unit="percent of judging time that keeping every reply takes",
        runs=config.rounds,
        machine=machine(threads=config.threads),
    ).print()


if __name__ == "__main__":
    main(tyro.cli(DurabilityConfig))
