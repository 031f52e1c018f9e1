"""Sampling traces: a judge's replies to preferences whose label is known."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jurist.engines.base import Engine
from jurist.formats import Format, Pointwise, ResponseFormat, TersePointwise
from jurist.rationales.rows import Label, Trace
from jurist.types import Comparison, Conversation, Failure, Preference, Sampling, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """The traces of a set of preferences."""

    traces: list[Trace]
    """For each preference that is no tie, those of its first prompt, then those of the other, as
    `asked_of` has them; in the order of the preferences and of the samples."""

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
        failed = sum(outcomes[failure] for failure in Failure)
        return {
            "preferences": self.num_preferences,
            "ties": self.num_ties,
            "traces": len(self.traces),
            **(
                {"right": right, "wrong": len(self.traces) - right - failed}
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


def asked_of(
    format: Format | ResponseFormat, preference: Preference
) -> tuple[tuple[Conversation, Label], ...]:
    """The prompts that a judge is shown of a preference, with what a right judge says to each.

    Both orders in a format that compares; else either response alone, of which people are taken to
    have said that the chosen one is good and the other not. They only compared them, so that is an
    assumption (of Zhang et al. 2024 it is none: their labels are of correctness).
    """
    if isinstance(format, Pointwise | TersePointwise):
        return tuple(
            (
                format.render(preference.prompt, response),
                Verdict.TIE if preference.tie else good,
            )
            for response, good in ((preference.chosen, True), (preference.rejected, False))
        )
    return tuple(
        (format.render(comparison), label) for comparison, label in both_orders(preference)
    )


def sample_traces(
    engine: Engine,
    format: Format | ResponseFormat,
    preferences: Sequence[Preference],
    sampling: Sampling,
) -> Sampled:
    """Sample replies to every preference in both orders, or to either response of it, in one call.

    Args:
        engine: The judge of this round.
        format: How it is asked, and its replies read.
        preferences: What to ask about. Ties are left out, and counted.
        sampling: How many replies to each prompt, and how.

    Returns:
        The traces, failures among them.

    Raises:
        DataError: A preference does not fit the model's context.
        EngineError: The model could not be reached.
    """
    labelled = [preference for preference in preferences if not preference.tie]
    asked = [
        (preference.id, prompt, label)
        for preference in labelled
        for prompt, label in asked_of(format, preference)
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
