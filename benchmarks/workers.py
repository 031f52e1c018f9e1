"""How judging scales from one worker process to two, and from one Ray actor to two.

    make bench ONLY=workers
    python -m benchmarks.workers --votes 16

The same votes on the same prompts by one and by two, in turn, each with one thread, asked and kept
as `jurist judge` does it: in chunks, whose ends the workers wait for. Two figures:

- by the clock: how much sooner two are done. It says what it should if there is a core for each,
  and nothing else runs.
- by the processor: the time that one worker spent, over half of what two spent together. It is
  what the clock would say if each had a core of its own and neither ever waited for the other at
  the end of a chunk; what the two cost each other in cache and memory bandwidth is in it.

Beside them the ceiling: two crews of one that share nothing, each with half of the prompts. What
the machine itself takes from two at once shows there too.

The last line is the result as JSON.
"""

import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro

from benchmarks.harness import Result, machine
from jurist.engines.cached import CHUNK_SIZE, Cached
from jurist.engines.crew import JOB_SIZE, Spread
from jurist.engines.transformers import TransformersEngine
from jurist.engines.workers import Processes
from jurist.formats import FormatName, make_format
from jurist.types import Conversation, Sampling
from jurist.worlds import BASE, preferences


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkersConfig:
    """What is measured."""

    model: str = str(BASE)
    format: FormatName = "terse"
    num_prompts: int = 256
    votes: int = 8
    max_tokens: int = 64
    job_size: int = JOB_SIZE
    repeats: int = 5
    ray: bool = True
    """Ray actors too, if Ray is installed."""


def processor_seconds(pid: int) -> float:
    """Time on the processor of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """Processes that a process started, and that those started."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found[1:]


def actor_ids() -> set[int]:
    """Processes of Ray that hold an actor of ours."""
    found: set[int] = set()
    for pid in descendants(os.getpid()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if command.startswith(b"ray::Holder"):
            found.add(pid)
    return found


def opened(
    config: WorkersConfig, opening: ExitStack
) -> dict[str, dict[int, tuple[Spread, list[int]]]]:
    """One and two workers, one and two actors, all ready, and which processes they are."""
    load = partial(TransformersEngine.load, config.model)
    crews: dict[str, dict[int, tuple[Spread, list[int]]]] = {"workers": {}}
    for num in (1, 2):
        processes = Processes(load, num, threads=1)
        spread = opening.enter_context(Spread(processes, job_size=config.job_size))
        crews["workers"][num] = spread, processes.process_ids
    if config.ray and importlib.util.find_spec("ray"):
        import ray

        from jurist.engines.ray import open_actors

        # One cluster for both crews; it asks for more processors than there may be, since only one
        # crew works at a time.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        ray.init(
            address="local",
            num_cpus=3,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
        opening.callback(ray.shutdown)
        crews["actors"] = {}
        before = actor_ids()
        for num in (1, 2):
            spread = open_actors(load, num, threads=1, job_size=config.job_size)
            opening.enter_context(spread)
            crews["actors"][num] = spread, sorted(actor_ids() - before)
            before = actor_ids()
    return crews


def ask(crew: Spread, num: int, prompts: Sequence[Conversation], sampling: Sampling) -> None:
    """Have a crew of so many cast the votes, and keep them, as a run does."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Cached(crew, Path(folder) / "store.sqlite", chunk_size=CHUNK_SIZE * num) as cached,
    ):
        cached.generate(prompts, sampling)


def apart(crews: Sequence[Spread], prompts: list[Conversation], sampling: Sampling) -> None:
    """Give crews that know nothing of each other an equal share each, at the same time."""
    num = len(crews)
    with ThreadPoolExecutor(num) as threads:
        done = [
            threads.submit(ask, crew, 1, prompts[place::num], sampling)
            for place, crew in enumerate(crews)
        ]
    for one in done:
        one.result()


def timed(work: Callable[[], object], processes: list[int]) -> tuple[float, float, float]:
    """Seconds by the clock, of the mean process, and of this process, that some work takes."""
    began = {pid: processor_seconds(pid) for pid in processes}
    wall, own = time.perf_counter(), time.process_time()
    work()
    wall, own = time.perf_counter() - wall, time.process_time() - own
    return wall, statistics.mean(processor_seconds(pid) - began[pid] for pid in processes), own


def main(config: WorkersConfig) -> None:
    """Measure and print."""
    form = make_format(config.format, seed=0)
    pairs = preferences("in_distribution", "train", num=config.num_prompts, seed=0)
    prompts = [form.render(pair.shown(0).comparison) for pair in pairs]
    sampling = Sampling(num_samples=config.votes, max_tokens=config.max_tokens)
    num_votes = len(prompts) * config.votes
    found: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    with ExitStack() as opening:
        crews = opened(config, opening)
        for sizes in crews.values():
            for spread, _ in sizes.values():
                spread.generate(prompts[: 2 * config.job_size // config.votes], sampling)
        load = partial(TransformersEngine.load, config.model)
        lone = [Processes(load, 1, threads=1) for _ in range(2)]
        halves = [opening.enter_context(Spread(one, job_size=config.job_size)) for one in lone]
        lone_ids = [pid for one in lone for pid in one.process_ids]
        for spread in halves:
            spread.generate(prompts[: 2 * config.job_size // config.votes], sampling)
        for _ in range(config.repeats):
            work = partial(apart, halves, prompts, sampling)
            found.setdefault(("apart", 2), []).append(timed(work, lone_ids))
            for kind, sizes in crews.items():
                for num, (spread, processes) in sizes.items():
                    work = partial(ask, spread, num, prompts, sampling)
                    found.setdefault((kind, num), []).append(timed(work, processes))
    ours: dict[str, object] = {}
    ratios: dict[str, float] = {}
    for kind in crews:
        one, two = found[kind, 1], found[kind, 2]
        ceiling = found["apart", 2]
        for name, place in (("clock", 0), ("processor", 1)):
            most = [a[place] / b[place] for a, b in zip(found["workers", 1], ceiling, strict=True)]
            ours[f"ceiling_by_{name}"] = round(statistics.median(most), 3)
            each = [a[place] / b[place] for a, b in zip(one, two, strict=True)]
            ratios[f"{kind}_by_{name}"] = round(statistics.median(each), 3)
            ours[f"{kind}_by_{name}_spread"] = [round(min(each), 3), round(max(each), 3)]
        for num, times in ((1, one), (2, two)):
            wall, each_one, own = (statistics.median(column) for column in zip(*times, strict=True))
            ours[f"{num}_{kind}"] = {
                "votes_per_second": round(num_votes / wall, 1),
                "processor_seconds_of_each": round(each_one, 2),
                "own_processor_seconds": round(own, 3),
            }
    shares = [
        most[1] / two[1] for most, two in zip(found["apart", 2], found["workers", 2], strict=True)
    ]
    Result(
        name="workers",
        ours=ours,
        rivals={},
        ratios=ratios,
        roofline_fraction=round(statistics.median(shares), 3),
        unit="speed of two over speed of one",
        runs=config.repeats,
        machine=machine(threads=1),
    ).print()


if __name__ == "__main__":
    main(tyro.cli(WorkersConfig))
