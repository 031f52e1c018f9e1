"""How many of 32 votes early stopping needs, and how often it gives the verdict of all 32.

    python -m benchmarks.adaptive
    python -m benchmarks.adaptive --judges NAME=FOLDER --tests NAME=FILE --bf16 --max-tokens 48

Every judge reads every test set in full, 16 votes of each order, and once more with
`Adaptive(judge)`, from nothing; both are kept in `--output`, so that a run that is killed goes on.
Without `--judges` these are the shipped base as it is and a STaR-DPO judge that is trained from it
first, without `--tests` the test pairs of the world that ships. Printed are, for each setting of
`stop_at`, how often the verdict is that of all votes, the share of votes cast and the accuracy,
with their 95 % intervals; then what rivals of the same cost do: the same number of votes on every
pair, and `Budgeted`, which spends them where the verdict is open. The last line is all of it as
JSON. Seconds are of sampling only, the model is loaded before: of the processor and by the clock,
medians of `--rounds` in which all votes and early stopping take turns, with the least and the most.
"""

import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from jurist.evaluation import Estimate, Judged, credit, group_bootstrap, judged, stopping_curve
from jurist.judges import Ballot, Budgeted
from jurist.recipes import quickstart
from jurist.recipes.environment import environment_facts
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.open_judge import open_judge
from jurist.recipes.quickstart import FULL, QuickstartConfig, write_world
from jurist.recipes.readings import Readings, read_readings, write_readings
from jurist.recipes.sets import DataConfig, read_tests
from jurist.storage import write_json
from jurist.types import Comparison, Judgement, Preference
from jurist.worlds import BASE

STOP_AT = (0.0, 0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.2)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdaptiveConfig:
    """What is measured."""

    judges: tuple[str, ...] = ()
    """Judges that reason, each NAME=FOLDER."""

    tests: tuple[str, ...] = ()
    """Test sets, each NAME=FILE."""

    votes: int = 16
    """Of each order."""

    stop_at: float = 0.01
    """Setting of the run that is timed and compared with its rivals."""

    max_tokens: int = 64
    bf16: bool = False
    num_pairs: int = 0
    """The first so many of each set. 0: all."""

    rounds: int = 1
    """Times that both are sampled anew and timed."""

    seed: int = 0
    output: Path = Path("runs/benchmarks/adaptive")


def measure(config: AdaptiveConfig) -> None:
    """Judge in full and stopped early, compare, print."""
    tests = read_tests(
        config.tests or world(config).test,
        DataConfig(train=""),
        output=config.output,
    )
    tests = {name: rows[: config.num_pairs or None] for name, rows in tests.items()}
    lines: list[dict[str, object]] = []
    for name, folder in judges(config).items():
        for split, preferences in tests.items():
            lines.append(
                compared(config, name, folder, split, preferences),
            )
            show(lines[-1])
    print(
        json.dumps(
            {
                "name": "adaptive",
                "ours": {key(line): line["adaptive"] for line in lines},
                "rivals": {
                    key(line): {way: line[way] for way in ("all", "fixed", "budgeted")}
                    for line in lines
                },
                "ratios": {
                    key(line): {
                        "votes": line["adaptive"]["share"][0],
                        **{
                            f"{kind}_seconds": line["adaptive"]["seconds"][kind][0]
                            / line["all"]["seconds"][kind][0]
                            for kind in ("processor", "wall")
                        },
                    }
                    for line in lines
                },
                "roofline_fraction": None,
                "unit": "shares of pairs and of votes, [value, low, high] at 95 %; seconds",
                "runs": [{"set": key(line), "settings": line["settings"]} for line in lines],
                "machine": environment_facts(),
            }
        )
    )


def key(line: Mapping[str, object]) -> str:
    """What a line is about."""
    return f"{line['judge']} / {line['split']}"


def world(config: AdaptiveConfig) -> DataConfig:
    """The preferences of the world that ships, as files."""
    return write_world(config.output / "data", FULL, seed=config.seed)


def judges(config: AdaptiveConfig) -> dict[str, str]:
    """Judges by name; if none are named, the shipped base and one trained from it here."""
    if config.judges:
        return dict(judge.split("=", 1) for judge in config.judges)
    asked = QuickstartConfig(output=config.output, seed=config.seed)
    quickstart.recipes(asked, FULL, world(config))["STaR-DPO"]()
    return {
        quickstart.ZERO_SHOT: str(BASE),
        "STaR-DPO": str(config.output / quickstart.FOLDERS["STaR-DPO"]),
    }


def compared(
    config: AdaptiveConfig, name: str, folder: str, split: str, preferences: Sequence[Preference]
) -> dict[str, object]:
    """One judge on one set: all votes, early stopping, and its rivals."""
    rounds = [
        [
            votes(config, name, folder, split, preferences, stop_at=stop_at, number=number)
            for stop_at in (None, config.stop_at)
        ]
        for number in range(config.rounds)
    ]
    (full, _), (early, _) = rounds[0]
    full_seconds, early_seconds = (
        {kind: spread_of([both[way][1][kind] for both in rounds]) for kind in ("processor", "wall")}
        for way in (0, 1)
    )
    rows = judged(preferences, full.judgements, seed=config.seed)
    stopped = judged(preferences, early.judgements, seed=config.seed, num_unasked=early.num_unasked)
    check_replay(config, rows, stopped)
    mean = sum(len(row.ballot.judgements) for row in stopped) / len(stopped)
    # What a vote more on every pair would cost is given to the rival.
    per_order = math.ceil(mean / 2)
    fixed = [first_votes(row, per_order) for row in rows]
    spread = Budgeted(Recorded(rows, config.votes), mean_votes=max(2.0, mean))(
        [row.comparison for row in rows]
    )
    points = stopping_curve(rows, stop_at=STOP_AT, seed=config.seed)
    return {
        "judge": name,
        "split": split,
        "num_pairs": len(rows),
        "all": told(rows, [row.ballot for row in rows]) | {"seconds": full_seconds},
        "adaptive": told(rows, [row.ballot for row in stopped])
        | {"stop_at": config.stop_at, "seconds": early_seconds},
        "fixed": told(rows, fixed) | {"votes": 2 * per_order},
        "budgeted": told(rows, [Ballot.of(found) for found in spread]),
        "settings": [
            {
                "stop_at": point.stop_at,
                "same": rounded(point.same),
                "share": rounded(point.share),
                "accuracy": rounded(point.accuracy),
                "votes": round(point.votes, 2),
                "tokens": round(point.tokens, 1),
            }
            for point in points
        ],
    }


def votes(
    config: AdaptiveConfig,
    name: str,
    folder: str,
    split: str,
    preferences: Sequence[Preference],
    *,
    stop_at: float | None,
    number: int,
) -> tuple[Readings, dict[str, float]]:
    """What the judge says, and the seconds it took; read back if it is kept."""
    way = "all" if stop_at is None else f"stop-at-{stop_at:g}"
    run = config.output / "votes" / f"round-{number}" / way / name
    path, timing = run / f"{split}.jsonl.gz", run / f"{split}.json"
    if not (path.exists() and timing.exists()):
        run.mkdir(parents=True, exist_ok=True)
        voting = VotingConfig(votes=config.votes, max_tokens=config.max_tokens, stop_at=stop_at)
        judge = JudgeConfig(model=folder, voting=voting, bf16=config.bf16)
        shown = [preference.shown(config.seed).comparison for preference in preferences]
        with open_judge(judge, seed=config.seed, store=run / "completions.sqlite") as opened:
            started = time.process_time(), time.perf_counter()
            found = opened.judge(shown)
            seconds = {
                "processor": round(time.process_time() - started[0], 3),
                "wall": round(time.perf_counter() - started[1], 3),
            }
        write_readings(path, preferences, found, num_possible=opened.num_possible, seed=config.seed)
        write_json(timing, seconds)
    return read_readings(path, preferences), json.loads(timing.read_text("utf-8"))


def spread_of(numbers: Sequence[float]) -> list[float]:
    """Median, least and most."""
    return [statistics.median(numbers), min(numbers), max(numbers)]


def check_replay(config: AdaptiveConfig, rows: Sequence[Judged], stopped: Sequence[Judged]) -> None:
    """Stop unless what was sampled is, reading by reading, the beginning of all votes."""
    for row, early in zip(rows, stopped, strict=True):
        cast = len(early.ballot.judgements) // 2
        assert early.ballot.judgements == first_votes(row, cast).judgements, row.preference.id
    (point,) = stopping_curve(rows, stop_at=[config.stop_at], num_resamples=10)
    labelled = [row for row in stopped if not row.preference.tie]
    cast = sum(len(row.ballot.judgements) for row in labelled)
    assert math.isclose(point.votes, cast / len(labelled)), (point.votes, cast / len(labelled))


def first_votes(row: Judged, per_order: int) -> Ballot:
    """The ballot of the first votes of each order."""
    readings = row.ballot.judgements
    given = [one for one in readings if not one.swapped][:per_order]
    swapped = [one for one in readings if one.swapped][:per_order]
    return Ballot.of([*given, *swapped])


class Recorded:
    """A judge that gives the votes that were cast before."""

    def __init__(self, rows: Sequence[Judged], num_samples: int) -> None:
        self.num_samples = num_samples
        self._votes: dict[Comparison, list[Judgement]] = {}
        for row in rows:
            readings = row.ballot.judgements
            self._votes[row.comparison] = [one for one in readings if not one.swapped]
            self._votes[row.comparison.swapped()] = [
                one.mapped_back() for one in readings if one.swapped
            ]

    def sample(
        self, comparisons: Sequence[Comparison], *, first_index: int, num_samples: int
    ) -> list[list[Judgement]]:
        """Some of the votes."""
        stop = first_index + num_samples
        return [self._votes[comparison][first_index:stop] for comparison in comparisons]

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """All of them."""
        return self.sample(comparisons, first_index=0, num_samples=self.num_samples)


def told(rows: Sequence[Judged], ballots: Sequence[Ballot]) -> dict[str, object]:
    """How often these verdicts are those of all votes, what they cost and how right they are."""
    groups = [row.preference.group for row in rows]
    pairs = list(zip(rows, ballots, strict=True))
    possible = [len(row.ballot.judgements) for row in rows]
    cast = [len(ballot.judgements) for ballot in ballots]
    same = [float(ballot.outcome == row.ballot.outcome) for row, ballot in pairs]
    right = [credit(ballot.outcome, row.label) for row, ballot in pairs]
    return {
        "same": rounded(group_bootstrap(same, groups)),
        "share": rounded(group_bootstrap(cast, groups, denominators=possible)),
        "accuracy": rounded(group_bootstrap(right, groups)),
        "tokens": round(sum(ballot.num_tokens for ballot in ballots) / len(ballots), 1),
    }


def rounded(estimate: Estimate) -> list[float]:
    """An estimate as [value, low, high]."""
    return [round(value, 4) for value in (estimate.value, estimate.low, estimate.high)]


def show(line: Mapping[str, object]) -> None:
    """Print what was found of one judge on one set."""
    print(f"{key(line)}, {line['num_pairs']} pairs")
    for setting in line["settings"]:
        print(
            "  stop at {stop_at:<6} same {same}  votes {share}  accuracy {accuracy}".format(
                **setting
            )
        )
    for way in ("all", "adaptive", "fixed", "budgeted"):
        print(
            "  {way:9} same {same}  votes {share}  accuracy {accuracy}".format(way=way, **line[way])
        )
    for kind in ("processor", "wall"):
        all_votes, early = (line[way]["seconds"][kind] for way in ("all", "adaptive"))
        print(f"  {kind} seconds: all {all_votes}, adaptive {early}", flush=True)


if __name__ == "__main__":
    measure(tyro.cli(AdaptiveConfig))
