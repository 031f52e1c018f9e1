"""Whether training rows give their label away by anything but what is to be judged.

Three shortcuts a judge could learn from rows instead of judging. Labels that are not even, over all
or in one source: then a place is a good guess. Labels that the words of the prompt tell, wherever
they stand: both orders of a pair have the same words, so that nothing of them can tell which of two
places is right, unless rows were chosen by it or a prompt says more than it should. And verdicts
that stand in a reply's first words: what follows did not lead to them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from jurist.digest import derive_seed
from jurist.evaluation.intervals import Estimate, wilson
from jurist.evaluation.many_tests import binomial_tail
from jurist.evaluation.words import bag, word_weights, words
from jurist.rationales import PairRow, SupervisedRow
from jurist.types import Verdict

MAX_ROWS: Final = 1_000
"""Rows that a guess is fitted to and tested on, of more drawn by hash: it is to take seconds."""

LEAST_ROWS: Final = 50
"""Rows below which no guess is looked at."""

NUM_PARTS: Final = 4
"""Parts of the rows: each but the first is guessed by those before it."""

OPENING_WORDS: Final = 4
"""First words of a reply in which no verdict should be settled."""

SURPRISE: Final = 0.001
"""Probability, by chance alone, below which something is a finding."""

GIVEN_AWAY: Final = 0.9
"""Where the accuracy of a guess must begin, by its interval, for the label to be given away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelGuess:
    """How well labels are guessed by words, on rows that the guess was not fitted to."""

    accuracy: Estimate
    """With Wilson's interval."""

    num_rows: int

    p_value: float
    """Probability of guessing as well or better with a fair coin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowScan:
    """What was looked at in a round's rows."""

    labels: Mapping[str, int]
    """Rows by label."""

    labels_by_source: Mapping[str, Mapping[str, int]]

    longer_chosen: Estimate | None
    """Share of pairs in which the reply to be preferred has more characters; None if rows are no
    pairs."""

    prompt_guess: LabelGuess | None
    """By the words of the prompt. None for single responses, whose words are what the label is to
    be told by, and for few rows."""

    opening_guess: LabelGuess | None
    """By the first words of replies that have twice as many. None for few rows."""

    findings: tuple[str, ...]
    """What is not as it should be, each a clause for a message."""

    @property
    def given_away(self) -> bool:
        """Whether the prompt all but says the label."""
        guess = self.prompt_guess
        return guess is not None and guess.accuracy.low >= GIVEN_AWAY


def scan_rows(
    rows: Sequence[SupervisedRow] | Sequence[PairRow], sources: Mapping[str, str]
) -> RowScan:
    """Look for shortcuts in training rows.

    Args:
        rows: At least one; in any order, on which nothing depends.
        sources: Data set of each preference that a row is of, by its id.

    Raises:
        ValueError: If there are no rows.
    """
    if not rows:
        raise ValueError("there are no rows to scan")
    ordered = sorted(rows, key=lambda row: derive_seed("scan", row))
    labels = Counter(str(row.label) for row in ordered)
    by_source: dict[str, Counter[str]] = {}
    for row in ordered:
        by_source.setdefault(sources.get(row.preference_id, ""), Counter())[str(row.label)] += 1
    pairs = [row for row in ordered if isinstance(row, PairRow)]
    longer = [len(row.chosen) > len(row.rejected) for row in pairs]
    placed = all(isinstance(row.label, Verdict) for row in ordered)
    # One of each preference: rows of one prompt are not independent.
    single = list({row.preference_id: row for row in reversed(ordered)}.values())[:MAX_ROWS]
    prompts = [
        " ".join(turn.content for turn in row.prompt if turn.role != "system") for row in single
    ]
    signs = [row.label in (Verdict.FIRST, True) for row in single]
    replies = [row.completion if isinstance(row, SupervisedRow) else row.chosen for row in single]
    # A verdict alone has no opening, and has to stand somewhere.
    reasoned = [
        (said, sign)
        for reply, sign in zip(replies, signs, strict=True)
        if len(said := words(reply)) >= 2 * OPENING_WORDS
    ]
    scan = RowScan(
        labels=dict(sorted(labels.items())),
        labels_by_source={
            name: dict(sorted(counts.items())) for name, counts in sorted(by_source.items())
        },
        longer_chosen=wilson(sum(longer), len(longer)) if longer else None,
        prompt_guess=_guess(prompts, signs) if placed else None,
        opening_guess=_guess(
            [" ".join(said[:OPENING_WORDS]) for said, _ in reasoned],
            [sign for _, sign in reasoned],
        ),
        findings=(),
    )
    return replace(scan, findings=tuple(_findings(scan)))


def _guess(texts: Sequence[str], signs: Sequence[bool]) -> LabelGuess | None:
    """Guess labels of a part of the texts by words, with weights fitted to the parts before it.

    Where labels have nothing to do with texts, each guess is then right by a fair coin whatever the
    others were (prequential testing, Dawid 1984). Cross-validation has no such law: its guesses
    hang on each other's labels, and pass for surprising several times as often as they are.
    """
    if len(texts) < LEAST_ROWS or len(set(signs)) < 2:
        return None
    bags = [bag(text) for text in texts]
    right = guessed = 0
    for part in range(1, NUM_PARTS):
        train = [
            {word: value if sign else -value for word, value in one.items()}
            for number, (one, sign) in enumerate(zip(bags, signs, strict=True))
            if number % NUM_PARTS < part
        ]
        weights = word_weights(train, Counter(word for one in train for word in one))
        for one, sign in list(zip(bags, signs, strict=True))[part::NUM_PARTS]:
            odds = sum(value * weights.get(word, 0.0) for word, value in one.items())
            if odds != 0.0:
                guessed += 1
                right += (odds > 0.0) == sign
    if not guessed:
        return None
    return LabelGuess(
        accuracy=wilson(right, guessed),
        num_rows=guessed,
        p_value=binomial_tail(right, guessed, 0.5),
    )


def _findings(scan: RowScan) -> list[str]:
    found: list[str] = []
    counts = list(scan.labels.values())
    if len(counts) < 2 or max(counts) - min(counts) > 1:
        found.append(
            f"labels are not even: "
            f"{', '.join(f'{count:,} {name}' for name, count in scan.labels.items())}"
        )
    for name, labels in scan.labels_by_source.items():
        total, most = sum(labels.values()), max(labels.values())
        p_value = min(1.0, 2.0 * binomial_tail(most, total, 0.5))
        if len(scan.labels_by_source) > 1 and p_value * len(scan.labels_by_source) < SURPRISE:
            found.append(
                f"labels of source {name!r} are not even: "
                f"{', '.join(f'{count:,} {label}' for label, count in labels.items())}"
            )
    guess = scan.prompt_guess
    if guess is not None and guess.p_value < SURPRISE:
        found.append(
            f"the label is told by the words of the prompt, whatever their order, in "
            f"{guess.accuracy.value:.1%} of {guess.num_rows:,} rows where half would be chance"
        )
    opening = scan.opening_guess
    if opening is not None and opening.accuracy.low >= GIVEN_AWAY:
        found.append(
            f"the verdict is told by the first {OPENING_WORDS} words of the reply in "
            f"{opening.accuracy.value:.1%} of {opening.num_rows:,} rows: what follows cannot have "
            f"led to it"
        )
    if scan.longer_chosen is not None and scan.longer_chosen.low >= GIVEN_AWAY:
        found.append(
            f"the longer reply is the preferred one in {scan.longer_chosen.value:.1%} of the pairs"
        )
    return found
