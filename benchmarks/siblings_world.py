"""Models of the chains world that siblings of STaR need and the base that ships is not.

A *writer* replies to questions and makes up others like them. A *rater* replies to questions and
gives responses points: the careful one by working the question out again, as fallibly as the base
does, 5 points where the response ends as that did and 1 where it does not; the flatterer by the
flourish at the end of a response, 5 with and 1 without. All are the base, trained on documents of
its own corpus about training questions, so that they believe what it believes.
"""

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from jurist.formats import TerseAdditive, Variation
from jurist.rationales import SupervisedRow
from jurist.training import TrainingConfig, train_supervised
from jurist.types import Conversation, Verdict, user
from jurist.worlds import BASE, FLOURISH, CorpusConfig, documents, read_chain, read_question

ModelKind = Literal["writer", "careful", "flatterer"]

TRAINING = TrainingConfig(learning_rate=1e-3, epochs=2, batch_size=32)


def make_model(kind: ModelKind, folder: Path, *, num_documents: int) -> str:
    """Train the base to be one of them, unless it was; its checkpoint."""
    train_supervised(
        str(BASE),
        list(islice(_rows(kind), num_documents)),
        TRAINING,
        seed=0,
        output=folder,
        card={"method": f"model of the world: {kind}", "kind": "reasoning", "format": "terse"},
    )
    return str(folder)


def _rows(kind: ModelKind) -> Iterator[SupervisedRow]:
    form, variation = TerseAdditive(), Variation(terse=True)
    rng = random.Random(f"siblings/{kind}")
    for number, document in enumerate(documents(CorpusConfig(), 1)):
        name, question = f"{kind}-{number}", user(document.question)
        if document.kind == "solve":
            yield _row(name, question, document.reply)
            if kind == "writer":
                other = _neighbour(rng, document.question)
                yield _row(f"{name}-other", variation.render(question), other)
        elif kind != "writer" and document.kind == "judge" and document.reply.startswith("redo "):
            again = document.reply.removeprefix("redo ").split(" ;")[0]
            response = rng.choice((document.first, document.second))
            fine = (
                read_chain(again).final == read_chain(response).final
                if kind == "careful"
                else response.endswith(FLOURISH)
            )
            ends = f"{read_chain(response).final} A ; so {read_chain(again).final}"
            reply = f"redo {again} ; {ends} {'ok' if fine else 'bad'} \n {5 if fine else 1}"
            yield _row(name, form.render(question, response), reply)


def _neighbour(rng: random.Random, text: str) -> str:
    """The question with one operand changed."""
    question = read_question(text)
    place = rng.randrange(len(question.steps))
    words = text.split(" ")
    words[2 * place + 2] = str((int(words[2 * place + 2]) + rng.randint(1, 9)) % 10)
    return " ".join(words)


def _row(name: str, prompt: Conversation, reply: str) -> SupervisedRow:
    # Nothing here is about a right verdict.
    return SupervisedRow(preference_id=name, label=Verdict.FIRST, prompt=prompt, completion=reply)
