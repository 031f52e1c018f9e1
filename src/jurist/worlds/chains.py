"""Chains: a small world of worked sums whose labels are exact.

A question is a start digit and a few steps, `4 + 7 - 2`, taken from left to right with every
value kept modulo 10. A response works it out as running equalities, `4 + 7 = 1 - 2 = 9`. The
rejected response holds one injected error, carried on faithfully to the end:

* `calc`: one result is a wrong digit;
* `misread`: one operand is not the question's, and every step is right for what it says.

Both responses have the same number of steps and their last digits always differ, so working the
question out again decides every preference. What a judge that does not reason can go by is a
flourish, the words `as shown` at the end of a response: in distribution chosen responses carry it
more often, shifted they carry it less often, much as length misleads a reward model.

This module makes questions, preferences and an exact check of any response. How the base model's
training text is written is in `corpus.py`.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from jurist.errors import DataError
from jurist.types import Message, Preference

Split: TypeAlias = Literal["in_distribution", "shifted"]
Part: TypeAlias = Literal["train", "validation", "test"]
ErrorKind: TypeAlias = Literal["calc", "misread"]

OPERATORS: tuple[str, ...] = ("+", "-", "*")
FLOURISH = "as shown"
ERROR_KINDS: tuple[ErrorKind, ...] = ("calc", "misread")

# Tenths of the question hash that belong to each part.
_TENTHS: Mapping[Part, range] = MappingProxyType(
    {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}
)


def apply(operator: str, left: int, right: int) -> int:
    """The true value of one step.

    Args:
        operator: One of `OPERATORS`.
        left: Digit on the left.
        right: Digit on the right.

    Returns:
        The result modulo 10.

    Example:
        >>> apply("-", 1, 2)
        9
    """
    match operator:
        case "+":
            return (left + right) % 10
        case "-":
            return (left - right) % 10
        case "*":
            return (left * right) % 10
        case _:
            raise ValueError(f"operator must be one of {OPERATORS}, got {operator!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A start digit and the steps to take from it."""

    start: int
    """First digit, 0 to 9."""

    steps: tuple[tuple[str, int], ...]
    """Operator and operand of each step, in order."""

    @property
    def text(self) -> str:
        """The question as a prompt shows it, `4 + 7 - 2`."""
        return " ".join([str(self.start), *(f"{op} {digit}" for op, digit in self.steps)])

    @property
    def part(self) -> Part:
        """The part this question belongs to, by a hash of its text."""
        tenth = hashlib.sha256(self.text.encode()).digest()[0] * 10 // 256
        return next(part for part, tenths in _TENTHS.items() if tenth in tenths)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step as a response writes it."""

    operator: str
    operand: int
    value: int
    """What the response says the step comes to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A worked response: a start digit, the steps as written, and perhaps a flourish."""

    start: int
    steps: tuple[Step, ...]
    flourish: bool = False

    @property
    def text(self) -> str:
        """The response as a prompt shows it, `4 + 7 = 1 - 2 = 9 as shown`."""
        words = [str(self.start)]
        words += [f"{step.operator} {step.operand} = {step.value}" for step in self.steps]
        return " ".join([*words, FLOURISH] if self.flourish else words)

    @property
    def final(self) -> int:
        """The last digit: the answer."""
        return self.steps[-1].value if self.steps else self.start


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What an exact reading of a response finds."""

    correct: bool
    """Whether every step is the question's and comes to what it should."""

    error_step: int | None
    """Place of the first wrong step, from 0; None when the response is correct."""

    kind: ErrorKind | None
    """What is wrong there: its operator or operand ("misread"), or its result ("calc")."""

    num_errors: int
    """Steps that are themselves wrong; a value carried on from an earlier error is not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitSpec:
    """What sets one split apart from the other."""

    num_steps: tuple[int, ...]
    """Numbers of steps a question may have, equally likely."""

    flourish_chosen: float
    """Probability that a chosen response carries the flourish."""

    flourish_rejected: float
    """Probability that a rejected response carries it."""


SPLITS: Mapping[Split, SplitSpec] = MappingProxyType(
    {
        "in_distribution": SplitSpec(
            num_steps=(2, 3), flourish_chosen=0.75, flourish_rejected=0.30
        ),
        "shifted": SplitSpec(num_steps=(4, 5), flourish_chosen=0.30, flourish_rejected=0.75),
    }
)


def draw_question(rng: random.Random, num_steps: Sequence[int]) -> Question:
    """Draw a question; its number of steps is drawn evenly from `num_steps`."""
    return Question(
        start=rng.randrange(10),
        steps=tuple(
            (rng.choice(OPERATORS), rng.randrange(10)) for _ in range(rng.choice(num_steps))
        ),
    )


def work(question: Question) -> Chain:
    """The one correct chain of a question, without flourish."""
    value, steps = question.start, list[Step]()
    for operator, operand in question.steps:
        value = apply(operator, value, operand)
        steps.append(Step(operator=operator, operand=operand, value=value))
    return Chain(start=question.start, steps=tuple(steps))


def spoil(rng: random.Random, question: Question, kind: ErrorKind) -> Chain | None:
    """Work a question with one error at a random step, and carry it on.

    Returns:
        The wrong chain, or None when the error cancelled out before the end (`* 0` and
        `* 5` often do): draw again then.
    """
    wrong_at = rng.randrange(len(question.steps))
    shift = rng.randint(1, 9)
    value, steps = question.start, list[Step]()
    for index, (operator, asked) in enumerate(question.steps):
        here = index == wrong_at
        operand = (asked + shift) % 10 if here and kind == "misread" else asked
        value = apply(operator, value, operand)
        if here and kind == "calc":
            value = (value + shift) % 10
        steps.append(Step(operator=operator, operand=operand, value=value))
    chain = Chain(start=question.start, steps=tuple(steps))
    return chain if chain.final != work(question).final else None


def draw_pair(
    rng: random.Random, num_steps: Sequence[int], part: Part
) -> tuple[Question, Chain, Chain, ErrorKind]:
    """Draw a question of a part with its correct chain, a wrong one, and the kind of error."""
    while True:
        question = draw_question(rng, num_steps)
        if question.part != part:
            continue
        kind = rng.choice(ERROR_KINDS)
        wrong = spoil(rng, question, kind)
        if wrong is not None:
            return question, work(question), wrong, kind


def preferences(split: Split, part: Part, num: int, seed: int) -> list[Preference]:
    """Draw preferences of this world. The same arguments always give the same list.

    Args:
        split: "in_distribution" has 2 or 3 steps and a flourish that goes with the chosen
            response; "shifted" has 4 or 5 steps and one that goes with the rejected.
        part: Which questions to draw from. Parts share none, whatever the seed.
        num: How many, each about another question.
        seed: Drives every draw.

    Returns:
        Preferences whose `category` is the kind of error in the rejected response and whose
        `group` is the question.

    Raises:
        ValueError: If `num` is negative or more than half of the part's questions.

    Example:
        >>> first, *_ = preferences("in_distribution", "train", 4, seed=0)
        >>> check(first, first.chosen).correct, check(first, first.rejected).correct
        (True, False)
    """
    spec = SPLITS[split]
    limit = sum(10 * 30**steps for steps in spec.num_steps) * len(_TENTHS[part]) // 20
    if not 0 <= num <= limit:
        raise ValueError(f"num must be 0 to {limit} for {part} questions, got {num}")
    rng = random.Random(f"chains/{split}/{part}/{seed}")
    drawn: dict[str, Preference] = {}
    while len(drawn) < num:
        question, right, wrong, kind = draw_pair(rng, spec.num_steps, part)
        if question.text in drawn:
            continue
        drawn[question.text] = Preference(
            id=f"chains-{split}-{part}-{seed}-{len(drawn)}",
            prompt=(Message(role="user", content=question.text),),
            chosen=decorate(rng, right, spec.flourish_chosen).text,
            rejected=decorate(rng, wrong, spec.flourish_rejected).text,
            category=kind,
            source="chains",
            group=question.text,
        )
    return list(drawn.values())


def decorate(rng: random.Random, chain: Chain, probability: float) -> Chain:
    """The same chain, with the flourish at the given probability."""
    return Chain(start=chain.start, steps=chain.steps, flourish=rng.random() < probability)


def read_question(text: str) -> Question:
    """Read a question back from its text.

    Raises:
        DataError: If it is not a question of this world.
    """
    words = text.split(" ")
    try:
        question = Question(
            start=int(words[0]),
            steps=tuple(
                (operator, int(operand))
                for operator, operand in zip(words[1::2], words[2::2], strict=True)
            ),
        )
    except ValueError as error:
        raise DataError(f"expected a question such as '4 + 7 - 2', got {text!r}") from error
    if question.text != text or not _in_world(question.start, question.steps):
        raise DataError(f"expected a question such as '4 + 7 - 2', got {text!r}")
    return question


def read_chain(text: str) -> Chain:
    """Read a response back from its text.

    Raises:
        DataError: If it is not a response of this world.
    """
    body = text.removesuffix(f" {FLOURISH}")
    words = body.split(" ")
    try:
        chain = Chain(
            start=int(words[0]),
            steps=tuple(
                Step(operator=operator, operand=int(operand), value=int(value))
                for operator, operand, _, value in zip(
                    words[1::4], words[2::4], words[3::4], words[4::4], strict=True
                )
            ),
            flourish=body != text,
        )
    except ValueError as error:
        raise DataError(f"expected a chain such as '4 + 7 = 1 - 2 = 9', got {text!r}") from error
    written = [(step.operator, step.operand) for step in chain.steps]
    digits = [(OPERATORS[0], step.value) for step in chain.steps]
    if chain.text != text or not _in_world(chain.start, [*written, *digits]):
        raise DataError(f"expected a chain such as '4 + 7 = 1 - 2 = 9', got {text!r}")
    return chain


def check(preference: Preference, response: str) -> Check:
    """Read a response exactly: is it right, and where does it first go wrong?

    Args:
        preference: Gives the question; its labels are not looked at.
        response: Any chain with as many steps as the question, with or without flourish.

    Raises:
        DataError: If the question or the response is not of this world, or their start digits
            or numbers of steps differ.
    """
    question = read_question(preference.group)
    chain = read_chain(response)
    if chain.start != question.start or len(chain.steps) != len(question.steps):
        raise DataError(f"{response!r} does not work out {question.text!r} step by step")
    errors: list[tuple[int, ErrorKind]] = []
    before = question.start
    for index, (step, asked) in enumerate(zip(chain.steps, question.steps, strict=True)):
        if (step.operator, step.operand) != asked:
            errors.append((index, "misread"))
        elif step.value != apply(step.operator, before, step.operand):
            errors.append((index, "calc"))
        before = step.value
    place, kind = errors[0] if errors else (None, None)
    return Check(correct=not errors, error_step=place, kind=kind, num_errors=len(errors))


def _in_world(start: int, steps: Sequence[tuple[str, int]]) -> bool:
    digits = [start, *(digit for _, digit in steps)]
    return all(digit in range(10) for digit in digits) and all(
        operator in OPERATORS for operator, _ in steps
    )
