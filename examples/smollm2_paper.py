"""Every comparison of the paper on real human preferences, with two models made of one.

    make smollm2
    python examples/smollm2_paper.py --data FOLDER
    python examples/smollm2_paper.py --data FOLDER --layers 16 --warm-up-epochs 4 \\
        --output runs/smollm2-16

FOLDER holds hh_rlhf, evouna and piqa to learn from, and llmbar, hhh_alignment, pandalm,
truthfulqa_models and gsm8k_solutions for the shifted test, each as NAME.jsonl.gz in any layout that
jurist reads. This draws the pairs, makes the base, and hands both to `jurist paper --scale small`.

The model as it is downloaded writes no verdict that a parser could read. So the base is a *format
warm-up* of it: trained on its own sentences, each followed by a verdict that a coin chose. That is
a crutch. It teaches the form of a reply and nothing else: the base's verdicts are a coin's. With
`--layers` the base is a smaller model: layers are taken out of the middle, and the same warm-up, on
the whole model's sentences, is all that mends it.

Killed at any moment, the same command goes on where it was.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from jurist.data import read_preferences, split_tenth, without_overlap, write_preferences
from jurist.digest import derive_seed
from jurist.engines import Cached
from jurist.errors import ConfigError, DataError
from jurist.formats import make_format
from jurist.rationales import SupervisedRow, write_rows
from jurist.recipes.paper import PaperConfig, run_paper
from jurist.recipes.run import open_run
from jurist.storage import make_directory, write_json
from jurist.training.config import TrainingConfig
from jurist.types import Completion, Preference, Sampling, Verdict

TRAINED_ON = ("hh_rlhf", "evouna", "piqa")
SHIFTED = ("llmbar", "hhh_alignment", "pandalm", "truthfulqa_models", "gsm8k_solutions")

WARM_UP_TRIES = 4
"""Replies that the model writes to each warm-up prompt; those with a whole sentence are kept."""

TRAINING = TrainingConfig(learning_rate=1e-4, batch_size=16, micro_batch_tokens=1024, bf16=True)
"""Of the warm-up. Not tuned."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RealPaperConfig:
    """Everything the run depends on. The sizes fit some hours of one CPU thread."""

    data: Path
    """Folder with the eight sets, each NAME.jsonl.gz."""

    model: str = "models/SmolLM2-135M-Instruct"
    """Checkpoint or hub id that everything starts from (`make smollm2` makes this one)."""

    layers: int = 0
    """Layers that the base keeps: the first ones and the last two. 0: all."""

    output: Path = Path("runs/smollm2-30")
    """Run directory. The same command run again goes on where it was."""

    max_chars: int = 300
    """Pairs with more characters, prompt and both responses together, are left out."""

    num_train: int = 402
    """Pairs that every method trains on, a third of them from each source."""

    num_warm_up: int = 120
    """Other pairs, whose prompts the form of a reply is learnt on; their labels are not used."""

    warm_up_epochs: int = 1
    """Times each row of the warm-up is trained on."""

    num_in_distribution: int = 78
    """Held-out pairs of the sources that are trained on, a third from each."""

    num_shifted: int = 40
    """Test pairs of each source that is not trained on; fewer where there are no more."""

    votes: int = 2
    """Judgements of each pair in each order, by the judges that reason."""

    num_samples: int = 4
    """Traces sampled per training pair and order."""

    max_tokens: int = 48
    """Longest judgement, in tokens."""

    seed: int = 0
    """Of the drawing of pairs and of everything after it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """The pairs of a run, no prompt of a test set among the others."""

    train: list[Preference]
    held_out: list[Preference]
    """Drawn as `train` is, of other groups."""

    warm_up: list[Preference]
    shifted: dict[str, list[Preference]]
    counts: dict[str, dict[str, int]]
    """What was read and what was left out, by source."""


def main() -> None:
    """Run it with the settings of the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    real_paper(tyro.cli(RealPaperConfig, description=__doc__))


def real_paper(config: RealPaperConfig) -> None:
    """Select the pairs, make the base, and run the whole paper on them."""
    with open_run("smollm2-paper", config) as run:
        pairs = select(config)
        write_json(run / "data" / "counts.json", pairs.counts)
        # The paper holds the same groups out of this file again, by their hash.
        source = run / "data" / "pairs.jsonl.gz"
        write_preferences(source, [*pairs.train, *pairs.held_out])
        tests = {name: run / "data" / f"{name}.jsonl.gz" for name in pairs.shifted}
        for name, path in tests.items():
            write_preferences(path, pairs.shifted[name])
        base = warm_up(config, run / "warm-up", pairs.warm_up)
        run_paper(
            PaperConfig(
                output=run / "paper",
                scale="small",
                model=base,
                train=str(source),
                test=tuple(f"{name}={path}" for name, path in tests.items()),
                seeds=(config.seed,),
                votes=config.votes,
                num_samples=config.num_samples,
                max_tokens=config.max_tokens,
                jobs=1,
            )
        )


def select(config: RealPaperConfig) -> Pairs:
    """Draw the pairs by hash, so that neither labels nor the order of a file matter."""
    counts: dict[str, dict[str, int]] = {}
    held_out: list[Preference] = []
    pools: dict[str, list[Preference]] = {}
    shifted: dict[str, list[Preference]] = {}
    for name in (*TRAINED_ON, *SHIFTED):
        read = read_preferences(config.data / f"{name}.jsonl.gz").preferences
        short = [one for one in read if not one.tie and num_chars(one) <= config.max_chars]
        counts[name] = {"read": len(read), "short": len(short)}
        if name in SHIFTED:
            shifted[name] = draw(short, min(config.num_shifted, len(short)), seed=config.seed)
            counts[name]["drawn"] = len(shifted[name])
            continue
        splits = split_tenth(short, validation=0.0, seed=0)
        counts[name] |= {"train part": len(splits.train), "test part": len(splits.test)}
        share = config.num_in_distribution // len(TRAINED_ON)
        held_out += draw(splits.test, share, seed=config.seed)
        pools[name] = splits.train
    tests = [*held_out, *(one for test in shifted.values() for one in test)]
    train: list[Preference] = []
    warm: list[Preference] = []
    for name, pool in pools.items():
        clean = without_overlap(pool, tests)
        counts[name]["with a test prompt"] = clean.num_dropped
        drawn = draw(clean.preferences, config.num_train // len(TRAINED_ON), seed=config.seed)
        groups = {one.group for one in drawn}
        others = [one for one in clean.preferences if one.group not in groups]
        train += drawn
        warm += draw(others, config.num_warm_up // len(TRAINED_ON), seed=config.seed)
    return Pairs(train=train, held_out=held_out, warm_up=warm, shifted=shifted, counts=counts)


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


def warm_up(config: RealPaperConfig, folder: Path, preferences: list[Preference]) -> str:
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
    prompts = [form.render(one.shown(config.seed).comparison) for one in preferences]
    engine = TransformersEngine.load(config.model, dtype="bfloat16")
    with Cached(engine, make_directory(folder) / "completions.sqlite") as cached:
        replies = cached.generate(prompts, sampling)
    written = [
        (i, number, sentence)
        for i, found in enumerate(replies)
        for number, one in enumerate(found)
        if (sentence := whole_sentences(one))
    ]
    # Every other one in an order by hash: as many of either verdict, and no label looked at.
    written.sort(key=lambda one: derive_seed("coin", preferences[one[0]].id, one[1]))
    rows: list[SupervisedRow] = []
    for place, (i, _, sentence) in enumerate(written):
        verdict = (Verdict.FIRST, Verdict.SECOND)[place % 2]
        rows.append(
            SupervisedRow(
                preference_id=preferences[i].id,
                label=verdict,
                prompt=prompts[i],
                completion=f"{sentence}\n{form.verdicts[verdict]}",
            )
        )
    write_rows(folder / "rows.jsonl.gz", rows)
    write_json(folder / "rows.json", {"prompts": len(prompts), "rows": len(rows)})
    start = config.model
    if config.layers:
        start = fewer_layers(config.model, config.layers, folder / "fewer-layers")
    train_supervised(
        start,
        rows,
        replace(TRAINING, epochs=config.warm_up_epochs),
        seed=config.seed,
        output=checkpoint,
        card={"method": "format warm-up", "kind": "reasoning", "format": "terse"},
    )
    return str(checkpoint)


def whole_sentences(completion: Completion) -> str:
    """The first line of a reply, up to its last whole sentence; empty if it has none."""
    line, ended, _ = completion.text.strip().partition("\n")
    if not ended and completion.finish_reason != "stop":
        line = "".join(re.findall(r"[^.!?]*[.!?]+(?=\s|$)", line))
    return "" if "[[" in line else line.strip()


def fewer_layers(model: str, layers: int, folder: Path) -> str:
    """The model with its first layers and its last two, so many in all; its checkpoint.

    Raises:
        ConfigError: If the model has no more layers than that, or would keep fewer than three.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if (folder / "config.json").exists():
        return str(folder)
    whole = AutoModelForCausalLM.from_pretrained(model)
    body = whole.model
    if not 2 < layers < len(body.layers):
        raise ConfigError(f"--layers must be between 3 and {len(body.layers) - 1}, got {layers}")
    kept = [*range(layers - 2), len(body.layers) - 2, len(body.layers) - 1]
    body.layers = torch.nn.ModuleList(body.layers[place] for place in kept)
    whole.config.num_hidden_layers = layers
    AutoTokenizer.from_pretrained(model).save_pretrained(folder.with_name("part"))
    whole.save_pretrained(folder.with_name("part"))
    folder.with_name("part").replace(folder)
    return str(folder)


if __name__ == "__main__":
    main()
