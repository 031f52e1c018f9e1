"""Choosing one of the responses to a prompt: the one with the greatest reward, or by knockout."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jurist.judges import Judge, ballots
from jurist.rewards import Cohort, CohortReward, Compared, drawn_order
from jurist.types import Comparison, Verdict

Met: TypeAlias = Mapping[frozenset[str], Compared]
"""Comparisons of one cohort, by who met."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The response chosen for one prompt."""

    place: int
    """Its place among the responses; of equal texts, the first."""

    comparisons: tuple[Compared, ...]
    """What it rests on. None where a scorer chose."""

    rewards: tuple[float | None, ...] = ()
    """Of every response; none after a knockout, which has no more than a winner."""


def best_of_n(reward: CohortReward, cohorts: Sequence[Cohort], *, seed: int = 0) -> list[Choice]:
    """Choose the response with the greatest reward.

    Of several as great, the one that is drawn first (`jurist.rewards.drawn_order`); so also where
    no response has a reward at all.

    Args:
        reward: By a judge (`jurist.rewards.PairwiseReward`) or a scorer (`PointwiseReward`).
        cohorts: The responses to choose from.
        seed: Of the draw.
    """
    return [
        Choice(
            place=first_drawn(cohort, found.best, seed=seed),
            comparisons=found.comparisons,
            rewards=found.rewards,
        )
        for cohort, found in zip(cohorts, reward(cohorts), strict=True)
    ]


def knockout(judge: Judge, cohorts: Sequence[Cohort], *, seed: int = 0) -> list[Choice]:
    """Choose by a tournament in which who loses is out: n - 1 comparisons of n responses.

    A round of all cohorts is one call of the judge; see `knockout_rounds`.

    Args:
        judge: One that reads both orders.
        cohorts: The responses to choose from.
        seed: Draws the brackets.
    """
    tournaments = [
        knockout_rounds(drawn_order(cohort.prompt, cohort.responses, seed=seed))
        for cohort in cohorts
    ]
    made: list[list[Compared]] = [[] for _ in cohorts]
    winners = [""] * len(cohorts)
    going: dict[int, list[tuple[str, str]]] = {}

    def advance(number: int, outcomes: Sequence[Compared] | None) -> None:
        try:
            tournament = tournaments[number]
            going[number] = next(tournament) if outcomes is None else tournament.send(outcomes)
        except StopIteration as ended:
            going.pop(number, None)
            winners[number] = ended.value

    for number in range(len(cohorts)):
        advance(number, None)
    while going:
        asked = [
            Comparison(prompt=cohorts[number].prompt, first=first, second=second)
            for number, pairs in going.items()
            for first, second in pairs
        ]
        found = iter(ballots(judge, asked))
        for number, pairs in list(going.items()):
            outcomes = [
                Compared(first=first, second=second, ballot=next(found)) for first, second in pairs
            ]
            made[number] += outcomes
            advance(number, outcomes)
    return [
        Choice(place=cohort.responses.index(winner), comparisons=tuple(compared))
        for cohort, winner, compared in zip(cohorts, winners, made, strict=True)
    ]


def knockout_rounds(
    order: Sequence[str],
) -> Generator[list[tuple[str, str]], Sequence[Compared], str]:
    """A tournament of single elimination, round by round.

    Neighbours in the order meet, and the last one of an odd number waits for the next round. Of a
    tie, or of a comparison without any verdict, the one that stands earlier in the order goes on:
    a coin that the draw of the order has thrown.

    Args:
        order: Different responses, at least one.

    Yields:
        The pairs of a round, to be answered by `send` with what came of each, in their order.

    Returns:
        The winner.
    """
    left = list(order)
    while len(left) > 1:
        pairs = list(zip(left[::2], left[1::2], strict=False))
        outcomes = yield pairs
        waiting = left[len(left) - len(left) % 2 :]
        left = [winner(one) for one in outcomes] + waiting
    return left[0]


def winner(compared: Compared) -> str:
    """Who goes on: the response that the ballot favours, and the first if it favours neither."""
    return compared.second if compared.ballot.outcome is Verdict.SECOND else compared.first


def met(compared: Sequence[Compared]) -> Met:
    """Comparisons of one cohort, by who met."""
    return {frozenset((one.first, one.second)): one for one in compared}


def replayed_knockout(cohort: Cohort, made: Met, *, seed: int = 0) -> Choice:
    """What `knockout` chooses, by comparisons that were made before.

    Args:
        cohort: The responses to choose from.
        made: Comparisons of them, either way around, whether a knockout takes them or not.
        seed: Draws the bracket.

    Raises:
        ValueError: If two meet that were not compared.
    """
    tournament = knockout_rounds(drawn_order(cohort.prompt, cohort.responses, seed=seed))
    taken: list[Compared] = []
    outcomes: list[Compared] | None = None
    while True:
        try:
            pairs = next(tournament) if outcomes is None else tournament.send(outcomes)
        except StopIteration as ended:
            last: str = ended.value
            return Choice(place=cohort.responses.index(last), comparisons=tuple(taken))
        # In the round's own places, in which the first of a tie goes on.
        outcomes = [compared_pair(made, first, second).seen_from(first) for first, second in pairs]
        taken += outcomes


def compared_pair(made: Met, first: str, second: str) -> Compared:
    """The comparison of two responses, either way around.

    Raises:
        ValueError: If it was not made.
    """
    found = made.get(frozenset((first, second)))
    if found is None:
        raise ValueError(
            f"{first!r:.60} and {second!r:.60} were not compared, and the rule of choosing asks "
            f"for it"
        )
    return found


def first_drawn(cohort: Cohort, places: Sequence[int], *, seed: int) -> int:
    """Of some places, the one whose response is drawn first."""
    order = drawn_order(cohort.prompt, cohort.responses, seed=seed)
    return min(places, key=lambda place: (order.index(cohort.responses[place]), place))
