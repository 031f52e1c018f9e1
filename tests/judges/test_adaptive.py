"""Early-stopped voting: what it may and may not change."""

import itertools
import math
import pickle
import random

import pytest

from jurist.engines import Cached, ScriptedEngine
from jurist.formats import Terse
from jurist.judges import (
    Adaptive,
    Ballot,
    BothOrders,
    OrderVotes,
    PairwiseJudge,
    ballots,
    counted,
    next_votes,
    probability_of_change,
)
from jurist.judges.polling import Polling
from jurist.types import Comparison, Completion, Failure, Judgement, Sampling, Verdict, user

FIRST, SECOND, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE
ALLOWED = (0.0, 0.001, 0.01, 0.05, 0.2)


def outcomes(judged: list[list[Judgement]]) -> list[object]:
    return [Ballot.of(judgements).outcome for judgements in judged]


def test_unanimous_votes_stop_as_soon_as_the_rule_says(make_recorded):
    # 16 and 16 votes: certainty needs 9 of each order; the probabilities of a change after 2, 3
    # and 4 of each are 0.036, 0.0062 and 0.0008.
    for stop_at, cast in ((0.0, 9), (0.001, 4), (0.01, 3), (0.04, 2)):
        judge, shown = make_recorded({"clear": ("f" * 16, "f" * 16)})
        (judgements,) = Adaptive(judge, stop_at=stop_at)(shown)
        assert len(judgements) == 2 * cast
        assert Ballot.of(judgements).outcome is FIRST


def test_the_probability_that_decides_worked_by_hand(make_recorded):
    # 2 votes of each order, 1 of each cast, both first: even if both others go to second, 1/16.
    for stop_at, cast in ((1 / 16 - 1e-9, 2), (1 / 16 + 1e-9, 1)):
        judge, shown = make_recorded({"clear": ("ff", "ff")})
        assert len(Adaptive(judge, stop_at=stop_at)(shown)[0]) == 2 * cast


@pytest.mark.parametrize("stop_at", ALLOWED)
def test_one_order_alone_stops_nothing(make_recorded, stop_at):
    # Sure of the first place whatever stands there: even after all votes, and never before.
    judge, shown = make_recorded({"place": ("f" * 16, "s" * 16)})
    (judgements,) = Adaptive(judge, stop_at=stop_at)(shown)
    assert len(judgements) == 32
    ballot = Ballot.of(judgements)
    assert (ballot.outcome, ballot.flip) == (TIE, True)


@pytest.mark.parametrize("stop_at", ALLOWED)
def test_failures_are_asked_to_the_end_and_stay_what_they_are(make_recorded, stop_at):
    judge, shown = make_recorded(
        {"mute": ("x" * 8, "x" * 8), "late": ("xxxxxxxf", "x" * 8), "ties": ("t" * 8, "t" * 8)}
    )
    mute, late, ties = Adaptive(judge, stop_at=stop_at)(shown)
    assert (len(mute), Ballot.of(mute).outcome) == (16, Failure.UNPARSEABLE)
    assert (len(late), Ballot.of(late).outcome) == (16, FIRST)
    assert Ballot.of(ties).outcome is TIE


def test_a_failure_uses_up_a_vote_that_could_have_changed_the_verdict(make_recorded):
    # 4 of each order. Certain after two votes of each would need a lead of more than 4; after
    # three, of more than 2.
    judge, shown = make_recorded({"lead 4": ("fffx", "fffx"), "lead 3": ("fxff", "ffff")})
    one, other = Adaptive(judge, stop_at=0.0)(shown)
    assert [len(one), len(other)] == [6, 6]
    assert Ballot.of(other).num_failures == 1


def test_votes_are_counted_by_what_they_say():
    readings = [
        Judgement(text="", outcome=outcome)
        for outcome in (FIRST, FIRST, FIRST, SECOND, SECOND, TIE, *Failure)
    ]
    assert counted(readings) == OrderVotes(first=3, second=2, ties=1, failures=len(Failure))
    assert counted([]) == OrderVotes()
    # A failure says that votes of this order may fail, too: the lead is then safer.
    lead = OrderVotes(first=2)
    assert probability_of_change(lead._replace(failures=6), lead, 4) < probability_of_change(
        lead, lead, 4
    )


@pytest.mark.parametrize("stop_at", ALLOWED)
def test_both_orders_have_as_many_votes_and_they_are_the_first_ones(make_rolled, stop_at):
    judge, shown = make_rolled(60, 16, seed=3)
    full = BothOrders(judge)(shown)
    for all_votes, cast in zip(full, Adaptive(judge, stop_at=stop_at)(shown), strict=True):
        half = len(cast) // 2
        assert cast == [*all_votes[:half], *all_votes[16 : 16 + half]]


def test_with_nothing_allowed_every_verdict_is_that_of_all_votes(make_rolled):
    judge, shown = make_rolled(300, 8, seed=5)
    stopped = Adaptive(judge, stop_at=0.0)(shown)
    assert outcomes(stopped) == outcomes(BothOrders(judge)(shown))
    assert sum(map(len, stopped)) < 0.9 * 300 * 16


def test_the_stricter_the_more_votes_and_never_fewer_on_any_comparison(make_rolled):
    judge, shown = make_rolled(100, 16, seed=7)
    lengths = [[*map(len, Adaptive(judge, stop_at=allowed)(shown))] for allowed in ALLOWED]
    for strict, loose in itertools.pairwise(lengths):
        assert all(one >= other for one, other in zip(strict, loose, strict=True))
    assert sum(lengths[0]) > sum(lengths[2]) > sum(lengths[4])


@pytest.mark.parametrize("stop_at", [0.0, 0.01, 0.1])
def test_neither_place_nor_company_nor_order_changes_anything(make_rolled, stop_at):
    judge, shown = make_rolled(40, 8, seed=11)
    adaptive = Adaptive(judge, stop_at=stop_at)
    together = dict(zip(shown, adaptive(shown), strict=True))
    assert all(adaptive([comparison]) == [together[comparison]] for comparison in shown)
    shuffled = shown * 2
    random.Random(0).shuffle(shuffled)
    assert adaptive(shuffled) == [together[comparison] for comparison in shuffled]
    # Turned round, a comparison is read as often and comes out turned round.
    for comparison, turned in zip(shown, adaptive([c.swapped() for c in shown]), strict=True):
        readings = together[comparison]
        half = len(readings) // 2
        assert turned == [one.mapped_back() for one in (*readings[half:], *readings[:half])]


def test_no_more_is_expected_to_differ_than_allowed_if_shares_are_as_the_prior_has_them():
    # Every sequence of 3 votes in each order, with its probability under the prior: an urn of one
    # vote of each kind, to which every vote drawn adds its like. f, s and t stand for the kinds.
    votes = 3

    def chance(sequence: tuple[str, ...]) -> float:
        urn, product = {"f": 1, "s": 1, "t": 1}, 1.0
        for kind in sequence:
            product *= urn[kind] / sum(urn.values())
            urn[kind] += 1
        return product

    def counted(sequence: tuple[str, ...]) -> OrderVotes:
        return OrderVotes(sequence.count("f"), sequence.count("s"), sequence.count("t"))

    def leader(*orders: tuple[str, ...]) -> int:
        lead = sum(order.count("f") - order.count("s") for order in orders)
        return (lead > 0) - (lead < 0)

    sequences = list(itertools.product("fst", repeat=votes))
    for stop_at in (0.0, 0.05, 0.1, 0.2, 0.4):
        differs = expected = 0.0
        for one, other in itertools.product(sequences, repeat=2):
            cast = 0
            while more := next_votes(
                counted(one[:cast]), counted(other[:cast]), votes - cast, stop_at
            ):
                cast += more
            weight = chance(one) * chance(other)
            state = counted(one[:cast]), counted(other[:cast])
            expected += weight * probability_of_change(*state, votes - cast)
            differs += weight * (leader(one[:cast], other[:cast]) != leader(one, other))
        assert differs == pytest.approx(expected, abs=1e-12)
        assert differs <= stop_at
    assert differs > 0.05


def differing(share: float, votes: int, stop_at: float) -> tuple[float, float]:
    """Of a judge that takes the first with this probability in any reading: the shares of verdicts
    that differ from those of all votes and of votes cast, over all that may come."""

    def binomial(count: int) -> list[float]:
        return [
            math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(count + 1)
        ]

    def sign(number: int) -> int:
        return (number > 0) - (number < 0)

    reached, differ, cast = {(0, 0, 0): 1.0}, 0.0, 0.0
    while reached:
        # The fewest votes first: whatever leads to a state has then been counted.
        count, given, swapped = min(reached)
        chance = reached.pop((count, given, swapped))
        orders = OrderVotes(given, count - given), OrderVotes(swapped, count - swapped)
        lead, left = 2 * (given + swapped - count), votes - count
        if more := next_votes(*orders, left, stop_at):
            chances = list(enumerate(binomial(more)))
            for (one, weight), (other, other_weight) in itertools.product(chances, repeat=2):
                place = (count + more, given + one, swapped + other)
                reached[place] = reached.get(place, 0.0) + chance * weight * other_weight
        else:
            cast += chance * count / votes
            differ += chance * sum(
                weight
                for first, weight in enumerate(binomial(2 * left))
                if sign(lead + 2 * (first - left)) != sign(lead)
            )
    return differ, cast


@pytest.mark.parametrize(
    ("share", "differ", "cast"), [(0.5, 0.022, 0.81), (0.6, 0.013, 0.72), (0.8, 0.0004, 0.36)]
)
def test_the_worst_judge_is_a_coin_and_docs_say_how_bad_it_is(share, differ, cast):
    # docs/methods.md
    found = differing(share, votes=16, stop_at=0.01)
    assert found == (pytest.approx(differ, abs=5e-4), pytest.approx(cast, abs=5e-3))


def test_jumping_ahead_casts_no_more_than_asking_one_by_one(make_rolled):
    judge, shown = make_rolled(150, 12, seed=9)
    for stop_at in (0.0, 0.01, 0.1):
        for comparison, judgements in zip(
            shown, Adaptive(judge, stop_at=stop_at)(shown), strict=True
        ):
            polling = Polling(judge, [comparison])
            while not polling.num_cast(comparison) or (
                probability_of_change(*polling.votes(comparison), polling.num_left(comparison))
                > stop_at
            ):
                polling.ask({comparison: 1})
            assert len(judgements) == 2 * polling.num_cast(comparison)


def scripted(prompt, index):
    # Right more often than not, by the letters of the prompt, and differently for every index.
    marks = ("[[A]]", "[[B]]", "hm")
    return marks[random.Random(f"{prompt[-1].content} {index}").choices((0, 1, 2), (7, 2, 1))[0]]


def comparisons(count: int) -> list[Comparison]:
    return [Comparison(prompt=user(f"q{i}"), first=f"{i} a", second=f"{i} b") for i in range(count)]


def pairwise(engine) -> PairwiseJudge:
    return PairwiseJudge(engine, format=Terse(), sampling=Sampling(num_samples=8, seed=3))


def test_samples_keep_their_numbers_and_a_cache_asks_for_nothing_twice(tmp_path):
    shown = comparisons(12)
    plain = Adaptive(pairwise(ScriptedEngine(scripted)), stop_at=0.05)(shown)
    with Cached(ScriptedEngine(scripted), tmp_path / "store") as engine:
        assert Adaptive(pairwise(engine), stop_at=0.05)(shown) == plain
        cast = sum(map(len, plain))
        assert engine.misses == cast < 12 * 16
        assert Adaptive(pairwise(engine), stop_at=0.05)(shown) == plain
        assert engine.misses == cast
        # All votes cost what is missing of them, and begin with those there are.
        full = BothOrders(pairwise(engine))(shown)
        assert engine.misses == 12 * 16
    for few, many in zip(plain, full, strict=True):
        half = len(few) // 2
        assert few == [*many[:half], *many[8 : 8 + half]]


def test_killed_in_the_middle_it_ends_as_if_it_had_not_been(tmp_path):
    shown = comparisons(12)
    plain = Adaptive(pairwise(ScriptedEngine(scripted)), stop_at=0.05)(shown)
    asked = 0

    def dying(prompt, index):
        nonlocal asked
        asked += 1
        if asked == 60:
            raise KeyboardInterrupt
        return scripted(prompt, index)

    with (
        Cached(ScriptedEngine(dying), tmp_path / "store", chunk_size=5) as engine,
        pytest.raises(KeyboardInterrupt),
    ):
        Adaptive(pairwise(engine), stop_at=0.05)(shown)
    with Cached(ScriptedEngine(scripted), tmp_path / "store") as engine:
        assert Adaptive(pairwise(engine), stop_at=0.05)(shown) == plain
        assert engine.hits > 0
        assert engine.misses < sum(map(len, plain))


def test_a_pairwise_judge_gives_the_samples_it_is_asked_for_from_its_own_first_on():
    seen: list[Sampling] = []

    class Recorder:
        fingerprint = "recorder"

        def generate(self, prompts, sampling, rule=None):
            seen.append(sampling)
            return ScriptedEngine(lambda _, index: f"{index}\n[[A]]").generate(prompts, sampling)

    judge = PairwiseJudge(
        Recorder(), format=Terse(), sampling=Sampling(num_samples=9, first_index=2, seed=5)
    )
    ((one, two),) = judge.sample(comparisons(1), first_index=4, num_samples=2)
    assert (judge.num_samples, one.text, two.text) == (9, "6\n[[A]]", "7\n[[A]]")
    assert seen == [Sampling(num_samples=2, first_index=6, seed=5)]


def test_asked_about_nothing_it_asks_nothing(make_recorded):
    judge, _ = make_recorded({"any": ("ff", "ff")})
    assert Adaptive(judge)([]) == []
    assert judge.calls == []


def test_a_ballot_says_how_many_votes_were_possible(make_recorded):
    judge, shown = make_recorded({"clear": ("f" * 16, "f" * 16), "even": ("fs" * 8, "sf" * 8)})
    clear, even = ballots(Adaptive(judge, stop_at=0.01), shown, num_possible=32)
    assert (len(clear.judgements), clear.num_unasked, clear.num_possible) == (6, 26, 32)
    assert (len(even.judgements), even.num_unasked, even.num_possible) == (32, 0, 32)
    with pytest.raises(ValueError, match="num_unasked cannot be negative, got -2"):
        ballots(BothOrders(judge), shown, num_possible=30)


@pytest.mark.parametrize("stop_at", [-0.1, 1.0, float("nan")])
def test_what_is_no_probability_below_one_is_refused(make_recorded, stop_at):
    judge, _ = make_recorded({"any": ("ff", "ff")})
    with pytest.raises(ValueError, match=r"stop_at must be in \[0, 1\)"):
        Adaptive(judge, stop_at=stop_at)


class Short:
    num_samples = 4

    def __init__(self, judgement: Judgement, *times: int):
        self.judgement, self.times = judgement, times

    def sample_groups(self, groups, more):
        return [[[self.judgement] * count for count in self.times] for _ in groups]


@pytest.mark.parametrize("times", [(1, 1), (4, 3)])
def test_a_judge_that_gives_other_than_it_was_asked_for_is_caught(times):
    judge = Short(Judgement(text="", outcome=FIRST), *times)
    with pytest.raises(ValueError, match=f"gave {times[0]} and {times[1]} judgements"):
        Adaptive(judge, stop_at=0.01)(comparisons(1))


def test_a_judge_that_answers_on_fewer_comparisons_is_caught():
    class Loser(Short):
        def sample_groups(self, groups, more):
            return super().sample_groups(groups, more)[1:]

    judge = Loser(Judgement(text="", outcome=FIRST), 4, 4)
    with pytest.raises(ValueError, match="asked about 2 comparisons and answered on 1"):
        Adaptive(judge, stop_at=0.01)(comparisons(2))


def test_a_judge_that_states_probabilities_is_no_matter_of_votes():
    judge = Short(Judgement(text="", outcome=FIRST, probability=0.9), 2, 2)
    with pytest.raises(ValueError, match=r"states probabilities.*use BothOrders"):
        Adaptive(judge, stop_at=0.01)(comparisons(1))


class TestOneCall:
    @pytest.mark.parametrize("stop_at", ALLOWED)
    def test_gives_what_asking_in_rounds_would(self, make_rolled, stop_at):
        judge, shown = make_rolled(60, 16, seed=4)
        polling = Polling(judge, shown)
        left = {*shown}
        while left:
            counts = {
                one: next_votes(*polling.votes(one), polling.num_left(one), stop_at) for one in left
            }
            left = {one for one, count in counts.items() if count}
            polling.ask({one: counts[one] for one in shown if one in left})
        assert Adaptive(judge, stop_at=stop_at)(shown) == [
            polling.judgements(comparison) for comparison in shown
        ]

    def test_is_all_there_is_and_no_reply_is_parsed_twice(self):
        parsed, calls = [], []

        class Noting(Terse):
            def parse(self, completion):
                parsed.append(completion.text)
                return super().parse(completion)

        class Recorder:
            fingerprint = "recorder"

            def generate(self, prompts, sampling, rule=None):
                calls.append((len(prompts), sampling.num_samples, rule.group_size))
                engine = ScriptedEngine(lambda *what: f"{what}\n{scripted(*what)}")
                return engine.generate(prompts, sampling, rule)

        judge = PairwiseJudge(Recorder(), format=Noting(), sampling=Sampling(num_samples=8, seed=3))
        found = Adaptive(judge, stop_at=0.05)(comparisons(12))
        assert calls == [(24, 8, 2)]
        assert len(parsed) == len(set(parsed)) == sum(map(len, found)) < 12 * 16

    def test_is_about_groups_of_one_size(self):
        judge = pairwise(ScriptedEngine(scripted))
        one, other, third = comparisons(3)
        assert judge.sample_groups([], lambda _: 1) == []
        found = judge.sample_groups([(one, other, third)], lambda samples: 0 if samples[0] else 3)
        assert found == [judge.sample([one, other, third], first_index=0, num_samples=3)]
        with pytest.raises(ValueError, match=r"of one size, got sizes \[1, 2\]"):
            judge.sample_groups([(one, other), (third,)], lambda _: 1)

    def test_its_rule_goes_to_another_process_without_what_was_read_here(self):
        rules = []

        class Recorder:
            fingerprint = "recorder"

            def generate(self, prompts, sampling, rule=None):
                rules.append(rule)
                return ScriptedEngine(scripted).generate(prompts, sampling, rule)

        Adaptive(pairwise(Recorder()), stop_at=0.05)(comparisons(12))
        fresh = pickle.dumps(rules[0])
        assert len(fresh) < 2000
        first = [[Completion(text="[[A]]", finish_reason="stop")] * 2] * 2
        for num in range(3):
            samples = [have[:num] for have in first]
            assert pickle.loads(fresh).more(samples) == rules[0].more(samples)

    def test_a_pair_of_equal_responses_is_asked_the_same_in_both_orders(self, tmp_path):
        shown = [Comparison(prompt=user("q"), first="same", second="same"), *comparisons(2)]
        plain = Adaptive(pairwise(ScriptedEngine(scripted)), stop_at=0.05)(shown)
        with Cached(ScriptedEngine(scripted), tmp_path / "store") as engine:
            assert Adaptive(pairwise(engine), stop_at=0.05)(shown) == plain
        half = len(plain[0]) // 2
        assert [one.text for one in plain[0][:half]] == [one.text for one in plain[0][half:]]
