import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.training.examples import Encoded, Example
from jurist.training.plan import micro_batches, parts_of_process, plan

PLAN = {"batch_size": 4, "epochs": 2}


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


@st.composite
def families(draw) -> list[Example]:
    """Rows of which several have one prompt."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=25))
    return [
        Example(
            name=f"{prompt}/{row}",
            sequences=(
                Encoded(ids=[prompt] * (5 + prompt % 7) + [row], prompt_length=5 + prompt % 7),
            ),
        )
        for prompt, size in enumerate(sizes)
        for row in range(size)
    ]


@given(rows=families(), batch_size=st.integers(1, 9), seed=st.integers(0, 9))
@settings(max_examples=50)
def test_rows_of_one_prompt_stay_together_as_far_as_a_step_holds_them(rows, batch_size, seed):
    steps = plan(rows, batch_size=batch_size, epochs=1, seed=seed)
    assert sorted(index for step in steps for index in step) == list(range(len(rows)))
    assert 1 <= min(map(len, steps)) <= max(map(len, steps)) <= batch_size
    prompts = [[rows[index].sequences[0].prompt for index in step] for step in steps]
    for prompt in {row.sequences[0].prompt for row in rows}:
        count = sum(row.sequences[0].prompt == prompt for row in rows)
        assert sum(prompt in step for step in prompts) == -(-count // batch_size)
    for step in prompts:
        changes = sum(one != other for one, other in itertools.pairwise(step))
        assert changes == len(set(step)) - 1, "they stand beside each other"


@given(rows=families(), seed=st.integers(0, 9), shuffle=st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_plan_of_rows_that_share_prompts_does_not_depend_on_their_order(rows, seed, shuffle):
    moved = list(rows)
    shuffle.shuffle(moved)
    one, other = (
        [[these[index].name for index in step] for step in plan(these, **PLAN, seed=seed)]
        for these in (rows, moved)
    )
    assert one == other


def test_steps_are_few_and_of_about_one_size():
    # Ten prompts of three rows: 30 rows, of which a step of 8 holds two prompts' rows whole.
    rows = [
        Example(name="", sequences=(Encoded(ids=[prompt] * 9 + [row], prompt_length=9),))
        for prompt in range(10)
        for row in range(3)
    ]
    steps = plan(rows, batch_size=8, epochs=1, seed=0)
    assert [len(step) for step in steps] == [6, 6, 6, 6, 6]


def test_a_prompt_with_more_rows_than_a_step_holds_is_cut_evenly():
    rows = [
        Example(name="", sequences=(Encoded(ids=[1, 2, row], prompt_length=2),))
        for row in range(10)
    ]
    assert sorted(map(len, plan(rows, batch_size=4, epochs=1, seed=0))) == [3, 3, 4]


@given(rows=examples, max_tokens=st.integers(1, 200))
@settings(max_examples=50)
def test_padded_micro_batches_are_the_rows_in_order_and_fit_unless_one_row_does_not(
    rows, max_tokens
):
    parts = list(micro_batches(rows, max_tokens=max_tokens, shared=False))
    assert [row for part in parts for row in part] == rows
    for part in parts:
        assert len(part) == 1 or max(row.longest for row in part) * len(part) <= max_tokens


@given(rows=families(), max_tokens=st.integers(1, 60))
@settings(max_examples=50)
def test_packed_micro_batches_count_each_prompt_once_and_are_as_few_as_the_order_allows(
    rows, max_tokens
):
    def tokens(part) -> int:
        prompts = {row.sequences[0].prompt for row in part}
        return sum(map(len, prompts)) + len(part)

    parts = list(micro_batches(rows, max_tokens=max_tokens, shared=True))
    assert [row for part in parts for row in part] == rows
    for part, after in itertools.pairwise(parts):
        assert len(part) == 1 or tokens(part) <= max_tokens
        assert tokens([*part, after[0]]) > max_tokens


@given(
    rows=examples,
    num_processes=st.integers(1, 5),
    max_tokens=st.integers(1, 120),
    in_step=st.booleans(),
)
def test_processes_compute_every_row_once_and_as_many_parts_as_the_others_where_they_must(
    rows, num_processes, max_tokens, in_step
):
    shares = [
        parts_of_process(
            rows, process, num_processes, max_tokens=max_tokens, shared=True, in_step=in_step
        )
        for process in range(num_processes)
    ]
    counted = [row for parts, num_own in shares for part in parts[:num_own] for row in part]
    assert counted == rows
    calls = [len(parts) for parts, _ in shares]
    assert min(calls) >= 1
    if in_step:
        assert len(set(calls)) == 1
        assert calls[0] == max(num_own for _, num_own in shares)
    else:
        assert calls == [max(1, num_own) for _, num_own in shares]
    shortest = min(row.longest for row in rows)
    for parts, num_own in shares:
        assert all(len(part) == 1 and part[0].longest == shortest for part in parts[num_own:])
