"""Rewards for TRL's `GRPOTrainer` and `RLOOTrainer`, which call a reward as a function of a batch.

Nothing of TRL is imported: what it asks of a reward function is a signature. It was read, and is
tested, at version 1.16. None means "no reward" there: such a completion is left out of its group's
mean and has an advantage of 0. What the adapters hold is pickled with them, as `async_grpo` does
with a reward: `jurist.load_judge` and `ServedReward` can be.

A judge behind a server may go down while a policy trains. Then completions have no reward, training
goes on, and `NAME/without_reward` says so; after too many such batches in a row it is stopped.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Protocol, cast

from jurist.adapters.tolerance import MAX_LOST_BATCHES, MAX_WITHOUT_REWARD, Tolerance
from jurist.data.turns import messages, prompt_of
from jurist.errors import ConfigError, DataError, OutageError
from jurist.judges import Judge, Scorer, ballots
from jurist.rewards import Cohort, CohortReward, CohortRewards, ResponseReward, drawn_order
from jurist.types import Comparison, Conversation, Failure, Judgement, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class TRLCohortReward:
    """Rewards completions beside the others to the same prompt: an item of `reward_funcs`."""

    reward: CohortReward

    num_generations: int
    """Completions of each prompt, as in the trainer's settings. A batch that holds part of a
    prompt's completions is refused: a part has another average than the whole."""

    name: str = "jurist"
    """What TRL calls the reward in its logs."""

    max_without_reward: float = MAX_WITHOUT_REWARD
    """Share of a batch that may be without a reward before the batch counts as lost."""

    max_lost_batches: int = MAX_LOST_BATCHES
    """At so many lost batches in a row training is stopped, by an error. In a process of its own,
    each counts for itself."""

    _tolerance: Tolerance = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.num_generations < 2:
            raise ConfigError(
                f"num_generations must be at least 2, or there is nothing to compare; got "
                f"{self.num_generations}"
            )
        object.__setattr__(
            self, "_tolerance", Tolerance(self.name, self.max_without_reward, self.max_lost_batches)
        )

    @property
    def __name__(self) -> str:
        """What TRL calls the reward in its logs."""
        return self.name

    def __call__(
        self,
        prompts: Sequence[object],
        completions: Sequence[object],
        *,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: object,
    ) -> list[float | None]:
        """Reward a batch.

        Args:
            prompts: Texts, or conversations of role and content. Length N.
            completions: One to each prompt, a text or one assistant turn. Length N.
            log_metric: Takes the share of comparisons without a verdict and their number.
            columns: What else TRL passes; not used.

        Returns:
            Centred rewards, or None where there is none. Length N.

        Raises:
            ConfigError: If a prompt has another number of completions than `num_generations`, or
                a multiple of it.
            DataError: If a prompt or completion is none of the above, such as a turn with tools.
            EngineError: If the judge cannot be asked, or too many batches in a row were lost.
        """
        groups: dict[Conversation, list[int]] = {}
        for number, prompt in enumerate(prompts):
            groups.setdefault(prompt_of(prompt), []).append(number)
        texts = [completion_text(completion) for completion in completions]
        for prompt, members in groups.items():
            if len(members) % self.num_generations:
                raise ConfigError(
                    f"{len(members)} completions of {prompt[-1].content!r:.60} in one batch, and "
                    f"num_generations is {self.num_generations}: a group must not be split; make "
                    f"each process's batch a multiple of num_generations"
                )
        cohorts = [
            Cohort(prompt=prompt, responses=tuple(texts[number] for number in members))
            for prompt, members in groups.items()
        ]
        found: list[float | None] = [None] * len(texts)
        outage: OutageError | None = None
        try:
            rewarded = self.reward(cohorts)
        except OutageError as error:
            outage = error
            rewarded = [CohortRewards(rewards=(None,) * len(one.responses)) for one in cohorts]
        for members, rewards in zip(groups.values(), rewarded, strict=True):
            for number, reward in zip(members, rewards.rewards, strict=True):
                found[number] = reward
        if log_metric is not None:
            made = sum(len(rewards.comparisons) for rewards in rewarded)
            failed = sum(rewards.num_failed for rewards in rewarded)
            log_metric(f"{self.name}/comparisons", float(made))
            log_metric(f"{self.name}/failed_comparisons", failed / made if made else 0.0)
            log_metric(f"{self.name}/without_reward", found.count(None) / len(found))
        self._tolerance.note(found.count(None), len(found), outage)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class TRLReward:
    """Rewards completions one by one: an item of `reward_funcs`.

    By a score, against a reference response that the data set holds, or by a server that gathers
    cohorts itself (`jurist.rewards.ServedReward`).
    """

    reward: ResponseReward

    column: str | None = None
    """Column of the training set that holds the reference responses, texts. None: there is none."""

    name: str = "jurist"
    """What TRL calls the reward in its logs."""

    max_without_reward: float = MAX_WITHOUT_REWARD
    """Share of a batch that may be without a reward before the batch counts as lost."""

    max_lost_batches: int = MAX_LOST_BATCHES
    """At so many lost batches in a row training is stopped, by an error. In a process of its own,
    each counts for itself."""

    _tolerance: Tolerance = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_tolerance", Tolerance(self.name, self.max_without_reward, self.max_lost_batches)
        )

    @property
    def __name__(self) -> str:
        """What TRL calls the reward in its logs."""
        return self.name

    def __call__(
        self,
        prompts: Sequence[object],
        completions: Sequence[object],
        *,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: object,
    ) -> list[float | None]:
        """Reward a batch.

        Args:
            prompts: Texts, or conversations of role and content. Length N.
            completions: One to each prompt, a text or one assistant turn. Length N.
            log_metric: Takes the share of completions without a reward.
            columns: What else TRL passes, `column` among it.

        Returns:
            Rewards in nats, or None where there is none. Length N.

        Raises:
            ConfigError: If the training set has no such column.
            DataError: If a prompt, completion or reference is none of the above, or a reference is
                missing that the reward needs.
            EngineError: If the judge cannot be asked, or too many batches in a row were lost.
        """
        references: list[str | None] = [None] * len(completions)
        if self.column is not None:
            if self.column not in columns:
                raise ConfigError(
                    f"the training set has no column {self.column!r} with reference responses; it "
                    f"has {sorted(columns)}"
                )
            given = cast(Sequence[object], columns[self.column])
            references = [completion_text(reference) for reference in given]
        asked = [prompt_of(prompt) for prompt in prompts]
        texts = [completion_text(completion) for completion in completions]
        found: list[float | None] = [None] * len(texts)
        outage: OutageError | None = None
        try:
            found = self.reward(asked, texts, references)
        except OutageError as error:
            outage = error
        if log_metric is not None:
            log_metric(f"{self.name}/without_reward", found.count(None) / len(found))
        self._tolerance.note(found.count(None), len(found), outage)
        return found


class RewardFunction(Protocol):
    """An item of TRL's `reward_funcs`."""

    @property
    def __name__(self) -> str:
        """What TRL calls the reward in its logs."""
        ...

    def __call__(
        self,
        prompts: Sequence[object],
        completions: Sequence[object],
        *,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: object,
    ) -> list[float | None]:
        """Reward a batch."""
        ...


def refuse_asynchronous(reward: RewardFunction, instead: str) -> None:
    """Refuse a reward function that must be awaited.

    Args:
        reward: As TRL takes it.
        instead: What its user may do.

    Raises:
        ConfigError: If it must.
    """
    if iscoroutinefunction(reward) or iscoroutinefunction(reward.__call__):
        raise ConfigError(
            f"{reward.__name__}: expected a reward function that gives its rewards, found an "
            f"asynchronous one; {instead}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TRLAsyncReward:
    """A reward function for TRL's event loop: rewards that wait for a server wait side by side.

    TRL awaits all asynchronous reward functions of a step together, and runs the others one after
    the other.

    Raises:
        ConfigError: If the reward is asynchronous itself.
    """

    reward: RewardFunction
    """A `TRLCohortReward` or a `TRLReward`, or a `WatchedReward` around one."""

    def __post_init__(self) -> None:
        refuse_asynchronous(self.reward, "give that one to TRL as it is")

    @property
    def __name__(self) -> str:
        """What TRL calls the reward in its logs."""
        return self.reward.__name__

    async def __call__(
        self,
        prompts: Sequence[object],
        completions: Sequence[object],
        *,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: object,
    ) -> list[float | None]:
        """Reward a batch, in a thread."""
        # By name, as TRL calls.
        return await asyncio.to_thread(
            self.reward, prompts=prompts, completions=completions, log_metric=log_metric, **columns
        )


class PairwiseRanker(Protocol):
    """The shape of TRL's `BasePairwiseJudge`, which it had until 1.0."""

    def judge(
        self, prompts: list[str], completions: list[list[str]], shuffle_order: bool = True
    ) -> list[int]:
        """Say which of the completions of each prompt is best: its place, or -1."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class TRLPairwiseJudge:
    """A judge in the shape of TRL's `BasePairwiseJudge`, for code that was written for it."""

    judge_of_pairs: Judge
    """One that reads both orders."""

    def judge(
        self, prompts: list[str], completions: list[list[str]], shuffle_order: bool = True
    ) -> list[int]:
        """Say which of two completions of each prompt is better.

        Args:
            prompts: Texts, or conversations. Length N.
            completions: Two of each. Length N.
            shuffle_order: Of no effect: both orders are read.

        Returns:
            0 or 1, or -1 if no reading came to a verdict. Of a tie, the one that is drawn first by
            the texts alone. Length N.

        Raises:
            DataError: If a prompt has another number of completions than two.
        """
        for prompt, texts in zip(prompts, completions, strict=True):
            if len(texts) != 2:
                raise DataError(
                    f"expected two completions of {prompt!r:.60}, got {len(texts)}; to choose "
                    f"among more, use jurist.search.best_of_n"
                )
        asked = [
            Comparison(prompt=prompt_of(prompt), first=first, second=second)
            for prompt, (first, second) in zip(prompts, completions, strict=True)
        ]
        return [
            _place(one, ballot.outcome)
            for one, ballot in zip(asked, ballots(self.judge_of_pairs, asked), strict=True)
        ]


def _place(comparison: Comparison, outcome: Verdict | Failure) -> int:
    if isinstance(outcome, Failure):
        return -1
    if outcome is Verdict.TIE:
        texts = (comparison.first, comparison.second)
        return texts.index(drawn_order(comparison.prompt, texts, seed=0)[0])
    return 0 if outcome is Verdict.FIRST else 1


@dataclass(frozen=True, kw_only=True, slots=True)
class FromTRLJudge:
    """A `Judge` made of one in TRL's old shape, which reads one order at a time.

    Wrap it in `jurist.judges.BothOrders`, as any judge that does.
    """

    judge: PairwiseRanker

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Judge every comparison once, in the order it is in.

        Raises:
            DataError: If the judge answers with anything but 0, 1 or -1, or a prompt is more than
                one user's turn, which that shape has no room for.
        """
        prompts = [_plain(one.prompt) for one in comparisons]
        pairs = [[one.first, one.second] for one in comparisons]
        outcomes = {0: Verdict.FIRST, 1: Verdict.SECOND, -1: Failure.ERROR}
        found: list[list[Judgement]] = []
        for answer in self.judge.judge(prompts, pairs, shuffle_order=False):
            if answer not in outcomes:
                raise DataError(f"expected a judge that says 0, 1 or -1, got {answer!r}")
            found.append([Judgement(text="", outcome=outcomes[answer])])
        return found


def from_trl_reward(func: Callable[..., Sequence[float | None]]) -> Scorer:
    """A `Scorer` made of a TRL reward function; None becomes NaN, no score.

    Args:
        func: Takes `prompts` and `completions`, both conversations, and other keywords.
    """

    def scored(prompts: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        given = func(
            prompts=[[{"role": m.role, "content": m.content} for m in one] for one in prompts],
            completions=[[{"role": "assistant", "content": text}] for text in responses],
        )
        return [float("nan") if value is None else float(value) for value in given]

    return scored


def _plain(prompt: Conversation) -> str:
    if len(prompt) != 1 or prompt[0].role != "user":
        raise DataError(
            f"expected a prompt of one user's turn, which TRL's judges are shown as a text; found "
            f"{', '.join(turn.role for turn in prompt)}"
        )
    return prompt[0].content


def completion_text(completion: object) -> str:
    """The text of a completion: itself, or the content of its one assistant turn.

    Raises:
        DataError: If it is neither.
    """
    if isinstance(completion, str):
        return completion
    turns = messages(completion, "completion")
    if len(turns) != 1 or turns[0].role != "assistant":
        raise DataError(
            f"expected a completion of one assistant turn, found "
            f"{', '.join(turn.role for turn in turns) or 'no turns'}"
        )
    return turns[0].content
