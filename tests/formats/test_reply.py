"""What of a reply may hold a verdict, whatever marks of thinking stand in it."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from jurist.formats.reply import MAX_BLOCKS, answer
from jurist.types import Completion, Failure

CLOSINGS = {"<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]"}
PIECES = [*CLOSINGS, *CLOSINGS.values(), "x", "<", "think>", "\n"]


def said(text: str) -> Completion:
    return Completion(text=text, finish_reason="stop")


def one_by_one(pieces: list[str]) -> str | Failure:
    """What the text of these pieces says, read from its beginning, a character at a time."""
    text, inside, after = "".join(pieces), None, 0
    at = 0
    while at < len(text):
        for opening, closing in CLOSINGS.items():
            if inside is None and text.startswith(opening, at):
                inside, at = opening, at + len(opening)
                break
            if inside in (None, opening) and text.startswith(closing, at):
                inside, at = None, at + len(closing)
                after = at
                break
        else:
            at += 1
    return Failure.UNPARSEABLE if inside else text[after:].strip()


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_what_follows_the_last_block_is_what_a_reading_from_the_beginning_finds(pieces):
    assert answer(said("".join(pieces))) == one_by_one(pieces)


def test_every_row_of_five_marks_is_read_as_one_reads_from_the_beginning():
    marks = [*CLOSINGS, *CLOSINGS.values()]
    for num in range(6):
        for row in itertools.product(marks, repeat=num):
            assert answer(said("".join(row) + "x")) == one_by_one([*row, "x"]), row


def test_blocks_of_one_kind_in_a_row_are_as_one():
    many = "<think>so</think>" * (3 * MAX_BLOCKS)
    assert answer(said(many + "[[A]]")) == "[[A]]"


def test_a_reply_of_more_blocks_than_are_read_is_a_failure():
    pair = "<think></think>[THINK][/THINK]"
    assert answer(said(pair * (MAX_BLOCKS // 2 - 1) + "[[A]]")) == "[[A]]"
    assert answer(said(pair * MAX_BLOCKS + "[[A]]")) is Failure.UNPARSEABLE
