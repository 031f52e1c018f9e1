import logging
from dataclasses import replace

import pytest

from jurist.errors import DataError
from jurist.rationales import SupervisedRow
from jurist.training.examples import (
    Encoded,
    Example,
    check_examples,
    pair_examples,
    scalar_examples,
    supervised_examples,
    verdict_examples,
)
from jurist.types import Verdict, user


def example(name: str, prompt: int, *replies: int) -> Example:
    return Example(
        name=name,
        sequences=tuple(
            Encoded(ids=[ord(name[0])] * prompt + [7 + at] * reply, prompt_length=prompt)
            for at, reply in enumerate(replies)
        ),
    )


def test_rows_become_prompt_then_reply_then_end_of_turn(tokenizer, supervised_rows):
    row = supervised_rows[0]
    (made,) = supervised_examples(tokenizer, [row])
    (sequence,) = made.sequences
    reply = tokenizer.decode(sequence.ids[sequence.prompt_length :])
    assert tokenizer.decode(sequence.ids[: sequence.prompt_length]).endswith("<assistant>")
    assert reply == f"{row.completion} <eos>"
    assert made.name == row.preference_id


def test_a_verdict_row_learns_the_verdict_and_not_the_end_of_turn(tokenizer, verdict_rows):
    (made,) = verdict_examples(tokenizer, verdict_rows[:1])
    (sequence,) = made.sequences
    assert tokenizer.decode(sequence.ids[sequence.prompt_length :]) == verdict_rows[0].completion


def test_both_replies_of_a_pair_have_the_same_prompt(tokenizer, pair_rows):
    (made,) = pair_examples(tokenizer, pair_rows[:1])
    chosen, rejected = made.sequences
    assert chosen.prompt_length == rejected.prompt_length
    assert chosen.ids[: chosen.prompt_length] == rejected.ids[: rejected.prompt_length]
    assert made.reference_logps == ()


def test_scalar_rows_are_whole_conversations_chosen_first(tokenizer, preferences):
    (made,) = scalar_examples(tokenizer, preferences[:1])
    texts = [tokenizer.decode(sequence.ids) for sequence in made.sequences]
    assert preferences[0].chosen in texts[0]
    assert preferences[0].rejected in texts[1]


def test_a_tie_has_no_place_in_bradley_terry(tokenizer, preferences):
    with pytest.raises(DataError, match="'preference-0' is a tie"):
        scalar_examples(tokenizer, [replace(preferences[0], tie=True)])


@pytest.mark.fault(17, "verdict cut off")
def test_a_row_that_is_too_long_is_refused_by_name_with_its_lengths_and_advice(tokenizer):
    row = SupervisedRow(
        preference_id="long-one",
        label=Verdict.FIRST,
        prompt=user("Q " + "1 " * 30),
        completion="redo [[A]]",
    )
    made = supervised_examples(tokenizer, [row])
    (sequence,) = made[0].sequences
    size, prompt = len(sequence.ids), sequence.prompt_length
    check_examples(made, max_length=size, advice="")
    with pytest.raises(DataError) as caught:
        check_examples(made, max_length=size - 1, advice="Raise --max-length.")
    assert f"row 'long-one': {size} tokens, {prompt} of the prompt and 3 of the reply" in str(
        caught.value
    )
    assert f"at most {size - 1} fit" in str(caught.value)
    assert "Raise --max-length." in str(caught.value)


def test_only_the_first_five_of_many_bad_rows_are_listed():
    with pytest.raises(DataError, match=r"7 of 8 rows(.|\n)*\.\.\. and 2 more"):
        check_examples(
            [example("A", 1, 1), *[example("B", 5, 5)] * 7], max_length=9, advice="Advice."
        )


@pytest.mark.fault(17, "nothing to learn from")
@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (example("A", 0, 3), "no tokens before the reply"),
        (example("A", 3, 0), "no tokens in the reply"),
        (replace(example("A", 3, 2), weight=0.0), "weight must be positive"),
        (replace(example("A", 3, 2), weight=float("nan")), "weight must be positive"),
        (
            Example(name="A", sequences=(Encoded(ids=[1, 2], prompt_length=1),) * 2),
            "chosen and rejected are the same tokens",
        ),
    ],
)
def test_rows_that_teach_nothing_are_refused(bad, complaint):
    with pytest.raises(DataError, match=f"row 'A': {complaint}"):
        check_examples([bad], max_length=10, advice="")


@pytest.mark.fault(17, "nothing to learn from")
def test_no_rows_at_all_are_refused():
    with pytest.raises(DataError, match="no rows"):
        check_examples([], max_length=10, advice="")


def test_lengths_are_logged(caplog):
    caplog.set_level(logging.INFO)
    check_examples([example("A", 3, n) for n in range(1, 12)], max_length=99, advice="")
    assert "11 rows" in caplog.text
    assert "4 least, 9 median, 13 at 90 %, 14 most, of 99" in caplog.text
