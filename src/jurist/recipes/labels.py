"""What a judge's ballots make of pairs and of pools: preferences, ties, or nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from jurist.data import Pool
from jurist.data.labelled import LabelledPair, Opinion, Votes
from jurist.judges import Ballot
from jurist.types import Preference, Verdict

if TYPE_CHECKING:
    # Loads numpy, which `jurist --help` need not wait for.
    from jurist.rewards import CohortRewards, Compared

Reason: TypeAlias = Literal[
    "preferred", "tied", "unsure", "flipped", "no verdict", "one response", "budget"
]
"""Why a label is what it is.

tied: the judge says that neither is better. unsure: it says that one is, and not surely enough.
flipped: its two orders say different things. The last three have no label: no reading came to a
verdict, there are no two different responses, or the budget was spent before.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What a judge's ballot makes of one pair."""

    preference: Preference
    """With the preferred response as `chosen`, and its log-odds in nats as margin; or a tie."""

    reason: Reason
    confidence: float | None
    """Probability of the preferred response, at least a half. None without any verdict."""

    ballot: Ballot | None = None
    """What was said of these two, `chosen` being the first response of its terms. None if nothing
    was."""

    num_read: int = 0
    """Tokens read for it."""

    num_written: int = 0

    def labelled(self, judge: str) -> LabelledPair:
        """The row that this is, of a label that is a preference or a tie.

        Args:
            judge: The judge's fingerprint.
        """
        assert self.confidence is not None
        ballot = self.ballot
        return LabelledPair(
            preference=self.preference,
            opinion=Opinion(
                judge=judge,
                probability=None if ballot is None else ballot.probability,
                confidence=self.confidence,
                margin=self.preference.margin,
                flip=None if ballot is None else ballot.flip,
                votes=None if ballot is None else votes_of(ballot),
                num_read=self.num_read,
                num_written=self.num_written,
            ),
        )


def votes_of(ballot: Ballot) -> Votes:
    """A ballot's readings, counted in the terms of its first response."""
    return Votes(
        num_for=ballot.first,
        num_against=ballot.second,
        num_tie=ballot.ties,
        num_failed=ballot.num_failures,
        num_possible=ballot.num_possible,
    )


def label_of(pair: Preference, ballot: Ballot, *, min_confidence: float, consistent: bool) -> Label:
    """Label a pair by what was said of it.

    Args:
        pair: Two responses; which is called `chosen` does not matter.
        ballot: Every reading, `chosen` being the first response of its terms.
        min_confidence: Probability from which on a response is preferred.
        consistent: A pair whose two orders come to different verdicts is a tie.
    """
    tied = Label(
        preference=replace(pair, tie=True, margin=None),
        reason="no verdict",
        confidence=None,
        ballot=ballot,
        num_read=ballot.num_prompt_tokens,
        num_written=ballot.num_tokens,
    )
    probability = ballot.probability
    if probability is None:
        return tied
    favoured = ballot if probability >= 0.5 else swapped(ballot)
    # Not 1 - p, which is rounded: what the response is called must not matter.
    confidence = max(probability, favoured.probability or 0.5)
    if consistent and ballot.flip:
        return replace(tied, reason="flipped", confidence=confidence)
    if ballot.outcome is Verdict.TIE:
        return replace(tied, reason="tied", confidence=confidence)
    if confidence < min_confidence:
        return replace(tied, reason="unsure", confidence=confidence)
    first, second = pair.chosen, pair.rejected
    if favoured is not ballot:
        first, second = second, first
    return replace(
        tied,
        preference=replace(
            pair,
            chosen=first,
            rejected=second,
            tie=False,
            margin=math.log(confidence) - math.log1p(-confidence),
        ),
        reason="preferred",
        confidence=confidence,
        ballot=favoured,
    )


def swapped(ballot: Ballot) -> Ballot:
    """The same ballot in terms of the second response as the first."""
    return Ballot.of(
        (judgement.mapped_back() for judgement in ballot.judgements),
        num_unasked=ballot.num_unasked,
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
    label = Label(
        preference=pair,
        reason="no verdict" if len(set(texts)) > 1 else "one response",
        confidence=None,
        num_read=sum(one.ballot.num_prompt_tokens for one in rewards.comparisons),
        num_written=sum(one.num_tokens for one in rewards.comparisons),
    )
    if not unlike:
        return label
    margin = best[0] - worst[0]
    confidence = 1.0 / (1.0 + math.exp(-margin))
    ballot = _said_of(pair, rewards.comparisons)
    label = replace(label, confidence=confidence, ballot=ballot)
    if consistent and ballot is not None and ballot.flip:
        return replace(label, reason="flipped")
    if margin == 0.0:
        return replace(label, reason="tied")
    if confidence < min_confidence:
        return replace(label, reason="unsure")
    return replace(label, reason="preferred", preference=replace(pair, tie=False, margin=margin))


def _said_of(pair: Preference, comparisons: Sequence["Compared"]) -> Ballot | None:
    """What was said of the two of a pair, in terms of the chosen one; None if they never met."""
    for one in comparisons:
        if {one.first, one.second} == {pair.chosen, pair.rejected}:
            return one.seen_from(pair.chosen).ballot
    return None
