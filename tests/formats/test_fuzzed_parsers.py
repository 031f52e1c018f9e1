"""Replies put together at random from what parsers look for, against a second reading of the rules.

The second reading is written for being plain and not for being fast: lines by `split`, thinking a
character at a time, numbers by what they may be and not by a pattern.
"""

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.formats import (
    Additive,
    Direct,
    Listwise,
    Pairwise,
    Pointwise,
    Prometheus,
    Rubric,
    Rubrics,
    Scores,
    Strength,
    Synthesis,
    Terse,
    TerseAdditive,
    TersePointwise,
    without_statements,
)
from jurist.judges import PairwiseJudge
from jurist.rationales.leaks import disclosure
from jurist.search import last_number, plain_text
from jurist.types import Comparison, Completion, Failure, Sampling, Verdict, user

RUBRIC = Rubric(criteria="Is it so?", levels=("no", "hardly", "fairly", "rather", "very"))
PIECES = (
    "[[A]]", "[[B]]", "[[C]]", "[[1]]", "[[2]]", "[[3]]", "[[4]]", "[[", "]]", "A", "B", "C", "a",
    "Yes", "No", "ok", "bad", "Score: ", "Scores: ", "Preference: ", "[RESULT] ", "Type: Chat",
    "Type: Reasoning", "0", "1", "2", "3", "4", "5", "6", "7", "10", "11", "-1", "+2", "-0",
    "3.5", ", ", ",", ";", ".", "!", "\n", "\n", "\n", "\n", "\r\n", "\r", " ", "  ", "\t",
    "\xa0", "\u2028", "\u200b", "\ufeff", "\u202e", "\uff21", "\u0410", "\u0663", "\x00",
    "\ud800", "<think>", "</think>", "<thinking>", "</thinking>", "[THINK]", "[/THINK]",
    "<THINK>", "```", "> ", "**", '"', "not ", "or", "Response B says ", "it is better",
    "<|im_end|>", "</s>", "9^9^9", "\\frac{", "So. ", "...",
)  # fmt: skip
THINKING = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("[THINK]", "[/THINK]"))
NOTHING = Failure.UNPARSEABLE
WHITE = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u2028"
"""The white space that pieces have."""


LABELS = ("Score: ", "Scores: ", "Preference: ", "[RESULT] ", "")
NUMBERS = (
    "0",
    "1",
    "3",
    "5",
    "6",
    "07",
    "10",
    "11",
    "-1",
    "+2",
    "-0",
    "3.5",
    "\u0663",
    "\uff15",
    "",
)


def reply(rng: random.Random) -> str:
    text = "".join(rng.choices(PIECES, k=rng.randint(0, 9)))
    if rng.random() < 0.3:
        text += "\n" + rng.choice(LABELS) + rng.choice(NUMBERS)
        text += rng.choice((",", ", ", "")) + rng.choice(NUMBERS)
    return text


def after_thinking(text: str) -> str | None:
    """What follows the thinking, or None if it goes on to the end."""
    inside, start, place = "", 0, 0
    while place < len(text):
        for opening, closing in THINKING:
            if not inside and text.startswith(opening, place):
                inside = closing
                place += len(opening) - 1
                break
            if text.startswith(closing, place) and inside in ("", closing):
                inside, start = "", place + len(closing)
                place += len(closing) - 1
                break
        place += 1
    return None if inside else text[start:].strip(WHITE)


def named(kinds: dict[str, object]) -> Callable[[str], object]:
    return lambda line: kinds.get(line, NOTHING)


def strength(line: str) -> object:
    label, _, number = line.partition(": ")
    signed = number[1:] if number[:1] in ("+", "-") else number
    if label != "Preference" or signed not in ("0", "1", "2", "3"):
        return NOTHING
    return -float(number)


def scores(line: str) -> object:
    label, _, numbers = line.partition(": ")
    parts = numbers.split(",")
    if label != "Scores" or len(parts) != 2:
        return NOTHING
    read = (parts[0], parts[1].removeprefix(" "))
    if not all(1 <= len(one) <= 2 and set(one) <= set("0123456789") for one in read):
        return NOTHING
    found = tuple(map(int, read))
    return found if all(1 <= one <= 10 for one in found) else NOTHING


MARKS = {"[[A]]": Verdict.FIRST, "[[B]]": Verdict.SECOND}
LAST = "last line"
WHOLE = "whole"
FIRST = "first line"
PARSERS: dict[str, tuple[Callable[[Completion], object], str, Callable[[str], object]]] = {
    "pairwise": (Pairwise().parse, LAST, named({**MARKS})),
    "pairwise with ties": (Pairwise(ties=True).parse, LAST, named({**MARKS, "[[C]]": Verdict.TIE})),
    "terse-direct": (Terse(reasoning=False).parse, WHOLE, named({**MARKS})),
    "rubrics": (Rubrics().parse, LAST, named({**MARKS})),
    "type": (
        Rubrics().task_type,
        FIRST,
        named({"Type: Chat": "Chat", "Type: Reasoning": "Reasoning"}),
    ),
    "direct": (Direct().parse, WHOLE, named({"A": Verdict.FIRST, "B": Verdict.SECOND})),
    "strength": (Strength().strength, LAST, strength),
    "scores": (lambda one: Scores().scores(one, num=2), LAST, scores),
    "additive": (Additive().parse, LAST, named({f"Score: {n}": n for n in range(6)})),
    "terse-additive": (TerseAdditive().parse, LAST, named({str(n): n for n in range(6)})),
    "pointwise": (Pointwise().parse, LAST, named({"Yes": True, "No": False})),
    "pointwise-direct": (
        Pointwise(reasoning=False).parse,
        WHOLE,
        named({"Yes": True, "No": False}),
    ),
    "terse-pointwise": (TersePointwise().parse, LAST, named({"ok": True, "bad": False})),
    "prometheus": (
        Prometheus(rubric=RUBRIC).parse,
        LAST,
        named({f"[RESULT] {n}": n for n in range(1, 6)}),
    ),
    "listwise": (
        lambda one: Listwise().parse(one, 3),
        LAST,
        named({f"[[{n + 1}]]": n for n in range(3)}),
    ),
    "synthesis": (Synthesis().parse, WHOLE, lambda text: text or NOTHING),
}


@pytest.mark.fault(15, "fuzzed parsers")
def test_every_reply_is_read_as_the_rules_written_again_read_it(size: Callable, figure: Callable):
    rng = random.Random(15)
    num_replies = size(1_000, 56_000)
    num_found = 0
    started = time.process_time()
    for _ in range(num_replies):
        text = reply(rng)
        completion = Completion(text=text, finish_reason="stop")
        rest = after_thinking(text)
        places = {WHOLE: None, LAST: None, FIRST: None}
        if rest is not None:
            parts = rest.split("\n")
            places = {WHOLE: rest, LAST: parts[-1].strip(WHITE), FIRST: parts[0].strip(WHITE)}
        for name, (parse, where, meaning) in PARSERS.items():
            line = places[where]
            wanted = NOTHING if line is None else meaning(line)
            found = parse(completion)
            num_found += found is not NOTHING
            assert found == wanted and type(found) is type(wanted), (name, text, found, wanted)
    num = num_replies * len(PARSERS)
    figure("fuzz_executions", num)
    assert num_found > num / 100
    assert (time.process_time() - started) / num < 0.001


@pytest.mark.fault(15, "fuzzed parsers")
def test_what_else_reads_replies_ends_in_a_value_too(size: Callable, figure: Callable):
    rng = random.Random(16)
    num_replies = size(300, 8_000)
    for _ in range(num_replies):
        text = reply(rng) + reply(rng)
        assert isinstance(last_number(text), str | None)
        assert isinstance(plain_text(text), str | None)
        assert isinstance(disclosure(text), str | None)
        assert set(without_statements(text)) <= set(text)
    figure("fuzz_executions", 4 * num_replies)


@pytest.mark.parametrize("ends", ["length", "refused", "error"])
@pytest.mark.fault(15, "fuzzed parsers")
def test_a_reply_that_is_not_whole_has_no_verdict_whatever_it_says(ends, size: Callable):
    rng = random.Random(17)
    kind = {"length": Failure.TRUNCATED, "refused": Failure.REFUSED, "error": Failure.ERROR}[ends]
    for _ in range(size(100, 2_000)):
        completion = Completion(text=reply(rng), finish_reason=ends)
        assert {parse(completion) for parse, _, _ in PARSERS.values()} == {kind}


# What a response says is in the prompt, and a parser is given the reply alone.

content = st.one_of(
    st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
)


@pytest.mark.fault(15, "forged by a response")
@given(quoted=content, own=st.sampled_from(["[[A]]", "[[B]]"]))
def test_a_response_that_is_quoted_before_the_verdict_cannot_change_it(quoted: str, own: str):
    said = Completion(text=f"It says:\n{quoted}\n{own}", finish_reason="stop")
    # At worst it keeps the judge from being understood, by opening a block of thinking.
    assert Pairwise().parse(said) in (MARKS[own], NOTHING)
    told = Completion(text=f"It says:\n{quoted}\nI cannot tell.", finish_reason="stop")
    assert Pairwise().parse(told) is NOTHING


class Quoting:
    """An engine that repeats all that it was shown, and then gives a verdict of its own or none."""

    fingerprint = "quoting"

    def __init__(self, ending: str):
        self.ending = ending

    def generate(self, prompts, sampling, rule=None):
        return [
            [
                Completion(
                    text=f"{prompt[-1].content}\n{self.ending}",
                    finish_reason="stop",
                    num_tokens=1,
                )
            ]
            * sampling.num_samples
            for prompt in prompts
        ]


@pytest.mark.fault(15, "forged by a response")
@given(first=content, second=content, asked=content)
def test_a_judge_that_repeats_all_it_was_shown_gives_no_verdict_of_a_response(first, second, asked):
    shown = Comparison(prompt=user(asked), first=first, second=second)
    for ending, verdicts in (("", {NOTHING}), ("[[B]]", {Verdict.SECOND, NOTHING})):
        ((judgement,),) = PairwiseJudge(Quoting(ending), format=Pairwise(), sampling=Sampling())(
            [shown]
        )
        assert judgement.outcome in verdicts
