"""A `process_results` for tasks of lm-eval: does the judge prefer a result to the reference?

Nothing of lm-eval is imported. Read and tested at version 0.4.13.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jurist.data.turns import prompt_of
from jurist.judges import Judge, ballots
from jurist.types import Comparison, user


def lm_eval_process_results(
    judge: Judge,
    *,
    prompt: Callable[[Mapping[str, Any]], object] = lambda doc: doc["prompt"],
    reference: Callable[[Mapping[str, Any]], str] = lambda doc: doc["reference"],
) -> Callable[[Mapping[str, Any], Sequence[str]], dict[str, float]]:
    """A function for a task's `process_results`.

    Args:
        judge: One that reads both orders.
        prompt: Takes the prompt out of a document, a text or messages.
        reference: Takes the response out of it that results are held against.

    Returns:
        A function whose metrics are `jurist_win`, the probability that the result is better;
        `jurist_flip`, 1 if the two orders disagree; and `jurist_failed`, 1 if there is no verdict.
        The first two are missing where there is none, so that their means are over the others.
    """

    def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
        (result,) = results
        if not result.strip():
            return {"jurist_failed": 1.0}
        given = prompt(doc)
        asked = Comparison(
            prompt=user(given) if isinstance(given, str) else prompt_of(given),
            first=result,
            second=reference(doc),
        )
        if asked.first == asked.second:
            return {"jurist_win": 0.5, "jurist_flip": 0.0, "jurist_failed": 0.0}
        (ballot,) = ballots(judge, [asked])
        if ballot.probability is None:
            return {"jurist_failed": 1.0}
        return {
            "jurist_win": ballot.probability,
            "jurist_flip": float(bool(ballot.flip)),
            "jurist_failed": 0.0,
        }

    return process_results
