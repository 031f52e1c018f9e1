"""A reward in the shape of OpenRLHF's `reward_func`, for a file named by `--reward.remote_url`.

Read at version 0.11, which calls it with lists of one, from several threads at once, and goes on
without a reward if it raises.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from jurist.data.stack_texts import StackTexts
from jurist.errors import DataError, EngineError
from jurist.judges import Scorer
from jurist.rewards import ResponseReward, win_probability
from jurist.types import Conversation, user

RewardFunc: TypeAlias = Callable[[Sequence[str], Sequence[str], Sequence[object]], dict[str, Any]]


def openrlhf_reward_func(
    reward: ResponseReward,
    *,
    labels: Literal["ignored", "references"] = "ignored",
    end_texts: Sequence[str] = (),
) -> RewardFunc:
    """A function to be called `reward_func` in the file that OpenRLHF loads.

    Args:
        reward: By a score, against a reference, or by a server that gathers cohorts.
        labels: What the data set's labels are: nothing to this reward, or reference responses.
        end_texts: Taken off the end of a response, such as `<|im_end|>`: OpenRLHF decodes special
            tokens too.

    Returns:
        A function of queries, prompts and labels. It raises `EngineError` if a response has no
        reward: OpenRLHF has no word for that, and a number would be trained on.
    """

    texts = StackTexts(end_texts=tuple(end_texts))

    def reward_func(
        queries: Sequence[str], prompts: Sequence[str], given: Sequence[object]
    ) -> dict[str, Any]:
        found = reward(
            [user(prompt) for prompt in prompts],
            [
                texts.response_of(query, prompt)
                for query, prompt in zip(queries, prompts, strict=True)
            ],
            [_reference(label, labels) for label in given],
        )
        known = [value for value in found if value is not None]
        if len(known) < len(found):
            raise EngineError(
                f"{len(found) - len(known)} of {len(found)} responses have no reward: the judge "
                f"came to no verdict"
            )
        return {
            "rewards": known,
            "scores": [win_probability(value) for value in known],
            "extra_logs": {"jurist_reward": known},
        }

    return reward_func


def from_openrlhf(reward_func: Callable[..., dict[str, Any]]) -> Scorer:
    """A `Scorer` made of an OpenRLHF `reward_func`; a reward of None becomes NaN, no score.

    The prompt goes as the text of its turns, one after the other.
    """

    def scored(prompts: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        asked = ["\n\n".join(turn.content for turn in prompt) for prompt in prompts]
        queries = [prompt + response for prompt, response in zip(asked, responses, strict=True)]
        given = reward_func(queries, asked, [None] * len(asked))["rewards"]
        return [float("nan") if value is None else float(value) for value in given]

    return scored


def _reference(label: object, labels: Literal["ignored", "references"]) -> str | None:
    if labels == "ignored":
        return None
    if not isinstance(label, str) or not label:
        raise DataError(f"expected labels that are the texts of responses, got {label!r:.60}")
    return label
