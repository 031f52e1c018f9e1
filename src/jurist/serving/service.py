"""What a server answers with: one judge, asked in batches, and the rewards that it comes to."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from jurist.judges import Ballot, Judge, Scorer, ballots
from jurist.rewards import (
    DEFAULT_PRIOR,
    Cohort,
    CohortRewards,
    Compared,
    aggregated,
    cohort_comparisons,
    win_probability,
)
from jurist.serving.batching import MAX_BATCH, MAX_WAITING, Batcher
from jurist.serving.gathering import Gathered, Gatherer
from jurist.serving.metrics import Metrics
from jurist.types import Comparison, Conversation

Against: TypeAlias = Literal["nothing", "reference", "cohort"]
"""What a response was held against. nothing: the judge scores single responses."""

ALONE: Final = "no other response to this prompt came within the window"
NO_VERDICT: Final = "no reading came to a verdict"
NO_SCORE: Final = "the judge has no score for this response"


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """Which judge is served: what every answer may be traced back to."""

    model: str
    """Its name, as it was given."""

    fingerprint: str
    """Digest of what it is and how it is asked."""

    kind: str
    """How it comes to its verdicts, such as reasoning, direct or scalar."""

    format: str
    """Name of its format; empty if it has none."""

    votes: int
    """Readings of each comparison in each order, at most."""

    version: str
    """Of this package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How requests are batched, and how single responses come by a reward."""

    window_seconds: float = 5.0
    """How long a response waits for others to the same prompt, at most."""

    cohort_size: int | None = None
    """Responses to a prompt after which a cohort is whole. None: not known."""

    num_opponents: int | None = None
    """Others that each response of a cohort is compared with, at most. None: all."""

    prior: float = DEFAULT_PRIOR
    """Of `jurist.rewards.bradley_terry_strengths`."""

    seed: int = 0
    """Draws who meets whom in a cohort."""

    max_batch: int = MAX_BATCH
    """Comparisons in one call of the judge, at most."""

    max_waiting: int = MAX_WAITING
    """Comparisons that may wait for a call; more are refused with 429."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """What one response is worth."""

    value: float | None
    """In nats. Against a reference the log-odds of beating it; within a cohort the strength, the
    mean of the cohort being 0; of a judge of single responses its score. None: there is none."""

    against: Against
    num_responses: int
    """Responses of the cohort, this one included; 1 if there was none."""

    failure: str | None = None
    """Why there is no value."""

    num_tokens: int = 0
    """Tokens written for it; of a cohort, for all of it."""

    @property
    def score(self) -> float | None:
        """The value as a probability, between 0 and 1: of beating the reference, or an average
        response of the cohort."""
        return None if self.value is None else win_probability(self.value)


class Service:
    """A judge behind a server. Everything but the judge itself runs in one event loop.

    Args:
        judge: Reads both orders.
        about: Which it is.
        executor: Where the judge is called; one thread, if it is not safe for several.
        scorer: Its scores of single responses, if it is such a judge.
        references: A response kept for a prompt, which single responses are then held against.
        rules: How requests are batched and rewarded.
        metrics: Counts what happens.
        num_possible: Readings of a comparison that a judge which stops early may take.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        about: About,
        executor: Executor,
        scorer: Scorer | None = None,
        references: Mapping[Conversation, str] | None = None,
        rules: Rules | None = None,
        metrics: Metrics | None = None,
        num_possible: int | None = None,
    ) -> None:
        self.about = about
        self.rules = rules = rules or Rules()
        self.metrics = metrics = metrics or Metrics()
        self._references = dict(references or {})

        def judged(comparisons: Sequence[Comparison]) -> list[Ballot]:
            return ballots(judge, comparisons, num_possible=num_possible)

        self._compare = Batcher(
            judged,
            executor=executor,
            max_batch=rules.max_batch,
            max_waiting=rules.max_waiting,
            observe=metrics.batch,
        )
        self._score = None if scorer is None else _scoring(scorer, executor, rules, metrics)
        self._gather = Gatherer(
            self.reward_cohort, window_seconds=rules.window_seconds, size=rules.cohort_size
        )
        metrics.watch(
            waiting=lambda: (
                self._compare.num_waiting + (0 if self._score is None else self._score.num_waiting)
            ),
            cohorts=lambda: self._gather.num_open,
        )

    async def compare(self, comparisons: Sequence[Comparison]) -> list[Ballot]:
        """Have comparisons judged.

        Raises:
            Crowded: Too much is waiting.
            DataError: A comparison cannot be shown to the judge.
            EngineError: The model behind the judge could not be reached.
        """
        found = await self._compare(comparisons)
        for ballot in found:
            self.metrics.judged(failed=ballot.probability is None, num_tokens=ballot.num_tokens)
        return found

    async def reward_cohort(self, cohort: Cohort) -> CohortRewards:
        """Reward all responses of a cohort, by comparing them or by their scores."""
        if self._score is not None:
            values = await self._scores([(cohort.prompt, text) for text in cohort.responses])
            return CohortRewards(
                rewards=tuple(value if math.isfinite(value) else None for value in values)
            )
        rules = self.rules
        asked = cohort_comparisons(cohort, num_opponents=rules.num_opponents, seed=rules.seed)
        found = await self.compare(asked)
        compared = [
            Compared(first=one.first, second=one.second, ballot=ballot)
            for one, ballot in zip(asked, found, strict=True)
        ]
        (rewards,) = aggregated([cohort], [compared], prior=rules.prior)
        return rewards

    async def reward(
        self, prompt: Conversation, response: str, *, reference: str | None = None, group: str = ""
    ) -> Reward:
        """Reward one response.

        A judge of single responses scores it. A judge of pairs holds it against the reference that
        came with it, else against the one kept for its prompt, else against the responses to the
        same prompt that come within the window.
        """
        reward = await self._reward(prompt, response, reference, group)
        self.metrics.rewarded(reward.against, failed=reward.value is None)
        return reward

    async def _reward(
        self, prompt: Conversation, response: str, reference: str | None, group: str
    ) -> Reward:
        if self._score is not None:
            (value,) = await self._scores([(prompt, response)])
            known = math.isfinite(value)
            return Reward(
                value=value if known else None,
                against="nothing",
                num_responses=1,
                failure=None if known else NO_SCORE,
            )
        held_against = self._references.get(prompt) if reference is None else reference
        if held_against is not None:
            return await self._against(prompt, response, held_against)
        return _place_in(await self._gather(prompt, response, group=group))

    async def _against(self, prompt: Conversation, response: str, reference: str) -> Reward:
        if response == reference:
            return Reward(value=0.0, against="reference", num_responses=1)
        asked = Comparison(prompt=prompt, first=response, second=reference)
        (ballot,) = await self.compare([asked])
        return Reward(
            value=ballot.log_odds,
            against="reference",
            num_responses=1,
            failure=NO_VERDICT if ballot.log_odds is None else None,
            num_tokens=ballot.num_tokens,
        )

    async def _scores(self, items: Sequence[tuple[Conversation, str]]) -> list[float]:
        assert self._score is not None
        values = await self._score(items)
        for value in values:
            self.metrics.judged(failed=not math.isfinite(value), num_tokens=0)
        return values


_Scoring: TypeAlias = Batcher[tuple[Conversation, str], float]


def _scoring(scorer: Scorer, executor: Executor, rules: Rules, metrics: Metrics) -> _Scoring:
    def scored(items: Sequence[tuple[Conversation, str]]) -> list[float]:
        return scorer([prompt for prompt, _ in items], [text for _, text in items])

    return Batcher(
        scored,
        executor=executor,
        max_batch=rules.max_batch,
        max_waiting=rules.max_waiting,
        observe=metrics.batch,
    )


def _place_in(gathered: Gathered) -> Reward:
    if gathered.cohort is None:
        return Reward(value=None, against="cohort", num_responses=1, failure=ALONE)
    value = gathered.cohort.rewards[gathered.place]
    return Reward(
        value=value,
        against="cohort",
        num_responses=gathered.size,
        failure=NO_VERDICT if value is None else None,
        num_tokens=gathered.cohort.num_tokens,
    )
