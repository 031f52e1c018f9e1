import math
from collections.abc import Sequence

import pytest

from jurist.formats import Pairwise, Terse
from jurist.judges import AveragedJudge, Ballot, BothOrders
from jurist.types import Comparison, Completion, Conversation, Failure, Sampling, Verdict, user


class Thinker:
    """Writes what its script says, and weighs verdicts as its table says of the reasoning."""

    fingerprint = "thinker"

    def __init__(self, replies: Sequence[str], odds: dict[str, float]):
        self.replies, self.odds = replies, odds
        self.scored: list[tuple[str, str]] = []

    def generate(self, prompts, sampling, rule=None):
        return [
            [
                Completion(text=self.replies[index], finish_reason="stop", num_tokens=5)
                for index in range(sampling.num_samples)
            ]
            for _ in prompts
        ]

    def score(self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]):
        found = []
        for prompt, texts in zip(prompts, continuations, strict=True):
            self.scored += [(prompt[0].content, text) for text in texts]
            found.append([self._logp(text) for text in texts])
        return found

    def _logp(self, text: str) -> float:
        reasoning, letter = text[:-5], text[-3]
        odds = self.odds[reasoning.split()[0]]
        # The reasoning's own likelihood is the same for all verdicts, and cancels.
        return -7.0 + (odds if letter == "A" else 0.0)


PAIR = Comparison(prompt=user("q"), first="x", second="y")


def judge(replies, odds, format=None, samples=None):
    engine = Thinker(replies, odds)
    sampling = Sampling(num_samples=samples or len(replies))
    return AveragedJudge(engine=engine, format=format or Terse(), sampling=sampling), engine


def test_each_reading_gives_the_probability_that_its_reasoning_leaves():
    one, engine = judge(["sure \n [[A]]", "torn \n [[B]]"], {"sure": 2.0, "torn": 0.0})
    (found,) = one([PAIR])
    assert [reading.outcome for reading in found] == [Verdict.FIRST, Verdict.SECOND]
    # 1 / (1 + e^-2) and 1 / 2
    assert [reading.probability for reading in found] == pytest.approx([0.880797077978, 0.5])
    # Votes would be tied; the surer reasoning decides.
    assert Ballot.of(found).outcome is Verdict.FIRST
    assert {text for _, text in engine.scored} == {
        *("sure \n [[A]]", "sure \n [[B]]", "torn \n [[A]]", "torn \n [[B]]"),
    }


def test_the_verdicts_are_scored_after_the_reasoning_alone_and_after_the_judges_own_prompt():
    form = Pairwise(ties=True)
    one, engine = judge(["odd, see [[B]] \n\n[[A]]\n"], {"odd,": 1.0}, form)
    one([PAIR])
    prompt = form.render(PAIR)[0].content
    assert engine.scored == [
        (prompt, f"odd, see [[B]] \n\n[[{letter}]]") for letter in ("A", "B", "C")
    ]


def test_a_reading_without_a_verdict_is_neither_scored_nor_given_a_probability():
    one, engine = judge(["sure \n [[A]]", "what"], {"sure": 1.0})
    (found,) = one([PAIR])
    assert found[1].outcome is Failure.UNPARSEABLE
    assert found[1].probability is None
    assert len(engine.scored) == 2
    # The others' mean is the ballot's.
    assert Ballot.of(found).probability == pytest.approx(1 / (1 + math.exp(-1)))


def test_a_reading_that_the_engine_cannot_weigh_is_an_error_and_no_vote():
    one, _ = judge(["lost \n [[A]]", "sure \n [[A]]"], {"lost": math.nan, "sure": 1.0})
    (found,) = one([PAIR])
    assert [reading.outcome for reading in found] == [Failure.ERROR, Verdict.FIRST]
    assert found[0].probability is None


def test_the_mean_over_many_draws_is_the_share_of_votes_they_are_drawn_from():
    """One reasoning, sampled often: the votes' share tends to what averaging says at once."""
    share = 1 / (1 + math.exp(-1.0))
    one, _ = judge(["sure \n [[A]]"] * 3, {"sure": 1.0})
    (found,) = BothOrders(one)([PAIR])
    assert len(found) == 6
    given = [reading.probability for reading in found if not reading.swapped]
    turned = [reading.probability for reading in found if reading.swapped]
    assert given == pytest.approx([share] * 3)
    assert turned == pytest.approx([1 - share] * 3)


def test_nothing_to_judge_is_nothing_judged():
    one, _ = judge(["sure \n [[A]]"], {"sure": 1.0})
    assert one([]) == []
