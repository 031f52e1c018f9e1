"""The whole paper: every method of Mahan et al. 2024 from one base on the same pairs, and a report.

    jurist paper --scale tiny --output runs/paper

Each method is its own recipe in its own run directory, for each seed; killed and run again, this
goes on where it was. `--scale tiny` needs nothing but the package. `--scale small` takes your model
and your pairs. `--scale paper` says what the paper's own size would take, and runs nothing.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from jurist.data import read_preferences, split_tenth, write_preferences
from jurist.errors import ConfigError
from jurist.recipes.errands import run_errands
from jurist.recipes.paper_plan import (
    AVERAGED,
    REREAD,
    Scale,
    averaged_errand,
    plan,
    reread_errand,
    round_errand,
    settings_of,
)
from jurist.recipes.paper_world import WorldSize, make_author, write_world
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_sets
from jurist.rehearsal import begin_work
from jurist.showing import Console
from jurist.worlds import BASE

if TYPE_CHECKING:
    from jurist.reports.paper import PaperResults

WORLD: Final = WorldSize(num_train=480, num_test=150)
_MOST_JOBS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperConfig:
    """Everything a replication depends on."""

    output: Path = Path("runs/paper")
    """Run directory. The same command run again goes on where it was."""

    scale: Literal["tiny", "small", "paper"] = "tiny"
    """tiny: the world and the base that ship. small: --model on --train, some hours on two cores.
    paper: no run; what Llama-3.1-8B-Instruct on 61,000 pairs would take."""

    model: str = ""
    """Base that every method starts from: a checkpoint or hub id. Empty: the one that ships."""

    train: str = ""
    """Preferences to train on, as of `jurist star-dpo`. Empty: the world that ships."""

    test: tuple[str, ...] = ()
    """Test sets, NAME=SOURCE or SOURCE, drawn otherwise than the training pairs. What is drawn
    alike is held out of --train, by group."""

    layout: str = "auto"
    """Columns of --train, as for training. Test sets are recognised by their columns."""

    author: str = ""
    """Another model that writes rationales (Table 1). Empty: with the world that ships an expert
    made for it, else the rows of foreign authors are left out."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Of sampling and training. The pairs are the same for all."""

    votes: int | None = None
    """Readings of each pair in each order. None: 16 in tiny, 4 in small."""

    num_samples: int | None = None
    """Traces sampled per training pair and order. None: 8 in tiny, 4 in small."""

    max_tokens: int | None = None
    """Longest judgement, in tokens. None: 64."""

    jobs: int = 0
    """Runs at a time. 0: one for each core, at most four."""

    def __post_init__(self) -> None:
        for name, least in (("votes", 1), ("num_samples", 2), ("max_tokens", 1)):
            given = getattr(self, name)
            if given is not None and given < least:
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} must be at least {least}, got {given}")
        if self.scale == "small" and not (self.model and self.train):
            raise ConfigError("--scale small needs --model and --train: your base and your pairs")
        if self.scale == "tiny" and (self.train or self.test):
            raise ConfigError(
                "--scale tiny is about the world that ships; for pairs of your own give --scale "
                "small"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"--seeds must name at least one seed, each once; got {self.seeds}")
        if self.jobs < 0:
            raise ConfigError(f"--jobs must be 0 or more, got {self.jobs}")


def run_paper(config: PaperConfig) -> None:
    """Run every comparison of the paper, and write a report laid out as it is."""
    if config.scale == "paper":
        from jurist.recipes.paper_scale import plan_text

        Console().print(plan_text(), markup=False, soft_wrap=True)
        return
    results = paper(config)
    from jurist.reports.paper_tables import paper_sections
    from jurist.reports.section import section_table

    console = Console()
    for section in paper_sections(results)[:2]:
        console.rule(section.title)
        console.print(section_table(section))
    console.print(f"report: {config.output / 'report.html'}", markup=False, soft_wrap=True)


def paper(config: PaperConfig) -> "PaperResults":
    """The run behind `run_paper`, without its tables on the terminal."""
    from jurist.recipes.paper_report import gather_paper, publish_paper

    with open_run("paper", config) as run:
        config = replace(config, output=run)
        scale: Scale = "tiny" if config.scale == "tiny" else "small"
        settings = settings_of(
            scale,
            votes=config.votes,
            num_samples=config.num_samples,
            max_tokens=config.max_tokens,
        )
        model = config.model or str(BASE)
        authors = _authors(config)
        data = write_world(run / "data", WORLD) if scale == "tiny" else held_out(config)
        sets = read_sets(data, output=run)
        methods = [
            method
            for seed in config.seeds
            for method in plan(settings, run, data, model=model, authors=authors, seed=seed)
        ]
        jobs = config.jobs or min(_MOST_JOBS, len(os.sched_getaffinity(0)))
        errands = [method.errand for method in methods]
        run_errands(errands, logs=run / "logs", jobs=jobs)
        early = [
            round_errand(method, number, settings, data)
            for method in methods
            if method.by_round
            for number in range(1, method.rounds)
        ]
        averaged = [
            averaged_errand(method, settings, data) for method in methods if method.name in AVERAGED
        ]
        reread = [reread_errand(method, settings) for method in methods if method.name in REREAD]
        run_errands([*early, *averaged, *reread], logs=run / "logs", jobs=jobs)
        results = gather_paper(run, sets, methods, scale=scale, seeds=config.seeds, authors=authors)
        publish_paper(run, results)
        return results


def _authors(config: PaperConfig) -> dict[str, str]:
    """Checkpoints of those who write rationales in a judge's stead, by what they are."""
    if config.scale == "tiny":
        begin_work()
        folder = config.output / "authors"
        return {
            "explainer": make_author("explainer", folder / "explainer"),
            "foreign": config.author or make_author("expert", folder / "expert"),
        }
    return {"foreign": config.author} if config.author else {}


def held_out(config: PaperConfig) -> DataConfig:
    """The user's pairs with every tenth group held out in a file of its own, beside their tests."""
    folder = config.output / "data"
    train, test = folder / "train.jsonl.gz", folder / "held_out.jsonl.gz"
    if not (train.exists() and test.exists()):
        found = read_preferences(config.train, layout=config.layout).preferences
        splits = split_tenth(found, validation=0.0, seed=0)
        write_preferences(train, splits.train)
        write_preferences(test, splits.test)
    return DataConfig(train=str(train), test=(f"held_out={test}", *config.test))
