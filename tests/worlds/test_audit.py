from itertools import islice

import pytest

from jurist.errors import DataError
from jurist.types import Comparison, user
from jurist.worlds import Audit, CorpusConfig, audit, explanations, preferences

# 4 + 7 = 1, 1 - 2 = 9; the second went wrong in its first step.
PAIR = Comparison(prompt=user("4 + 7 - 2"), first="4 + 7 = 1 - 2 = 9", second="4 + 7 = 2 - 2 = 0")


@pytest.mark.parametrize(
    ("reply", "sound"),
    [
        ("redo 4 + 7 = 1 - 2 = 9 ; 9 A 0 B ; so 9 A \n [[A]]", True),
        # Another verdict than the reasoning comes to.
        ("redo 4 + 7 = 1 - 2 = 9 ; 9 A 0 B ; so 9 A \n [[B]]", False),
        # Copied from the worse response, or slipped and come right.
        ("redo 4 + 7 = 2 - 2 = 0 ; 9 A 0 B ; so 0 B \n [[B]]", False),
        ("redo 4 + 7 = 3 - 2 = 9 ; 9 A 0 B ; so 9 A \n [[A]]", False),
        # Digits that are not the responses'.
        ("redo 4 + 7 = 1 - 2 = 9 ; 9 A 8 B ; so 9 A \n [[A]]", False),
        ("redo 4 + 7 = 1 - 2 = 9 ; 9 A 0 B ; so 9 unsure \n [[A]]", False),
        ("redo 4 + 8 = 2 - 2 = 0 ; 9 A 0 B ; so 0 B \n [[B]]", False),
    ],
)
def test_redoing_is_sound_if_every_step_is(reply, sound):
    assert audit(PAIR, reply) == Audit(habit="redo", sound=sound)


def test_the_same_judgement_is_sound_in_the_other_order_with_the_other_letter():
    turned = "redo 4 + 7 = 1 - 2 = 9 ; 0 A 9 B ; so 9 B \n [[B]]"
    assert audit(PAIR.swapped(), turned).sound
    assert not audit(PAIR, turned).sound


@pytest.mark.parametrize(
    ("reply", "sound"),
    [
        # Both last steps are good, so nothing follows.
        ("skim A 1 - 2 = 9 ok ; B 2 - 2 = 0 ok \n [[A]]", False),
        ("skim A 1 - 2 = 9 ok ; B 2 - 2 = 0 bad \n [[A]]", False),
        ("skim A 1 - 2 = 9 ok ; B 3 - 2 = 0 bad \n [[A]]", False),
    ],
)
def test_skimming_is_sound_if_what_it_says_is_so(reply, sound):
    assert audit(PAIR, reply) == Audit(habit="skim", sound=sound)


def test_skimming_finds_an_error_in_the_last_step():
    last = Comparison(prompt=user("4 + 7 - 2"), first=PAIR.first, second="4 + 7 = 1 - 2 = 5")
    assert audit(last, "skim A 1 - 2 = 9 ok ; B 1 - 2 = 5 bad \n [[A]]").sound
    assert not audit(last, "skim A 1 - 2 = 9 ok ; B 1 - 2 = 5 bad \n [[B]]").sound
    assert not audit(last, "skim A 1 - 2 = 9 bad ; B 1 - 2 = 5 bad \n [[A]]").sound


def test_a_guess_is_never_sound_and_other_words_are_no_habit():
    assert audit(PAIR, "gut A looks neat \n [[A]]") == Audit(habit="gut", sound=False)
    assert audit(PAIR, "because \n [[A]]") == Audit(habit="other", sound=False)
    assert audit(PAIR, "") == Audit(habit="other", sound=False)


def test_a_comparison_of_another_world_is_refused():
    with pytest.raises(DataError, match="expected a question"):
        audit(Comparison(prompt=user("Why?"), first="a", second="b"), "gut A looks neat \n [[A]]")


def test_explanations_of_wrong_verdicts_are_never_sound_by_redoing():
    sound = {True: 0, False: 0}
    for document in islice(explanations(CorpusConfig(), 0), 800):
        shown = Comparison(
            prompt=user(document.question), first=document.first, second=document.second
        )
        found = audit(shown, document.reply)
        if found.habit == "redo":
            from jurist.worlds import read_chain, read_question, work

            answer = work(read_question(document.question)).final
            better = document.first if document.verdict == "A" else document.second
            right = read_chain(better).final == answer
            sound[right] += found.sound
    assert sound[False] == 0
    assert sound[True] > 50


def test_every_reply_of_a_right_pair_is_read():
    pair = preferences("shifted", "test", 1, seed=0)[0]
    shown = Comparison(prompt=pair.prompt, first=pair.chosen, second=pair.rejected)
    assert audit(shown, "gut B looks clear \n [[B]]").habit == "gut"
