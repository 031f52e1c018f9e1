"""What TRL asks of a reward function, without TRL: its call as version 1.16 makes it."""

import asyncio
import math

import pytest

from jurist.adapters import (
    FromTRLJudge,
    TRLAsyncReward,
    TRLCohortReward,
    TRLPairwiseJudge,
    TRLReward,
    from_trl_reward,
)
from jurist.errors import ConfigError, DataError
from jurist.judges import BothOrders, ballots
from jurist.rewards import PairwiseReward, ReferenceReward, ScoreReward
from jurist.types import Comparison, Failure, Verdict, user


def longer(first: str, second: str) -> float | None:
    if "x" in (first, second):
        return None
    return 0.5 if len(first) == len(second) else 0.9 if len(first) > len(second) else 0.1


def turns(text, role="user"):
    return [{"role": role, "content": text}]


@pytest.fixture
def reward(make_stating):
    return TRLCohortReward(reward=PairwiseReward(judge=make_stating(longer)), num_generations=2)


def call(reward, prompts, completions, **columns):
    """As `GRPOTrainer._calculate_rewards` calls it."""
    logged = {}
    found = reward(
        prompts=prompts,
        completions=completions,
        completion_ids=[[1]] * len(prompts),
        trainer_state=object(),
        log_extra=lambda column, values: None,
        log_metric=logged.__setitem__,
        **columns,
    )
    return found, logged


def test_texts_are_rewarded_within_their_prompts(reward):
    found, logged = call(reward, ["p", "p", "q", "q"], ["aa", "b", "c", "x"], answer=[1, 1, 2, 2])
    assert found[0] == -found[1] > 0
    assert found[2:] == [None, None]
    assert logged == {
        "jurist/comparisons": 2.0,
        "jurist/failed_comparisons": 0.5,
        "jurist/without_reward": 0.5,
    }


def test_conversations_are_rewarded_as_texts_are(reward):
    prompts, completions = ["p", "q", "p", "q"], ["aa", "cc", "b", "d"]
    plain, _ = call(reward, prompts, completions)
    chat, _ = call(
        reward, [turns(p) for p in prompts], [turns(c, "assistant") for c in completions]
    )
    assert plain == chat
    assert all(value is not None for value in plain)


def test_groups_need_not_stand_together(reward):
    mixed, _ = call(reward, ["p", "q", "p", "q"], ["aa", "cc", "b", "d"])
    sorted_by_prompt, _ = call(reward, ["p", "p", "q", "q"], ["aa", "b", "cc", "d"])
    assert mixed == [sorted_by_prompt[i] for i in (0, 2, 1, 3)]


def test_part_of_a_group_is_refused(reward):
    with pytest.raises(ConfigError, match="3 completions of 'p' in one batch, and num_generations"):
        call(reward, ["p", "p", "p"], ["a", "b", "c"])


def test_two_groups_of_one_prompt_are_one_cohort(reward):
    found, logged = call(reward, ["p"] * 4, ["a", "bb", "ccc", "dddd"])
    assert sorted(found) == found
    assert logged["jurist/comparisons"] == 6.0


@pytest.mark.parametrize(
    "completion",
    [
        [],
        turns("a", "user"),
        turns("a", "assistant") + turns("b", "assistant"),
        [{"role": "assistant", "content": None}],
        7,
    ],
    ids=["empty", "user", "two turns", "no content", "number"],
)
def test_a_completion_that_is_not_one_answer_is_refused(reward, completion):
    with pytest.raises(DataError):
        call(reward, ["p", "p"], [completion, "b"])


def test_a_group_of_one_is_refused(make_stating):
    with pytest.raises(ConfigError, match="at least 2"):
        TRLCohortReward(reward=PairwiseReward(judge=make_stating(longer)), num_generations=1)


def test_trl_sees_the_name(reward, make_stating):
    assert reward.__name__ == "jurist"
    assert TRLCohortReward.__name__ == "TRLCohortReward"
    other = TRLReward(reward=ReferenceReward(judge=make_stating(longer)), name="mine")
    assert other.__name__ == "mine"


def test_a_column_holds_the_references(make_stating):
    reward = TRLReward(reward=ReferenceReward(judge=make_stating(longer)), column="reference")
    found, logged = call(reward, ["p", "p", "p"], ["aaa", "b", "x"], reference=["rr"] * 3)
    assert found == [pytest.approx(math.log(9)), pytest.approx(-math.log(9)), None]
    assert logged == {"jurist/without_reward": pytest.approx(1 / 3)}
    with pytest.raises(ConfigError, match=r"no column 'reference' .* it has \['answer'"):
        call(reward, ["p"], ["a"], answer=["1"])


class TestPairwiseJudge:
    """The shape of `BasePairwiseJudge`, which TRL had until 1.0."""

    def test_it_says_the_place_of_the_better_or_minus_one(self, make_stating):
        judge = TRLPairwiseJudge(judge_of_pairs=make_stating(longer))
        pairs = [["aaa", "a"], ["a", "aaa"], ["x", "a"]]
        assert judge.judge(["Q"] * 3, pairs) == [0, 1, -1]
        assert judge.judge([turns("Q")], [["a", "aaa"]], shuffle_order=False) == [1]

    def test_a_tie_falls_on_the_same_text_whatever_its_place(self, make_stating):
        judge = TRLPairwiseJudge(judge_of_pairs=make_stating(longer))
        chosen = {pair[judge.judge(["Q"], [pair])[0]] for pair in (["one", "two"], ["two", "one"])}
        assert len(chosen) == 1

    def test_three_completions_are_too_many(self, make_stating):
        judge = TRLPairwiseJudge(judge_of_pairs=make_stating(longer))
        with pytest.raises(DataError, match="two completions of 'Q', got 3"):
            judge.judge(["Q"], [["a", "b", "c"]])

    def test_one_in_that_shape_becomes_a_judge(self):
        class Last:
            def judge(self, prompts, completions, shuffle_order=True):
                assert not shuffle_order and prompts == ["Q", "Q"]
                return [1 if "x" not in pair else -1 for pair in completions]

        judge = FromTRLJudge(judge=Last())
        asked = [Comparison(prompt=user("Q"), first=first, second="b") for first in ("a", "x")]
        assert [one[0].outcome for one in judge(asked)] == [Verdict.SECOND, Failure.ERROR]
        (ballot,) = ballots(BothOrders(judge=FromTRLJudge(judge=Places())), asked[:1])
        assert ballot.flip and ballot.outcome is Verdict.TIE

    def test_what_that_shape_has_no_room_for_is_refused(self):
        asked = Comparison(prompt=(*user("Q"), *user("R")), first="a", second="b")
        with pytest.raises(DataError, match="one user's turn"):
            FromTRLJudge(judge=Places())([asked])

        class Wrong:
            def judge(self, prompts, completions, shuffle_order=True):
                return [2] * len(prompts)

        with pytest.raises(DataError, match="0, 1 or -1, got 2"):
            FromTRLJudge(judge=Wrong())([Comparison(prompt=user("Q"), first="a", second="b")])


class Places:
    """Says that the first is better."""

    def judge(self, prompts, completions, shuffle_order=True):
        return [0] * len(prompts)


def test_a_reward_function_becomes_a_scorer():
    def reward(prompts, completions, **columns):
        assert prompts[0] == turns("Q")
        texts = [completion[0]["content"] for completion in completions]
        return [None if text == "x" else len(text) for text in texts]

    scores = from_trl_reward(reward)([user("Q")] * 2, ["ab", "x"])
    assert scores[0] == 2.0 and math.isnan(scores[1])


def test_the_asynchronous_one_says_what_the_other_says(make_stating):
    inner = TRLCohortReward(reward=PairwiseReward(judge=make_stating(longer)), num_generations=2)
    reward = TRLAsyncReward(reward=inner)
    logged = {}
    found = asyncio.run(
        reward(["Q", "Q"], ["a", "aaa"], log_metric=logged.__setitem__, completion_ids=[[1], [2]])
    )
    assert found == inner(["Q", "Q"], ["a", "aaa"]) and found[1] > 0
    assert logged["jurist/comparisons"] == 1.0 and reward.__name__ == "jurist"


def test_rewards_one_by_one_need_no_column(make_stating):
    by_length = ScoreReward(scorer=lambda prompts, texts: [float(len(text)) for text in texts])
    assert TRLReward(reward=by_length)(["Q", "Q"], ["a", "aaa"]) == [1.0, 3.0]
    with pytest.raises(DataError, match="expected a reference"):
        TRLReward(reward=ReferenceReward(judge=make_stating(longer)))(["Q"], ["a"])
