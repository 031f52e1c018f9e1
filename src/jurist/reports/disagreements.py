"""The pairs on which a judge was surest and wrong: where to look for bad judges and bad labels."""

from collections.abc import Sequence

from jurist.evaluation import Judged
from jurist.reports.results import Disagreement
from jurist.reports.text import shortened
from jurist.types import Conversation, Verdict

NUM_SHOWN = 10


def worst_disagreements(
    rows: Sequence[Judged], *, method: str, split: str, limit: int = NUM_SHOWN
) -> list[Disagreement]:
    """The confident mistakes of one judge, the most confident first.

    Only ballots for the response that is *not* labelled better count: a tie or a failure is no
    disagreement. Ballots without a probability come last; equals stand in the order of their ids.

    Args:
        rows: What was judged.
        method: Name of the judge.
        split: Name of the data.
        limit: How many to return at most.
    """
    wrong = [
        row
        for row in rows
        if row.label is not Verdict.TIE and row.ballot.outcome is row.label.swapped()
    ]
    wrong.sort(key=lambda row: (_given_to_label(row, missing=1.0), row.preference.id))
    return [_shown(row, method, split) for row in wrong[:limit]]


def _given_to_label(row: Judged, missing: float) -> float:
    probability = row.ballot.probability
    if probability is None:
        return missing
    return probability if row.label is Verdict.FIRST else 1.0 - probability


def _shown(row: Judged, method: str, split: str) -> Disagreement:
    preference = row.preference
    outcomes = [judgement.outcome for judgement in row.ballot.judgements]
    wrong = [
        judgement for judgement in row.ballot.judgements if judgement.outcome is row.label.swapped()
    ]
    return Disagreement(
        method=method,
        split=split,
        id=preference.id,
        category=preference.category,
        prompt=shortened(_transcript(preference.prompt)),
        chosen=shortened(preference.chosen),
        rejected=shortened(preference.rejected),
        probability=None if row.ballot.probability is None else _given_to_label(row, missing=1.0),
        votes_right=outcomes.count(row.label),
        votes_wrong=len(wrong),
        trace=shortened(wrong[0].text) if wrong else "",
        trace_chosen_first=(row.label is Verdict.FIRST) != (bool(wrong) and wrong[0].swapped),
    )


def _transcript(prompt: Conversation) -> str:
    if len(prompt) == 1:
        return prompt[0].content
    return "\n\n".join(f"{message.role}: {message.content}" for message in prompt)
