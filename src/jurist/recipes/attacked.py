"""A judge under attack: trials made of test pairs, judged like any, and what came of it."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from jurist.attacks import Kind, drawn, trials
from jurist.evaluation import judged, robustness
from jurist.recipes.evaluate import judge_set, readings_path
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_judge import open_judge
from jurist.recipes.readings import Readings, read_readings
from jurist.reports import RobustnessRow
from jurist.types import Preference

FOLDER = "attacks"
"""Where in a run's `judgements/` the readings of trials are, a file for each test set."""


def attacked_rows(
    judge: JudgeConfig,
    tests: Mapping[str, Sequence[Preference]],
    readings: Mapping[str, Readings],
    *,
    method: str,
    run: Path,
    num: int,
    seed: int,
    kinds: Collection[str] = (),
) -> tuple[RobustnessRow, ...]:
    """Attack some pairs of every test set, once, and work out how the judge stands up to it.

    Args:
        judge: Which judge.
        tests: Test sets by name. Of one without a labelled pair there is no row.
        readings: What the judge said of them.
        method: Name of the judge.
        run: Directory of the run. What was judged before is read back, not judged again.
        num: Pairs of each set. None: nothing is attacked.
        seed: Of the pairs, the texts, places, sampling and resamples.
        kinds: Kinds of attack besides the master keys, by their names in lower case. None: all.
    """
    chosen = [kind for kind in Kind if not kinds or kind.name.lower() in ("key", *kinds)]
    items = {name: drawn(test, num, seed=seed) for name, test in tests.items()}
    made = {
        name: trials(some, tests[name], seed=seed, kinds=chosen)
        for name, some in items.items()
        if some
    }
    shown = {name: [trial.preference for trial in some] for name, some in made.items()}
    missing = [name for name in made if not readings_path(run, f"{FOLDER}/{name}").exists()]
    if missing:
        with open_judge(judge, seed=seed, store=run / "completions.sqlite") as opened:
            for name in missing:
                kept = f"{FOLDER}/{name}"
                judge_set(opened, kept, shown[name], run=run, seed=seed, stage=f"attack/{name}")
    rows: list[RobustnessRow] = []
    for name, some in made.items():
        drawn_ids = {item.id for item in items[name]}
        said = readings[name]
        clean = judged(tests[name], said.judgements, seed=said.seed, num_unasked=said.num_unasked)
        after = read_readings(readings_path(run, f"{FOLDER}/{name}"), shown[name])
        attacked = judged(
            shown[name], after.judgements, seed=after.seed, num_unasked=after.num_unasked
        )
        found = robustness(
            [row for row in clean if row.preference.id in drawn_ids], some, attacked, seed=seed
        )
        rows.append(RobustnessRow(method=method, split=name, robustness=found))
    return tuple(rows)
