"""STaR-Rationalizer and foreign authors, end to end on a few pairs of the world that ships."""

import dataclasses
import json

import pytest

from jurist.data import read_preferences
from jurist.errors import ConfigError, DataError
from jurist.formats import Rationalizer, Terse
from jurist.rationales import PairRow, Selection, SupervisedRow, both_orders, find_leaks, read_rows
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import AuthorConfig, StarConfig, keep_rows, star_rounds
from jurist.recipes.star_rationalizer import StarRationalizerConfig, star_rationalizer
from jurist.recipes.star_sft import StarSFTConfig, star_sft
from jurist.training.config import PairLossConfig, TrainingConfig
from jurist.types import Verdict
from jurist.worlds import BASE


@pytest.fixture
def config(world, tmp_path):
    return StarRationalizerConfig(
        model=str(BASE),
        output=tmp_path / "run",
        data=DataConfig(train=str(world / "train.jsonl"), test=(str(world / "test.jsonl"),)),
        star=StarConfig(rounds=2, num_samples=8),
        training=TrainingConfig(learning_rate=1e-3, batch_size=8),
        voting=VotingConfig(votes=2, max_tokens=64),
    )


def counts(config, number, name):
    return json.loads((config.output / f"round-{number}" / name).read_text())


def test_rows_are_explanations_with_the_judges_own_prompt(config):
    results = star_rationalizer(config)
    assert results.rows[0].method == "STaR-Rationalizer"
    preferences = read_preferences(config.data.train).preferences
    for number in (1, 2):
        written = counts(config, number, "rationales.json")
        assert written["author"] == "the latest judge"
        failed = ("contrary", "disclosed", "truncated", "unparseable", "refused", "error")
        left_out = sum(written[name] for name in failed)
        assert written["rationales"] == written["kept"] + left_out == 6 * 2 * 8
        rows = read_rows(config.output / f"round-{number}" / "rows.jsonl.gz", SupervisedRow)
        assert find_leaks(rows, preferences, Terse(), told=True) == []
        assert all(row.completion.endswith(Terse().verdicts[row.label]) for row in rows)


def test_pairs_set_explanations_of_the_right_verdict_against_those_of_the_wrong(config):
    config = dataclasses.replace(
        config, objective="pairs", loss=PairLossConfig(loss="ipo"), star=StarConfig(rounds=1)
    )
    results = star_rationalizer(config)
    assert results.rows[0].method == "STaR-Rationalizer (IPO)"
    rows = read_rows(config.output / "round-1" / "rows.jsonl.gz", PairRow)
    for row in rows:
        assert row.chosen.endswith(Terse().verdicts[row.label])
        assert row.rejected.endswith(Terse().verdicts[row.label.swapped()])
    card = json.loads((config.output / "round-1" / "checkpoint" / "jurist.json").read_text())
    assert card["method"] == "star-rationalizer-ipo"


def test_a_foreign_author_writes_in_the_first_round_only(config, tmp_path):
    ours = StarSFTConfig(
        model=config.model,
        output=tmp_path / "star",
        data=config.data,
        star=config.star,
        training=config.training,
        voting=config.voting,
    )
    star_sft(ours)
    author = str(ours.output / "round-1" / "checkpoint")
    theirs = dataclasses.replace(
        ours,
        output=tmp_path / "foreign",
        star=dataclasses.replace(ours.star, author=AuthorConfig(author=author)),
    )
    star_sft(theirs)
    named = [counts(theirs, number, "traces.json")["author"] for number in (1, 2)]
    assert named == [author, "the latest judge"]
    first, second = (
        read_rows(one.output / "round-1" / "rows.jsonl.gz", SupervisedRow) for one in (ours, theirs)
    )
    assert first != second
    # It is the judge, not its author, that goes on learning.
    inputs = [
        json.loads((one.output / "round-1" / "checkpoint" / "manifest.json").read_text())["inputs"]
        for one in (ours, theirs)
    ]
    assert inputs[0]["model"] == inputs[1]["model"]


def test_an_author_may_write_in_every_round():
    assert [AuthorConfig().writes(number) for number in (1, 2)] == [False, False]
    assert [AuthorConfig(author="x").writes(number) for number in (1, 2)] == [True, False]
    both = AuthorConfig(author="x", author_rounds="all")
    assert [both.writes(number) for number in (1, 2)] == [True, True]


def test_an_address_without_a_name_is_refused():
    with pytest.raises(ConfigError, match="--author-url needs --author"):
        AuthorConfig(author_url="http://127.0.0.1:1/v1")
    with pytest.raises(ConfigError, match="--max-concurrency must be at least 1"):
        AuthorConfig(max_concurrency=0)


def test_a_run_stops_at_a_planted_hint(world, tmp_path):
    preferences = read_preferences(str(world / "train.jsonl")).preferences
    (turn,) = star_rounds(tmp_path, "m", preferences, StarConfig(rounds=1), seed=0)
    comparison, label = both_orders(preferences[0])[0]
    assert label is Verdict.FIRST
    planted = SupervisedRow(
        preference_id=preferences[0].id,
        label=label,
        prompt=Rationalizer(Terse()).render(comparison, label),
        completion="so \n [[A]]",
    )
    with pytest.raises(
        DataError, match=r"(?s)1 of 1 training rows say more .*from 'A' on|from ' A' on"
    ):
        keep_rows(turn, Selection(rows=[planted], counts={}), Terse(), told=False, guard="stop")
    assert not (turn.folder / "rows.jsonl.gz").exists()
