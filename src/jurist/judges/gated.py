"""A judge behind a gate: a response without content is not shown to the model at all."""

import logging
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from jurist.attacks import settled
from jurist.judges.base import Judge
from jurist.types import Comparison, Judgement, Verdict

logger = logging.getLogger(__name__)

_SAID = {
    Verdict.FIRST: "gate: no answer in the second response",
    Verdict.SECOND: "gate: no answer in the first response",
    Verdict.TIE: "gate: no answer in either response",
}


@dataclass(frozen=True, slots=True)
class Gated:
    """Settles what needs no model: a response without content loses to one with it.

    What counts as content is `jurist.attacks.without_content`, the same in every run. What it
    settles has as many judgements as any other comparison; they say so and took no tokens.
    """

    judge: Judge
    """Reads both orders."""

    _: KW_ONLY
    least_words: int
    """Fewest informative words that count as content."""

    votes: int
    """Judgements that the judge gives of a comparison in each order, at most."""

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Settle what the gate settles, and ask the judge about the rest in one call."""
        gate = [settled(one, least_words=self.least_words) for one in comparisons]
        asked = [one for one, verdict in zip(comparisons, gate, strict=True) if verdict is None]
        if len(asked) < len(comparisons):
            logger.info(
                "gate: %d of %d comparisons settled without the model, as a response has fewer "
                "than %d informative words or only repeats the prompt",
                len(comparisons) - len(asked),
                len(comparisons),
                self.least_words,
            )
        said = iter(self.judge(asked) if asked else ())
        return [next(said) if verdict is None else self._settled(verdict) for verdict in gate]

    def _settled(self, verdict: Verdict) -> list[Judgement]:
        return [
            Judgement(text=_SAID[verdict], outcome=verdict, swapped=swapped)
            for swapped in (False, True)
            for _ in range(self.votes)
        ]
