import torch

from jurist.training.batch import Batch, collate
from jurist.training.examples import Encoded, Example

CPU = torch.device("cpu")


def pair(prompt: list[int], chosen: list[int], rejected: list[int], **changed) -> Example:
    """A row whose replies are given in tokens."""
    return Example(
        name="",
        sequences=tuple(
            Encoded(ids=prompt + reply, prompt_length=len(prompt)) for reply in (chosen, rejected)
        ),
        **changed,
    )


ROWS = [
    pair([50, 51], [1, 2], [3], weight=2.0, reference_logps=(-1.0, -2.0)),
    pair([60, 61, 62], [4], [5, 6], reference_logps=(-3.0, -4.0)),
]


def read_back(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """Of each sequence, the tokens that predict its reply, and the reply."""
    counts = batch.reply_mask.sum(dim=1).tolist()
    sources = batch.ids.flatten()[batch.sources].split(counts)
    labels = batch.labels.split(counts)
    return [(one.tolist(), other.tolist()) for one, other in zip(sources, labels, strict=True)]


def test_padded_rows_are_padded_on_the_right():
    batch = collate(ROWS, shared=False, pad_id=0, device=CPU)
    assert batch.ids.tolist() == [
        [50, 51, 1, 2, 0],
        [60, 61, 62, 4, 0],
        [50, 51, 3, 0, 0],
        [60, 61, 62, 5, 6],
    ]
    assert batch.attention_mask is not None
    assert batch.attention_mask.sum(dim=1).tolist() == [4, 4, 3, 5]
    assert batch.forest is None


def test_packed_trees_hold_each_prompt_once_and_restart_positions_after_it():
    batch = collate(ROWS, shared=True, pad_id=0, device=CPU)
    assert batch.ids.tolist() == [[50, 51, 1, 2, 3, 60, 61, 62, 4, 5, 6]]
    assert batch.forest is not None
    assert batch.forest.positions.tolist() == [0, 1, 2, 3, 2, 0, 1, 2, 3, 3, 4]
    assert batch.attention_mask is None


def test_both_kinds_predict_the_same_tokens_from_the_same_tokens():
    for shared in (False, True):
        batch = collate(ROWS, shared=shared, pad_id=0, device=CPU)
        assert read_back(batch) == [
            ([51, 1], [1, 2]),
            ([62], [4]),
            ([51], [3]),
            ([62, 5], [5, 6]),
        ]
        assert batch.ids.flatten()[batch.ends].tolist() == [2, 4, 3, 6]
        assert batch.weights.tolist() == [2.0, 1.0]
        assert batch.reference_logps.tolist() == [[-1.0, -3.0], [-2.0, -4.0]]


def test_rows_with_one_prompt_share_it_wherever_they_stand():
    other = pair([50, 51], [7], [8], reference_logps=(-5.0, -6.0))
    batch = collate([ROWS[0], ROWS[1], other], shared=True, pad_id=0, device=CPU)
    assert batch.ids[0].tolist().count(50) == 1
    assert read_back(batch)[2] == ([51], [7])
    assert batch.ids.shape[1] == 2 + 5 + 3 + 3


def test_a_reply_that_goes_on_from_the_other_is_a_branch_alone():
    # Of two conversations, one the beginning of the other, the shorter has no tokens of its own.
    batch = collate([pair([50, 51], [], [9, 8])], shared=True, pad_id=0, device=CPU)
    assert batch.ids.tolist() == [[50, 51, 9, 8]]
    assert batch.ids.flatten()[batch.ends].tolist() == [51, 8]
    assert read_back(batch) == [([], []), ([51, 9], [9, 8])]


def test_a_reward_is_read_at_the_last_token_that_is_not_padding():
    # Where eos is the padding token too, transformers' classifiers read the token before it.
    rows = [pair([50, 51], [1, 2], [2]), pair([2, 2], [2], [2, 2])]
    for shared in (False, True):
        batch = collate(rows, shared=shared, pad_id=2, device=CPU)
        assert batch.ids.flatten()[batch.ends].tolist() == [1, 2, 51, 2]
        assert batch.ends[1] == batch.ends[3] or not shared
