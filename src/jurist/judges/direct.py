"""A judge that does not write: it compares how likely each verdict is as the reply."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from jurist.engines.base import LogprobEngine
from jurist.formats.base import Format
from jurist.judges.weighing import verdicts_after
from jurist.types import Comparison, Judgement


@dataclass(frozen=True, slots=True)
class DirectJudge:
    """One judgement per comparison, from the likelihood of the verdicts (GenRM without reasoning).

    The probability that the first response is better is the likelihood of the first verdict among
    those of all verdicts the format allows (Mahan et al. 2024, section 3 and eq. 7). Of a tie's
    likelihood half counts for either response, so that a swap exchanges the two.
    """

    engine: LogprobEngine
    _: KW_ONLY
    format: Format
    """A format whose reply is the verdict alone."""

    def __post_init__(self) -> None:
        if self.format.reasoning:
            raise ValueError(
                f"a direct judge needs a format without reasoning, got {self.format!r}: the "
                f"likelihood of a verdict before its reasoning says little of the verdict after it"
            )

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        """Score every verdict on every comparison, in one call of the engine."""
        return verdicts_after(self.engine, self.format, comparisons, [[""]] * len(comparisons))
