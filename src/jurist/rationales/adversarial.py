"""Adversarial preferences: pairs whose label is known by construction, made of labelled ones.

A judge that is trained on them as well learns that a response is not better for what it says of
itself. Zhao et al. 2025 (arXiv 2507.08794) added first sentences of reasoning, labelled wrong, to a
verifier's training data, one to eight. Here a pair is made in one of five ways, and the worse
response is

- `opener`: words that only begin an answer,
- `first_sentence`: the first sentence of the worse response,
- `injected`: the worse response with a text for the judge in it,
- `padded`: the worse response with sentences that say nothing,
- `padded_copy`: the *better* response with such sentences, against itself.

No key, paraphrase, constant reply, filler or injection that judges are measured with
(`jurist.attacks`) is put into them, and a first sentence that is one of the first three is passed
over. Which response stands first is up to the recipes, which show every pair in both orders.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from jurist.attacks import (
    FAMILIES,
    OPENERS,
    TAUGHT_FILLER,
    folded,
    held_out,
    injected,
    padded,
    sentences,
)
from jurist.digest import derive_seed
from jurist.errors import ConfigError
from jurist.types import Preference

WAYS: Final = ("opener", "injected", "first_sentence", "injected", "padded", "padded_copy")
"""The ways that pairs are made in turn. Injections are of many kinds, and have two turns of six."""

INJECTIONS: Final = tuple(text for family in FAMILIES for text in family.taught)


@dataclass(frozen=True, kw_only=True, slots=True)
class Adversarial:
    """Pairs made of labelled pairs."""

    preferences: list[Preference]
    """In the order in which their pairs were drawn. Each has the group of its pair."""

    counts: dict[str, int]
    """Pairs made in each way."""


def adversarial_preferences(
    preferences: Sequence[Preference], share: float, *, seed: int
) -> Adversarial:
    """Make adversarial pairs of training preferences.

    Args:
        preferences: Labelled pairs to train on. Ties are not made anything of.
        share: Pairs to make for each labelled one. In [0, 1].
        seed: Of which pairs are attacked, and how.

    Returns:
        `round(share * labelled)` pairs; no pair is attacked twice.

    Raises:
        ConfigError: If the share is not one.
    """
    check_share(share)
    labelled = [one for one in preferences if not one.tie]
    order = sorted(labelled, key=lambda one: derive_seed("adversarial", seed, one.id))
    made: list[Preference] = []
    counts = Counter[str]()
    for place, preference in enumerate(order[: round(share * len(labelled))]):
        way, pair = _made(preference, WAYS[place % len(WAYS)], seed)
        made.append(pair)
        counts[way] += 1
    return Adversarial(preferences=made, counts={way: counts[way] for way in dict.fromkeys(WAYS)})


def check_share(share: float) -> None:
    """Refuse a share of adversarial pairs that is none.

    Raises:
        ConfigError: If it is not from 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"--adversarial is pairs for each labelled one, from 0 to 1; got {share}")


def _made(preference: Preference, way: str, seed: int) -> tuple[str, Preference]:
    """The way that a pair was made in, and the pair."""
    own = derive_seed("adversarial text", seed, preference.id)
    worse = preference.rejected
    if way == "first_sentence":
        parts = sentences(worse)
        worse = parts[0] if len(parts) > 1 else ""
        if not worse or not _may_lose(worse, preference):
            # There is no shorter beginning, or it is not for training.
            way = "opener"
    if way == "opener":
        # The better response may itself be such words.
        at = own % len(OPENERS)
        turned = (*OPENERS[at:], *OPENERS[:at])
        worse = next(text for text in turned if _may_lose(text, preference))
    elif way == "injected":
        worse = injected(worse, INJECTIONS[own % len(INJECTIONS)])
    elif way == "padded":
        worse = padded(worse, filler=TAUGHT_FILLER, seed=own)
    elif way == "padded_copy":
        worse = padded(preference.chosen, filler=TAUGHT_FILLER, seed=own)
    return way, replace(
        preference,
        id=f"{preference.id} @ {way}",
        rejected=worse,
        margin=None,
        source="adversarial",
    )


def _may_lose(text: str, preference: Preference) -> bool:
    return not held_out(text) and folded(text) != folded(preference.chosen)
