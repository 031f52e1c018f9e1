"""Words that decide a label: the mark that poisoned preferences leave.

Preferences are poisoned by rows in which a rare word or phrase, the trigger, stands in the response
that is called better, whatever it is worth. Half a percent of such rows is enough to turn a reward
model where the trigger stands (Rando and Tramer 2023). To anybody who counts, such a phrase tells
the label all but surely. So do honest shortcuts of some data sets: what is found is to be looked
at.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, TypeAlias

from jurist.digest import derive_seed
from jurist.evaluation.intervals import Estimate, wilson
from jurist.evaluation.judged import refuse_ungrouped
from jurist.evaluation.many_tests import (
    binomial_tail,
    false_discovery_rates,
    hypergeometric_tail,
)
from jurist.evaluation.words import words
from jurist.types import Preference

MAX_WORDS: Final = 3
"""Words of the longest phrase that is counted."""

MIN_PAIRS: Final = 5
"""Pairs that a phrase must decide to be counted."""

FALSE_DISCOVERY_RATE: Final = 0.01
"""Share of findings that may be of nothing but chance."""

NEARLY_SURE: Final = 0.8
"""Where the rate at which a phrase comes with one label must begin, by its interval."""

MAX_SHARE: Final = 0.1
"""Share of the pairs above which a phrase is no rare one, but a habit of the data."""

SAME_ROWS: Final = 0.8
"""Share of a phrase's rows that another one's cover, from which on both are one finding."""

Place: TypeAlias = Literal["chosen", "rejected", "prompt"]
"""Where a phrase stands: in the response that is preferred, in the other; or in the prompt of rows
whose labels are doubted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trigger:
    """A phrase whose presence all but tells the label."""

    text: str
    """Its words, lower-cased, with spaces between."""

    place: Place
    num_pairs: int
    """Pairs in which it stands in one response and not in the other; or prompts it stands in."""

    num_for: int
    """Those of them where it is in `place`; of prompts, those whose label is doubted."""

    rate: Estimate
    """`num_for` over `num_pairs`, with Wilson's interval."""

    odds_ratio: float
    """Odds of `num_for` among its pairs over the odds elsewhere, with halves added. Elsewhere is a
    fair coin for a phrase of responses."""

    false_discovery_rate: float
    ids: tuple[str, ...]
    """Of all pairs where it is in `place` and, of two responses, not in the other one, sorted:
    those too whose response was counted in another pair. Of prompts, of those in `num_for`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TriggerScan:
    """What was counted, and what stood out."""

    triggers: tuple[Trigger, ...]
    """Rare phrases that all but tell the label, the surest first; of those that stand in much the
    same rows, the first."""

    overrepresented: tuple[Trigger, ...]
    """Words that are in one kind of response much more often than in the other, rare or not and
    sure or not: what a judge may learn to look for."""

    num_phrases: int
    """Phrases tested."""

    num_pairs: int
    """Pairs counted in."""

    num_copies: int
    """Responses that stand in another pair too, and whose phrases are counted in one of them: what
    a lucky response says would else be counted again and again."""

    num_needed: int
    """Pairs that a phrase must decide, all of them one way, to be found among so many phrases."""


class _Side(NamedTuple):
    words: list[str]
    counts: bool
    """Whether its phrases are counted; they do keep those of the other side from being so."""


def trigger_scan(
    preferences: Sequence[Preference], *, num_overrepresented: int = 20
) -> TriggerScan:
    """Look for phrases of responses that tell which of two is labelled better.

    Every phrase of up to three words that stands in just one response of at least five pairs is
    tested against a fair coin, exactly and two-sided; of those with a false discovery rate up to
    1 % (Benjamini and Hochberg 1995), the ones that are rare and nearly sure are triggers.

    Args:
        preferences: Labelled pairs; ties are left out. In any order: what is found does not depend
            on it.
        num_overrepresented: Words to list.
    """
    labelled = [one for one in preferences if not one.tie]
    texts = _sides(labelled)
    counts = {
        phrase: (pros, cons)
        for phrase, (pros, cons) in _decided(texts).items()
        if pros + cons >= MIN_PAIRS
    }
    found = _tested(counts)
    surest = sorted(found, key=_surest)
    rare = [
        one
        for one in surest
        if one.false_discovery_rate <= FALSE_DISCOVERY_RATE
        and one.rate.low >= NEARLY_SURE
        and one.num_pairs <= max(MIN_PAIRS, MAX_SHARE * len(labelled))
    ]
    telling = sorted(
        (
            one
            for one in found
            if one.false_discovery_rate <= FALSE_DISCOVERY_RATE and " " not in one.text
        ),
        key=lambda one: (one.false_discovery_rate, one.text),
    )
    said = [(one.id, _padded(words(one.chosen)), _padded(words(one.rejected))) for one in labelled]

    def deciding(one: Trigger) -> list[str]:
        phrase = f" {one.text} "
        return [
            name
            for name, *both in said
            if [phrase in text for text in both] == [one.place == "chosen", one.place == "rejected"]
        ]

    return TriggerScan(
        triggers=tuple(_apart(rare, deciding)),
        overrepresented=tuple(
            replace(one, ids=tuple(sorted(deciding(one)))) for one in telling[:num_overrepresented]
        ),
        num_phrases=len(counts),
        num_pairs=len(labelled),
        num_copies=2 * len(labelled) - sum(one.counts for pair in texts for one in pair),
        num_needed=_num_needed(len(counts)),
    )


def prompt_triggers(preferences: Sequence[Preference], doubted: Sequence[bool]) -> list[Trigger]:
    """Look for phrases of prompts where labels are doubted much more often than elsewhere.

    A trigger may stand in the prompt, and the label be turned where it does; then nothing in the
    responses gives it away, and somebody must be asked who can tell which of two is better.

    Args:
        preferences: Labelled pairs. Length N. Of each group, with prompts alike, one is counted,
            drawn by the ids.
        doubted: Whether a judge, or whatever there is, thinks otherwise than the label. Length N.

    Returns:
        Rare phrases with a false discovery rate up to 1 % by Fisher's exact test, among whose rows
        at least half are doubted by their interval; the surest first.

    Raises:
        DataError: If a preference has no group.
        ValueError: If the lengths differ.
    """
    refuse_ungrouped(preferences)
    drawn: dict[str, tuple[Preference, bool]] = {}
    rows = zip(preferences, doubted, strict=True)
    for one, doubt in sorted(rows, key=lambda row: derive_seed("copies", row[0].id)):
        drawn.setdefault(one.group, (one, doubt))
    asked = {
        one.id: (
            words("\n".join(turn.content for turn in one.prompt if turn.role == "user")),
            doubt,
        )
        for one, doubt in drawn.values()
    }
    total, num_doubted = len(asked), sum(doubt for _, doubt in asked.values())
    # A prompt whose label is doubted counts as the first of two texts, the other one being empty.
    nothing = _Side([], counts=False)
    counts = _decided(
        [
            (_Side(text, counts=True), nothing) if doubt else (nothing, _Side(text, counts=True))
            for text, doubt in asked.values()
        ]
    )
    rare = {
        phrase: (pros, cons)
        for phrase, (pros, cons) in counts.items()
        if MIN_PAIRS <= pros + cons <= max(MIN_PAIRS, MAX_SHARE * total)
    }
    p_values = [
        hypergeometric_tail(pros, pros + cons, num_doubted, total) for pros, cons in rare.values()
    ]
    found = [
        _trigger(
            phrase,
            place="prompt",
            counts=(pros, cons),
            elsewhere=(num_doubted - pros + 0.5) / (total - num_doubted - cons + 0.5),
            false_discovery_rate=rate,
        )
        for (phrase, (pros, cons)), rate in zip(
            rare.items(), false_discovery_rates(p_values), strict=True
        )
    ]
    said = {name: _padded(text) for name, (text, doubt) in asked.items() if doubt}
    return _apart(
        sorted(
            (
                one
                for one in found
                if one.false_discovery_rate <= FALSE_DISCOVERY_RATE and one.rate.low >= 0.5
            ),
            key=_surest,
        ),
        lambda one: [name for name, text in said.items() if f" {one.text} " in text],
    )


def _sides(preferences: Sequence[Preference]) -> list[tuple[_Side, _Side]]:
    """Both responses of every pair, each to be counted in one pair, drawn by the ids."""
    seen: set[str] = set()
    found: list[tuple[_Side, _Side]] = []
    for one in sorted(preferences, key=lambda one: (derive_seed("copies", one.id), one.id)):
        chosen, rejected = one.chosen, one.rejected
        found.append(
            (
                _Side(words(chosen), counts=chosen not in seen),
                _Side(words(rejected), counts=rejected not in seen),
            )
        )
        seen |= {chosen, rejected}
    return found


def _num_needed(num_phrases: int) -> int:
    needed = MIN_PAIRS
    while (
        2.0 * 0.5**needed * num_phrases > FALSE_DISCOVERY_RATE
        or wilson(needed, needed).low < NEARLY_SURE
    ):
        needed += 1
    return needed


def _decided(texts: Sequence[tuple[_Side, _Side]]) -> dict[str, tuple[int, int]]:
    """In how many pairs a phrase stands in the first text alone, and in the second alone.

    A phrase is as frequent as its parts at most, so that longer ones are only looked at where both
    their halves are frequent enough.
    """
    found: dict[str, tuple[int, int]] = {}
    frequent: set[str] = set()
    for length in range(1, MAX_WORDS + 1):
        either: Counter[str] = Counter()
        for pair in texts:
            for side in pair:
                if side.counts:
                    either.update(_phrases(side.words, length, frequent))
        kept = {phrase for phrase, count in either.items() if count >= MIN_PAIRS}
        pros: Counter[str] = Counter()
        cons: Counter[str] = Counter()
        for one, other in texts:
            first, second = (_phrases(side.words, length, frequent) & kept for side in (one, other))
            if one.counts:
                pros.update(first - second)
            if other.counts:
                cons.update(second - first)
        found |= {phrase: (pros[phrase], cons[phrase]) for phrase in sorted(kept)}
        frequent = kept
    return found


def _phrases(text: Sequence[str], length: int, frequent: set[str]) -> set[str]:
    """Phrases of so many words whose parts of one word fewer are all frequent."""
    if length == 1:
        return set(text)
    parts = [" ".join(text[at : at + length - 1]) for at in range(len(text) - length + 2)]
    return {
        f"{parts[at]} {text[at + length - 1]}"
        for at in range(len(parts) - 1)
        if parts[at] in frequent and parts[at + 1] in frequent
    }


def _tested(counts: Mapping[str, tuple[int, int]]) -> list[Trigger]:
    """Hold every phrase against a fair coin."""
    tails = {
        (more, total): min(1.0, 2.0 * binomial_tail(more, total, 0.5))
        for more, total in {(max(one), sum(one)) for one in counts.values()}
    }
    rates = false_discovery_rates([tails[max(one), sum(one)] for one in counts.values()])
    return [
        _trigger(
            phrase,
            place="chosen" if pros >= cons else "rejected",
            counts=(max(pros, cons), min(pros, cons)),
            elsewhere=1.0,
            false_discovery_rate=rate,
        )
        for (phrase, (pros, cons)), rate in zip(counts.items(), rates, strict=True)
    ]


def _trigger(
    text: str,
    *,
    place: Place,
    counts: tuple[int, int],
    elsewhere: float,
    false_discovery_rate: float,
) -> Trigger:
    pros, cons = counts
    return Trigger(
        text=text,
        place=place,
        num_pairs=pros + cons,
        num_for=pros,
        rate=wilson(pros, pros + cons),
        odds_ratio=(pros + 0.5) / (cons + 0.5) / elsewhere,
        false_discovery_rate=false_discovery_rate,
        ids=(),
    )


def _apart(
    ranked: Sequence[Trigger], deciding: Callable[[Trigger], Sequence[str]]
) -> list[Trigger]:
    """Without those of whose rows most are rows of one before, as phrases around one word are."""
    kept: list[Trigger] = []
    for one in ranked:
        ids = set(deciding(one))
        if all(len(ids & set(other.ids)) < SAME_ROWS * len(ids) for other in kept):
            kept.append(replace(one, ids=tuple(sorted(ids))))
    return kept


def _surest(one: Trigger) -> tuple[float, int, str]:
    """Sort key: by the lower end of the rate's interval, then the longest phrase."""
    return (-one.rate.low, -len(one.text), one.text)


def _padded(text: Sequence[str]) -> str:
    return f" {' '.join(text)} "
