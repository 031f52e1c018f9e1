"""A reward in the shape of verl's `compute_score`, for `reward.custom_reward_function`.

Read at version 0.9, which calls it with one response at a time, from several processes, and takes
a number, or a dict with a `score` and other numbers to log, the same keys every time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from jurist.data.turns import prompt_of
from jurist.errors import DataError, EngineError
from jurist.judges import Scorer
from jurist.rewards import ResponseReward
from jurist.types import Conversation


class ComputeScore(Protocol):
    """What verl calls."""

    def __call__(
        self,
        data_source: str,
        solution_str: str,
        ground_truth: object,
        extra_info: Mapping[str, Any] | None = None,
        **settings: object,
    ) -> dict[str, float]:
        """Reward one response."""
        ...


def verl_compute_score(
    reward: ResponseReward,
    *,
    prompt_key: str = "prompt",
    ground_truth_is_reference: bool = False,
    without_reward: float | None = None,
) -> ComputeScore:
    """A function to be called `compute_score` in the file that verl loads.

    Args:
        reward: By a score, against a reference, or by a server that gathers cohorts.
        prompt_key: Where in `extra_info` the prompt is, a text or messages: verl itself passes no
            prompt.
        ground_truth_is_reference: The data set's ground truth is a response to be held against.
        without_reward: What a response counts for to which the judge comes to no verdict. None: an
            `EngineError` is raised, for any number will be trained on.

    Returns:
        A function whose dict has `score` and `without_reward`, 1 if there was none.
    """

    def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: object,
        extra_info: Mapping[str, Any] | None = None,
        **settings: object,
    ) -> dict[str, float]:
        if extra_info is None or prompt_key not in extra_info:
            raise DataError(
                f"{data_source}: expected the prompt in extra_info[{prompt_key!r}], found "
                f"{sorted(extra_info or {})}; verl passes none, so put it into the data set's "
                f"extra_info"
            )
        reference = None
        if ground_truth_is_reference:
            if not isinstance(ground_truth, str) or not ground_truth:
                raise DataError(
                    f"{data_source}: expected a ground truth that is the text of a response, got "
                    f"{ground_truth!r:.60}"
                )
            reference = ground_truth
        (found,) = reward([prompt_of(extra_info[prompt_key])], [solution_str], [reference])
        if found is None and without_reward is None:
            raise EngineError(
                f"{data_source}: the judge came to no verdict on {solution_str!r:.60}"
            )
        score = without_reward if found is None else found
        assert score is not None
        return {"score": score, "without_reward": float(found is None)}

    return compute_score


def from_verl(
    compute_score: Callable[..., float | Mapping[str, float]],
    *,
    data_source: str,
    prompt_key: str = "prompt",
) -> Scorer:
    """A `Scorer` made of a verl `compute_score` that needs no ground truth.

    Args:
        compute_score: Gives a number, or a dict with a `score`.
        data_source: What it is told the data are.
        prompt_key: Where in `extra_info` it looks for the prompt, as messages.
    """

    def scored(prompts: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        found: list[float] = []
        for prompt, response in zip(prompts, responses, strict=True):
            turns = [{"role": turn.role, "content": turn.content} for turn in prompt]
            given = compute_score(
                data_source=data_source,
                solution_str=response,
                ground_truth=None,
                extra_info={prompt_key: turns},
            )
            found.append(float(given["score"] if isinstance(given, Mapping) else given))
        return found

    return scored
