"""Preferences that a judge labelled, as the rows that trainers read.

| layout | a row | for |
|---|---|---|
| jurist | as `read_preferences` reads it; the only one with ties | this package |
| trl | prompt, chosen, rejected: lists of messages | TRL's DPOTrainer and RewardTrainer |
| openrlhf | prompt, chosen, rejected: lists of messages | OpenRLHF's RewardDataset |
| llama-factory | conversations, chosen, rejected, in turns of `from` and `value` | LLaMA-Factory |
| ultrafeedback-binarized | prompt, prompt_id, chosen, rejected, messages, two scores | others |
| datasets | as trl, in a folder of Parquet and a card | `datasets.load_dataset(folder)` |

Every row has what the judge said besides, in columns that begin with `judge`: a column `margin`
would be subtracted from the loss by TRL's RewardTrainer and by OpenRLHF.
Checked in November 2026 against OpenRLHF 0.11.0 and LLaMA-Factory 0.9.6.dev0, by their sources, and
TRL 1.16, by training.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from jurist.data.write import preference_row
from jurist.types import Conversation, Message, Preference, Role, told


class LabelLayout(StrEnum):
    """A way to lay out labelled preferences."""

    JURIST = "jurist"
    TRL = "trl"
    OPENRLHF = "openrlhf"
    LLAMA_FACTORY = "llama-factory"
    ULTRAFEEDBACK_BINARIZED = "ultrafeedback-binarized"
    DATASETS = "datasets"


@dataclass(frozen=True, kw_only=True, slots=True)
class Votes:
    """The readings of one pair, counted."""

    num_for: int
    """For the chosen response; of a tie, for the first."""

    num_against: int
    num_tie: int
    num_failed: int
    num_possible: int
    """Had voting never been stopped early."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """What a judge said of a pair, and at what cost."""

    judge: str
    """Fingerprint of the judge."""

    probability: float | None
    """That the chosen response is better than the rejected one, by what was said of these two. None
    if nothing was."""

    confidence: float
    """Probability that the label rests on. That of the pair, or the one that a whole pool makes of
    its best and its worst."""

    margin: float | None
    """Log-odds of the confidence, in nats. None of a tie."""

    flip: bool | None
    """Whether the two orders came to different verdicts; None if that cannot be said."""

    votes: Votes | None
    """None of two candidates of a pool that did not meet."""

    num_read: int
    """Tokens read for the label, of a pool all of them."""

    num_written: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledPair:
    """One preference to be written, and what the judge said."""

    preference: Preference
    opinion: Opinion


def label_row(one: LabelledPair, layout: LabelLayout) -> dict[str, object]:
    """A labelled pair as a row of a layout.

    Raises:
        ValueError: If it is a tie and the layout has no ties, or `misfit` says it does not fit.
    """
    pair = one.preference
    if layout is LabelLayout.JURIST:
        return {**preference_row(pair), **_opinion(one.opinion)}
    if pair.tie:
        raise ValueError(f"{pair.id}: a tie has no row in layout {layout}")
    if wrong := misfit(pair.prompt, layout):
        raise ValueError(f"{pair.id}: {wrong}")
    prompt = told(pair.prompt)
    chosen, rejected = (
        Message(role="assistant", content=text) for text in (pair.chosen, pair.rejected)
    )
    columns: dict[str, object]
    match layout:
        case LabelLayout.TRL | LabelLayout.OPENRLHF | LabelLayout.DATASETS:
            columns = {
                "prompt": _messages(prompt),
                "chosen": _messages((chosen,)),
                "rejected": _messages((rejected,)),
            }
        case LabelLayout.LLAMA_FACTORY:
            columns = {
                "conversations": [_turn(one) for one in prompt],
                "chosen": _turn(chosen),
                "rejected": _turn(rejected),
            }
        case LabelLayout.ULTRAFEEDBACK_BINARIZED:
            asked = "\n\n".join(turn.content for turn in prompt)
            confidence = one.opinion.confidence
            columns = {
                "prompt": prompt[-1].content,
                "prompt_id": hashlib.sha256(asked.encode()).hexdigest(),
                "chosen": _messages((*prompt, chosen)),
                "rejected": _messages((*prompt, rejected)),
                "messages": _messages((*prompt, chosen)),
                "score_chosen": confidence,
                "score_rejected": 1.0 - confidence,
            }
    about = {"id": pair.id, "source": pair.source, "category": pair.category, "group": pair.group}
    return {**columns, **about, **_opinion(one.opinion)}


def misfit(prompt: Conversation, layout: LabelLayout) -> str | None:
    """Why a prompt cannot be written in a layout, or None if it can."""
    if layout is not LabelLayout.LLAMA_FACTORY:
        return None
    # It passes over any other row with no more than a warning.
    turns = [turn.role for turn in told(prompt)]
    after_system = turns[turns[:1] == ["system"] :]
    wanted = ["user" if number % 2 == 0 else "assistant" for number in range(len(after_system))]
    if after_system == wanted and len(after_system) % 2:
        return None
    return (
        f"expected turns of user and assistant by turns, after one of system at most, which is all "
        f"that LLaMA-Factory reads, found {', '.join(turns)}"
    )


LLAMA_FACTORY_INFO: dict[str, object] = {
    "formatting": "sharegpt",
    "ranking": True,
    "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
}
"""What LLaMA-Factory's `dataset_info.json` says of such a file, besides its name."""

_SPEAKERS: dict[Role, str] = {"system": "system", "user": "human", "assistant": "gpt"}


def _messages(turns: Conversation) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def _turn(turn: Message) -> dict[str, str]:
    return {"from": _SPEAKERS[turn.role], "value": turn.content}


def _opinion(opinion: Opinion) -> dict[str, object]:
    votes = opinion.votes
    return {
        "judge": opinion.judge,
        "judge_probability": opinion.probability,
        "judge_confidence": opinion.confidence,
        "judge_margin": opinion.margin,
        "judge_flip": opinion.flip,
        "judge_votes": None
        if votes is None
        else {
            "for": votes.num_for,
            "against": votes.num_against,
            "tie": votes.num_tie,
            "failed": votes.num_failed,
            "possible": votes.num_possible,
        },
        "judge_tokens": {"read": opinion.num_read, "written": opinion.num_written},
    }
