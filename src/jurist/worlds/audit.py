"""Whether a judgement in the chains world is right for a right reason: its steps can be checked."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from jurist.errors import DataError
from jurist.types import Comparison
from jurist.worlds.chains import Chain, apply, read_chain, read_question, work

Habit: TypeAlias = Literal["redo", "skim", "gut", "other"]

_REDO = re.compile(r"redo (.+?) ; (\d) A (\d) B ; so (\d) (A|B|unsure) \n \[\[([ABC])\]\]")
_SKIM = re.compile(
    r"skim A (\d) ([-+*]) (\d) = (\d) (ok|bad) ; B (\d) ([-+*]) (\d) = (\d) (ok|bad)"
    r" \n \[\[([ABC])\]\]"
)
_GUT = re.compile(r"gut [AB] looks (?:neat|clear) \n \[\[[ABC]\]\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What an exact reading of a judgement finds."""

    habit: Habit
    """How it went about it; "other" if it is written in none of the world's ways."""

    sound: bool
    """Whether every step it writes is true, is about the responses as they stand, and leads to its
    verdict. A guess has no steps, and is never sound."""


def audit(comparison: Comparison, reply: str) -> Audit:
    """Check the steps of a judgement, whatever its verdict.

    A judgement that redoes the question is sound if its working is the question's, without a slip,
    the two final digits are the responses', and the letter is the one its answer stands beside. One
    that skims is sound if what it says of the two last steps is so, and the letter is that of the
    only step it finds good; it may be sound and wrong, for the error can lie before.

    Args:
        comparison: Of this world, as the judge was shown it.
        reply: What it wrote.

    Raises:
        DataError: If the comparison is not of this world.
    """
    question = read_question(comparison.prompt[-1].content)
    first, second = read_chain(comparison.first), read_chain(comparison.second)
    if found := _REDO.fullmatch(reply):
        again, *digits, letter, verdict = found.groups()
        answer = work(question)
        shown = [str(first.final), str(second.final), str(answer.final)]
        beside = "A" if answer.final == first.final else "B"
        sound = (
            _same(again, answer)
            and digits == shown
            and answer.final in (first.final, second.final)
            and letter == verdict == beside
        )
        return Audit(habit="redo", sound=sound)
    if found := _SKIM.fullmatch(reply):
        *notes, verdict = found.groups()
        good = [
            _last_step_is(chain, notes[start : start + 5])
            for chain, start in ((first, 0), (second, 5))
        ]
        marks = [notes[4] == "ok", notes[9] == "ok"]
        sound = good == [True, True] and sum(marks) == 1 and verdict == "AB"[marks.index(True)]
        return Audit(habit="skim", sound=sound)
    return Audit(habit="gut" if _GUT.fullmatch(reply) else "other", sound=False)


def _same(text: str, answer: Chain) -> bool:
    try:
        return read_chain(text).steps == answer.steps
    except DataError:
        return False


def _last_step_is(chain: Chain, note: list[str]) -> bool:
    """Whether a note is about the chain's last step, and right about it."""
    before, operator, operand, value, mark = note
    last = chain.steps[-1]
    stood = chain.steps[-2].value if len(chain.steps) > 1 else chain.start
    told = (int(before), operator, int(operand), int(value))
    if told != (stood, last.operator, last.operand, last.value):
        return False
    return (mark == "ok") == (apply(last.operator, stood, last.operand) == last.value)
