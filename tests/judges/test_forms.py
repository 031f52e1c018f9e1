"""Judges of several forms in the attributes world, by an engine that does as its prompt says."""

import re

import numpy as np
import pytest

from jurist.engines import ScriptedEngine
from jurist.evaluation import agreement, judged, strength_agreement
from jurist.formats import Principle, Principles, Prometheus, Rubric, Scores, Strength
from jurist.judges import BothOrders, MeanRater, PairwiseJudge
from jurist.types import Sampling, Verdict
from jurist.worlds import (
    ATTRIBUTES,
    attribute_preferences,
    gold_reward,
    read_response,
    read_wish,
)

PRINCIPLES = {
    name: Principle(
        text=f"The response should be {name}.", opposite=f"The response should not be {name}."
    )
    for name in ATTRIBUTES
}


def fenced(shown, name):
    """What stands between the fences of a name."""
    found = re.search(rf"\[\w+ {name}\]\n(.*?)\n\[\w+ end of {name}\]", shown, re.DOTALL)
    assert found is not None
    return found[1]


def responses(shown):
    return [read_response(fenced(shown, f"response {letter}")) for letter in "AB"]


def follower(prompt, index):
    """Goes by the principles it is given and by nothing else."""
    shown = prompt[-1].content
    asked = re.findall(r"^\d+\. The response should (not )?be (\w+)\.$", shown, re.MULTILINE)
    fits = [
        sum(one.levels[ATTRIBUTES.index(name)] * (-1 if no else 1) for no, name in asked)
        for one in responses(shown)
    ]
    return "They do.\n" + ("[[A]]" if fits[0] >= fits[1] else "[[B]]")


def judge_of(reply, form, votes=1):
    return PairwiseJudge(
        ScriptedEngine(reply), format=form, sampling=Sampling(num_samples=votes, max_tokens=64)
    )


@pytest.fixture(scope="module")
def pairs():
    return attribute_preferences("in_distribution", "test", 120, seed=0)


def test_another_principle_turns_the_ranking_and_a_negated_one_turns_it_round(pairs):
    """What SALMON's reward model is made to do, by a judge that does as it is told."""
    shown = [one.shown(0).comparison for one in pairs]

    def outcomes(*principles):
        form = Principles(principles=principles)
        return [given[0].outcome for given in judge_of(follower, form)(shown)]

    for name in ("clear", "kind"):
        place = ATTRIBUTES.index(name)
        levels = [
            [read_response(text).levels[place] for text in (one.first, one.second)] for one in shown
        ]
        apart = [i for i, (first, second) in enumerate(levels) if first != second]
        right = [Verdict.FIRST if a > b else Verdict.SECOND for a, b in levels]
        plain, negated = outcomes(PRINCIPLES[name]), outcomes(PRINCIPLES[name].negation())
        assert all(plain[i] is right[i] for i in apart)
        assert all(negated[i] is plain[i].swapped() for i in apart)
    changed = np.mean(
        [
            a is not b
            for a, b in zip(
                outcomes(PRINCIPLES["clear"]), outcomes(PRINCIPLES["kind"]), strict=True
            )
        ]
    )
    assert changed > 0.3


def wisher(noise):
    """Knows the gold rewards, give or take so much, and says what it is asked to say."""

    def reply(prompt, index):
        shown = prompt[-1].content
        wish = read_wish(fenced(shown, "prompt"))
        random = np.random.default_rng([index, len(shown), sum(map(ord, shown))])
        rewards = [gold_reward(wish, one) + noise * random.normal() for one in responses(shown)]
        if "Scores: N" in shown:
            scores = [min(10, max(1, round(1 + 9 * reward / 4))) for reward in rewards]
            return f"1. As wished, 100 %\nScores: {scores[0]}, {scores[1]}"
        apart = min(3, max(-3, round(rewards[1] - rewards[0])))
        return f"By what is wished.\nPreference: {apart}"

    return reply


@pytest.mark.parametrize("form", [Strength(), Scores()])
def test_stated_strengths_follow_the_gold_margins(pairs, form):
    shown = [one.shown(0).comparison for one in pairs]

    def rows(noise, votes):
        judge = BothOrders(judge_of(wisher(noise), form, votes))
        return judged(pairs, judge(shown), seed=0)

    exact = strength_agreement(rows(0.0, 1), num_resamples=200)
    assert exact is not None
    assert exact.num_pairs == len(pairs)
    assert exact.correlations.spearman.low > 0.9
    # Noisy readings: a mean of several is nearer, and the verdicts are those of its sign.
    one, many = (strength_agreement(rows(3.0, votes), num_resamples=200) for votes in (1, 8))
    assert one is not None and many is not None
    assert many.correlations.spearman.value > one.correlations.spearman.value + 0.03
    accuracy = agreement(rows(0.0, 1)).accuracy.value
    assert accuracy > 0.9


def test_a_failed_reading_states_no_strength():
    judge = judge_of(lambda prompt, index: "Preference: 9", Strength())
    (reading,) = judge(
        [attribute_preferences("shifted", "test", 1, seed=0)[0].shown(0).comparison]
    )[0]
    assert reading.strength is None


def test_scores_by_a_rubric_follow_what_it_asks_for_and_a_reference_helps(pairs):
    """By an engine that reads the rubric, and knows the scale only where it sees a 5."""

    def reply(prompt, index):
        shown = prompt[-1].content
        wanted = re.search(r"How (\w+) is the response\?", shown)
        assert wanted is not None
        place = ATTRIBUTES.index(wanted[1])
        level = read_response(fenced(shown, "response")).levels[place]
        # Without a reference it does not know how much is much, and guesses.
        guess = np.random.default_rng([index, level, len(shown)]).normal(scale=2.0)
        score = 1 + level + (0.0 if "[" in shown and "reference answer]" in shown else guess)
        return f"By the rubric.\n[RESULT] {min(5, max(1, round(score)))}"

    prompts = [one.prompt for one in pairs]
    texts = [one.chosen for one in pairs]
    best = " ".join(f"{name} 4" for name in ATTRIBUTES)
    for name in ("exact", "calm"):
        rubric = Rubric(
            criteria=f"How {name} is the response?",
            levels=("not at all", "hardly", "fairly", "rather", "very"),
        )
        gold = [read_response(text).levels[ATTRIBUTES.index(name)] for text in texts]

        def pearson(references, rubric=rubric, gold=gold):
            rater = MeanRater(
                engine=ScriptedEngine(reply),
                format=Prometheus(rubric=rubric, references=references),
                sampling=Sampling(num_samples=1, max_tokens=64),
            )
            scores = [one.score for one in rater(prompts, texts)]
            return float(np.corrcoef(scores, gold)[0, 1])

        known = pearson(dict.fromkeys(prompts, best))
        assert known >= 0.8
        assert known > pearson({}) + 0.1
