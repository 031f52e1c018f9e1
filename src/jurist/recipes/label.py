"""Label pairs, or pools of candidates, by a judge: preferences to train a policy or a judge on.

jurist label --model runs/star-dpo --pools pools.jsonl --output runs/labelled
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from rich.console import Console

from jurist.data import Pool, write_preferences
from jurist.digest import canonical
from jurist.errors import ConfigError, DataError
from jurist.judges import Ballot
from jurist.recipes.evaluate import judge_tests_with, readings_path
from jurist.recipes.judge_config import JudgeConfig, check_failure_rate
from jurist.recipes.pools import PoolsConfig, cohort_of, compare_pools, read_pool_sets
from jurist.recipes.readings import iterate_readings
from jurist.recipes.run import open_run
from jurist.recipes.sets import DataConfig, read_set
from jurist.storage import replacing, write_json
from jurist.types import Preference, Verdict

if TYPE_CHECKING:
    # Loads numpy, which `jurist --help` need not wait for.
    from jurist.rewards import CohortRewards


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelConfig:
    """Everything a set of labels depends on."""

    judge: JudgeConfig
    output: Path
    """Run directory. `labelled.jsonl` in it gets the preferences, `unlabelled.jsonl` what has no
    label and why, `labels.json` the counts."""

    pairs: str = ""
    """File, folder or data set of pairs, in any layout of preferences. Labels in it are neither
    shown to the judge nor used."""

    pools: str = ""
    """File of pools of candidates, as for `jurist select`. Give this or --pairs."""

    per_pool: Literal["best-worst", "all"] = "best-worst"
    """Of a pool: one preference, the candidate of the greatest reward over that of the least; or
    one of every pair that was compared."""

    tournament: Literal["all-pairs", "league"] = "all-pairs"
    """Of a pool: compare all pairs, or each candidate with --num-opponents others."""

    limits: PoolsConfig = PoolsConfig()

    min_confidence: float = 0.6
    """Probability of the preferred response from which on it is chosen; below, the two are tied.
    0.5: never, but when votes are."""

    consistent: bool = True
    """Tie pairs too whose two orders, each by its own votes, come to different verdicts."""

    ties: Literal["keep", "drop"] = "keep"
    """Keep ties as rows with `tie` set, or set them aside in `unlabelled.jsonl`: training methods
    take no ties."""

    split: str = ""
    """Split of a Hugging Face data set of pairs, if it has several."""

    layout: str = "auto"
    """Columns of the file of pairs, as for training."""

    skip_bad: bool = False
    """Set bad rows of the file of pairs aside in the run's directory, instead of refusing it."""

    max_failure_rate: float = 1.0
    """Exit with 1, everything kept, if a greater share has no verdict."""

    seed: int = 0

    def __post_init__(self) -> None:
        if bool(self.pairs) == bool(self.pools):
            raise ConfigError("give either --pairs or --pools, to say what is to be labelled")
        if not 0.5 <= self.min_confidence < 1:
            raise ConfigError(
                f"--min-confidence is a probability from 0.5 to below 1, got {self.min_confidence}"
            )
        check_failure_rate(self.max_failure_rate)


Reason: TypeAlias = Literal["preferred", "unsure", "flipped", "no verdict", "one response"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What a judge's ballot makes of one pair."""

    preference: Preference
    """With the preferred response as `chosen`, and its log-odds in nats as margin; or a tie."""

    reason: Reason
    """Why it is what it is. A tie is unsure or flipped; the last two have no label."""

    confidence: float | None
    """Probability of the preferred response, at least a half. None without any verdict."""


def run_label(config: LabelConfig) -> int:
    """Turn pairs or pools into preferences labelled by a judge.

    Returns:
        0, or 1 if more came out without a verdict than `max_failure_rate` allows.
    """
    with open_run("label", config) as run:
        labels = _labelled_pools(config, run) if config.pools else _labelled_pairs(config, run)
        wanted: set[Reason] = {"preferred"}
        if config.ties == "keep":
            wanted |= {"unsure", "flipped"}
        kept = [label.preference for label in labels if label.reason in wanted]
        with replacing(run / "unlabelled.jsonl") as file:
            for label in labels:
                if label.reason not in wanted:
                    row = {
                        "id": label.preference.id,
                        "reason": label.reason,
                        "confidence": label.confidence,
                    }
                    file.write(f"{canonical(row)}\n".encode())
        counts = Counter(label.reason for label in labels)
        write_json(
            run / "labels.json",
            {
                "labelled": len(kept),
                **{reason: counts[reason] for reason in get_args(Reason)},
            },
        )
        if not kept:
            raise DataError(
                f"{config.pairs or config.pools}: none of {len(labels):,} could be labelled "
                f"({dict(counts)}); {run / 'unlabelled.jsonl'} says why of each"
            )
        write_preferences(run / "labelled.jsonl", kept)
    Console().print(
        f"{counts['preferred']:,} preferences, {counts['unsure'] + counts['flipped']:,} ties, "
        f"{counts['no verdict']:,} without a verdict, {counts['one response']:,} of one response: "
        f"{run / 'labelled.jsonl'}",
        markup=False,
        soft_wrap=True,
    )
    return 1 if counts["no verdict"] > config.max_failure_rate * len(labels) else 0


def label_of(pair: Preference, ballot: Ballot, *, min_confidence: float, consistent: bool) -> Label:
    """Label a pair by what was said of it.

    Args:
        pair: Two responses; which is called `chosen` does not matter.
        ballot: Every reading, `chosen` being the first response of its terms.
        min_confidence: Probability from which on a response is preferred.
        consistent: A pair whose two orders come to different verdicts is a tie.
    """
    tied = replace(pair, tie=True, margin=None)
    probability = ballot.probability
    if probability is None:
        return Label(preference=tied, reason="no verdict", confidence=None)
    confidence = max(probability, 1.0 - probability)
    if consistent and ballot.flip:
        return Label(preference=tied, reason="flipped", confidence=confidence)
    if ballot.outcome is Verdict.TIE or confidence < min_confidence:
        return Label(preference=tied, reason="unsure", confidence=confidence)
    first, second = pair.chosen, pair.rejected
    if probability < 0.5:
        first, second = second, first
    return Label(
        preference=replace(
            pair,
            chosen=first,
            rejected=second,
            tie=False,
            margin=math.log(confidence) - math.log1p(-confidence),
        ),
        reason="preferred",
        confidence=confidence,
    )


def best_and_worst(
    pool: Pool, rewards: "CohortRewards", *, min_confidence: float, consistent: bool
) -> Label:
    """Label the candidates of the greatest and of the least reward of a pool.

    The probability is the sigmoid of the difference of their rewards, which are strengths in nats.
    Of candidates with one reward, the one that stands first. Candidates without a reward are
    neither.
    """
    known = [(reward, -place) for place, reward in enumerate(rewards.rewards) if reward is not None]
    texts = [candidate.text for candidate in pool.candidates]
    unlike = len({texts[-place] for _, place in known}) > 1
    best, worst = (max(known), min(known)) if unlike else ((0.0, 0), (0.0, -1))
    pair = Preference(
        id=pool.id,
        prompt=pool.prompt,
        chosen=texts[-best[1]],
        rejected=texts[-worst[1]],
        tie=True,
        category=pool.category,
        source=pool.source,
        group=pool.group,
    )
    if not unlike:
        reason: Reason = "no verdict" if len(set(texts)) > 1 else "one response"
        return Label(preference=pair, reason=reason, confidence=None)
    margin = best[0] - worst[0]
    confidence = 1.0 / (1.0 + math.exp(-margin))
    direct = {frozenset((one.first, one.second)): one for one in rewards.comparisons}.get(
        frozenset((pair.chosen, pair.rejected))
    )
    if consistent and direct is not None and direct.ballot.flip:
        return Label(preference=pair, reason="flipped", confidence=confidence)
    if confidence < min_confidence or margin == 0.0:
        return Label(preference=pair, reason="unsure", confidence=confidence)
    chosen = replace(pair, tie=False, margin=margin)
    return Label(preference=chosen, reason="preferred", confidence=confidence)


def _labelled_pairs(config: LabelConfig, run: Path) -> list[Label]:
    data = DataConfig(train="", layout=config.layout, skip_bad=config.skip_bad)
    pairs = read_set(config.pairs, data, output=run, name="pairs", split=config.split)
    judge_tests_with(config.judge, {"pairs": pairs}, run=run, seed=config.seed)
    return _labelled(config, pairs, run=run)


def _labelled(config: LabelConfig, pairs: Sequence[Preference], *, run: Path) -> list[Label]:
    """Labels of pairs that were judged."""
    labels: list[Label] = []
    kept = iterate_readings(readings_path(run, "pairs"), pairs)
    for pair, reading in zip(pairs, kept, strict=True):
        shown = pair.shown(reading.seed).comparison
        labels.append(
            label_of(
                replace(pair, chosen=shown.first, rejected=shown.second),
                Ballot.of(reading.judgements, num_unasked=reading.num_unasked),
                min_confidence=config.min_confidence,
                consistent=config.consistent,
            )
        )
    return labels


def _labelled_pools(config: LabelConfig, run: Path) -> list[Label]:
    from jurist.rewards import aggregated

    sets = read_pool_sets([f"pairs={config.pools}"], config.limits, seed=config.seed)
    # The labels of the candidates, if they have any, must not decide how a pair is written.
    pools = [_unchecked(pool) for pool in sets["pairs"]]
    found = compare_pools(
        config.judge,
        "pairs",
        pools,
        num_opponents=config.limits.num_opponents if config.tournament == "league" else None,
        run=run,
        seed=config.seed,
    )
    if config.per_pool == "all":
        return _labelled(config, found.pairs, run=run) if found.pairs else []
    rewarded = aggregated([cohort_of(pool) for pool in pools], found.compared)
    return [
        best_and_worst(
            pool,
            rewards,
            min_confidence=config.min_confidence,
            consistent=config.consistent,
        )
        for pool, rewards in zip(pools, rewarded, strict=True)
    ]


def _unchecked(pool: Pool) -> Pool:
    return replace(
        pool,
        candidates=tuple(replace(candidate, correct=None) for candidate in pool.candidates),
    )
