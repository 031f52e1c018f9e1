"""A cohort, the comparisons made in it, and what they come to: one reward for each response."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, Protocol, TypeAlias

import numpy as np

from jurist.digest import digest
from jurist.judges import Ballot
from jurist.rewards.design import pairings
from jurist.rewards.strengths import (
    DEFAULT_PRIOR,
    Matches,
    bradley_terry_strengths,
    win_rates,
)
from jurist.types import Comparison, Conversation

Aggregation: TypeAlias = Literal["bradley-terry", "win-rate"]
"""How comparisons become one number: strengths by maximum likelihood, in nats, or the mean
probability of winning."""

_AS_GOOD_AS_EQUAL = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Cohort:
    """Responses to one prompt, to be rewarded beside each other."""

    prompt: Conversation
    responses: tuple[str, ...]
    """At least one. Equal ones are one response, compared once, and have one reward."""

    def __post_init__(self) -> None:
        if not self.responses:
            raise ValueError("a cohort needs at least one response, got none")


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One comparison of two responses of a cohort."""

    first: str
    second: str
    ballot: Ballot
    """What the judge said, in terms of `first` and `second`."""

    # Counted once: a comparison may be looked at in many cohorts.
    probability: float | None = field(init=False)
    """Probability that the first is better, of the ballot; None if no reading came to a verdict."""

    num_tokens: int = field(init=False)
    """Tokens written for it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "probability", self.ballot.probability)
        object.__setattr__(self, "num_tokens", self.ballot.num_tokens)

    @property
    def failed(self) -> bool:
        """Whether no reading came to a verdict."""
        return self.probability is None

    def seen_from(self, first: str) -> "Compared":
        """The same in terms of `first`, one of the two, as the first response.

        Raises:
            ValueError: If it is neither.
        """
        if first == self.first:
            return self
        if first != self.second:
            raise ValueError(f"{first!r:.60} is none of the two responses that were compared")
        ballot = self.ballot
        return Compared(
            first=self.second,
            second=self.first,
            ballot=Ballot.of(
                (judgement.mapped_back() for judgement in ballot.judgements),
                num_unasked=ballot.num_unasked,
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CohortRewards:
    """One reward for each response of a cohort, and what they rest on."""

    rewards: tuple[float | None, ...]
    """In the order of the responses; those that are known add up to 0. None: the response was
    compared, and no comparison of it came to a verdict, or its score is not a number. A response
    that is alone in its cohort has 0, as it is the average."""

    comparisons: tuple[Compared, ...] = ()
    """Every comparison made, failed ones too. None for rewards that need no comparison."""

    @property
    def num_failed(self) -> int:
        """Comparisons without any verdict."""
        return sum(one.failed for one in self.comparisons)

    @property
    def num_unknown(self) -> int:
        """Responses without a reward."""
        return sum(reward is None for reward in self.rewards)

    @property
    def num_tokens(self) -> int:
        """Tokens written for all the comparisons."""
        return sum(one.num_tokens for one in self.comparisons)

    @property
    def num_prompt_tokens(self) -> int:
        """Tokens read for all the comparisons."""
        return sum(one.ballot.num_prompt_tokens for one in self.comparisons)

    @property
    def best(self) -> tuple[int, ...]:
        """Places of the responses with the greatest reward, up to rounding; of all, if none has a
        reward."""
        known = [reward for reward in self.rewards if reward is not None]
        if not known:
            return tuple(range(len(self.rewards)))
        least = max(known) - _AS_GOOD_AS_EQUAL
        return tuple(
            i for i, reward in enumerate(self.rewards) if reward is not None and reward >= least
        )


class CohortReward(Protocol):
    """Rewards the responses to a prompt beside each other."""

    def __call__(self, cohorts: Sequence[Cohort]) -> list[CohortRewards]:
        """Reward every response of every cohort.

        Returns:
            One for each cohort, in the order given. Permuting the responses of a cohort permutes
            their rewards, and other cohorts do not matter.

        Raises:
            DataError: A response cannot be shown to the judge, or does not fit the scorer.
            EngineError: The model behind it could not be reached.
        """
        ...


def drawn_order(prompt: Conversation, responses: Sequence[str], *, seed: int) -> list[str]:
    """The different responses, in an order drawn from the seed and their texts alone.

    It does not depend on the order they are given in, and so nothing that follows from it does.
    """
    return sorted(dict.fromkeys(responses), key=lambda text: _place(seed, prompt, text))


@lru_cache(maxsize=2**16)
def _place(seed: int, prompt: Conversation, response: str) -> str:
    return digest("place", seed, prompt, response)


def cohort_comparisons(
    cohort: Cohort, *, num_opponents: int | None = None, seed: int = 0
) -> list[Comparison]:
    """The comparisons to make in a cohort: a design (`pairings`) on the drawn order.

    Args:
        cohort: Its different responses meet; equal texts never do.
        num_opponents: How many others each meets, at most. None: all.
        seed: Draws who meets whom, and which of the two is the first.

    Raises:
        ValueError: If the bound is below 2.
    """
    order = drawn_order(cohort.prompt, cohort.responses, seed=seed)
    return [
        Comparison(prompt=cohort.prompt, first=order[i], second=order[j])
        for i, j in pairings(len(order), num_opponents)
    ]


def aggregated(
    cohorts: Sequence[Cohort],
    compared: Sequence[Sequence[Compared]],
    *,
    aggregation: Aggregation = "bradley-terry",
    prior: float = DEFAULT_PRIOR,
) -> list[CohortRewards]:
    """Turn the comparisons of each cohort into rewards.

    A tied ballot is a probability of a half. A comparison without any verdict says nothing of
    either response: it is kept and counted, and the others decide.

    Args:
        cohorts: Length N.
        compared: For each, the comparisons made of its responses, no pair twice. Length N.
        aggregation: How.
        prior: Of `bradley_terry_strengths`; the share of wins has none.

    Raises:
        ValueError: If lengths differ, a pair stands there twice, or a comparison is of a text that
            the cohort does not hold.
    """
    matches = [matches_of(*of) for of in zip(cohorts, compared, strict=True)]
    if aggregation == "bradley-terry":
        values = bradley_terry_strengths(matches, prior=prior)
    else:
        values = [win_rates(one) for one in matches]
    return [
        CohortRewards(rewards=_centred(cohort, made, numbers.tolist()), comparisons=tuple(made))
        for cohort, made, numbers in zip(cohorts, compared, values, strict=True)
    ]


def centred(values: Sequence[float | None]) -> tuple[float | None, ...]:
    """The values less the mean of those that are known."""
    known = [value for value in values if value is not None]
    # fsum, whose sum is the same in whatever order.
    mean = math.fsum(known) / len(known) if known else 0.0
    return tuple(None if value is None else value - mean for value in values)


def matches_of(cohort: Cohort, compared: Sequence[Compared]) -> Matches:
    """The comparisons as arrays, over the different responses in the order of their texts.

    Raises:
        ValueError: As of `aggregated`.
    """
    texts = sorted(set(cohort.responses))
    places = {text: place for place, text in enumerate(texts)}
    wins = np.full((len(texts), len(texts)), 0.5)
    met = np.zeros(wins.shape, dtype=np.bool_)
    seen: set[frozenset[str]] = set()
    for one in compared:
        pair = frozenset((one.first, one.second))
        if len(pair) < 2 or pair in seen or not pair <= places.keys():
            raise ValueError(
                "a cohort's comparisons are of two different responses of it, no pair twice; got "
                f"{one.first!r:.60} and {one.second!r:.60}"
            )
        seen.add(pair)
        probability = one.probability
        if probability is not None:
            i, j = places[one.first], places[one.second]
            wins[i, j], wins[j, i] = probability, 1.0 - probability
            met[i, j] = met[j, i] = True
    copies = np.array([cohort.responses.count(text) for text in texts], dtype=np.float64)
    return Matches(wins=wins, met=met, copies=copies)


def _centred(
    cohort: Cohort, compared: Sequence[Compared], values: Sequence[float]
) -> tuple[float | None, ...]:
    tried = {text for one in compared for text in (one.first, one.second)}
    heard = {text for one in compared if not one.failed for text in (one.first, one.second)}
    texts = sorted(set(cohort.responses))
    known: dict[str, float | None] = {}
    for text, value in zip(texts, values, strict=True):
        # What nothing was compared with is average: a strength of 0, or half of the wins.
        settled = 0.5 if math.isnan(value) else value
        known[text] = None if text in tried and text not in heard else settled
    return centred([known[text] for text in cohort.responses])
