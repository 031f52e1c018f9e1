import torch
from hypothesis import given
from hypothesis import strategies as st

from jurist.engines.keys_and_values import Wave


def filled(num: int, room: int, length: int) -> Wave:
    """A wave whose row r holds the number 100 r + t at token t, in two layers."""
    wave = Wave(list(range(num)), room)
    for token in range(length):
        new = torch.arange(num).float().view(num, 1, 1, 1) * 100 + token
        for layer in range(2):
            wave.append(layer, new + 0.25 * layer, -new - 0.25 * layer)
        wave.length += 1
    return wave


@given(st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=4))
def test_rows_that_are_kept_keep_what_they_hold(rounds):
    wave = filled(12, room=5, length=3)
    stands = list(range(12))
    for chosen in rounds:
        kept = [row for row in range(len(stands)) if chosen[row]]
        order = wave.keep(kept)
        assert sorted(order) == kept
        stands = [stands[row] for row in order]
        assert wave.prompts == stands
        for layer in range(2):
            expected = torch.tensor([[100.0 * r + t for t in range(3)] for r in stands])
            found = wave.keys[layer][:, 0, :3, 0]
            assert torch.equal(found, expected.view(len(stands), 3) + 0.25 * layer)
            assert torch.equal(wave.values[layer][:, 0, :3, 0], -found)


@given(st.sets(st.integers(0, 39)))
def test_memory_held_is_at_most_a_third_more_than_is_needed(dropped):
    wave = filled(40, room=7, length=2)
    rows = list(range(40))
    for one in sorted(dropped):
        order = wave.keep([place for place, row in enumerate(rows) if row != one])
        rows = [rows[place] for place in order]
        held = wave.keys[0].untyped_storage().nbytes() / (7 * 4)
        assert len(rows) <= held <= max(1, len(rows) / 0.75)
