"""Which sentences of a trace are taken for a verdict before the verdict."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.formats import reasoning, without_statements


@pytest.mark.parametrize(
    ("trace", "left"),
    [
        # The chains world: the conclusion names a response, its working does not.
        ("redo 5 - 3 = 2 ; 2 A 3 B ; so 2 A \n ", "redo 5 - 3 = 2 ; 2 A 3 B ; \n "),
        ("redo 5 - 3 = 2 ; 1 A 3 B ; so 2 unsure \n ", None),
        ("skim A 3 + 8 = 1 ok ; B 5 + 8 = 3 bad \n ", None),
        ("gut A looks clear \n ", None),
        # Prose: whichever response a statement is for, it goes.
        (
            "Response A is better than response B. It cites 3.5 sources.\n\n",
            "It cites 3.5 sources.\n\n",
        ),
        ("B slips at the end. I prefer A.\n", "B slips at the end.\n"),
        ("B slips.\n**Verdict:** [[A]]\n\n", "B slips.\n\n"),
        ("Overall, B is long.\nBoth are polite.\n", "Both are polite.\n"),
        ("Neither is better.\n", ""),
        ("A is the stronger answer", ""),
        # An article is no response, a comparison of nothing named is none, nor is a bare mention.
        ("A better explanation would help.\n", None),
        ("So the sum is nine; it should be better explained.\n", None),
        ("A works the sum out and B does not.\n", None),
        ("", None),
        ("  \n", None),
    ],
)
def test_statements_go_and_reasons_stay(trace, left):
    assert without_statements(trace) == (trace if left is None else left)


def test_it_does_not_say_by_what_is_missing_which_response_won():
    """A statement for either response leaves the same."""
    for text in ("So 2 {0} ; 5 A 2 B \n ", "Response {0} is better.\nIt is short.\n"):
        assert without_statements(text.format("A")) == without_statements(text.format("B"))


@given(st.text(alphabet=st.sampled_from("AB so.;\n better"), max_size=60))
def test_what_is_left_states_nothing_is_of_the_trace_and_ends_as_it_did(trace):
    left = without_statements(trace)
    assert without_statements(left) == left
    if left:
        assert left.endswith(trace[len(trace.rstrip()) :])
        remaining = iter(trace)
        assert all(letter in remaining for letter in left), "letters of the trace, in its order"


@given(st.text(max_size=40), st.sampled_from(["[[A]]", "[[B]]"]), st.sampled_from(["", "\n", " "]))
def test_reasoning_and_verdict_make_the_reply(before, verdict, after):
    found = reasoning(before + verdict + after, verdict)
    assert found == before
    assert re.fullmatch(r"\s*", (before + verdict + after).removeprefix(found + verdict))
