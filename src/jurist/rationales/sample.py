"""Sampling traces: a judge's replies to preferences whose label is known."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jurist.engines.base import Engine
from jurist.formats.base import Format
from jurist.rationales.rows import Trace
from jurist.types import Comparison, Failure, Preference, Sampling, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """The traces of a set of preferences."""

    traces: list[Trace]
    """For each preference that is no tie, those with the chosen response shown first, then those
    with it shown second; in the order of the preferences and of the samples."""

    num_preferences: int
    """Preferences that were sampled."""

    num_ties: int
    """Preferences left out: no verdict on a tie is right, so nothing is learnt from one."""

    def counts(self, *, labelled: bool = True) -> dict[str, int]:
        """How the sampling came out: `preferences`, `ties`, `traces`, and of those how many are
        `right`, `wrong`, or failed in each way. Without labels nothing is right or wrong, and the
        verdicts are counted by themselves."""
        outcomes = Counter(trace.outcome for trace in self.traces)
        right = sum(trace.right for trace in self.traces)
        wrong = sum(outcomes[verdict] for verdict in Verdict) - right
        return {
            "preferences": self.num_preferences,
            "ties": self.num_ties,
            "traces": len(self.traces),
            **(
                {"right": right, "wrong": wrong}
                if labelled
                else {verdict.value: outcomes[verdict] for verdict in Verdict}
            ),
            **{failure.value: outcomes[failure] for failure in Failure},
        }


def both_orders(preference: Preference) -> tuple[tuple[Comparison, Verdict], ...]:
    """A preference as it is shown in training: chosen first, then chosen second, with the label.

    Both orders are always there, so the prompts are the same ones whichever response is chosen.
    """
    comparison = Comparison(
        prompt=preference.prompt, first=preference.chosen, second=preference.rejected
    )
    if preference.tie:
        return ((comparison, Verdict.TIE), (comparison.swapped(), Verdict.TIE))
    return ((comparison, Verdict.FIRST), (comparison.swapped(), Verdict.SECOND))


def sample_traces(
    engine: Engine, format: Format, preferences: Sequence[Preference], sampling: Sampling
) -> Sampled:
    """Sample replies to every preference in both orders, in one call of the engine.

    Args:
        engine: The judge of this round.
        format: How it is asked, and its replies read.
        preferences: What to ask about. Ties are left out, and counted.
        sampling: How many replies to each preference in each order, and how.

    Returns:
        The traces, failures among them.

    Raises:
        DataError: A preference does not fit the model's context.
        EngineError: The model could not be reached.
    """
    labelled = [preference for preference in preferences if not preference.tie]
    asked = [
        (preference.id, format.render(comparison), label)
        for preference in labelled
        for comparison, label in both_orders(preference)
    ]
    replies = engine.generate([prompt for _, prompt, _ in asked], sampling)
    return Sampled(
        traces=[
            Trace(
                preference_id=preference_id,
                prompt=prompt,
                label=label,
                completion=completion,
                outcome=format.parse(completion),
            )
            for (preference_id, prompt, label), completions in zip(asked, replies, strict=True)
            for completion in completions
        ],
        num_preferences=len(labelled),
        num_ties=len(preferences) - len(labelled),
    )
