"""Where labels come from, and whether one source's are turned more often than the others'."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jurist.digest import derive_seed
from jurist.evaluation.intervals import Estimate, wilson
from jurist.evaluation.judged import refuse_ungrouped
from jurist.evaluation.many_tests import false_discovery_rates, hypergeometric_tail
from jurist.evaluation.shortcuts import BagOfWords
from jurist.types import Preference

FALSE_DISCOVERY_RATE: Final = 0.01
"""Share of sources called different that may be so by chance alone."""

NUM_FOLDS: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFlips:
    """The labels of one source beside those of all others."""

    name: str
    num_pairs: int
    """Counted, of which something is known: an opinion of whoever the labels are held against."""

    num_flipped: int
    """Those where the opinion is the other response."""

    flip_rate: Estimate
    """With Wilson's interval."""

    others_rate: float
    """The flip rate of all other sources together; 0 if there are none."""

    false_discovery_rate: float
    """At which it would be said that this source's labels are flipped more often than the others'
    (Fisher's exact test, one-sided; Benjamini and Hochberg 1995 over the sources)."""

    @property
    def differs(self) -> bool:
        """Whether that is said."""
        return self.false_discovery_rate <= FALSE_DISCOVERY_RATE


def source_flips(
    sources: Sequence[str],
    probabilities: Sequence[float | None],
    preferences: Sequence[Preference] | None = None,
) -> list[SourceFlips]:
    """Flip rates by source, the greatest first.

    Opinions of pairs that share a prompt go together, and the test takes pairs to be independent.

    Args:
        sources: Of each label: who gave it, or the data set it is of. Length N.
        probabilities: Probability of each label in the opinion of somebody else, None where there
            is none, half where it is open: both are left out. Length N.
        preferences: The pairs labelled. Of one group and source one is counted, drawn by the ids.
            None: no two have anything to do with each other, and all are counted. Length N.

    Raises:
        DataError: If a preference has no group.
        ValueError: If the lengths differ.
    """
    known = [
        (source, probability < 0.5)
        for source, probability in _counted(sources, probabilities, preferences)
        if probability is not None and probability != 0.5
    ]
    pairs = Counter(source for source, _ in known)
    flips = Counter(source for source, flipped in known if flipped)
    total, num_flipped = len(known), flips.total()
    names = sorted(pairs)
    rates = false_discovery_rates(
        [hypergeometric_tail(flips[name], pairs[name], num_flipped, total) for name in names]
    )
    found = [
        SourceFlips(
            name=name,
            num_pairs=pairs[name],
            num_flipped=flips[name],
            flip_rate=wilson(flips[name], pairs[name]),
            others_rate=(num_flipped - flips[name]) / max(1, total - pairs[name]),
            false_discovery_rate=rate,
        )
        for name, rate in zip(names, rates, strict=True)
    ]
    return sorted(found, key=lambda one: (-one.flip_rate.value, one.name))


def _counted(
    sources: Sequence[str],
    probabilities: Sequence[float | None],
    preferences: Sequence[Preference] | None,
) -> list[tuple[str, float | None]]:
    """Sources and probabilities, of one group and source a single one that is known."""
    rows = list(zip(sources, probabilities, strict=True))
    if preferences is None:
        return rows
    refuse_ungrouped(preferences)
    drawn: dict[tuple[str, str], tuple[str, float | None]] = {}
    pairs = zip(preferences, rows, strict=True)
    for one, row in sorted(pairs, key=lambda pair: derive_seed("copies", pair[0].id)):
        if row[1] is not None and row[1] != 0.5:
            drawn.setdefault((row[0], one.group), row)
    return list(drawn.values())


def word_opinions(preferences: Sequence[Preference]) -> list[float | None]:
    """Probability of each label by the words of the two responses, learnt on other rows.

    A bag of words fitted to four fifths of the groups speaks of the fifth: it knows nothing of what
    is true, only what is usual here.

    Returns:
        For each preference the probability that its chosen response is the better one; None for
        ties, and where there is nothing to learn from. Length N.

    Raises:
        DataError: If a preference has no group.
    """
    refuse_ungrouped(preferences)
    folds = [derive_seed("fold", one.group) % NUM_FOLDS for one in preferences]
    found: list[float | None] = [None] * len(preferences)
    for fold in range(NUM_FOLDS):
        train = [
            one
            for one, other in zip(preferences, folds, strict=True)
            if other != fold and not one.tie
        ]
        if not train or fold not in folds:
            continue
        fitted = BagOfWords.fit(train)
        for number, one in enumerate(preferences):
            if folds[number] == fold and not one.tie:
                found[number] = 1.0 / (1.0 + math.exp(-max(-500.0, fitted.log_odds(one))))
    return found
