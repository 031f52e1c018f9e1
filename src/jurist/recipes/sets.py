"""The preferences a recipe trains on and is tested on, and that no prompt is in both."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jurist.data import read_preferences, refuse_overlap, split_tenth
from jurist.digest import UNLESS_DEFAULT
from jurist.errors import ConfigError
from jurist.rationales import adversarial_preferences, check_share
from jurist.rehearsal import note_set
from jurist.types import Preference

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Which preferences to train on, and which to test on."""

    train: str
    """Preferences to train on: a JSON Lines file (plain or .gz), a Parquet file, a folder of them,
    or a Hugging Face data set (an id, or a folder)."""

    test: tuple[str, ...] = ()
    """Test sets, each a source as above, or NAME=SOURCE; a plain source is named after its file.
    If none is given, every tenth group of --train is held out as "held_out"."""

    split: str = ""
    """Split of a Hugging Face data set to train on, if it has several."""

    test_split: str = ""
    """Split of Hugging Face data sets to test on, if they have several."""

    layout: str = "auto"
    """Columns of the files: the name of a layout (docs/data.md), such as jurist, trl or hh-rlhf, or
    auto to go by the columns themselves."""

    skip_bad: bool = False
    """Set bad rows aside in the run's directory and go on, instead of refusing the file."""

    allow_overlap: bool = False
    """Go on though a prompt of a test set is trained on."""

    adversarial: float = field(default=0.0, metadata=UNLESS_DEFAULT)
    """Adversarial pairs to train on for each pair of --train, such as 0.125: responses that only
    begin, that ask for the verdict or are padded, made of the pairs of --train, and worse."""

    def __post_init__(self) -> None:
        check_share(self.adversarial)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sets:
    """What a `DataConfig` names, read, split and checked."""

    train: list[Preference]
    tests: dict[str, list[Preference]]
    """Test sets by name."""

    def refuse_overlap(self, *, allow: bool) -> None:
        """Refuse a test set that holds a prompt of the training set.

        Raises:
            DataError: If one does and `allow` is false.
        """
        for test in self.tests.values():
            refuse_overlap(self.train, test, allow=allow)


def read_sets(config: DataConfig, *, output: Path) -> Sets:
    """Read the sets that a config names.

    Args:
        config: What to read.
        output: Run directory; rejected rows are kept in its `rejects/`.

    Raises:
        DataError: If a row is refused, a set is empty, or a test prompt is trained on.
        ConfigError: If two test sets have one name.
    """
    train = read_set(config.train, config, output=output, name="train", split=config.split)
    if config.test:
        tests = read_tests(config.test, config, output=output)
    else:
        splits = split_tenth(train, validation=0.0, seed=0)
        train, tests = splits.train, {"held_out": splits.test}
        note_set("train", f"{_counted(train)}; {config.train}")
        note_set("held_out", f"{_counted(splits.test)}; {config.train}")
    if config.adversarial:
        train = _with_adversarial(train, config.adversarial)
    sets = Sets(train=train, tests=tests)
    sets.refuse_overlap(allow=config.allow_overlap)
    return sets


def _with_adversarial(train: list[Preference], share: float) -> list[Preference]:
    """Training preferences, and those made of them. The seed is fixed: as much as the split of a
    set, what is made of it is the same in all runs."""
    made = adversarial_preferences(train, share, seed=0)
    logger.info("train: %d adversarial pairs added: %s", len(made.preferences), made.counts)
    both = [*train, *made.preferences]
    note_set("train", f"{_counted(both)}, {len(made.preferences):,} of them adversarial")
    return both


def read_tests(
    sources: tuple[str, ...], config: DataConfig, *, output: Path
) -> dict[str, list[Preference]]:
    """Read test sets, each SOURCE or NAME=SOURCE, by name."""
    # Names are of files in the run's directory and of rows in its report, so no two are the same.
    tests: dict[str, list[Preference]] = {}
    for source in sources:
        name, path = named_source(source)
        if name == "train" and config.train:
            raise ConfigError(f"--train is called 'train'; name the test set: --test OTHER={path}")
        if name in tests:
            raise ConfigError(f"two test sets are called {name!r}; name one: --test OTHER={path}")
        tests[name] = read_set(path, config, output=output, name=name, split=config.test_split)
    return tests


def named_source(source: str) -> tuple[str, str]:
    """Name and source of a test set written as SOURCE or NAME=SOURCE."""
    name, separator, path = source.partition("=")
    if separator and name and "/" not in name and not Path(source).exists():
        return name, path
    return Path(source).absolute().name.split(".")[0], source


def read_set(
    source: str, config: DataConfig, *, output: Path, name: str, split: str = ""
) -> list[Preference]:
    """Read one set, and say what was read."""
    rejects = output / "rejects" / f"{name}.jsonl" if config.skip_bad else None
    found = read_preferences(source, layout=config.layout, split=split or None, skip_bad=rejects)
    logger.info("%s: %s", name, found)
    if found.num_rejected:
        logger.warning("%s: %d bad rows set aside in %s", source, found.num_rejected, rejects)
    note_set(name, f"{_counted(found.preferences)}; {source}")
    return found.preferences


def _counted(preferences: Sequence[Preference]) -> str:
    groups = len({preference.group for preference in preferences})
    return f"{len(preferences):,} pairs in {groups:,} groups"
