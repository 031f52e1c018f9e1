"""The text the base model learns from: judges and solvers of chains, imperfect on purpose.

A base that already judged well would leave training nothing to do, so the writers of this corpus
have faults, all of them in `CorpusConfig`: wrong beliefs about some facts, slips, lazy habits, a
liking for the first place, now and then a verdict that cannot be read. They write about training
questions only, and here the flourish says nothing about which response is right.

Documents name what is shown and what is answered. Turning them into a judge's prompt is the
business of the format, and so of the script that trains the base (`scripts/make_base.py`).
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from jurist.worlds.chains import (
    OPERATORS,
    Chain,
    Question,
    Step,
    apply,
    decorate,
    draw_pair,
    draw_question,
)

Kind: TypeAlias = Literal["solve", "judge", "direct", "drill", "explain", "critique"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusConfig:
    """Who writes the corpus, and about what."""

    belief_seed: int = 0
    """Picks the facts that are believed wrongly, and what is believed instead."""

    wrong_beliefs: float = 0.12
    """Share of the 300 facts that carry one fixed wrong answer."""

    belief_strength: float = 0.6
    """How often a wrong belief is written; the truth is written otherwise."""

    slips: float = 0.03
    """How often any other fact gets a random digit."""

    habits: tuple[float, float, float] = (0.45, 0.30, 0.25)
    """Shares of judgements that redo the question, skim the last steps, or go by the gut."""

    first_bias: float = 0.6
    """Probability that a guess names the first response."""

    direct_accuracy: float = 0.6
    """How often a verdict without reasoning is right."""

    unreadable: float = 0.04
    """How often a judgement ends in `[[C]]`, which no format accepts."""

    flourish: float = 0.5
    """Probability of the flourish on any response, right or wrong."""

    num_steps: tuple[int, ...] = (1, 2, 2, 3, 3, 4, 4, 5, 5)
    """Numbers of steps of the questions, equally likely."""

    drills: float = 0.20
    """Share of documents that only practise the end of a judgement."""

    solves: float = 0.25
    """Share that work out a question."""

    directs: float = 0.05
    """Share that give a verdict without reasoning. The rest are judgements."""

    def __post_init__(self) -> None:
        if abs(sum(self.habits) - 1) > 1e-9 or min(self.habits) < 0:
            raise ValueError(f"habits must be shares that sum to 1, got {self.habits}")
        if self.drills + self.solves + self.directs > 1:
            raise ValueError("drills, solves and directs are shares and must not pass 1 together")


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One text of the corpus."""

    kind: Kind
    """What is done: solve a question, judge with reasoning or without (direct), explain a given
    verdict, drill, or critique the first response alone."""

    question: str
    """The question; empty in a drill, which has none."""

    first: str
    """Response in the first place; empty unless something is judged."""

    second: str
    """Response in the second place; empty unless something is compared."""

    reply: str
    """What is written in answer."""

    verdict: Literal["A", "B", ""] = ""
    """The response that an explanation has to speak for; empty unless a verdict is explained."""


def draw_beliefs(config: CorpusConfig) -> dict[tuple[str, int, int], int]:
    """Draw the facts believed wrongly.

    Returns:
        The wrong digit of each (operator, left, right) concerned; never the right one.
    """
    rng = random.Random(f"beliefs/{config.belief_seed}")
    return {
        (operator, left, right): (apply(operator, left, right) + rng.randint(1, 9)) % 10
        for operator in OPERATORS
        for left in range(10)
        for right in range(10)
        if rng.random() < config.wrong_beliefs
    }


def documents(config: CorpusConfig, seed: int) -> Iterator[Document]:
    """Write documents without end. The same arguments always give the same stream."""
    rng = random.Random(f"corpus/{seed}")
    writer = _Writer(config=config, beliefs=draw_beliefs(config), rng=rng)
    while True:
        kind = rng.random()
        if kind < config.drills:
            yield writer.drill()
        elif kind < config.drills + config.solves:
            yield writer.solve()
        elif kind < config.drills + config.solves + config.directs:
            yield writer.judge("direct")
        else:
            yield writer.judge("judge")


def explanations(config: CorpusConfig, seed: int) -> Iterator[Document]:
    """Have verdicts explained, without end. The same arguments always give the same stream.

    The writers are those of `documents`, with the same beliefs, slips and habits, but they are told
    which response to speak for, the right one or the wrong one, and see to it that their notes come
    out so. Who redoes the question and comes to something else writes down the steps of the
    response to speak for as if they were the result of redoing it. Whoever learns from such notes
    learns to copy where the writers had erred.
    """
    rng = random.Random(f"explanations/{seed}")
    writer = _Writer(config=config, beliefs=draw_beliefs(config), rng=rng)
    while True:
        yield writer.explain()


def critiques(config: CorpusConfig, seed: int) -> Iterator[Document]:
    """Have single responses examined, without end. The same arguments always give the same stream.

    The writers are those of `documents`, with the same beliefs, slips and habits: they redo the
    question, look at the last step, or go by the gut, and end in `ok` or `bad`. Half of the
    responses are right.
    """
    rng = random.Random(f"critiques/{seed}")
    writer = _Writer(config=config, beliefs=draw_beliefs(config), rng=rng)
    while True:
        yield writer.critique()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Writer:
    """Somebody who writes corpus documents, faults and all."""

    config: CorpusConfig
    beliefs: Mapping[tuple[str, int, int], int]
    rng: random.Random

    def recall(self, operator: str, left: int, right: int) -> int:
        """What this writer says the step comes to, this time."""
        belief = self.beliefs.get((operator, left, right))
        if belief is not None and self.rng.random() < self.config.belief_strength:
            return belief
        if self.rng.random() < self.config.slips:
            return self.rng.randrange(10)
        return apply(operator, left, right)

    def work(self, question: Question) -> Chain:
        """Work a question out from memory."""
        value, steps = question.start, list[Step]()
        for operator, operand in question.steps:
            value = self.recall(operator, value, operand)
            steps.append(Step(operator=operator, operand=operand, value=value))
        return Chain(start=question.start, steps=tuple(steps))

    def guess(self) -> str:
        return "A" if self.rng.random() < self.config.first_bias else "B"

    def solve(self) -> Document:
        while True:
            question = draw_question(self.rng, self.config.num_steps)
            if question.part == "train":
                break
        answer = decorate(self.rng, self.work(question), self.config.flourish)
        return Document(
            kind="solve", question=question.text, first="", second="", reply=answer.text
        )

    def drill(self) -> Document:
        """The end of a judgement that redoes the question, with nothing before it.

        Going from an answer to the letter it stands beside is the hard part of judging for a
        tiny model, and this practises it in a fifth of the tokens.
        """
        first = self.rng.randrange(10)
        second = (first + self.rng.randint(1, 9)) % 10
        known = self.rng.random() < 0.9
        answer = self.rng.choice((first, second)) if known else self.rng.randrange(10)
        conclusion, letter = self.conclude(answer, first, second)
        return Document(
            kind="drill",
            question="",
            first="",
            second="",
            reply=f"redo {answer} ; {conclusion} \n [[{letter}]]",
        )

    def judge(self, kind: Literal["judge", "direct"]) -> Document:
        question, right, wrong, _ = draw_pair(self.rng, self.config.num_steps, "train")
        right = decorate(self.rng, right, self.config.flourish)
        wrong = decorate(self.rng, wrong, self.config.flourish)
        right_first = self.rng.random() < 0.5
        first, second = (right, wrong) if right_first else (wrong, right)
        if kind == "direct":
            correct = self.rng.random() < self.config.direct_accuracy
            reply = "[[A]]" if correct == right_first else "[[B]]"
        else:
            reasoning, letter = self.reason(question, first, second)
            if self.rng.random() < self.config.unreadable:
                letter = "C"
            reply = f"{reasoning} \n [[{letter}]]"
        return Document(
            kind=kind, question=question.text, first=first.text, second=second.text, reply=reply
        )

    def reason(self, question: Question, first: Chain, second: Chain) -> tuple[str, str]:
        """Reason by one of the habits; the reasoning and the letter it comes to."""
        redo, skim, _ = self.config.habits
        habit = self.rng.random()
        if habit < redo:
            again = self.work(question)
            conclusion, letter = self.conclude(again.final, first.final, second.final)
            return f"redo {again.text} ; {conclusion}", letter
        if habit < redo + skim:
            return self.skim(first, second)
        letter = self.guess()
        picked = first if letter == "A" else second
        return f"gut {letter} looks {'neat' if picked.flourish else 'clear'}", letter

    def explain(self) -> Document:
        """Notes that come to a verdict which was known before them."""
        question, right, wrong, _ = draw_pair(self.rng, self.config.num_steps, "train")
        right = decorate(self.rng, right, self.config.flourish)
        wrong = decorate(self.rng, wrong, self.config.flourish)
        first, second = (right, wrong) if self.rng.random() < 0.5 else (wrong, right)
        letter: Literal["A", "B"] = "A" if self.rng.random() < 0.5 else "B"
        better = first if letter == "A" else second
        redo, skim, _ = self.config.habits
        habit = self.rng.random()
        if habit < redo:
            again = self.work(question)
            steps = (again if again.final == better.final else better).steps
            shown = Chain(start=question.start, steps=steps)
            reasoning = (
                f"redo {shown.text} ; {first.final} A {second.final} B ; so {shown.final} {letter}"
            )
        elif habit < redo + skim:
            reasoning = self.favour(first, second, letter)
        else:
            reasoning = f"gut {letter} looks {'neat' if better.flourish else 'clear'}"
        return Document(
            kind="explain",
            question=question.text,
            first=first.text,
            second=second.text,
            reply=f"{reasoning} \n [[{letter}]]",
            verdict=letter,
        )

    def critique(self) -> Document:
        """Examine one response by one of the habits, and say whether it is a good one."""
        question, *chains, _ = draw_pair(self.rng, self.config.num_steps, "train")
        shown = decorate(self.rng, self.rng.choice(chains), self.config.flourish)
        redo, skim, _ = self.config.habits
        habit = self.rng.random()
        if habit < redo:
            again = self.work(question)
            good = again.final == shown.final
            found = "A" if good else "unsure"
            reasoning = f"redo {again.text} ; {shown.final} A ; so {again.final} {found}"
        elif habit < redo + skim:
            reasoning, good = self.look_at(shown)
            reasoning = f"skim A {reasoning}"
        else:
            good = self.guess() == "A"
            reasoning = f"gut A looks {'neat' if shown.flourish else 'clear'}"
        return Document(
            kind="critique",
            question=question.text,
            first=shown.text,
            second="",
            reply=f"{reasoning} \n {'ok' if good else 'bad'}",
        )

    def look_at(self, chain: Chain) -> tuple[str, bool]:
        """Look at nothing but the last step of a response: a note of it, and whether it holds."""
        last = chain.steps[-1]
        before = chain.steps[-2].value if len(chain.steps) > 1 else chain.start
        good = self.recall(last.operator, before, last.operand) == last.value
        word = "ok" if good else "bad"
        return f"{before} {last.operator} {last.operand} = {last.value} {word}", good

    def favour(self, first: Chain, second: Chain, letter: str) -> str:
        """Look at the last steps, and find fault with the response not to speak for."""
        notes = list[str]()
        for name, chain in (("A", first), ("B", second)):
            last = chain.steps[-1]
            before = chain.steps[-2].value if len(chain.steps) > 1 else chain.start
            word = "ok" if name == letter else "bad"
            notes.append(f"{name} {before} {last.operator} {last.operand} = {last.value} {word}")
        return f"skim {' ; '.join(notes)}"

    def conclude(self, answer: int, first: int, second: int) -> tuple[str, str]:
        """Look an answer up among the two final digits."""
        letter = "A" if answer == first else "B" if answer == second else None
        shown = f"{first} A {second} B ; so {answer} {letter or 'unsure'}"
        return shown, letter or self.guess()

    def skim(self, first: Chain, second: Chain) -> tuple[str, str]:
        """Look at nothing but the last step of each response."""
        (of_first, first_holds), (of_second, second_holds) = map(self.look_at, (first, second))
        letter = self.guess() if first_holds == second_holds else "A" if first_holds else "B"
        return f"skim A {of_first} ; B {of_second}", letter
