"""The whole job on real human preferences, with a chat model of 135 million parameters.

    make smollm2
    python examples/smollm2_real_preferences.py --data FOLDER

FOLDER holds hh_rlhf, evouna, llmbar and hhh_alignment as NAME.jsonl.gz, in any layout that jurist
reads. Bradley-Terry, GenRM, STaR-SFT and STaR-DPO start from one base and learn from the same pairs
of the first two; all are tested on held-out groups of those, and on the other two.

The model as it is downloaded writes no verdict that a parser could read. So the base is a *format
warm-up* of it: trained on its own sentences, each followed by a verdict that a coin chose. That is
a crutch. It teaches the form of a reply and nothing else: the base's verdicts are a coin's.

Killed at any moment, the same command goes on where it was.
"""

import logging
import re
import resource
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from jurist.data import read_preferences, split_tenth, without_overlap, write_preferences
from jurist.digest import derive_seed
from jurist.engines import Cached
from jurist.errors import DataError
from jurist.formats import make_format
from jurist.rationales import SupervisedRow, write_rows
from jurist.recipes.bradley_terry import BradleyTerryConfig, bradley_terry
from jurist.recipes.evaluate import EvaluateConfig, evaluate, kept_readings, show
from jurist.recipes.genrm import GenRMConfig, genrm
from jurist.recipes.open_judge import JudgeConfig, VotingConfig
from jurist.recipes.reporting import gathered, publish
from jurist.recipes.run import open_run, seconds_spent, stopwatch
from jurist.recipes.sets import DataConfig, read_sets
from jurist.recipes.star import Round, StarConfig, sample_round
from jurist.recipes.star_dpo import StarDPOConfig, star_dpo
from jurist.recipes.star_sft import StarSFTConfig, star_sft
from jurist.reports import Results
from jurist.storage import make_directory, write_json
from jurist.training.config import TrainingConfig
from jurist.types import Completion, Preference, Sampling, Verdict

TRAINED_ON = ("hh_rlhf", "evouna")
SHIFTED = ("llmbar", "hhh_alignment")

AS_DOWNLOADED = "as downloaded, verdict scored"
WARM_UP = "format warm-up"
FOLDERS = {
    AS_DOWNLOADED: "as-downloaded",
    WARM_UP: "warm-up-judge",
    "STaR-DPO": "star-dpo",
    "STaR-SFT": "star-sft",
    "GenRM": "genrm",
    "Bradley-Terry": "bradley-terry",
}

# Nothing here was tuned: usual values for full fine-tuning of a model this small, but that one pass
# over 200 pairs at 3e-5 had left the Bradley-Terry loss at ln 2, so the two methods that have one
# number of each pair to learn from take larger steps, twice. On a CPU small micro-batches are the
# faster ones, and bfloat16 is three times as fast where there is hardware.
_USUAL = TrainingConfig(learning_rate=3e-5, batch_size=16, micro_batch_tokens=1024, bf16=True)
TRAINING = {
    WARM_UP: replace(_USUAL, learning_rate=1e-4, batch_size=8, epochs=2),
    "STaR-DPO": replace(_USUAL, learning_rate=1e-5),
    "STaR-SFT": _USUAL,
    "GenRM": replace(_USUAL, learning_rate=1e-4, epochs=2),
    "Bradley-Terry": replace(_USUAL, learning_rate=1e-4, epochs=2),
}

WARM_UP_TRIES = 4
"""Replies that the model writes to each warm-up prompt; the first with a whole sentence is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RealPreferencesConfig:
    """Everything the run depends on. The sizes fit two hours of one CPU thread."""

    data: Path
    """Folder with hh_rlhf, evouna, llmbar and hhh_alignment, each NAME.jsonl.gz."""

    model: str = "models/SmolLM2-135M-Instruct"
    """Checkpoint or hub id that everything starts from (`make smollm2` makes this one)."""

    output: Path = Path("runs/smollm2")
    """Run directory. The same command run again goes on where it was."""

    max_chars: int = 400
    """Pairs with more characters, prompt and both responses together, are left out."""

    num_train: int = 400
    """Pairs that every method trains on, half of them from either source."""

    num_warm_up: int = 96
    """Other pairs, whose prompts the form of a reply is learnt on; their labels are not used."""

    num_in_distribution: int = 120
    """Held-out pairs of the sources that are trained on, half from either."""

    num_shifted: int = 70
    """Test pairs of each source that is not trained on."""

    num_chat: int = 8
    """Test pairs of each set that the model as downloaded is also asked about in the formats for
    chat models, whose prompts are four times as long. 0 leaves this out."""

    votes: int = 2
    """Judgements of each pair in each order, by the judges that reason."""

    num_samples: int = 3
    """Traces sampled per training pair and order."""

    max_tokens: int = 48
    """Longest judgement, in tokens."""

    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """The pairs of a run, no prompt of a test set among the others."""

    train: list[Preference]
    warm_up: list[Preference]
    tests: dict[str, list[Preference]]
    counts: dict[str, dict[str, int]]
    """What was read and what was left out, by source."""


def main() -> None:
    """Run it with the settings of the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = tyro.cli(RealPreferencesConfig, description=__doc__)
    show(config.output, real_preferences(config))


def real_preferences(config: RealPreferencesConfig) -> Results:
    """Select the pairs, teach the form of a reply, train and evaluate every method."""
    with open_run("smollm2-real-preferences", config) as run:
        pairs = select(config)
        write_json(run / "data" / "counts.json", pairs.counts)
        data = write_pairs(run / "data", pairs.train, pairs.tests)
        base = warm_up(config, run / "warm-up", pairs.warm_up)
        share_traces(config, run, base, pairs.train)
        for method, recipe in recipes(config, base, data).items():
            logging.info("%s", method)
            recipe()
            note_peak_memory(run)
        few = {name: test[: config.num_chat] for name, test in pairs.tests.items()}
        if config.num_chat:
            ask_in_chat_formats(config, write_pairs(run / "data" / "few", pairs.train, few))
        results = combined(config, run, data, peak=note_peak_memory(run))
        publish(run, results)
        return results


def select(config: RealPreferencesConfig) -> Pairs:
    """Draw the pairs by hash, so that neither labels nor the order of a file matter."""
    counts: dict[str, dict[str, int]] = {}
    held_out: list[Preference] = []
    rest: dict[str, list[Preference]] = {}
    tests: dict[str, list[Preference]] = {}
    for name in (*TRAINED_ON, *SHIFTED):
        read = read_preferences(config.data / f"{name}.jsonl.gz").preferences
        short = [one for one in read if not one.tie and num_chars(one) <= config.max_chars]
        counts[name] = {"read": len(read), "short": len(short)}
        if name in SHIFTED:
            tests[name] = draw(short, config.num_shifted, seed=config.seed)
            continue
        splits = split_tenth(short, validation=0.0, seed=0)
        counts[name] |= {"train part": len(splits.train), "test part": len(splits.test)}
        held_out += draw(splits.test, config.num_in_distribution // 2, seed=config.seed)
        rest[name] = splits.train
    tests = {"in_distribution": held_out, **tests}
    train: list[Preference] = []
    warm: list[Preference] = []
    for name, pool in rest.items():
        clean = without_overlap(pool, [one for test in tests.values() for one in test])
        counts[name]["with a test prompt"] = clean.num_dropped
        drawn = draw(clean.preferences, config.num_train // 2, seed=config.seed)
        groups = {one.group for one in drawn}
        others = [one for one in clean.preferences if one.group not in groups]
        train += drawn
        warm += draw(others, config.num_warm_up // 2, seed=config.seed)
    return Pairs(train=train, warm_up=warm, tests=tests, counts=counts)


def num_chars(preference: Preference) -> int:
    """Characters of the prompt and both responses together."""
    asked = sum(len(turn.content) for turn in preference.prompt)
    return asked + len(preference.chosen) + len(preference.rejected)


def draw(preferences: Sequence[Preference], num: int, *, seed: int) -> list[Preference]:
    """So many of the preferences, chosen by a hash of their ids."""
    if len(preferences) < num:
        raise DataError(
            f"expected at least {num} pairs, found {len(preferences)}; ask for fewer, or for "
            f"longer ones with --max-chars"
        )
    return sorted(preferences, key=lambda one: derive_seed("draw", seed, one.id))[:num]


def write_pairs(
    folder: Path, train: Sequence[Preference], tests: dict[str, list[Preference]]
) -> DataConfig:
    """Write the pairs to files, as a user's would be, and say where they are."""
    write_preferences(folder / "train.jsonl.gz", train)
    for name, test in tests.items():
        write_preferences(folder / f"{name}.jsonl.gz", test)
    return DataConfig(
        train=str(folder / "train.jsonl.gz"),
        test=tuple(f"{name}={folder / name}.jsonl.gz" for name in tests),
    )


def warm_up(config: RealPreferencesConfig, folder: Path, preferences: list[Preference]) -> str:
    """Teach the model the form of a reply, on its own words and a coin's verdicts.

    Returns:
        The checkpoint that every method starts from.
    """
    checkpoint = folder / "checkpoint"
    if checkpoint.exists():
        return str(checkpoint)
    from jurist.engines.transformers import TransformersEngine
    from jurist.training import train_supervised

    form = make_format("terse", seed=config.seed)
    sampling = Sampling(num_samples=WARM_UP_TRIES, temperature=0.7, max_tokens=28, seed=config.seed)
    with stopwatch(make_directory(folder), "train"):
        prompts = [form.render(one.shown(config.seed).comparison) for one in preferences]
        engine = TransformersEngine.load(config.model, dtype="bfloat16")
        with Cached(engine, folder / "completions.sqlite") as cached:
            replies = cached.generate(prompts, sampling)
        # Every other one in an order by hash: as many of either verdict, and no label looked at.
        tossed = sorted(
            range(len(preferences)), key=lambda i: derive_seed("coin", preferences[i].id)
        )
        verdicts = {i: (Verdict.FIRST, Verdict.SECOND)[place % 2] for place, i in enumerate(tossed)}
        rows = [
            SupervisedRow(
                preference_id=preferences[i].id,
                label=verdicts[i],
                prompt=prompts[i],
                completion=f"{sentences[0]}\n{form.verdicts[verdicts[i]]}",
            )
            for i, found in enumerate(replies)
            if (sentences := [text for one in found if (text := whole_sentences(one))])
        ]
        write_rows(folder / "rows.jsonl.gz", rows)
        write_json(folder / "rows.json", {"prompts": len(prompts), "rows": len(rows)})
        train_supervised(
            config.model,
            rows,
            TRAINING[WARM_UP],
            seed=config.seed,
            output=checkpoint,
            card={"method": WARM_UP, "kind": "reasoning", "format": "terse"},
        )
    return str(checkpoint)


def whole_sentences(completion: Completion) -> str:
    """The first line of a reply, up to its last whole sentence; empty if it has none."""
    line, ended, _ = completion.text.strip().partition("\n")
    if not ended and completion.finish_reason != "stop":
        line = "".join(re.findall(r"[^.!?]*[.!?]+(?=\s|$)", line))
    return "" if "[[" in line else line.strip()


def star_config(config: RealPreferencesConfig) -> StarConfig:
    """One round, so that STaR-SFT and STaR-DPO can learn from the same traces."""
    return StarConfig(rounds=1, num_samples=config.num_samples, per_prompt=1)


def share_traces(
    config: RealPreferencesConfig, run: Path, base: str, train: list[Preference]
) -> None:
    """Sample the traces once, and give the store of them to both STaR recipes."""
    folder = make_directory(run / "traces")
    store = folder / "completions.sqlite"
    if not (folder / "traces.json").exists():
        with stopwatch(folder, "train"):
            sample_round(
                Round(number=1, preferences=train, folder=folder, judge=base, start=base),
                star_config(config),
                format=make_format("terse", seed=config.seed),
                seed=config.seed,
                store=store,
                max_tokens=config.max_tokens,
                bf16=True,
            )
    for method in ("STaR-SFT", "STaR-DPO"):
        copy = make_directory(run / FOLDERS[method]) / "completions.sqlite"
        if not copy.exists():
            shutil.copyfile(store, copy.with_suffix(".part"))
            copy.with_suffix(".part").replace(copy)


def recipes(
    config: RealPreferencesConfig, base: str, data: DataConfig
) -> dict[str, Callable[[], Results]]:
    """The runs, by method; each is an ordinary recipe in a directory of its own."""
    outputs = {method: config.output / folder for method, folder in FOLDERS.items()}
    voting = VotingConfig(votes=config.votes, max_tokens=config.max_tokens)
    star = star_config(config)

    def judge_only(method: str, judge: JudgeConfig) -> Results:
        return evaluate(
            EvaluateConfig(
                judge=judge,
                test=data.test,
                train=data.train,
                output=outputs[method],
                method=method,
                seed=config.seed,
            )
        )

    return {
        WARM_UP: lambda: judge_only(WARM_UP, JudgeConfig(model=base, voting=voting, bf16=True)),
        "STaR-DPO": lambda: star_dpo(
            StarDPOConfig(
                model=base,
                data=data,
                star=star,
                training=TRAINING["STaR-DPO"],
                voting=voting,
                output=outputs["STaR-DPO"],
                seed=config.seed,
            )
        ),
        "STaR-SFT": lambda: star_sft(
            StarSFTConfig(
                model=base,
                data=data,
                star=star,
                training=TRAINING["STaR-SFT"],
                voting=voting,
                output=outputs["STaR-SFT"],
                seed=config.seed,
            )
        ),
        "GenRM": lambda: genrm(
            GenRMConfig(
                model=base,
                data=data,
                training=TRAINING["GenRM"],
                output=outputs["GenRM"],
                seed=config.seed,
            )
        ),
        "Bradley-Terry": lambda: bradley_terry(
            BradleyTerryConfig(
                model=base,
                data=data,
                training=TRAINING["Bradley-Terry"],
                output=outputs["Bradley-Terry"],
                seed=config.seed,
            )
        ),
        AS_DOWNLOADED: lambda: judge_only(
            AS_DOWNLOADED, JudgeConfig(model=config.model, format="terse-direct")
        ),
    }


def ask_in_chat_formats(config: RealPreferencesConfig, data: DataConfig) -> None:
    """Ask the model as downloaded in the formats for chat models, about a few pairs."""
    sampled = VotingConfig(votes=1, max_tokens=128)
    for form, judge in (
        ("pairwise", JudgeConfig(model=config.model, format="pairwise", voting=sampled, bf16=True)),
        ("direct", JudgeConfig(model=config.model, format="direct")),
    ):
        output = config.output / f"{FOLDERS[AS_DOWNLOADED]}-{form}"
        method = f"as downloaded, {form}"
        asked = EvaluateConfig(
            judge=judge, test=data.test, output=output, method=method, seed=config.seed
        )
        show(output, evaluate(asked))


def combined(config: RealPreferencesConfig, run: Path, data: DataConfig, *, peak: float) -> Results:
    """One table of all methods, each compared with the warm-up and the model as downloaded."""
    sets = read_sets(data, output=run)
    runs = {method: run / folder for method, folder in FOLDERS.items()}
    readings = {method: kept_readings(at, sets.tests) for method, at in runs.items()}
    seconds = {method: seconds_spent(at, "train") for method, at in runs.items()}
    seconds[WARM_UP] = seconds_spent(run / "warm-up", "train")
    sampling = seconds_spent(run / "traces", "train") or 0.0
    for method in ("STaR-SFT", "STaR-DPO"):
        seconds[method] = (seconds[method] or 0.0) + sampling
    return gathered(
        run,
        sets,
        readings,
        training_seconds=seconds,
        baselines={name: readings[name] for name in (AS_DOWNLOADED, WARM_UP)},
        judging_runs=runs,
        seed=config.seed,
        notes=(
            "Every trained method starts from the format warm-up, whose verdicts are a coin's by "
            "construction; its training time is in its own row and not in theirs.",
            f"Sampling the traces took {sampling:.0f} s, once, and counts for STaR-SFT and for "
            f"STaR-DPO. Pairs have at most {config.max_chars} characters.",
            f"Peak memory of the process, over all methods: {peak:.1f} GiB.",
        ),
    )


def note_peak_memory(run: Path) -> float:
    """Peak memory of this process and of those that began the run, in GiB; kept in the run."""
    unit = 1 if sys.platform == "darwin" else 1024
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    path = run / "peak_memory_gib.txt"
    before = float(path.read_text("utf-8")) if path.exists() else 0.0
    path.write_text(f"{max(now, before):.2f}\n", "utf-8")
    return max(now, before)


if __name__ == "__main__":
    main()
