"""Label pairs, or pools of candidates, by a judge: preferences to train a policy or a judge on.

jurist label --model runs/star-dpo --pools pools.jsonl --output runs/labelled
"""

import logging
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from jurist.data.label_files import refuse_unwritable
from jurist.data.prompts import Prompt, iterate_prompts
from jurist.judges import Ballot
from jurist.recipes.estimate import estimated
from jurist.recipes.evaluate import readings_path
from jurist.recipes.judge_identity import judge_identity, note_judge
from jurist.recipes.judged_parts import clear_parts, judge_in_parts, spent_on
from jurist.recipes.label_config import LabelConfig
from jurist.recipes.label_input import Items, LabelItem, Survey, pair_items, pool_items, surveyed
from jurist.recipes.label_output import show_labels, write_labels
from jurist.recipes.labels import Label, best_and_worst, label_of
from jurist.recipes.open_judge import open_judge
from jurist.recipes.pools import cohort_of
from jurist.recipes.readings import Reading, iterate_readings
from jurist.recipes.responses import (
    refuse_other_prompts,
    responses_counted,
    sample_responses,
    surveyed_prompts,
)
from jurist.recipes.run import open_run
from jurist.rehearsal import note_set
from jurist.types import Preference

logger = logging.getLogger(__name__)

SET = "pairs"
"""What the judged pairs are called in the run's directory."""


def run_label(config: LabelConfig) -> int:
    """Turn pairs or pools, or prompts, into preferences labelled by a judge.

    Returns:
        0, or 1 if more came out without a verdict than `max_failure_rate` allows.
    """
    with open_run("label", config) as run:
        refuse_unwritable(config.to_write)
        if config.prompts:
            _respond(config, run)
        items = _items(config, run)
        survey = surveyed(items, config.to_write, seed=config.seed)
        note_set(SET, f"{survey.num_pairs:,} pairs of {survey.num_items:,} rows")
        if not readings_path(run, SET).exists():
            _judge(config, items, survey, run=run)
        clear_parts(run, SET)
        spent = spent_on(run, SET, total=survey.num_pairs)
        labels = _labels(config, items, num_judged=spent.num_comparisons, run=run)
        counts = write_labels(config, labels, spent, run=run)
    show_labels(config, run, counts, spent)
    judged = sum(counts.values()) - counts["budget"]
    return 1 if counts["no verdict"] > config.max_failure_rate * judged else 0


# Reading


def _respond(config: LabelConfig, run: Path) -> None:
    """Sample responses to the prompts, unless that is done."""
    rejects = run / "rejects" / "prompts.jsonl" if config.skip_bad else None

    def prompts() -> Generator[Prompt]:
        return iterate_prompts(Path(config.prompts), skip_bad=rejects)

    # All of them are read first: a bad last row must be found before the first is paid for.
    survey = surveyed_prompts(prompts())
    if responses_counted(run) is None:
        sample_responses(
            config.policy, config.judge, prompts(), survey=survey, run=run, seed=config.seed
        )
    refuse_other_prompts(run, config.policy, survey)


def _items(config: LabelConfig, run: Path) -> Items:
    if config.pairs:
        rejects = run / "rejects" / "pairs.jsonl" if config.skip_bad else None
        return pair_items(config.pairs, layout=config.layout, split=config.split, skip_bad=rejects)
    path = Path(config.pools) if config.pools else run / "pools.jsonl"
    return pool_items(path, config.limits, tournament=config.tournament, seed=config.seed)


# Judging


def _judge(config: LabelConfig, items: Items, survey: Survey, *, run: Path) -> None:
    """Have every pair judged, within the budget; say before what it will cost."""
    estimate = estimated(
        config.judge,
        survey.sample,
        num_comparisons=survey.num_pairs,
        prices=config.prices,
        seed=config.seed,
    )
    within = estimate.at_most(
        num_judgements=config.budget.max_judgements, num_tokens=config.budget.max_judge_tokens
    )
    logger.info("%s%s", within.line(), " within the budget" if within != estimate else "")
    with open_judge(config.judge, seed=config.seed, store=run / "completions.sqlite") as opened:
        note_judge(run, judge_identity(config.judge, opened), within)
        if opened.whole_sets:
            logger.info("--mean-votes shares votes out over all pairs, so all are held at once")
        judge_in_parts(
            opened,
            items(),
            name=SET,
            total=survey.num_pairs,
            budget=config.budget,
            estimate=estimate,
            run=run,
            seed=config.seed,
        )


# Labelling


def _labels(config: LabelConfig, items: Items, *, num_judged: int, run: Path) -> Generator[Label]:
    """The labels of all items, in order, by what was said of the first `num_judged` pairs."""
    asked: deque[Preference] = deque()

    def in_turn() -> Generator[Preference]:
        while asked:
            yield asked.popleft()

    readings = iterate_readings(readings_path(run, SET), in_turn()) if num_judged else iter(())
    left = num_judged
    for item in items():
        if len(item.pairs) > left:
            yield from _unjudged(config, item)
            continue
        left -= len(item.pairs)
        asked.extend(item.pairs)
        yield from _labels_of(config, item, list(islice(readings, len(item.pairs))))


def _labels_of(config: LabelConfig, item: LabelItem, readings: list[Reading]) -> Generator[Label]:
    from jurist.rewards import Compared, aggregated

    shown = [pair.shown(config.seed).comparison for pair in item.pairs]
    ballots = [Ballot.of(one.judgements, num_unasked=one.num_unasked) for one in readings]
    if item.pool is not None and (config.per_pool == "best-worst" or not item.pairs):
        compared = [
            Compared(first=one.first, second=one.second, ballot=ballot)
            for one, ballot in zip(shown, ballots, strict=True)
        ]
        (rewards,) = aggregated([cohort_of(item.pool)], [compared])
        yield best_and_worst(
            item.pool,
            rewards,
            min_confidence=config.min_confidence,
            consistent=config.consistent,
        )
        return
    for pair, one, ballot in zip(item.pairs, shown, ballots, strict=True):
        yield label_of(
            replace(pair, chosen=one.first, rejected=one.second),
            ballot,
            min_confidence=config.min_confidence,
            consistent=config.consistent,
        )


def _unjudged(config: LabelConfig, item: LabelItem) -> Generator[Label]:
    """What the budget did not reach: each pair, or the pool that would have made one label."""
    first, *others = item.pairs
    if item.pool is not None and config.per_pool == "best-worst":
        first, others = replace(first, id=item.id), []
    for pair in (first, *others):
        yield Label(
            preference=replace(pair, tie=True, margin=None), reason="budget", confidence=None
        )
