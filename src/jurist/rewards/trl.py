"""Rewards for TRL's `GRPOTrainer` and `RLOOTrainer`, which call a reward as a function of a batch.

Nothing of TRL is imported: what it asks of a reward function is a signature. It was read, and is
tested, at version 1.16. None means "no reward" there: such a completion is left out of its group's
mean and has an advantage of 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from jurist.data.turns import messages, prompt_of
from jurist.errors import ConfigError, DataError
from jurist.rewards.cohort import Cohort, CohortReward
from jurist.rewards.pairwise import ReferenceReward
from jurist.types import Conversation


@dataclass(frozen=True, kw_only=True, slots=True)
class TRLCohortReward:
    """Rewards completions beside the others to the same prompt: an item of `reward_funcs`."""

    reward: CohortReward

    num_generations: int
    """Completions of each prompt, as in the trainer's settings. A batch that holds part of a
    prompt's completions is refused: a part has another average than the whole."""

    name: str = "jurist"
    """What TRL calls the reward in its logs."""

    def __post_init__(self) -> None:
        if self.num_generations < 2:
            raise ConfigError(
                f"num_generations must be at least 2, or there is nothing to compare; got "
                f"{self.num_generations}"
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
        rewarded = self.reward(cohorts)
        for members, rewards in zip(groups.values(), rewarded, strict=True):
            for number, reward in zip(members, rewards.rewards, strict=True):
                found[number] = reward
        if log_metric is not None:
            made = sum(len(rewards.comparisons) for rewards in rewarded)
            failed = sum(rewards.num_failed for rewards in rewarded)
            log_metric(f"{self.name}/comparisons", float(made))
            log_metric(f"{self.name}/failed_comparisons", failed / made if made else 0.0)
            log_metric(f"{self.name}/without_reward", found.count(None) / len(found))
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class TRLReferenceReward:
    """Rewards completions beside a reference response that the data set holds: an item of
    `reward_funcs`."""

    reward: ReferenceReward

    column: str = "reference"
    """Column of the training set that holds the reference response, a text."""

    name: str = "jurist"
    """What TRL calls the reward in its logs."""

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
            Log-odds in nats of beating the reference, or None where there is no verdict. Length N.

        Raises:
            ConfigError: If the training set has no such column.
            DataError: If a prompt, completion or reference is none of the above.
        """
        if self.column not in columns:
            raise ConfigError(
                f"the training set has no column {self.column!r} with reference responses; it has "
                f"{sorted(columns)}"
            )
        references = [
            completion_text(reference) for reference in cast(Sequence[object], columns[self.column])
        ]
        found = self.reward(
            [prompt_of(prompt) for prompt in prompts],
            [completion_text(completion) for completion in completions],
            references,
        )
        if log_metric is not None:
            log_metric(f"{self.name}/without_reward", found.count(None) / len(found))
        return found


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
