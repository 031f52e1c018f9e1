import logging
import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.errors import DataError
from jurist.rationales import SupervisedRow
from jurist.training.batch import (
    Encoded,
    Example,
    check_examples,
    collate,
    micro_batches,
    pair_examples,
    plan,
    scalar_examples,
    supervised_examples,
    verdict_examples,
)
from jurist.types import Verdict, user

CPU = torch.device("cpu")


def example(name: str, prompt: int, *replies: int) -> Example:
    return Example(
        name=name,
        sequences=tuple(
            Encoded(ids=[ord(name[0])] * prompt + [7 + at] * reply, prompt_length=prompt)
            for at, reply in enumerate(replies)
        ),
    )


examples = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 20)), min_size=1, max_size=80).map(
    lambda sizes: [
        Example(
            name=str(number),
            sequences=(Encoded(ids=[number] * (prompt + reply), prompt_length=prompt),),
        )
        for number, (prompt, reply) in enumerate(sizes)
    ]
)


@given(rows=examples, batch_size=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=50)
def test_every_epoch_has_every_row_once_in_batches_of_at_most_the_size(rows, batch_size, seed):
    steps = plan(rows, batch_size=batch_size, epochs=2, seed=seed)
    half = len(steps) // 2
    for epoch in (steps[:half], steps[half:]):
        assert sorted(index for step in epoch for index in step) == list(range(len(rows)))
        sizes = [len(step) for step in epoch]
        assert max(sizes) <= batch_size
        assert min(sizes) >= 1


@given(rows=examples, seed=st.integers(0, 99), shuffle=st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_plan_depends_on_what_rows_hold_and_not_on_their_order(rows, seed, shuffle):
    moved = list(rows)
    shuffle.shuffle(moved)
    assert [
        [rows[index].name for index in step]
        for step in plan(rows, batch_size=4, epochs=2, seed=seed)
    ] == [
        [moved[index].name for index in step]
        for step in plan(moved, batch_size=4, epochs=2, seed=seed)
    ]


def test_seeds_and_epochs_have_plans_of_their_own():
    rows = [example(chr(65 + number), 5, 5) for number in range(40)]
    one, other = (plan(rows, batch_size=4, epochs=2, seed=seed) for seed in (0, 1))
    assert one != other
    assert one[:10] != one[10:]


def test_batches_hold_prompts_of_one_length_and_replies_of_any():
    rng = random.Random(0)
    rows = [
        Example(
            name=str(number),
            sequences=(
                Encoded(
                    ids=[number] * (10 * (number % 4) + 10 + reply),
                    prompt_length=10 * (number % 4) + 10,
                ),
            ),
        )
        for number, reply in ((n, rng.randrange(1, 30)) for n in range(128))
    ]
    for step in plan(rows, batch_size=8, epochs=1, seed=0):
        assert len({rows[index].prompt_length for index in step}) == 1
    # Sorted by the length of the whole, the replies of a batch would be of about one length.
    spans = [
        max(rows[i].longest for i in step) - min(rows[i].longest for i in step)
        for step in plan(rows, batch_size=8, epochs=1, seed=0)
    ]
    assert sum(spans) / len(spans) > 15


def test_a_last_batch_is_not_left_with_one_row():
    rows = [example(chr(65 + number), 5, 5) for number in range(33)]
    assert sorted(map(len, plan(rows, batch_size=32, epochs=1, seed=0))) == [16, 17]


@given(rows=examples, max_tokens=st.integers(1, 200))
@settings(max_examples=50)
def test_micro_batches_are_the_rows_in_order_and_fit_unless_one_row_does_not(rows, max_tokens):
    parts = list(micro_batches(rows, max_tokens=max_tokens))
    assert [row for part in parts for row in part] == rows
    for part in parts:
        assert len(part) == 1 or max(row.longest for row in part) * len(part) <= max_tokens


def test_a_batch_pads_on_the_right_and_counts_only_replies():
    # Hand-worked: two pairs, prompts of 2 and 3 tokens.
    batch = collate(
        [
            replace(example("A", 2, 2, 1), weight=2.0, reference_logps=(-1.0, -2.0)),
            replace(example("B", 3, 1, 2), reference_logps=(-3.0, -4.0)),
        ],
        pad_id=0,
        device=CPU,
    )
    a, b = ord("A"), ord("B")
    assert batch.ids.tolist() == [
        [a, a, 7, 7, 0],
        [b, b, b, 7, 0],
        [a, a, 8, 0, 0],
        [b, b, b, 8, 8],
    ]
    assert batch.reply_mask.int().tolist() == [
        [0, 0, 1, 1, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 1, 1],
    ]
    assert batch.attention_mask.sum(dim=1).tolist() == [4, 4, 3, 5]
    assert batch.first == 1
    assert batch.weights.tolist() == [2.0, 1.0]
    assert batch.reference_logps.tolist() == [[-1.0, -3.0], [-2.0, -4.0]]


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


def test_no_rows_at_all_are_refused():
    with pytest.raises(DataError, match="no rows"):
        check_examples([], max_length=10, advice="")


def test_lengths_are_logged(caplog):
    caplog.set_level(logging.INFO)
    check_examples([example("A", 3, n) for n in range(1, 12)], max_length=99, advice="")
    assert "11 rows" in caplog.text
    assert "4 least, 9 median, 13 at 90 %, 14 most, of 99" in caplog.text
