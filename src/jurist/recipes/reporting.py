"""From what judges said to results, and from results to a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jurist.data import overlap
from jurist.evaluation import Judged, compare, judged, shortcuts
from jurist.recipes.environment import environment_facts
from jurist.recipes.evaluate import EXPLORER_MEGABYTES
from jurist.recipes.provenance import judge_facts, rounds_of, training_of
from jurist.recipes.readings import Readings
from jurist.recipes.run import seconds_spent
from jurist.recipes.sets import Sets
from jurist.reports import (
    ComparisonRow,
    DatasetFacts,
    Results,
    RobustnessRow,
    ShortcutRow,
    explored,
    judged_row,
    save_report,
    save_results,
    worst_disagreements,
)
from jurist.types import Preference


def gathered(
    run: Path,
    sets: Sets,
    readings: Mapping[str, Mapping[str, Readings]],
    *,
    training_seconds: Mapping[str, float | None],
    baselines: Mapping[str, Mapping[str, Readings]],
    seed: int,
    judging_runs: Mapping[str, Path] | None = None,
    notes: tuple[str, ...] = (),
    robustness: tuple[RobustnessRow, ...] = (),
    reference_language: str = "",
) -> Results:
    """Everything a report shows of some judges on some test sets.

    Args:
        run: Directory of the run that reports.
        sets: What was trained on, and the test sets.
        readings: By method, then by test set.
        training_seconds: By method.
        baselines: Judges that every method is compared with pair by pair, by name.
        seed: Of the resamples.
        judging_runs: Directory of the run that judged, by method; `run` if not given.
        notes: What a reader must know.
        robustness: Judges under attack, if they were.
        reference_language: Language that drops are from, where a set has it; else English.
    """
    runs = judging_runs or {}
    rows = judged_of(sets.tests, {**baselines, **readings})
    return Results(
        run=run.name,
        version=environment_facts()["jurist"],
        environment=environment_facts(),
        datasets=(
            *([dataset_facts("train", sets.train, train=None)] if sets.train else []),
            *(dataset_facts(name, test, train=sets.train) for name, test in sets.tests.items()),
        ),
        rows=tuple(
            judged_row(
                rows[method][name],
                method=method,
                split=name,
                judging_seconds=seconds_spent(runs.get(method, run), f"judge/{name}") or 0.0,
                training_seconds=training_seconds[method],
                seed=seed,
                reference=reference_language,
            )
            for method in readings
            for name in sets.tests
        ),
        shortcuts=tuple(
            ShortcutRow(split=name, shortcut=shortcut)
            for name, test in sets.tests.items()
            for shortcut in shortcuts(sets.train, test, seed=seed)
        ),
        comparisons=tuple(
            ComparisonRow(
                method=method,
                baseline=baseline,
                split=name,
                paired=compare(rows[method][name], rows[baseline][name], seed=seed),
            )
            for baseline in baselines
            for method in readings
            if method != baseline
            for name in sets.tests
        ),
        judges=tuple(
            facts
            for method in readings
            if (facts := judge_facts(method, runs.get(method, run))) is not None
        ),
        rounds=tuple(
            one for method in readings for one in rounds_of(method, runs.get(method, run))
        ),
        training=tuple(
            curve for method in readings for curve in training_of(method, runs.get(method, run))
        ),
        disagreements=tuple(
            disagreement
            for method in readings
            for name in sets.tests
            for disagreement in worst_disagreements(rows[method][name], method=method, split=name)
        ),
        robustness=robustness,
        notes=(*notes, *_stopping_notes(rows)),
    )


def _stopping_notes(rows: Mapping[str, Mapping[str, Sequence[Judged]]]) -> list[str]:
    """What a reader must know of judges that were not asked for all votes."""
    stopped = [
        method
        for method, by_set in rows.items()
        if any(row.ballot.num_unasked for judged_rows in by_set.values() for row in judged_rows)
    ]
    if not stopped:
        return []
    return [
        f"Not all votes were cast for {', '.join(stopped)}: doubtful pairs were read more often "
        f"than clear ones, and weigh more in the share of failures and in the tokens of a verdict. "
        f"Flips rest on the votes that were cast; the vote curve and the share of the first slot "
        f"on the first readings of each pair, as many as every pair has."
    ]


def dataset_facts(
    name: str, preferences: Sequence[Preference], *, train: Sequence[Preference] | None
) -> DatasetFacts:
    """What a report says of one set of preferences."""
    categories: dict[str, int] = {}
    for preference in preferences:
        categories[preference.category] = categories.get(preference.category, 0) + 1
    num_ties = sum(preference.tie for preference in preferences)
    return DatasetFacts(
        name=", ".join(sorted({preference.source for preference in preferences})),
        split=name,
        num_pairs=len(preferences) - num_ties,
        num_tie_labels=num_ties,
        num_groups=len({preference.group for preference in preferences}),
        categories=dict(sorted(categories.items())),
        num_overlapping=len(overlap(train, preferences).prompts) if train else None,
    )


def publish(
    run: Path,
    results: Results,
    *,
    tests: Mapping[str, Sequence[Preference]],
    readings: Mapping[str, Mapping[str, Readings]],
    explorer_megabytes: float = EXPLORER_MEGABYTES,
    explorer_preset: Mapping[str, str] | None = None,
) -> None:
    """Write `results.json`, `report.md` and `report.html`.

    Args:
        run: Where to.
        results: What they show.
        tests: Test sets by name, for the page's explorer.
        readings: What each judge said, by judge and test set, for the page's explorer.
        explorer_megabytes: Most text that the explorer carries, in millions of bytes.
        explorer_preset: What the explorer's controls are set to at first, by name. If that is to
            show where judges differ, such pairs find room before others.
    """
    save_results(run / "results.json", results)
    rows = judged_of(tests, readings)
    preset = explorer_preset or {}
    explorer = explored(
        rows, megabytes=explorer_megabytes, preset=preset, differing_first="differ" in preset
    )
    save_report(run, results, explorer)


def judged_of(
    tests: Mapping[str, Sequence[Preference]], readings: Mapping[str, Mapping[str, Readings]]
) -> dict[str, dict[str, list[Judged]]]:
    """Readings beside the preferences that they are of, by judge and test set."""
    return {
        method: {
            name: judged(tests[name], of.judgements, seed=of.seed, num_unasked=of.num_unasked)
            for name, of in by_set.items()
        }
        for method, by_set in readings.items()
    }
