"""A jury: several judges that have read the same pairs, each heard by how reliable it is.

jurist jury --judged a=runs/a b=runs/b c=runs/c --test pairs.jsonl --estimate-on dev.jsonl \\
    --output runs/jury
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jurist.data.objects import read_object
from jurist.digest import canonical
from jurist.errors import ConfigError, StoreError
from jurist.judges import Ballot
from jurist.recipes.evaluate import kept_readings, readings_path, show
from jurist.recipes.judge import verdict_line
from jurist.recipes.readings import Readings, read_readings, write_readings
from jurist.recipes.run import open_run, seconds_spent
from jurist.recipes.sets import DataConfig, Sets, named_source, read_set, read_tests
from jurist.storage import replacing, write_json
from jurist.types import Judgement, Preference

if TYPE_CHECKING:
    # Loads numpy, which `jurist --help` need not wait for.
    from jurist.judges.jury import Reliability
    from jurist.reports import Results

logger = logging.getLogger(__name__)

RELIABILITIES = "jury.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class JuryConfig:
    """Everything a jury's verdicts depend on."""

    judged: tuple[str, ...]
    """Two or more runs of `jurist evaluate` or `jurist judge` over the same pairs with the same
    --seed, each DIR or NAME=DIR. Nothing is asked again."""

    test: tuple[str, ...]
    """Sets to come to verdicts on, named as in those runs: each a source of preferences, or
    NAME=SOURCE."""

    output: Path
    """Run directory. `verdicts-NAME.jsonl` in it gets a line per pair of a set, `jury.json` the
    reliabilities."""

    estimate_on: str = ""
    """Another set that all runs have judged, SOURCE or NAME=SOURCE, on which reliabilities are
    estimated without its labels. None of its prompts may be in --test."""

    reliabilities: Path | None = None
    """`jury.json` of another jury of the same names, to go by. Give this or --estimate-on."""

    test_split: str = ""
    """Split of Hugging Face data sets, if they have several."""

    layout: str = "auto"
    """Columns of the files, as for training."""

    seed: int = 0
    """Of the resamples that intervals are drawn from."""

    def __post_init__(self) -> None:
        names = [name for name, _ in map(named_source, self.judged)]
        if len(names) < 2:
            raise ConfigError(f"--judged names {len(names)} run; a jury takes two or more")
        taken = sorted({name for name in names if names.count(name) > 1})
        if taken or {"jury", "majority"} & {*names}:
            which = taken[0] if taken else sorted({"jury", "majority"} & {*names})[0]
            raise ConfigError(
                f"--judged: {which!r} would name two rows of the report; give the run another "
                f"name, as in --judged NAME=DIR"
            )
        if not self.test:
            raise ConfigError("--test names no set; give at least one")
        if bool(self.estimate_on) is (self.reliabilities is not None):
            raise ConfigError(
                "a jury goes by reliabilities that are estimated on pairs put aside, or by given "
                "ones: give one of --estimate-on and --reliabilities"
            )


def run_jury(config: JuryConfig) -> int:
    """Have several judges' votes decide together, each weighed by how reliable it is found to be.

    Returns:
        0.
    """
    show(config.output, come_to_verdicts(config))
    return 0


def come_to_verdicts(config: JuryConfig) -> "Results":
    """The run behind `run_jury`, without its table.

    Raises:
        ConfigError: If a run has not judged one of the sets, or drew other places than the others.
        DataError: If a prompt of --test is in --estimate-on.
        StoreError: If the file of --reliabilities is no such file.
    """
    from jurist.judges.jury import jury_judgements, majority_judgements

    runs = {name: Path(path) for name, path in map(named_source, config.judged)}
    with open_run("jury", config) as run:
        data = DataConfig(train="", layout=config.layout, test_split=config.test_split)
        tests = read_tests(config.test, data, output=run)
        if config.reliabilities is not None:
            found = read_reliability(config.reliabilities, list(runs))
            whence = f"as in {config.reliabilities}"
        else:
            found, whence = _estimated(config, runs, tests, run=run)
        _write_reliability(run / RELIABILITIES, list(runs), found)
        heard = {name: kept_readings(of, tests) for name, of in runs.items()}
        for name, test in tests.items():
            of_each = [_ballots(heard[juror][name]) for juror in runs]
            seed = _one_seed({juror: heard[juror][name] for juror in runs}, name)
            kept = {
                "majority": majority_judgements(of_each),
                "jury": jury_judgements(of_each, found),
            }
            for method, judgements in kept.items():
                folder = run if method == "jury" else run / method
                heard.setdefault(method, {})[name] = _kept(
                    folder, name, test, judgements, seed=seed
                )
            _write_verdicts(run / f"verdicts-{name}.jsonl", test, heard["jury"][name])
        notes = (_told(list(runs), found, whence),)
        results = _results(run, runs, tests, heard, notes=notes, seed=config.seed)
        logger.info("%s", notes[0])
        return results


def _estimated(
    config: JuryConfig,
    runs: Mapping[str, Path],
    tests: dict[str, list[Preference]],
    *,
    run: Path,
) -> tuple["Reliability", str]:
    from jurist.judges.jury import dawid_skene, verdict_counts

    name, source = named_source(config.estimate_on)
    if name in tests:
        raise ConfigError(
            f"--estimate-on and --test both name {name!r}; reliabilities are estimated on pairs "
            f"that nothing is reported of"
        )
    data = DataConfig(train="", layout=config.layout)
    aside = read_set(source, data, output=run, name=name, split=config.test_split)
    Sets(train=aside, tests=tests).refuse_overlap(allow=False)
    heard = {juror: kept_readings(of, {name: aside})[name] for juror, of in runs.items()}
    _one_seed(heard, name)
    counts = verdict_counts([_ballots(heard[juror]) for juror in runs])
    silent = [juror for juror, said in zip(runs, counts.sum(axis=(0, 2)), strict=True) if not said]
    if silent:
        raise ConfigError(
            f"{silent[0]} came to no verdict on {name!r}, so nothing is known of how reliable it "
            f"is; leave it out of --judged"
        )
    return dawid_skene(counts, num_truths=2), f"estimated on the {len(aside)} pairs of {name!r}"


def _one_seed(heard: Mapping[str, Readings], name: str) -> int:
    """The seed that drew the places of all; verdicts on other places are of other comparisons."""
    seeds = {juror: of.seed for juror, of in heard.items()}
    if len({*seeds.values()}) > 1:
        told = ", ".join(f"{juror} {seed}" for juror, seed in seeds.items())
        raise ConfigError(
            f"the runs drew the places of {name!r} from different seeds ({told}); judge again "
            f"with one --seed"
        )
    return next(iter(seeds.values()))


def _ballots(readings: Readings) -> list[Ballot]:
    return [
        Ballot.of(of, num_unasked=spared)
        for of, spared in zip(readings.judgements, readings.num_unasked, strict=True)
    ]


def _kept(
    run: Path,
    name: str,
    test: Sequence[Preference],
    judgements: Sequence[Sequence[Judgement]],
    *,
    seed: int,
) -> Readings:
    """Keep judgements as a run does, so that --baseline finds them, and read them back."""
    path = readings_path(run, name)
    most = max(map(len, judgements))
    write_readings(path, test, judgements, num_possible=most, seed=seed)
    return read_readings(path, test)


def _write_verdicts(path: Path, test: Sequence[Preference], found: Readings) -> None:
    with replacing(path) as file:
        for pair, ballot in zip(test, _ballots(found), strict=True):
            file.write(f"{canonical(verdict_line(pair, ballot, seed=found.seed))}\n".encode())


def _results(
    run: Path,
    runs: Mapping[str, Path],
    tests: dict[str, list[Preference]],
    heard: Mapping[str, Mapping[str, Readings]],
    *,
    notes: tuple[str, ...],
    seed: int,
) -> "Results":
    from jurist.recipes.reporting import gathered, publish

    baselines = {name: of for name, of in heard.items() if name != "jury"}
    results = gathered(
        run,
        Sets(train=[], tests=tests),
        heard,
        training_seconds=dict.fromkeys(heard),
        baselines=baselines,
        judging_runs={**runs},
        notes=notes,
        seed=seed,
    )
    # A jury costs what its jurors do; and it is what everything else is held against.
    spent = {
        name: fsum(seconds_spent(of, f"judge/{name}") or 0.0 for of in runs.values())
        for name in tests
    }
    results = replace(
        results,
        rows=tuple(
            row if row.method in runs else replace(row, judging_seconds=spent[row.split])
            for row in results.rows
        ),
        comparisons=tuple(row for row in results.comparisons if row.method == "jury"),
    )
    publish(run, results, tests=tests, readings=heard)
    return results


def _told(names: Sequence[str], found: "Reliability", whence: str) -> str:
    each = ", ".join(
        f"{name} {accuracy:.1%}" for name, accuracy in zip(names, found.accuracy, strict=True)
    )
    return (
        f"Reliability of a single reading, {whence} without labels: {each}. It rests on who agrees "
        f"with whom: judges that share a fault are found reliable."
    )


def _write_reliability(path: Path, names: Sequence[str], found: "Reliability") -> None:
    write_json(
        path,
        {
            "prior": found.prior.tolist(),
            "jurors": [
                {"name": name, "confusion": confusion}
                for name, confusion in zip(names, found.confusion.tolist(), strict=True)
            ],
        },
    )


def read_reliability(path: Path, names: Sequence[str]) -> "Reliability":
    """Read the `jury.json` of a jury, for jurors of these names.

    Raises:
        StoreError: If there is no such file, or it holds something else.
        ConfigError: If it holds other jurors.
    """
    import numpy as np

    from jurist.judges.jury import LABELS, Reliability

    try:
        values: dict[str, Any] = read_object(path)
        confusion = {str(one["name"]): one["confusion"] for one in values["jurors"]}
        prior = np.array(values["prior"], np.float64)
        shapes = {np.array(one, np.float64).shape for one in confusion.values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: not the {RELIABILITIES} of a jury ({error!r})") from error
    if sorted(confusion) != sorted(names):
        raise ConfigError(
            f"{path}: reliabilities of {', '.join(confusion)}, and --judged names "
            f"{', '.join(names)}; give the runs the names they had, as in --judged NAME=DIR"
        )
    whole = np.array([confusion[name] for name in names], np.float64)
    rows = [*whole.reshape(-1, whole.shape[-1]), prior]
    sums = [float(row.sum()) for row in rows]
    if (
        shapes != {(2, len(LABELS))}
        or prior.shape != (2,)
        or not all(bool((row > 0.0).all()) for row in rows)
        or not all(isclose(total, 1.0, abs_tol=1e-6) for total in sums)
    ):
        raise StoreError(
            f"{path}: expected 2 positive probabilities that sum to 1, and 2 x {len(LABELS)} for "
            f"each juror"
        )
    return Reliability(confusion=whole, prior=prior)
