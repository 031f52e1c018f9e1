"""What judging costs at most, said before; and what it did cost."""

import logging
import math

import pytest

from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError
from jurist.formats import make_format
from jurist.models.chat import encode_prompt
from jurist.models.load import load_tokenizer
from jurist.recipes.estimate import Estimate, PriceConfig, Spent, estimated
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.open_judge import open_judge
from jurist.types import Comparison, user
from jurist.worlds import BASE

SAMPLE = [
    Comparison(prompt=user("2 + 2?"), first="4", second="It is 5."),
    Comparison(prompt=user("How many days has a week?"), first="7 days", second="5"),
]


def estimate(config, sample=SAMPLE, num=2, prices=PriceConfig()):
    return estimated(config, sample, num_comparisons=num, prices=prices, seed=0)


def in_both_orders(sample):
    return [*sample, *(one.swapped() for one in sample)]


def test_a_served_judges_tokens_are_its_prompts_characters():
    config = JudgeConfig(
        model="m", base_url="http://here", voting=VotingConfig(votes=3, max_tokens=100)
    )
    render = make_format("pairwise", seed=0).render
    read = sum(
        3 * math.ceil(sum(len(turn.content) for turn in render(one)) / 4)
        for one in in_both_orders(SAMPLE)
    )
    found = estimate(config, prices=PriceConfig(price_read=2.0, price_written=10.0))
    assert (found.num_judgements, found.num_read, found.num_written) == (12, read, 1200)
    assert found.price == pytest.approx((2 * read + 10 * 1200) / 1e6)
    assert (found.counted_by, found.num_measured) == ("characters", 2)
    assert "4 characters a token" in found.line()
    # Of more comparisons than were measured, in proportion.
    assert estimate(config, num=10).num_read == 5 * read


def test_a_local_judges_tokens_are_counted_by_its_tokenizer_and_come_out_so(tmp_path):
    config = JudgeConfig(model=BASE, voting=VotingConfig(votes=2, max_tokens=5))
    form = make_format("terse", seed=0)
    tokenizer = load_tokenizer(BASE)
    read = sum(
        2 * len(encode_prompt(tokenizer, form.render(one))) for one in in_both_orders(SAMPLE)
    )
    found = estimate(config)
    assert (found.num_read, found.num_written, found.counted_by) == (read, 40, "tokenizer")
    with open_judge(config, seed=0, store=tmp_path / "s.sqlite") as opened:
        said = [one for row in opened.judge(SAMPLE) for one in row]
    assert sum(one.num_prompt_tokens for one in said) == read
    assert sum(one.num_tokens for one in said) <= 40
    assert len(said) == found.num_judgements


@pytest.mark.parametrize(
    ("voting", "judgements"),
    [
        (VotingConfig(votes=8, stop_at=0.01), 32),
        (VotingConfig(votes=8, mean_votes=4), 8),
        (VotingConfig(votes=1, mean_votes=9), 4),
    ],
)
def test_votes_that_may_be_spared_count_and_a_mean_is_a_mean(voting, judgements):
    found = estimate(JudgeConfig(model="m", base_url="http://here", voting=voting))
    assert found.num_judgements == judgements
    assert found.num_written == 1024 * judgements


@pytest.mark.parametrize("format", ["direct", "pointwise-direct"])
def test_a_judge_that_only_scores_writes_nothing(format):
    found = estimate(JudgeConfig(model=BASE, format=format))
    assert found.num_written == 0
    assert found.num_read > 0
    assert found.num_judgements == 4


def test_of_a_judge_of_single_responses_each_is_read_once(caplog):
    config = JudgeConfig(
        model="m", base_url="http://here", format="additive", voting=VotingConfig(votes=3)
    )
    with caplog.at_level(logging.INFO):
        found = estimate(config)
    assert found.num_written == 4 * 3 * 1024
    assert found.num_judgements == 4
    # That a recorder answers nothing is not told as a failure of the judge.
    assert caplog.records == []
    assert logging.getLogger("jurist.judges").level == logging.NOTSET


def test_weighing_verdicts_reads_the_replies_again():
    counted = JudgeConfig(model=BASE, voting=VotingConfig(votes=2, max_tokens=10))
    averaged = JudgeConfig(
        model=BASE, voting=VotingConfig(votes=2, max_tokens=10, verdicts="averaged")
    )
    one, two = estimate(counted), estimate(averaged)
    assert two.num_read == 2 * one.num_read + one.num_written


def test_within_a_budget_the_estimate_is_that_share():
    whole = Estimate(
        num_comparisons=10,
        num_judgements=100,
        num_read=3000,
        num_written=1000,
        price=8.0,
        counted_by="characters",
        num_measured=10,
    )
    assert whole.at_most(num_judgements=None, num_tokens=None) == whole
    assert whole.at_most(num_judgements=200, num_tokens=9000) == whole
    half = whole.at_most(num_judgements=50, num_tokens=3000)
    assert (half.num_judgements, half.num_read, half.num_written, half.price) == (50, 1500, 500, 4)
    less = whole.at_most(num_judgements=50, num_tokens=400)
    assert (less.num_judgements, less.num_read, less.num_written) == (10, 300, 100)


def test_of_nothing_the_estimate_is_nothing():
    found = estimate(JudgeConfig(model="m", base_url="http://here"), sample=[], num=0)
    assert (found.num_judgements, found.num_read, found.num_written) == (0, 0, 0)


def test_what_was_spent_adds_up():
    one = Spent(num_comparisons=1, num_judgements=4, num_failures=1, num_read=10, num_written=3)
    assert one + one == Spent(
        num_comparisons=2, num_judgements=8, num_failures=2, num_read=20, num_written=6
    )
    assert one.num_tokens == 13


@pytest.mark.parametrize(
    ("prices", "wanted"),
    [
        ({"price_read": 1.0}, "both --price-read and --price-written"),
        ({"price_read": -1.0, "price_written": 1.0}, "--price-read must be finite"),
        ({"price_read": 1.0, "price_written": math.inf}, "--price-written must be finite"),
    ],
)
def test_prices_that_are_none_are_refused(prices, wanted):
    with pytest.raises(ConfigError, match=wanted):
        PriceConfig(**prices)


def test_a_model_that_is_not_there_is_told_before_anything_is_opened(monkeypatch):
    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(lambda p, i: ""))
    with pytest.raises(ConfigError, match="no/such"):
        estimate(JudgeConfig(model="./no/such/folder"))
