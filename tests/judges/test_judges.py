"""The judges: each by itself, what holds of all of them, and how they combine."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.formats import Direct, Pairwise, Terse
from jurist.judges import (
    Ballot,
    BothOrders,
    ComparedJudge,
    DirectJudge,
    Judge,
    PairwiseJudge,
    ScoredJudge,
    Voting,
    ballots,
)
from jurist.types import (
    Comparison,
    Completion,
    Conversation,
    Failure,
    FinishReason,
    Judgement,
    Sampling,
    StoppingRule,
    Verdict,
    user,
)

FIRST, SECOND, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE


class Reader:
    """An engine that takes a terse prompt apart and replies as a function of its responses."""

    fingerprint = "reader"

    def __init__(self, reply: Callable[[str, str, int], str], finish: FinishReason = "stop"):
        self.reply = reply
        self.finish: FinishReason = finish
        self.calls: list[int] = []

    def generate(
        self, prompts: Sequence[Conversation], sampling: Sampling, rule: StoppingRule | None = None
    ) -> list[list[Completion]]:
        self.calls.append(len(prompts))
        return [
            [
                Completion(
                    text=self.reply(*fields(prompt), index),
                    finish_reason=self.finish,
                    num_tokens=3,
                    num_prompt_tokens=10,
                )
                for index in range(sampling.num_samples)
            ]
            for prompt in prompts
        ]


class Likelihoods:
    """An engine that scores verdicts as a function of the responses."""

    fingerprint = "likelihoods"

    def __init__(self, logps: Callable[[str, str], list[float]]):
        self.logps = logps
        self.asked: list[list[str]] = []

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        self.asked += [list(texts) for texts in continuations]
        return [self.logps(*fields(prompt)) for prompt in prompts]


def fields(prompt: Conversation) -> tuple[str, str]:
    content = prompt[-1].content
    mark = content[:3]
    _, _, first, second, _ = content.split(mark)
    return first.strip()[2:], second.strip()[2:]


def shorter(first: str, second: str, index: int = 0) -> str:
    if len(first) == len(second):
        return "cannot tell"
    return "so\n[[A]]" if len(first) < len(second) else "so\n[[B]]"


def reading(reply: Callable[[str, str, int], str], votes: int = 1) -> PairwiseJudge:
    return PairwiseJudge(Reader(reply), format=Terse(), sampling=Sampling(num_samples=votes))


def pair(first: str, second: str) -> Comparison:
    return Comparison(prompt=user("q"), first=first, second=second)


def always_first(first: str, second: str, index: int) -> str:
    return "[[A]]"


def three_of_four(first: str, second: str, index: int) -> str:
    right = shorter(first, second)
    wrong = {"so\n[[A]]": "so\n[[B]]", "so\n[[B]]": "so\n[[A]]"}.get(right, right)
    return wrong if index == 1 else right


SCORED = ScoredJudge(lambda prompts, responses: [-float(len(response)) for response in responses])
DIRECT = DirectJudge(
    Likelihoods(lambda first, second: [-float(len(first)), -float(len(second))]),
    format=Terse(reasoning=False),
)
COMPARED = ComparedJudge(
    lambda comparisons: [float(len(one.second) - len(one.first)) for one in comparisons]
)
# Judges that go by the responses and not by their places.
FAIR: dict[str, Judge] = {
    "pairwise": reading(shorter),
    "pairwise-votes": reading(three_of_four, votes=4),
    "direct": DIRECT,
    "scored": SCORED,
    "compared": COMPARED,
    "both-orders": BothOrders(reading(shorter)),
    "voting": Voting(reading(three_of_four, votes=4)),
    "voting-both-orders": Voting(BothOrders(reading(three_of_four, votes=4))),
    "both-orders-voting": BothOrders(Voting(reading(three_of_four, votes=4))),
}
SHOWN = [pair("a", "aaa"), pair("bb", "b"), pair("c", "d"), pair("same", "same"), pair("x", "yy")]


@pytest.mark.parametrize("judge", FAIR.values(), ids=FAIR.keys())
class TestJudge:
    def test_gives_every_comparison_its_judgements_in_order(self, judge: Judge):
        judged = judge(SHOWN)
        assert len(judged) == len(SHOWN)
        for comparison, judgements in zip(SHOWN, judged, strict=True):
            assert judgements
            assert judgements == judge([comparison])[0]

    def test_is_right_about_what_it_can_tell(self, judge: Judge):
        outcomes = [ballot.outcome for ballot in ballots(judge, SHOWN)]
        assert outcomes[0] is FIRST
        assert outcomes[1] is SECOND
        assert outcomes[4] is FIRST
        # Nothing tells these apart: a tie or a failure, never a side.
        assert not {outcomes[2], outcomes[3]} & {FIRST, SECOND}

    def test_swapping_every_comparison_swaps_every_ballot(self, judge: Judge):
        there = ballots(judge, SHOWN)
        back = ballots(judge, [comparison.swapped() for comparison in SHOWN])
        for one, other in zip(there, back, strict=True):
            assert (one.first, one.second, one.ties) == (other.second, other.first, other.ties)
            assert one.failures == other.failures
            if one.probability is None:
                assert other.probability is None
            else:
                assert other.probability == pytest.approx(1 - one.probability)

    def test_asked_nothing_it_answers_nothing(self, judge: Judge):
        assert judge([]) == []


def test_a_pairwise_judge_keeps_text_outcome_and_bill_of_every_completion():
    judge = reading(lambda first, second, index: ["so\n[[A]]", "hm"][index], votes=2)
    assert judge([pair("a", "b")]) == [
        [
            Judgement(text="so\n[[A]]", outcome=FIRST, num_tokens=3, num_prompt_tokens=10),
            Judgement(text="hm", outcome=Failure.UNPARSEABLE, num_tokens=3, num_prompt_tokens=10),
        ]
    ]


@pytest.mark.parametrize("form", [Pairwise(), Terse()])
def test_a_pairwise_judge_asks_in_its_format_and_with_its_sampling(form):
    class Recorder:
        fingerprint = "recorder"
        seen: list[object]

        def generate(self, prompts, sampling, rule=None):
            self.seen = [list(prompts), sampling]
            return [[Completion(text="[[B]]", finish_reason="stop")] for _ in prompts]

    engine, sampling = Recorder(), Sampling(seed=4, max_tokens=7)
    judged = PairwiseJudge(engine, format=form, sampling=sampling)(SHOWN)
    assert engine.seen == [[form.render(comparison) for comparison in SHOWN], sampling]
    assert all(judgements[0].outcome is SECOND for judgements in judged)


def test_an_engine_that_loses_a_prompt_is_caught():
    class Loser:
        fingerprint = "loser"

        def generate(self, prompts, sampling, rule=None):
            return []

        def score(self, prompts, continuations):
            return []

    with pytest.raises(ValueError, match="asked 1 prompts and answered 0"):
        PairwiseJudge(Loser(), format=Terse(), sampling=Sampling())([pair("a", "b")])
    with pytest.raises(ValueError, match="asked 1 prompts and answered 0"):
        DirectJudge(Loser(), format=Direct())([pair("a", "b")])


def direct(logps: list[float], *, ties: bool = False) -> Judgement:
    class Fixed:
        fingerprint = "fixed"

        def score(self, prompts, continuations):
            assert [list(texts) for texts in continuations] == [["A", "B", "C"][: 2 + ties]]
            return [logps]

    ((judgement,),) = DirectJudge(Fixed(), format=Direct(ties=ties))([pair("a", "b")])
    assert judgement.text == ""
    return judgement


@pytest.mark.parametrize(
    ("logps", "outcome", "probability"),
    [
        # exp(log 3) : exp(log 1)
        ([math.log(3), 0.0], FIRST, 0.75),
        ([math.log(0.1), math.log(0.3)], SECOND, 0.25),
        ([-2.0, -2.0], TIE, 0.5),
        ([-1e6, -1e6 - math.log(3)], FIRST, 0.75),
        ([-5000.0, 0.0], SECOND, 0.0),
        ([-math.inf, -3.0], SECOND, 0.0),
    ],
)
def test_a_direct_judge_compares_the_likelihoods_of_the_verdicts(logps, outcome, probability):
    judgement = direct(logps)
    assert judgement.outcome is outcome
    assert judgement.probability == pytest.approx(probability)


@pytest.mark.parametrize(
    ("likelihoods", "outcome", "probability"),
    [
        # first + half of the tie, of all three
        ([0.5, 0.2, 0.3], FIRST, 0.65),
        ([0.2, 0.1, 0.7], TIE, 0.55),
        ([0.25, 0.5, 0.25], SECOND, 0.375),
        ([0.4, 0.2, 0.4], TIE, 0.6),
    ],
)
def test_a_direct_judge_may_hold_a_tie_likeliest(likelihoods, outcome, probability):
    judgement = direct([math.log(likelihood) for likelihood in likelihoods], ties=True)
    assert judgement.outcome is outcome
    assert judgement.probability == pytest.approx(probability)


@pytest.mark.parametrize(
    "logps", [[math.nan, 0.0], [0.0, math.nan], [-math.inf, -math.inf], [math.inf, 0.0]]
)
def test_a_direct_judge_makes_no_number_of_what_is_none(logps):
    judgement = direct(logps)
    assert judgement.outcome is Failure.ERROR
    assert judgement.probability is None


def test_a_direct_judge_refuses_a_format_that_reasons():
    with pytest.raises(ValueError, match="without reasoning"):
        DirectJudge(Likelihoods(lambda first, second: [0.0, 0.0]), format=Pairwise())


def scored(first: float, second: float) -> Judgement:
    scores = {"a": first, "b": second}
    judge = ScoredJudge(lambda prompts, responses: [scores[response] for response in responses])
    ((judgement,),) = judge([pair("a", "b")])
    return judgement


@pytest.mark.parametrize(
    ("first", "second", "outcome", "probability"),
    [
        # sigmoid(log 3) = 3 / 4
        (math.log(3), 0.0, FIRST, 0.75),
        (-1.0, math.log(3) - 1.0, SECOND, 0.25),
        (2.0, 2.0, TIE, 0.5),
        (1e6, -1e6, FIRST, 1.0),
        (-1e6, 1e6, SECOND, 0.0),
    ],
)
def test_a_scored_judge_is_bradley_terry(first, second, outcome, probability):
    judgement = scored(first, second)
    assert judgement.outcome is outcome
    assert judgement.probability == pytest.approx(probability)


@pytest.mark.parametrize(("first", "second"), [(math.nan, 0.0), (0.0, math.inf), (-math.inf, 0.0)])
def test_a_scored_judge_makes_no_number_of_what_is_none(first, second):
    judgement = scored(first, second)
    assert judgement.outcome is Failure.ERROR
    assert judgement.probability is None


def test_a_scored_judge_scores_each_response_to_each_prompt_once():
    asked: list[tuple[Conversation, str]] = []

    def scorer(prompts: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        asked.extend(zip(prompts, responses, strict=True))
        return [float(len(response)) for response in responses]

    shown = [pair("a", "bb"), pair("bb", "a"), pair("a", "ccc")]
    elsewhere = Comparison(prompt=user("other"), first="a", second="bb")
    BothOrders(ScoredJudge(scorer))([*shown, elsewhere])
    assert len(asked) == len(set(asked)) == 5


def test_both_orders_asks_once_and_gives_the_given_order_first():
    engine = Reader(always_first)
    inner = PairwiseJudge(engine, format=Terse(), sampling=Sampling(num_samples=2))
    (judgements, _) = BothOrders(inner)([pair("a", "b"), pair("c", "d")])
    assert engine.calls == [4]
    assert [judgement.swapped for judgement in judgements] == [False, False, True, True]
    assert [judgement.outcome for judgement in judgements] == [FIRST, FIRST, SECOND, SECOND]


def test_both_orders_maps_probabilities_back():
    # Likes the first place with 0.8, whatever stands there.
    engine = Likelihoods(lambda first, second: [math.log(0.8), math.log(0.2)])
    ((given_order, swapped),) = BothOrders(DirectJudge(engine, format=Terse(reasoning=False)))(
        [pair("a", "b")]
    )
    assert given_order.probability == pytest.approx(0.8)
    assert swapped.probability == pytest.approx(0.2)


def test_a_judge_that_loses_a_comparison_is_caught_by_both_orders():
    with pytest.raises(ValueError, match="about 2 comparisons and answered on 1"):
        BothOrders(lambda comparisons: [[Judgement(text="", outcome=FIRST)]])([pair("a", "b")])


def test_a_judge_that_only_reads_position_flips_always_and_prefers_no_one():
    for ballot in ballots(BothOrders(reading(always_first, votes=3)), SHOWN):
        assert ballot.flip is True
        assert ballot.first_slot_share == 1.0
        assert ballot.outcome is TIE
        assert ballot.probability == 0.5


def test_a_judge_that_always_fails_has_no_verdict_and_no_probability():
    for finish, failure in (
        ("length", Failure.TRUNCATED),
        ("refused", Failure.REFUSED),
        ("error", Failure.ERROR),
    ):
        engine = Reader(always_first, finish=finish)
        inner = PairwiseJudge(engine, format=Terse(), sampling=Sampling(num_samples=2))
        for judge in (BothOrders(inner), Voting(BothOrders(inner)), BothOrders(Voting(inner))):
            for ballot in ballots(judge, SHOWN):
                assert ballot.outcome is failure
                assert ballot.probability is None
                assert ballot.flip is None
                assert ballot.first_slot_share is None


def test_voting_gives_one_judgement_with_the_ballots_outcome_and_the_whole_bill():
    ((judgement,),) = Voting(reading(three_of_four, votes=4))([pair("a", "bb")])
    # three of four votes: (3 + 0.5) / (4 + 1)
    assert judgement == Judgement(
        text="", outcome=FIRST, probability=0.7, num_tokens=12, num_prompt_tokens=40
    )


def test_voting_over_both_orders_is_one_vote_and_both_orders_of_votes_are_two():
    inner = reading(three_of_four, votes=4)
    (one_vote,) = Voting(BothOrders(inner))([pair("a", "bb")])
    (two_votes,) = BothOrders(Voting(inner))([pair("a", "bb")])
    assert [judgement.swapped for judgement in one_vote] == [False]
    assert one_vote[0].probability == 6.5 / 9
    assert [judgement.swapped for judgement in two_votes] == [False, True]
    assert Ballot.of(two_votes).flip is False
    assert Ballot.of(two_votes).probability == pytest.approx(0.7)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text(alphabet="ab", max_size=3), st.text(alphabet="ab", max_size=3)),
        max_size=4,
    )
)
def test_renaming_the_responses_renames_nothing_in_the_ballots(texts: list[tuple[str, str]]):
    # This judge goes by length alone, so other letters change nothing that it says.
    shown = [pair(first, second) for first, second in texts]
    renamed = [pair("z" * len(first), "y" * len(second)) for first, second in texts]
    assert ballots(SCORED, shown) == ballots(SCORED, renamed)


def test_log_odds_become_a_verdict_and_its_probability():
    odds = {"a": 1.0, "b": -2.0, "c": 0.0, "d": math.nan, "e": math.inf}
    judge = ComparedJudge(lambda comparisons: [odds[one.first] for one in comparisons])
    found = [readings[0] for readings in judge([pair(name, "x") for name in odds])]
    assert [one.outcome for one in found] == [
        Verdict.FIRST,
        Verdict.SECOND,
        Verdict.TIE,
        Failure.ERROR,
        Failure.ERROR,
    ]
    # 1 / (1 + e^-1), 1 / (1 + e^2)
    assert found[0].probability == pytest.approx(0.731058578630)
    assert found[1].probability == pytest.approx(0.119202922022)
    assert (found[2].probability, found[3].probability) == (0.5, None)


def test_a_comparison_asked_twice_is_read_once():
    asked = []

    def comparer(comparisons):
        asked.extend(comparisons)
        return [1.0] * len(comparisons)

    assert len(ComparedJudge(comparer)([pair("a", "b"), pair("a", "b"), pair("b", "a")])) == 3
    assert asked == [pair("a", "b"), pair("b", "a")]
