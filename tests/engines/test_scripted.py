"""The scripted engine: what the function says, cut and stopped as a model's reply would be."""

import pytest

from jurist.engines import LogprobEngine, ScriptedEngine
from jurist.errors import EngineError
from jurist.types import Completion, Sampling, StoppingRule, user

PROMPT = user("one two three")


def test_replies_are_those_of_the_script_by_sample_index():
    engine = ScriptedEngine(lambda prompt, index: f"{prompt[0].content} {index}")
    lists = engine.generate([user("a"), user("b")], Sampling(num_samples=2, first_index=3))
    assert [[reply.text for reply in replies] for replies in lists] == [
        ["a 3", "a 4"],
        ["b 3", "b 4"],
    ]


def test_words_count_as_tokens():
    (reply,) = ScriptedEngine(lambda *_: "  four words,\nall told ").generate([PROMPT], Sampling())[
        0
    ]
    assert reply == Completion(
        text="  four words,\nall told ", finish_reason="stop", num_tokens=4, num_prompt_tokens=3
    )


def test_a_reply_of_too_many_words_is_cut_and_says_so():
    engine = ScriptedEngine(lambda *_: "a b\n c d")
    (reply,) = engine.generate([PROMPT], Sampling(max_tokens=3))[0]
    assert (reply.text, reply.finish_reason, reply.num_tokens) == ("a b\n c", "length", 3)
    (whole,) = engine.generate([PROMPT], Sampling(max_tokens=4))[0]
    assert (whole.text, whole.finish_reason) == ("a b\n c d", "stop")


def test_a_completion_is_returned_as_the_script_made_it():
    made = Completion(text="No.", finish_reason="refused", logp=-1.5)
    assert ScriptedEngine(lambda *_: made).generate([PROMPT], Sampling(max_tokens=1)) == [[made]]


def test_nothing_is_written_that_is_not_wanted():
    written: list[int] = []

    def reply(_: object, index: int) -> str:
        written.append(index)
        return "x"

    engine = ScriptedEngine(reply)
    rule = StoppingRule(lambda samples: 2 if len(samples[0]) < 4 else 0)
    (replies,) = engine.generate([PROMPT], Sampling(num_samples=9), rule)
    assert len(replies) == 4
    assert written == [0, 1, 2, 3]


def test_scores_are_those_of_the_script():
    engine = ScriptedEngine(
        lambda *_: "", lambda prompt, text: -float(len(prompt[0].content) + len(text))
    )
    assert isinstance(engine, LogprobEngine)
    assert engine.score([user("a"), user("bb")], [["x", "xyz"], []]) == [[-2.0, -4.0], []]


def test_without_a_script_for_them_there_are_no_scores():
    with pytest.raises(EngineError, match="tells no log-probabilities"):
        ScriptedEngine(lambda *_: "").score([PROMPT], [["x"]])
