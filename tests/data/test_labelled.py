"""Golden rows of every layout of labelled preferences."""

import hashlib

import pytest

from jurist.data.labelled import LabelLayout, LabelledPair, Opinion, Votes, label_row, misfit
from jurist.types import Message, Preference, user

SYSTEM = Message(role="system", content="Be brief.")
SAID = {
    "judge": "0123456789abcdef",
    "judge_probability": 0.875,
    "judge_confidence": 0.875,
    "judge_margin": 1.9459,
    "judge_flip": False,
    "judge_votes": {"for": 6, "against": 0, "tie": 1, "failed": 1, "possible": 16},
    "judge_tokens": {"read": 4000, "written": 320},
}
ABOUT = {"id": "7", "source": "s", "category": "c", "group": "g"}


ASKED = (SYSTEM, *user("2 + 2?"))


def pair(*, prompt=ASKED, tie=False):
    return LabelledPair(
        preference=Preference(
            id="7",
            prompt=prompt,
            chosen="4",
            rejected="5",
            tie=tie,
            margin=None if tie else 1.9459,
            source="s",
            category="c",
            group="g",
        ),
        opinion=Opinion(
            judge="0123456789abcdef",
            probability=0.875,
            confidence=0.875,
            margin=1.9459,
            flip=False,
            votes=Votes(num_for=6, num_against=0, num_tie=1, num_failed=1, num_possible=16),
            num_read=4000,
            num_written=320,
        ),
    )


def role(role, content):
    return {"role": role, "content": content}


def turn(speaker, value):
    return {"from": speaker, "value": value}


PROMPT = [role("system", "Be brief."), role("user", "2 + 2?")]
FOUR, FIVE = role("assistant", "4"), role("assistant", "5")
EXPLICIT = {"prompt": PROMPT, "chosen": [FOUR], "rejected": [FIVE]}
GOLDEN = {
    LabelLayout.JURIST: {
        "prompt": PROMPT,
        "chosen": "4",
        "rejected": "5",
        "tie": False,
        "margin": 1.9459,
    },
    LabelLayout.TRL: EXPLICIT,
    LabelLayout.OPENRLHF: EXPLICIT,
    LabelLayout.DATASETS: EXPLICIT,
    LabelLayout.LLAMA_FACTORY: {
        "conversations": [turn("system", "Be brief."), turn("human", "2 + 2?")],
        "chosen": turn("gpt", "4"),
        "rejected": turn("gpt", "5"),
    },
    LabelLayout.ULTRAFEEDBACK_BINARIZED: {
        "prompt": "2 + 2?",
        "prompt_id": hashlib.sha256(b"Be brief.\n\n2 + 2?").hexdigest(),
        "chosen": [*PROMPT, FOUR],
        "rejected": [*PROMPT, FIVE],
        "messages": [*PROMPT, FOUR],
        "score_chosen": 0.875,
        "score_rejected": 0.125,
    },
}


@pytest.mark.parametrize("layout", LabelLayout)
def test_a_row_of_each_layout(layout):
    assert label_row(pair(), layout) == {**GOLDEN[layout], **ABOUT, **SAID}


def test_a_prompt_of_one_turn_has_the_id_that_the_published_set_gives_it():
    row = label_row(pair(prompt=user("2 + 2?")), LabelLayout.ULTRAFEEDBACK_BINARIZED)
    assert row["prompt_id"] == hashlib.sha256(b"2 + 2?").hexdigest()


def test_nothing_but_the_layout_jurist_has_a_column_that_a_trainer_would_take_for_a_margin():
    # OpenRLHF and TRL's RewardTrainer subtract a column `margin` from the difference of rewards.
    for layout in set(LabelLayout) - {LabelLayout.JURIST}:
        assert "margin" not in label_row(pair(), layout)


@pytest.mark.parametrize("layout", LabelLayout)
def test_a_tie_is_written_in_the_layout_jurist_alone(layout):
    if layout is LabelLayout.JURIST:
        assert label_row(pair(tie=True), layout)["tie"] is True
    else:
        with pytest.raises(ValueError, match="7: a tie has no row"):
            label_row(pair(tie=True), layout)


def test_documents_are_told_in_the_users_turn_but_in_the_layout_jurist():
    prompt = (Message(role="document", content="4 is even."), *user("Is 4 even?"))
    assert label_row(pair(prompt=prompt), LabelLayout.JURIST)["prompt"][0]["role"] == "document"
    (told,) = label_row(pair(prompt=prompt), LabelLayout.TRL)["prompt"]
    assert told["role"] == "user"
    assert "4 is even." in told["content"]
    assert told["content"].endswith("Is 4 even?")


@pytest.mark.parametrize(
    ("roles", "fits"),
    [
        ("user", True),
        ("system user", True),
        ("user assistant user", True),
        ("system user assistant user", True),
        ("user user", False),
        ("assistant user", False),
        ("user system user", False),
        ("system system user", False),
    ],
)
def test_prompts_that_llama_factory_would_pass_over_are_told(roles, fits):
    prompt = tuple(Message(role=name, content="x") for name in roles.split())
    assert (misfit(prompt, LabelLayout.LLAMA_FACTORY) is None) is fits
    assert misfit(prompt, LabelLayout.TRL) is None
    if not fits:
        with pytest.raises(ValueError, match="7: expected turns of user and assistant by turns"):
            label_row(pair(prompt=prompt), LabelLayout.LLAMA_FACTORY)
