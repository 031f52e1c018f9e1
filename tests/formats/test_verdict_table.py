"""The table of verdicts: each reply, as each parser of the package must read it."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jurist.formats import (
    Additive,
    Direct,
    Listwise,
    Pairwise,
    Pointwise,
    Principle,
    Principles,
    Prometheus,
    Rationalizer,
    Rubric,
    Rubrics,
    Scores,
    Strength,
    Terse,
    TerseAdditive,
    TersePointwise,
)
from jurist.types import Completion, Failure, Verdict

TABLE: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "verdicts.toml").read_text("utf-8")
)["replies"]
ENDS = {"length": Failure.TRUNCATED, "refused": Failure.REFUSED, "error": Failure.ERROR}
VERDICTS = {"A": Verdict.FIRST, "B": Verdict.SECOND, "C": Verdict.TIE}
RUBRIC = Rubric(criteria="Is it so?", levels=("no", "hardly", "fairly", "rather", "very"))
PRINCIPLES = (Principle(text="Be kind.", opposite="Be unkind."),)

Parse = Callable[[Completion], object]

MARKS: dict[str, Parse] = {
    "pairwise": Pairwise().parse,
    "terse": Terse().parse,
    "rubrics": Rubrics().parse,
    "principles": Principles(principles=PRINCIPLES).parse,
    "rationalizer": Rationalizer(Pairwise()).parse,
}
OTHERS: dict[str, Parse] = {
    "alone": Terse(reasoning=False).parse,
    "letter": Direct().parse,
    "points": Additive().parse,
    "digit": TerseAdditive().parse,
    "word": Pointwise().parse,
    "word_alone": Pointwise(reasoning=False).parse,
    "ok": TersePointwise().parse,
    "ok_alone": TersePointwise(reasoning=False).parse,
    "result": Prometheus(rubric=RUBRIC).parse,
    "type": Rubrics().task_type,
}


def meant(reads: dict[str, Any]) -> dict[str, object]:
    """What each parser finds, by its name in the table; those that find nothing are not here."""
    found: dict[str, object] = dict(reads)
    for name in reads.keys() & {"marks", "alone", "tie", "letter", "letter_tie"}:
        found[name] = VERDICTS[reads[name]]
    if "strength" in reads:
        # On the scale that is shown, less is better for A; in the package, more is.
        found["strength"] = float(-reads["strength"])
    if "scores" in reads:
        found["scores"] = tuple(reads["scores"])
    if "choice" in reads:
        found["choice"] = reads["choice"] - 1
    return found


def sign(number: float) -> Verdict:
    return Verdict.FIRST if number > 0 else Verdict.SECOND if number < 0 else Verdict.TIE


def mismatches(entry: dict[str, Any]) -> dict[str, object]:
    """What a parser reads that it should not, or does not read that it should."""
    reply = Completion(text=entry["text"], finish_reason=entry.get("ends", "stop"))
    nothing = ENDS.get(entry.get("ends", ""), Failure.UNPARSEABLE)
    found = meant(entry["reads"])
    wanted: dict[str, object] = {name: found.get(name, nothing) for name in OTHERS}
    read: dict[str, object] = {name: parse(reply) for name, parse in OTHERS.items()}
    wanted |= {name: found.get("marks", nothing) for name in MARKS}
    read |= {name: parse(reply) for name, parse in MARKS.items()}
    wanted["pairwise with ties"] = found.get("marks", found.get("tie", nothing))
    read["pairwise with ties"] = Pairwise(ties=True).parse(reply)
    wanted["direct with ties"] = found.get("letter", found.get("letter_tie", nothing))
    read["direct with ties"] = Direct(ties=True).parse(reply)
    strength: Any = found.get("strength", nothing)
    wanted["strength"] = (strength, strength if strength is nothing else sign(strength))
    read["strength"] = (Strength().strength(reply), Strength().parse(reply))
    scores: Any = found.get("scores", nothing)
    wanted["scores"] = (scores, scores if scores is nothing else sign(scores[0] - scores[1]))
    read["scores"] = (Scores().scores(reply, num=2), Scores().parse(reply))
    wanted["choice"] = found.get("choice", nothing)
    read["choice"] = Listwise().parse(reply, 3)
    return {
        name: read[name]
        for name in wanted
        # True is 1 and 0.0 is 0 to Python, and a verdict is neither.
        if (type(read[name]), read[name]) != (type(wanted[name]), wanted[name])
    }


@pytest.mark.fault(15, "table")
def test_every_reply_is_read_as_the_table_says(figure):
    wrong = {ascii(entry["text"]): found for entry in TABLE if (found := mismatches(entry))}
    figure("verdict_texts", len(TABLE))
    figure("verdict_mismatches", len(wrong))
    assert not wrong


def test_the_table_is_large_says_nothing_twice_and_every_parser_finds_something():
    assert len(TABLE) >= 200
    assert len({(one["text"], one.get("ends")) for one in TABLE}) == len(TABLE)
    assert all(one["why"] for one in TABLE)
    named = {name for one in TABLE for name in one["reads"]}
    assert named == {"marks", "tie", "letter_tie", "strength", "scores", "choice", *OTHERS}
    nothing = sum(not one["reads"] for one in TABLE)
    assert 0.5 < nothing / len(TABLE) < 0.9


@pytest.mark.fault(15, "table")
def test_reasoning_before_a_reply_moves_no_verdict_on_its_last_line():
    quoted = "[[A]]\n[[B]]\nScore: 1\nYes\n3\n[RESULT] 1\nPreference: 3\nScores: 1, 10\n[[1]]\n"
    for entry in TABLE:
        if not entry["text"].strip() or "THINK" in entry["text"].upper():
            continue
        reads = {
            name: value
            for name, value in entry["reads"].items()
            if name not in ("alone", "letter", "letter_tie", "word_alone", "ok_alone", "type")
        }
        assert not mismatches({**entry, "text": quoted + entry["text"], "reads": reads})
