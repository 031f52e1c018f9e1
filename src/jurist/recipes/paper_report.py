"""From the runs of a replication to its report: seeds brought together, and the paper's claims."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Final, get_args

from jurist.evaluation import (
    Judged,
    Rereading,
    abstention_curve,
    across_seeds,
    cross_fitted,
    crossed_bootstrap,
    faithfulness,
    judged,
    shortcuts,
    vote_credits,
)
from jurist.recipes.environment import environment_facts
from jurist.recipes.evaluate import kept_readings
from jurist.recipes.faithfulness import read_rereadings
from jurist.recipes.paper_claims import Runs, judge_claims, told
from jurist.recipes.paper_plan import AVERAGED, FOREIGN, REREAD, Method, Scale
from jurist.recipes.reporting import dataset_facts
from jurist.recipes.run import seconds_spent
from jurist.recipes.sets import Sets
from jurist.reports import FaithfulnessRow, ShortcutRow
from jurist.reports.paper import Confidence, PaperResults, PaperRow, Reasons, Side
from jurist.reports.paper_pages import save_paper_report
from jurist.storage import write_json
from jurist.types import Preference
from jurist.worlds import Habit, audit

ALL_SHIFTED: Final = "all shifted"
"""The split of all pairs that are drawn otherwise than the training pairs, where sets are many."""


def gather_paper(
    run: Path,
    sets: Sets,
    methods: Sequence[Method],
    *,
    scale: Scale,
    seeds: Sequence[int],
    authors: Mapping[str, str],
) -> PaperResults:
    """Bring the runs of all methods and seeds together.

    Args:
        run: Directory of the replication.
        sets: What was trained on, and the test sets; the first is drawn as the training pairs are.
        methods: Every method with every seed, done.
        scale: Whose settings.
        seeds: Of the runs.
        authors: Who else wrote rationales.
    """
    names = list(dict.fromkeys(method.name for method in methods))
    by_name = {name: [one for one in methods if one.name == name] for name in names}
    first, *_ = sets.tests
    splits = pooled(tuple(sets.tests))
    sides: dict[str, Side] = {
        split: "in_distribution" if split == first else "shifted" for split in splits
    }
    runs = {
        (name, split): read_runs(
            {method.seed: method.output for method in by_name[name]}, sets, parts
        )
        for name in names
        for split, parts in splits.items()
    }
    rows = [
        _row(name, split, parts, runs[name, split], [method.output for method in by_name[name]])
        for name in names
        for split, parts in splits.items()
    ]
    rounds = [
        _row(
            name,
            split,
            parts,
            read_runs({m.seed: m.judged_after(number) for m in by_name[name]}, sets, parts),
            [method.judged_after(number) for method in by_name[name]],
            number=number,
        )
        for name in names
        if by_name[name][0].by_round
        for number in range(1, by_name[name][0].rounds)
        for split, parts in splits.items()
    ]
    averaged = [
        _row(
            name,
            split,
            parts,
            read_runs({method.seed: method.averaged for method in by_name[name]}, sets, parts),
            [method.averaged for method in by_name[name]],
        )
        for name in AVERAGED
        if name in by_name
        for split, parts in splits.items()
    ]
    reread = [
        FaithfulnessRow(
            method=name,
            split=split,
            faithfulness=faithfulness(
                [_rereadings(method.reread, parts) for method in by_name[name]]
            ),
        )
        for name in REREAD
        if name in by_name
        for split, parts in splits.items()
    ]
    # Of sets that lie together the single ones would say the same with fewer pairs.
    decisive = (first, ALL_SHIFTED) if ALL_SHIFTED in sides else tuple(sides)
    claims = judge_claims(runs, {split: sides[split] for split in decisive})
    return PaperResults(
        run=run.name,
        version=environment_facts()["jurist"],
        scale=scale,
        environment=environment_facts(),
        datasets=(
            dataset_facts("train", sets.train, train=None),
            *(dataset_facts(name, test, train=sets.train) for name, test in sets.tests.items()),
        ),
        sides=sides,
        rows=tuple(rows),
        rounds=tuple(rounds),
        averaged=tuple(averaged),
        faithfulness=tuple(reread),
        authors=author_names(names, authors, run=run),
        shortcuts=tuple(
            ShortcutRow(split=split, shortcut=shortcut)
            for split, parts in splits.items()
            for shortcut in shortcuts(
                sets.train,
                [one for part in parts for one in _pairs(sets, part, among=parts)],
                seed=seeds[0],
            )
        ),
        claims=tuple(claims),
        notes=(*_NOTES[scale], _seeds_note(seeds)),
        discussion=tuple([*told(claims), *_voting(runs, sides), *_DISCUSSION[scale]]),
    )


def publish_paper(run: Path, results: PaperResults) -> None:
    """Write `results.json`, `report.md` and `report.html`."""
    write_json(run / "results.json", asdict(results))
    save_paper_report(run, results)


def pooled(tests: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The test sets that each split of the report is made of: each alone, and the shifted together.

    The first is drawn as the training pairs are. Where several are not, all pairs of those together
    are a split too, since a set of a few dozen pairs decides nothing.
    """
    first, *shifted = tests
    together = {ALL_SHIFTED: tuple(shifted)} if len(shifted) > 1 else {}
    return {first: (first,)} | together | {name: (name,) for name in shifted}


def read_runs(
    outputs: Mapping[int, Path], sets: Sets, parts: Sequence[str]
) -> dict[int, list[Judged]]:
    """What one method judged of the test sets of one split, by seed."""
    found: dict[int, list[Judged]] = {}
    for seed, output in outputs.items():
        found[seed] = []
        for part in parts:
            readings = kept_readings(output, {part: sets.tests[part]})[part]
            found[seed] += judged(
                _pairs(sets, part, among=parts),
                readings.judgements,
                seed=readings.seed,
                num_unasked=readings.num_unasked,
            )
    return found


def _pairs(sets: Sets, part: str, *, among: Sequence[str]) -> list[Preference]:
    """A test set; among others, in groups that none of those has, however they name theirs."""
    if len(among) == 1:
        return sets.tests[part]
    return [replace(one, group=f"{part}/{one.group}") for one in sets.tests[part]]


def _rereadings(run: Path, parts: Sequence[str]) -> list[Rereading]:
    """What came of re-reading the test sets of one split, in groups that no two of them share."""
    return [
        replace(one, group=f"{part}/{one.group}")
        for part in parts
        for one in read_rereadings(run, part)
    ]


def _row(
    name: str,
    split: str,
    parts: Sequence[str],
    runs: Runs,
    outputs: Sequence[Path],
    *,
    number: int | None = None,
) -> PaperRow:
    trained = [seconds_spent(output, "train") for output in outputs]
    judging = [
        sum(seconds_spent(output, f"judge/{part}") or 0.0 for part in parts) for output in outputs
    ]
    times = [seconds for seconds in trained if seconds is not None]
    return PaperRow(
        method=name,
        split=split,
        agreement=across_seeds(runs),
        confidence=_confidence(runs),
        reasons=_reasons(runs),
        training_seconds=fmean(times) if times else None,
        judging_seconds=fmean(judging),
        round=number,
    )


def _confidence(runs: Runs) -> Confidence:
    fitted = [found for rows in runs.values() if (found := cross_fitted(rows)) is not None]
    curves = [abstention_curve(rows) for rows in runs.values()]
    return Confidence(
        temperature=fmean(temperature for _, temperature in fitted) if fitted else None,
        tempered_ece=fmean(calibrated.ece for calibrated, _ in fitted) if fitted else None,
        abstention={
            f"{100 * same[0].coverage:g}": fmean(point.accuracy for point in same)
            for same in zip(*curves, strict=True)
        },
    )


def _reasons(runs: Runs) -> Reasons | None:
    """How the readings of the chains world came by their verdicts; None of any other's."""
    habits: Counter[str] = Counter(dict.fromkeys(get_args(Habit), 0))
    right = sound = total = 0
    for row in (row for rows in runs.values() for row in rows):
        if row.preference.source != "chains":
            return None
        for judgement in row.ballot.judgements:
            if not judgement.text:
                continue
            read = row.comparison.swapped() if judgement.swapped else row.comparison
            found = audit(read, judgement.text)
            total += 1
            habits[found.habit] += 1
            right += judgement.outcome is row.label
            sound += judgement.outcome is row.label and found.sound
    if not total:
        return None
    return Reasons(
        right=right / total,
        sound=sound / right if right else None,
        habits={habit: count / total for habit, count in habits.items()},
    )


def _voting(runs: Mapping[tuple[str, str], Runs], sides: Mapping[str, Side]) -> list[str]:
    """What all votes of STaR-DPO gain over one reading."""
    parts: list[str] = []
    for split in sides:
        by_seed = runs.get(("STaR-DPO", split))
        if by_seed is None:
            continue
        points = [vote_credits(rows) for rows in by_seed.values()]
        labelled = [row for row in next(iter(by_seed.values())) if row.label != "tie"]
        gain = crossed_bootstrap(
            [one[-1].credits - one[0].credits for one in points],
            [row.preference.group for row in labelled],
            bounds=(-1.0, 1.0),
        )
        parts.append(
            f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}] on {split}"
        )
    if not parts:
        return []
    return [
        "What all votes of STaR-DPO gain over one reading, in points: "
        + ", ".join(parts)
        + ". In the paper: +1.6 and +4.6 in distribution, +3.8 and +4.9 on RewardBench."
    ]


def author_names(names: Sequence[str], authors: Mapping[str, str], *, run: Path) -> dict[str, str]:
    """Who writes the rationales of each STaR-SFT."""
    found = {"STaR-SFT": "the judge itself"} if "STaR-SFT" in names else {}
    foreign = authors.get("foreign", "")
    if Path(foreign).is_relative_to(run / "authors"):
        foreign = "expert"  # Made in this run; where it lies says nothing.
    for name, _, which in FOREIGN:
        if name in names:
            when = "in the first round" if which == "first" else "in every round"
            found[name] = f"{foreign}, {when}"
    return found


def _seeds_note(seeds: Sequence[int]) -> str:
    named = ", ".join(map(str, seeds))
    return (
        f"Seeds {named} drive sampling, training and the places that responses are shown in; the "
        f"pairs are the same for all. Intervals resample seeds and groups of pairs; {len(seeds)} "
        f"seeds say little about how much seeds matter."
        if len(seeds) > 1
        else f"One seed ({named}): the intervals say nothing about how much seeds matter."
    )


_NOTES: Final[Mapping[str, tuple[str, ...]]] = {
    "tiny": (
        "The world is made by this package (docs/world.md): labels are exact, and the shifted "
        "split has longer chains and a reversed flourish that misleads whoever goes by looks. How "
        "large the differences are is a property of that world and of the habits its base was "
        "given; it says that the methods work as built, and nothing about human preferences.",
        "Learning rates are those tuned on validation pairs for the quickstart's methods; PairRM "
        "has Bradley-Terry's, STaR-IPO has STaR-DPO's and the rationaliser STaR-SFT's, untuned.",
    ),
    "small": (
        "Small models and few pairs: read the intervals before the numbers. Nothing was tuned.",
    ),
}
_DISCUSSION: Final[Mapping[str, tuple[str, ...]]] = {
    "tiny": (
        "Why, as far as this world can say: judges that do not reason have only the flourish to go "
        "by, which points to the better response in distribution and to the worse one when "
        "shifted, so that they fall below a coin there; the paper's merely fall. Reasoning that "
        "redoes the question is right on both splits. The base redoes, skims and guesses in shares "
        "that it was given, and its votes hide how often it guesses: look at single readings to "
        "see what training did. DPO and IPO set one habit against another and make the sound one "
        "nearly the only one, which selection alone does slowly: right traces of the other habits "
        "are selected too. A large instruct model has no such mixture left to sort, so the gain "
        "says nothing about its size elsewhere. The rationaliser's author copies the steps of the "
        "response it is told to speak for wherever its own come out otherwise, and whoever learns "
        "from it learns to copy; an author who knows every fact is worth more here than practice "
        "of one's own, which is not what the paper finds with foreign rationales on shifted data: "
        "its authors wrote in another style, this one writes as the judge does.",
    ),
    "small": (),
}
