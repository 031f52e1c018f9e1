"""Judge a file of pairs: for each, which response is better, how sure, and why.

jurist judge --model runs/star-dpo --pairs pairs.jsonl --output runs/judged
"""

from dataclasses import dataclass
from pathlib import Path

from jurist.digest import canonical
from jurist.judges import Ballot
from jurist.recipes.evaluate import judge_tests_with, readings_path
from jurist.recipes.judge_config import JudgeConfig, check_failure_rate
from jurist.recipes.readings import iterate_readings
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_set
from jurist.showing import Console
from jurist.storage import replacing
from jurist.types import Failure, Preference, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeFileConfig:
    """Everything a judged file depends on."""

    judge: JudgeConfig
    pairs: str
    """File, folder or data set of pairs, in any layout of preferences. Labels in it are neither
    shown to the judge nor used."""

    output: Path
    """Run directory; `verdicts.jsonl` in it gets a line per pair. The same command run again goes
    on where it was."""

    split: str = ""
    """Split of a Hugging Face data set, if it has several."""

    layout: str = "auto"
    """Columns of the file, as for training."""

    skip_bad: bool = False
    """Set bad rows aside in the run's directory and go on, instead of refusing the file."""

    max_failure_rate: float = 1.0
    """Exit with 1, everything kept, if a greater share of the pairs has no verdict."""

    seed: int = 0

    def __post_init__(self) -> None:
        check_failure_rate(self.max_failure_rate)


def run_judge(config: JudgeFileConfig) -> int:
    """Say of every pair in a file which response is better.

    Returns:
        0, or 1 if more pairs came out without a verdict than `max_failure_rate` allows.
    """
    with open_run("judge", config) as run:
        data = DataConfig(train="", layout=config.layout, skip_bad=config.skip_bad)
        pairs = read_set(config.pairs, data, output=run, name="pairs", split=config.split)
        judge_tests_with(config.judge, {"pairs": pairs}, run=run, seed=config.seed)
        failed = 0
        with replacing(run / "verdicts.jsonl") as file:
            kept = iterate_readings(readings_path(run, "pairs"), pairs)
            for pair, reading in zip(pairs, kept, strict=True):
                ballot = Ballot.of(reading.judgements, num_unasked=reading.num_unasked)
                failed += isinstance(ballot.outcome, Failure)
                line = canonical(verdict_line(pair, ballot, seed=config.seed))
                file.write(f"{line}\n".encode())
    Console().print(
        f"{len(pairs)} pairs judged, {failed} without a verdict: {run / 'verdicts.jsonl'}",
        markup=False,
        soft_wrap=True,
    )
    return 1 if failed > config.max_failure_rate * len(pairs) else 0


def verdict_line(pair: Preference, ballot: Ballot, *, seed: int) -> dict[str, object]:
    """One line of `verdicts.jsonl`, in terms of the columns the pair was read from.

    `preferred` is "chosen", "rejected", "tie" or null; `probability` is that of the response in
    the column `chosen`. Of a pair read from columns without labels, `chosen` is the first.
    """
    places = pair.shown(seed)
    # A tie is shown in a drawn order too, so the label does not say where `chosen` stands.
    chosen_first = places.comparison.first == pair.chosen
    names = {Verdict.FIRST: "chosen", Verdict.SECOND: "rejected", Verdict.TIE: "tie"}
    outcome, probability = ballot.outcome, ballot.probability
    if isinstance(outcome, Verdict) and not chosen_first:
        outcome = outcome.swapped()
    if probability is not None and not chosen_first:
        probability = 1.0 - probability
    return {
        "id": pair.id,
        "preferred": names[outcome] if isinstance(outcome, Verdict) else None,
        "failure": outcome if isinstance(outcome, Failure) else None,
        "probability": probability,
        "flip": ballot.flip,
        "votes": {
            "chosen": ballot.first if chosen_first else ballot.second,
            "rejected": ballot.second if chosen_first else ballot.first,
            "tie": ballot.ties,
            "failed": ballot.num_failures,
            "possible": ballot.num_possible,
        },
        "num_tokens": ballot.num_tokens,
    }
