"""A scorer for inspect_ai: does the judge prefer a sample's output to its target?

Nothing of inspect_ai is imported; its module of scorers is handed over, so that what is made are
its own objects. Read and tested at version 0.3.285.
"""

import asyncio
import math
from types import ModuleType
from typing import Any

from jurist.errors import DataError
from jurist.judges import Ballot, Judge, ballots
from jurist.types import Comparison, Message, Verdict


def inspect_scorer(
    scorers: ModuleType, judge: Judge, *, name: str = "jurist", readings: int = 2
) -> Any:  # noqa: ANN401 - a scorer of inspect_ai, which has no name here
    """A scorer whose value is the probability that the output is better than the target.

    Args:
        scorers: The module `inspect_ai.scorer`.
        judge: One that reads both orders.
        name: What inspect_ai calls it.
        readings: Readings of the judge that are kept in the explanation.

    Returns:
        A scorer to be given to a task. A sample on which the judge comes to no verdict is unscored,
        a value of NaN, with the reason in its explanation.
    """

    async def score(state: Any, target: Any) -> Any:  # noqa: ANN401 - of inspect_ai
        asked = Comparison(
            prompt=_prompt(state), first=state.output.completion, second=str(target.text)
        )
        if not asked.first.strip():
            return scorers.Score(value=math.nan, explanation="the output is empty")
        (ballot,) = await asyncio.to_thread(ballots, judge, [asked])
        probability = ballot.probability
        return scorers.Score(
            value=math.nan if probability is None else probability,
            answer=asked.first,
            explanation=_explanation(ballot, readings),
            metadata={
                "votes_output": ballot.first,
                "votes_target": ballot.second,
                "ties": ballot.ties,
                "failed": ballot.num_failures,
                "flip": ballot.flip,
                "num_tokens": ballot.num_tokens,
            },
        )

    def make() -> Any:  # noqa: ANN401 - of inspect_ai
        return score

    return scorers.scorer(metrics=[scorers.mean(), scorers.stderr()], name=name)(make)()


def _prompt(state: Any) -> tuple[Message, ...]:  # noqa: ANN401 - of inspect_ai
    """What the output replies to: the turns before the last one of the assistant's."""
    turns = [turn for turn in state.messages if turn.role in ("system", "user", "assistant")]
    while turns and turns[-1].role == "assistant":
        turns.pop()
    if not turns:
        raise DataError("expected a prompt before the output, found none")
    return tuple(Message(role=turn.role, content=turn.text) for turn in turns)


def _explanation(ballot: Ballot, num: int) -> str:
    said = {Verdict.FIRST: "the output is better", Verdict.SECOND: "the target is better"}
    outcome = ballot.outcome
    summary = said.get(outcome, "a tie") if isinstance(outcome, Verdict) else str(outcome)
    texts = [one.text for one in ballot.judgements if one.text][:num]
    return "\n\n".join([f"{summary}: {ballot.first} votes to {ballot.second}", *texts])
