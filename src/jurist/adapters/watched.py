"""A reward function of TRL's that is watched: a training that it breaks is stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jurist.adapters.trl import RewardFunction, completion_text, refuse_asynchronous
from jurist.data.turns import prompt_of
from jurist.rewards import RewardWatch


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedReward:
    """A reward function in TRL's shape around another one, which it does not change.

    Give each process of a training one of its own.

    Raises:
        ConfigError: If the reward is asynchronous, as a `TRLAsyncReward` is.
    """

    reward: RewardFunction
    """Such as a `TRLCohortReward` or a `TRLReward`."""

    watch: RewardWatch = field(default_factory=RewardWatch)

    def __post_init__(self) -> None:
        refuse_asynchronous(
            self.reward,
            "watch the reward that is inside it: TRLAsyncReward(reward=WatchedReward(reward=...))",
        )

    @property
    def __name__(self) -> str:
        """What TRL calls the reward in its logs."""
        return self.reward.__name__

    def __call__(
        self,
        prompts: Sequence[object],
        completions: Sequence[object],
        *,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: object,
    ) -> list[float | None]:
        """Reward a batch, and look at it.

        Args:
            prompts: Texts, or conversations of role and content. Length N.
            completions: One to each prompt, a text or one assistant turn. Length N.
            log_metric: Takes what is watched beside what the reward itself tells.
            columns: What else TRL passes; the reward gets it.

        Raises:
            TrainingError: If something is broken; see `RewardWatch`.
        """
        # By name, as TRL calls: a reward function need not take prompts, nor in this order.
        found = self.reward(
            prompts=prompts, completions=completions, log_metric=log_metric, **columns
        )
        seen = self.watch.look(
            [prompt_of(prompt) for prompt in prompts],
            [completion_text(completion) for completion in completions],
            found,
        )
        if log_metric is not None:
            if seen.reward_std is not None:
                log_metric(f"{self.__name__}/reward_std", seen.reward_std)
            log_metric(f"{self.__name__}/median_characters", seen.median_characters)
            log_metric(f"{self.__name__}/one_text_rate", seen.one_text_rate)
        return found
