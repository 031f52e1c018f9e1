"""Dressing: what a response says stays, and it gets longer or looks otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.attacks import (
    CITATIONS,
    FILLER,
    TAUGHT_FILLER,
    cited,
    marked_up,
    padded,
    repeated,
    sentences,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three?\n\nFour", ["One.", "Two!", "Three?", "Four"]),
        ("It costs 1.5 euros.", ["It costs 1.5 euros."]),
        ("\u4e2d\u6587\u3002\u597d\u3002", ["\u4e2d\u6587\u3002", "\u597d\u3002"]),
        (" \n ", []),
    ],
)
def test_sentences_of_a_text(text: str, parts: list[str]):
    assert sentences(text) == parts


@pytest.mark.fault(19, "padding")
@given(st.text(max_size=300), st.integers(0, 99), st.sampled_from([FILLER, TAUGHT_FILLER]))
def test_a_padded_response_is_the_response_and_filler_of_its_length_or_all_there_is(
    response: str, seed: int, filler: tuple[str, ...]
):
    found = padded(response, filler=filler, seed=seed)
    added = found.removeprefix(response)
    assert found.startswith(response) and added
    used = [sentence for sentence in filler if sentence in added]
    assert len(added) == sum(len(sentence) + 1 for sentence in used)
    assert len(added) >= len(response) or len(used) == len(filler)
    assert found == padded(response, filler=filler, seed=seed)


def test_a_reference_and_markup_leave_what_is_said():
    assert repeated("Four.") == "Four.\n\nOnce more: Four."
    assert {cited("Four.", seed=seed) for seed in range(40)} == {f"Four. {c}" for c in CITATIONS}
    assert marked_up("Two. Four.") == "## **Answer**\n\n- Two.\n- Four."
    assert marked_up("") == "## **Answer**\n\n- "
