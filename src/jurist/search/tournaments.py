"""Tournaments: who meets whom among the responses to a prompt, round by round, and who wins.

A tournament is a function from the responses, in a drawn order, to its rounds: a generator that
yields the pairs of a round and is sent what came of them. It asks no judge itself, so that one
tournament is played live (`play`), on disk (`jurist.recipes.pools`) or again on comparisons that
were made before (`replay`).
"""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeAlias

from jurist.judges import Judge, ballots
from jurist.rewards import Cohort, Compared, drawn_order, pairings
from jurist.search.best_of_n import Choice
from jurist.types import Comparison, Verdict

Rounds: TypeAlias = Generator[list[tuple[str, str]], Sequence[Compared], None]
"""Yields the pairs of a round, to be answered by `send` with what came of each, in their order."""

Tournament: TypeAlias = Callable[[Sequence[str]], Rounds]
"""From different responses, at least one, in the order drawn."""

Met: TypeAlias = Mapping[frozenset[str], Compared]
"""Comparisons of one cohort, by who met."""


def league_rounds(order: Sequence[str], *, num_opponents: int | None = None) -> Rounds:
    """A league: each response meets others that are fixed beforehand, all in one round.

    The league-style algorithm of Chen et al. 2024 (algorithm 1) draws K opponents for each, with
    replacement; here they are those of `jurist.rewards.pairings`, in which nobody meets anyone
    twice and a comparison counts for both.

    Args:
        order: Different responses, at least one.
        num_opponents: Others that each meets, at most. None: all.
    """
    pairs = [(order[i], order[j]) for i, j in pairings(len(order), num_opponents)]
    if pairs:
        yield pairs


def knockout_rounds(order: Sequence[str]) -> Rounds:
    """A tournament of single elimination: who loses is out.

    Neighbours in the order meet, and the last one of an odd number waits for the next round. Of a
    tie, or of a comparison without any verdict, the one that stands earlier in the order goes on:
    a coin that the draw of the order has thrown.

    Args:
        order: Different responses, at least one.
    """
    left = list(order)
    while len(left) > 1:
        pairs = list(zip(left[::2], left[1::2], strict=False))
        outcomes = yield pairs
        out = {loser(one) for one in outcomes}
        left = [text for text in left if text not in out]


def swiss_rounds(order: Sequence[str], *, num_rounds: int) -> Rounds:
    """A Swiss tournament: round by round, each meets one of about its own standing, none twice.

    The standing is the mean probability of winning so far, a half before the first comparison, and
    of equals the earlier in the order stands above. From the top down each meets the next below it
    that it has not met; who finds nobody sits the round out. A comparison without any verdict
    changes no standing and is not asked again.

    Args:
        order: Different responses, at least one.
        num_rounds: How many rounds; fewer once all have met all they can.
    """
    given: dict[str, list[float]] = {text: [] for text in order}
    seen: set[frozenset[str]] = set()
    for _ in range(num_rounds):
        pairs: list[tuple[str, str]] = []
        # A stable sort: equals stay as drawn.
        left = sorted(order, key=lambda text: -_mean(given[text]))
        while left:
            first = left.pop(0)
            second = next((text for text in left if frozenset((first, text)) not in seen), None)
            if second is not None:
                left.remove(second)
                pairs.append((first, second))
        if not pairs:
            return
        seen |= {frozenset(pair) for pair in pairs}
        for one in (yield pairs):
            if one.probability is not None:
                given[one.first].append(one.probability)
                given[one.second].append(1.0 - one.probability)


def loser(compared: Compared) -> str:
    """Who is out: the response that the ballot goes against, and the second if it goes neither
    way."""
    return compared.first if compared.ballot.outcome is Verdict.SECOND else compared.second


def play(
    judge: Judge, cohorts: Sequence[Cohort], tournament: Tournament, *, seed: int = 0
) -> list[list[Compared]]:
    """Hold a tournament in every cohort; a round of all cohorts is one call of the judge.

    Args:
        judge: One that reads both orders.
        cohorts: The responses to choose from.
        tournament: Who meets whom.
        seed: Draws the order of each cohort's different responses.

    Returns:
        For each cohort its comparisons, in the order they were made.
    """
    rounds = [
        tournament(drawn_order(cohort.prompt, cohort.responses, seed=seed)) for cohort in cohorts
    ]
    made: list[list[Compared]] = [[] for _ in cohorts]
    going = {
        number: pairs for number, one in enumerate(rounds) if (pairs := next(one, None)) is not None
    }
    while going:
        asked = [
            Comparison(prompt=cohorts[number].prompt, first=first, second=second)
            for number, pairs in going.items()
            for first, second in pairs
        ]
        found = iter(ballots(judge, asked))
        answers = {
            number: [
                Compared(first=first, second=second, ballot=next(found)) for first, second in pairs
            ]
            for number, pairs in going.items()
        }
        for number, outcomes in answers.items():
            made[number] += outcomes
        going = going_on(rounds, answers)
    return made


def going_on(
    rounds: Sequence[Rounds], answers: Mapping[int, Sequence[Compared]]
) -> dict[int, list[tuple[str, str]]]:
    """The next round of every tournament that has one, by its number.

    Args:
        rounds: All tournaments.
        answers: What came of the last round, by the tournament's number.
    """
    going: dict[int, list[tuple[str, str]]] = {}
    for number, outcomes in answers.items():
        try:
            going[number] = rounds[number].send(outcomes)
        except StopIteration:
            continue
    return going


def replay(cohort: Cohort, made: Met, tournament: Tournament, *, seed: int = 0) -> list[Compared]:
    """The comparisons that a tournament takes, of those that were made before.

    Args:
        cohort: The responses to choose from.
        made: Comparisons of them, either way around, whether the tournament takes them or not.
        tournament: Who meets whom.
        seed: Draws the order.

    Raises:
        ValueError: If two meet that were not compared.
    """
    rounds = tournament(drawn_order(cohort.prompt, cohort.responses, seed=seed))
    taken: list[Compared] = []
    pairs = next(rounds, None)
    while pairs is not None:
        # In the round's own places, in which the first of a tie goes on.
        outcomes = [compared_pair(made, first, second).seen_from(first) for first, second in pairs]
        taken += outcomes
        try:
            pairs = rounds.send(outcomes)
        except StopIteration:
            break
    return taken


def knockout(judge: Judge, cohorts: Sequence[Cohort], *, seed: int = 0) -> list[Choice]:
    """Choose by a tournament in which who loses is out: n - 1 comparisons of n responses.

    A round of all cohorts is one call of the judge; see `knockout_rounds`.

    Args:
        judge: One that reads both orders.
        cohorts: The responses to choose from.
        seed: Draws the brackets.
    """
    return [
        undefeated(cohort, compared)
        for cohort, compared in zip(
            cohorts, play(judge, cohorts, knockout_rounds, seed=seed), strict=True
        )
    ]


def replayed_knockout(cohort: Cohort, made: Met, *, seed: int = 0) -> Choice:
    """What `knockout` chooses, by comparisons that were made before; see `replay`."""
    return undefeated(cohort, replay(cohort, made, knockout_rounds, seed=seed))


def undefeated(cohort: Cohort, compared: Sequence[Compared]) -> Choice:
    """The choice of a whole knockout: the response that lost no comparison."""
    out = {loser(one) for one in compared}
    (winner,) = {text for text in cohort.responses if text not in out}
    return Choice(place=cohort.responses.index(winner), comparisons=tuple(compared))


def met(compared: Sequence[Compared]) -> Met:
    """Comparisons of one cohort, by who met."""
    return {frozenset((one.first, one.second)): one for one in compared}


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


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.5
