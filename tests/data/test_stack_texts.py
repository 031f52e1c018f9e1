"""Prompt and response out of what stacks send."""

import pytest

from jurist.data.stack_texts import StackTexts
from jurist.errors import DataError
from jurist.types import user

CHATML = StackTexts(end_texts=("<|im_end|>", "</s>"), response_starts="<|im_start|>assistant\n")


def test_a_response_is_what_follows_the_prompt_without_what_ends_it():
    assert CHATML.response_of("Q? Seven.<|im_end|>\n</s>", "Q?") == " Seven."
    assert StackTexts().response_of("Q?Seven.<|im_end|>", "Q?") == "Seven.<|im_end|>"


def test_an_end_within_a_response_stays():
    assert CHATML.response("a</s>b</s>") == "a</s>b"


@pytest.mark.parametrize("query", ["Other? Seven.", "Q", ""])
def test_a_query_that_does_not_begin_with_its_prompt_is_refused(query):
    with pytest.raises(DataError, match="begins with its prompt"):
        CHATML.response_of(query, "Q?")


def test_a_response_of_nothing_is_refused():
    with pytest.raises(DataError, match="expected a response"):
        CHATML.response_of("Q? <|im_end|>", "Q?")


def test_one_text_is_parted_at_the_last_place_where_a_response_begins():
    text = "<|im_start|>assistant\nA<|im_end|>Q<|im_start|>assistant\nB<|im_end|>"
    prompt, response = CHATML.parted(text)
    assert prompt == user("<|im_start|>assistant\nA<|im_end|>Q") and response == "B"


def test_one_text_needs_to_be_told_where_the_response_begins():
    with pytest.raises(DataError, match="--response-starts"):
        StackTexts().parted("Q A")
    with pytest.raises(DataError, match="expected a prompt"):
        CHATML.parted("no mark")
    with pytest.raises(DataError, match="expected a prompt"):
        CHATML.parted("<|im_start|>assistant\nno prompt")
