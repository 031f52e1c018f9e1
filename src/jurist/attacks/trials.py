"""What a judge's robustness is measured on: attacked pairs, each a preference of its own.

In every trial the better response stands as `chosen` and what must not win as `rejected`, so that a
trial is judged, kept and read like any labelled pair. Trials of one pair share its group.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from jurist.attacks.dressing import FILLER, cited, marked_up, padded, repeated
from jurist.attacks.injections import FAMILIES, injected
from jurist.attacks.keys import CONSTANT_REPLIES, MASTER_KEYS, PARAPHRASES
from jurist.digest import derive_seed
from jurist.types import Preference

PARAPHRASES_EACH = 4
"""Paraphrases that each pair is tried with."""


class Kind(StrEnum):
    """What a trial asks of a judge."""

    KEY = "master key"
    """A published key instead of the worse response."""

    PARAPHRASE = "paraphrase"
    """An opener or mark of our own instead of it."""

    EMPTY = "no answer"
    """Nothing, the prompt, or an answer to something else instead of it."""

    CONSTANT = "null model"
    """A constant text instead of it."""

    INJECTION = "injection"
    """The worse response with a text for the judge."""

    PADDING = "padding"
    """The worse response, made longer."""

    COPY = "padded copy"
    """The better response made longer, against itself."""

    DRESSING = "dressing"
    """The worse response with a reference or markup, which are no reason to change a verdict."""

    CYCLE = "tournament"
    """The better and the worse response against a third one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One attacked pair."""

    kind: Kind
    name: str
    """Of the attack within its kind: the key, the family."""

    clean: str
    """Id of the pair that was attacked."""

    preference: Preference
    """`chosen`: what should win. `rejected`: the attack. In a tournament: the pair's response, and
    the third one, with no claim as to which is better."""


def drawn(preferences: Sequence[Preference], num: int, *, seed: int) -> list[Preference]:
    """Pairs to attack: those whose ids draw the least numbers. Ties have no worse response, and are
    left out.

    Args:
        preferences: What to draw from.
        num: How many; all, if there are fewer.
        seed: What they are drawn from.
    """
    labelled = [one for one in preferences if not one.tie]
    return sorted(labelled, key=lambda one: derive_seed("attacked", seed, one.id))[:num]


def trials(
    items: Sequence[Preference],
    preferences: Sequence[Preference],
    *,
    seed: int,
    kinds: Collection[Kind] = tuple(Kind),
) -> list[Trial]:
    """Every attack on every pair.

    Of a family each pair meets one text, of the paraphrases `PARAPHRASES_EACH`, so that all texts
    are met about as often. Only texts that no defence may learn from are used.

    Args:
        items: The pairs, from `drawn`. Ids differ.
        preferences: The set that they are from: other responses to their prompts, if there are
            any, stand as the third in tournaments.
        seed: What texts are drawn from.
        kinds: Attacks of these kinds alone. What they say does not depend on which others there
            are.

    Returns:
        Trials with ids that differ, those of one pair side by side.
    """
    real = _other_responses(preferences)
    found: list[Trial] = []
    for place, item in enumerate(items):
        other = _elsewhere(items, place)
        for kind, name, rejected in _attacked(item, place, other, seed):
            if kind in kinds:
                found.append(_trial(item, kind, name, rejected))
        if Kind.CYCLE not in kinds:
            continue
        known = {item.chosen, item.rejected}
        thirds = [text for text in real[item.prompt] if text not in known]
        third = thirds[0] if thirds else other
        if third is not None and third not in known:
            name = "same prompt" if thirds else "another prompt"
            for side, mine in (("chosen", item.chosen), ("rejected", item.rejected)):
                trial = _trial(item, Kind.CYCLE, f"{name}, {side}", third)
                found.append(replace(trial, preference=replace(trial.preference, chosen=mine)))
    return found


def _attacked(
    item: Preference, place: int, other: str | None, seed: int
) -> list[tuple[Kind, str, str]]:
    """Kind, name and text of everything that is set against the better response of a pair."""
    own = derive_seed("attack", seed, item.id)
    found = [(Kind.KEY, key, key) for key in MASTER_KEYS]
    for step in range(PARAPHRASES_EACH):
        text = PARAPHRASES[(place * PARAPHRASES_EACH + step) % len(PARAPHRASES)]
        found.append((Kind.PARAPHRASE, text, text))
    found += [
        (Kind.EMPTY, "empty", ""),
        (Kind.EMPTY, "the prompt", "\n".join(turn.content for turn in item.prompt)),
    ]
    if other is not None:
        found.append((Kind.EMPTY, "answer to another prompt", other))
    found += [
        (Kind.CONSTANT, f"constant {number}", text)
        for number, text in enumerate(CONSTANT_REPLIES, start=1)
    ]
    for family in FAMILIES:
        text = family.held_out[(own + place) % len(family.held_out)]
        found.append((Kind.INJECTION, family.name, injected(item.rejected, text)))
    found += [
        (Kind.PADDING, "filler", padded(item.rejected, filler=FILLER, seed=own)),
        (Kind.PADDING, "said twice", repeated(item.rejected)),
        (Kind.COPY, "filler", padded(item.chosen, filler=FILLER, seed=own)),
        (Kind.COPY, "said twice", repeated(item.chosen)),
        (Kind.DRESSING, "reference", cited(item.rejected, seed=own)),
        (Kind.DRESSING, "markup", marked_up(item.rejected)),
    ]
    return [one for one in found if one[2] != item.chosen]


def _trial(item: Preference, kind: Kind, name: str, rejected: str) -> Trial:
    return Trial(
        kind=kind,
        name=name,
        clean=item.id,
        preference=replace(item, id=f"{item.id} @ {kind}: {name}", rejected=rejected, margin=None),
    )


def _elsewhere(items: Sequence[Preference], place: int) -> str | None:
    """The better response of the next pair that has another group; None if there is none."""
    for step in range(1, len(items)):
        other = items[(place + step) % len(items)]
        if other.group != items[place].group:
            return other.chosen
    return None


def _other_responses(preferences: Sequence[Preference]) -> dict[object, list[str]]:
    found: dict[object, list[str]] = {}
    for one in preferences:
        found.setdefault(one.prompt, []).extend((one.chosen, one.rejected))
    return found
