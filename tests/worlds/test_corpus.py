"""The corpus: about training questions only, and as faulty as its settings say."""

import math
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.worlds import (
    CorpusConfig,
    apply,
    critiques,
    documents,
    draw_beliefs,
    explanations,
    preferences,
    read_chain,
    read_question,
    work,
)


def written(num: int, seed: int = 0, **changes) -> list:
    return list(islice(documents(CorpusConfig(**changes), seed), num))


def share(hits: int, num: int, rate: float) -> bool:
    """Whether hits/num is within five standard errors of the rate."""
    return abs(hits / num - rate) < 5 * math.sqrt(rate * (1 - rate) / num)


@given(st.integers(0, 2**32))
@settings(max_examples=8, deadline=None)
def test_no_document_of_any_kind_is_about_a_validation_or_test_question(seed):
    for document in written(400, seed):
        if document.kind != "drill":
            assert read_question(document.question).part == "train"
            # The chains shown or written are the question's own, operators and length.
            for text in (document.first, document.second):
                if text:
                    assert read_chain(text).start == read_question(document.question).start


def test_no_question_of_the_held_out_parts_is_written_out_in_full():
    held_out = {
        preference.group
        for split in ("in_distribution", "shifted")
        for part in ("validation", "test")
        for preference in preferences(split, part, 400, seed=0)
    }
    assert not held_out & {document.question for document in written(4000)}


def test_the_same_seed_writes_the_same_documents_and_another_seed_others():
    assert written(50) == written(50)
    assert written(50) != written(50, seed=1)


def test_the_kinds_of_document_come_in_the_shares_asked_for():
    config, num = CorpusConfig(), 4000
    kinds = [document.kind for document in written(num)]
    for kind, rate in (
        ("drill", config.drills),
        ("solve", config.solves),
        ("direct", config.directs),
    ):
        assert share(kinds.count(kind), num, rate), kind


def test_the_flourish_is_as_common_on_wrong_responses_as_on_right_ones():
    judged = [document for document in written(6000) if document.kind in ("judge", "direct")]
    for right in (True, False):
        texts = [
            text
            for document in judged
            for text in (document.first, document.second)
            if is_right(document.question, text) == right
        ]
        assert share(sum(read_chain(text).flourish for text in texts), len(texts), 0.5)


def is_right(question: str, response: str) -> bool:
    chain, value = read_chain(response), read_question(question).start
    for step, (operator, operand) in zip(chain.steps, read_question(question).steps, strict=True):
        value = apply(operator, value, operand)
        if (step.operator, step.operand, step.value) != (operator, operand, value):
            return False
    return True


def test_every_judgement_ends_in_a_verdict_on_a_line_of_its_own():
    for document in written(1000):
        if document.kind in ("judge", "drill"):
            reasoning, _, verdict = document.reply.rpartition("\n")
            assert reasoning.endswith(" ")
            assert verdict in (" [[A]]", " [[B]]", " [[C]]")
            assert "[[" not in reasoning
        elif document.kind == "direct":
            assert document.reply in ("[[A]]", "[[B]]")


def test_a_judgement_that_redoes_the_question_names_the_letter_its_own_answer_stands_beside():
    seen = 0
    for document in written(3000):
        if document.kind != "judge" or not document.reply.startswith("redo "):
            continue
        again, _, rest = document.reply.removeprefix("redo ").partition(" ; ")
        answer = read_chain(again).final
        finals = [read_chain(text).final for text in (document.first, document.second)]
        verdict = rest.rpartition(" ")[2]
        if answer in finals and verdict != "[[C]]":
            seen += 1
            assert verdict == f"[[{'AB'[finals.index(answer)]}]]"
    assert seen > 200


def test_the_redo_only_corpus_has_no_other_habit():
    replies = [d.reply for d in written(1000, habits=(1.0, 0.0, 0.0)) if d.kind == "judge"]
    assert {reply.split(" ")[0] for reply in replies} == {"redo"}


def test_wrong_beliefs_are_wrong_about_as_many_as_asked_and_fixed_by_their_seed():
    beliefs = draw_beliefs(CorpusConfig())
    assert share(len(beliefs), 300, 0.12)
    assert all(value != apply(*fact) and 0 <= value <= 9 for fact, value in beliefs.items())
    assert beliefs == draw_beliefs(CorpusConfig())
    assert beliefs != draw_beliefs(CorpusConfig(belief_seed=1))


@pytest.mark.parametrize("habits", [(0.5, 0.5, 0.5), (1.5, -0.5, 0.0)])
def test_habits_that_are_not_shares_are_refused(habits):
    with pytest.raises(ValueError, match="habits"):
        CorpusConfig(habits=habits)


def test_kinds_that_pass_one_together_are_refused():
    with pytest.raises(ValueError, match="shares"):
        CorpusConfig(drills=0.5, solves=0.5, directs=0.1)


def explained(num: int, seed: int = 0, **changes) -> list:
    return list(islice(explanations(CorpusConfig(**changes), seed), num))


def test_an_explanation_comes_to_the_verdict_it_was_given_whoever_is_right():
    found = explained(2000)
    right = 0
    for document in found:
        assert document.kind == "explain"
        question = read_question(document.question)
        assert question.part == "train"
        assert document.reply.endswith(f" \n [[{document.verdict}]]")
        shown = document.first if document.verdict == "A" else document.second
        right += read_chain(shown).final == work(question).final
    assert share(sum(document.verdict == "A" for document in found), len(found), 0.5)
    assert share(right, len(found), 0.5)


def test_whoever_redoes_the_question_ends_in_the_digit_to_speak_for():
    seen = copied = 0
    for document in explained(2000):
        if document.reply.startswith("redo "):
            seen += 1
            again = read_chain(document.reply.removeprefix("redo ").partition(" ; ")[0])
            better = read_chain(document.first if document.verdict == "A" else document.second)
            assert again.final == better.final
            copied += again.steps == better.steps
    assert share(seen, 2000, 0.45)
    # Half of them speak for the wrong response, which hardly anybody comes to by himself.
    assert copied > 0.4 * seen


def test_whoever_skims_finds_fault_with_the_other_response_alone():
    for document in explained(500):
        if document.reply.startswith("skim "):
            marks = [part.split(" ")[-1] for part in document.reply.split(" \n")[0].split(" ; ")]
            assert marks == (["ok", "bad"] if document.verdict == "A" else ["bad", "ok"])


def test_the_same_seed_explains_the_same_and_another_seed_other_things():
    assert explained(30) == explained(30)
    assert explained(30) != explained(30, seed=1)


def test_a_critique_is_of_one_response_and_ends_as_its_notes_do():
    found = list(islice(critiques(CorpusConfig(), 3), 2000))
    goods = 0
    for document in found:
        assert (document.kind, document.second) == ("critique", "")
        notes, word = document.reply.rsplit(" \n ", 1)
        assert word in ("ok", "bad")
        goods += is_right(document.question, document.first)
        if notes.startswith("redo"):
            chain, final, verdict = notes.removeprefix("redo ").split(" ; ")
            answer = read_chain(chain).final
            assert final == f"{read_chain(document.first).final} A"
            same = answer == read_chain(document.first).final
            assert verdict == f"so {answer} {'A' if same else 'unsure'}"
            assert word == ("ok" if same else "bad")
        if notes.startswith("skim"):
            assert notes.endswith(word)
    assert share(goods, len(found), 0.5)


def test_the_same_seed_critiques_the_same_and_another_seed_other_things():
    def first(seed: int) -> list:
        return list(islice(critiques(CorpusConfig(), seed), 20))

    assert first(0) == first(0) != first(1)
