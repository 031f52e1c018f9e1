"""A verifier: how sure a model is that one response is good, by the verdict it would write."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from jurist.engines.base import Engine, LogprobEngine
from jurist.formats import ResponseFormat
from jurist.judges.rated import Rating
from jurist.types import Completion, Conversation, Failure, Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class Verifier:
    """Rates a response by p(Yes), as a generative verifier does (Zhang et al. 2024, section 3).

    p(Yes) is renormalised: the likelihood of the verdict `Yes` among those of `Yes` and `No`. Where
    the format reasons, it is that after a sampled rationale, averaged over rationales (there
    section 3.3). A rationale that ends without a verdict counts for nothing, and a response with no
    other has no rating.

    The score is the log-odds `log(p / (1 - p))` of the mean p. Comparing two of them compares their
    p(Yes), and the probability that `RatedJudge` then states is that the first response is the good
    one, given that one of them is and the other is not, `p1 (1 - p2)` against `p2 (1 - p1)`.
    """

    engine: LogprobEngine
    """Samples too, if the format reasons."""

    format: ResponseFormat
    sampling: Sampling
    """How rationales are sampled. No effect if the format does not reason."""

    def __call__(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> list[Rating]:
        """Rate every response, all in one call of the engine or, with rationales, in two."""
        asked = [
            self.format.render(prompt, response)
            for prompt, response in zip(prompts, responses, strict=True)
        ]
        if not self.format.reasoning:
            return [
                Rating(score=_mean(odds)) for odds in self._log_odds(asked, [[""]] * len(asked))
            ]
        written = cast(Engine, self.engine).generate(asked, self.sampling)
        reasoned = [
            [text for one in completions if (text := self._reasoning(one)) is not None]
            for completions in written
        ]
        return [
            Rating.of(
                completions,
                # Nothing to average: each rationale failed, and the first says how.
                score=_mean(odds) if odds else cast(Failure, self.format.parse(completions[0])),
            )
            for odds, completions in zip(self._log_odds(asked, reasoned), written, strict=True)
        ]

    def _reasoning(self, completion: Completion) -> str | None:
        """What stands before the verdict of a rationale; None if it has none."""
        outcome = self.format.parse(completion)
        if isinstance(outcome, Failure):
            return None
        # The parser read the verdict there, so it stands there.
        return completion.text.rstrip().removesuffix(self.format.verdicts[outcome])

    def _log_odds(
        self, asked: Sequence[Conversation], beginnings: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Of Yes against No, in nats, after each beginning of a reply to each prompt."""
        yes, no = self.format.verdicts[True], self.format.verdicts[False]
        continuations = [
            [text + end for text in texts for end in (yes, no)] for texts in beginnings
        ]
        scores = self.engine.score(asked, continuations)
        return [
            [good - bad for good, bad in zip(logps[::2], logps[1::2], strict=True)]
            for logps in scores
        ]


def mean_log_odds(log_odds: Sequence[float]) -> float:
    """The log-odds of the mean of the probabilities that these are of.

    Finite however sure the single ones are, where `log(p / (1 - p))` would divide by zero.

    Example:
        >>> round(mean_log_odds([math.log(0.9 / 0.1), math.log(0.5 / 0.5)]), 4)  # p = 0.7
        0.8473
        >>> mean_log_odds([800.0, 800.0])
        800.0
    """
    return _log_sum([-_softplus(-one) for one in log_odds]) - _log_sum(
        [-_softplus(one) for one in log_odds]
    )


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _log_sum(logs: Sequence[float]) -> float:
    highest = max(logs)
    return highest + math.log(sum(math.exp(one - highest) for one in logs))


def _mean(log_odds: Sequence[float]) -> float | Failure:
    """`mean_log_odds`, or a failure where the engine could not tell one of them."""
    return mean_log_odds(log_odds) if all(map(math.isfinite, log_odds)) else Failure.ERROR
