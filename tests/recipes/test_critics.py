"""Recipes of judges that read one response at a time, end to end on a few pairs of the world."""

import json
from dataclasses import replace

import pytest
from safetensors.torch import load_file

from jurist.errors import ConfigError
from jurist.formats import make_pointwise
from jurist.rationales import SupervisedRow, read_rows, refuse_leaks, verdict_rows
from jurist.recipes.cloud import CLoudConfig, cloud
from jurist.recipes.critic_rm import CriticRMConfig, critic_rm
from jurist.recipes.generative_verifier import GenerativeVerifierConfig, generative_verifier
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.open_judge import open_judge
from jurist.recipes.paper_world import make_author
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import AuthorConfig, StarConfig
from jurist.training import train_supervised
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE, preferences

TRAIN = preferences("in_distribution", "train", num=12, seed=0)
STAR = StarConfig(rounds=1, num_samples=4, per_prompt=2)
VOTING = VotingConfig(votes=2, max_tokens=64)


@pytest.fixture(scope="session")
def author(tmp_path_factory):
    """Somebody who has learnt a little of how one response is examined."""
    return make_author("critic", tmp_path_factory.mktemp("author"), num_documents=960)


@pytest.fixture
def shared(world, tmp_path):
    return {
        "model": str(BASE),
        "output": tmp_path / "run",
        "data": DataConfig(train=str(world / "train.jsonl"), test=(str(world / "test.jsonl"),)),
        "training": TrainingConfig(learning_rate=1e-3, batch_size=8),
    }


def rows_of(config):
    return read_rows(config.output / "round-1" / "rows.jsonl.gz", SupervisedRow)


def assert_opens_from_the_command_line(jurist, config, world, tmp_path, *flags):
    asked = ("--model", config.output, "--test", world / "test.jsonl")
    done = jurist("evaluate", *asked, "--output", tmp_path / "again", *flags)
    assert done.returncode == 0, done.stderr
    # The same judge, asked the same with the same seed, says the same.
    own, again = (
        json.loads((tmp_path / name / "results.json").read_text())["rows"][0]["agreement"]
        for name in ("run", "again")
    )
    assert own == again


def test_a_verifier_learns_labels_and_responses_and_opens_again(shared, world, tmp_path, jurist):
    config = GenerativeVerifierConfig(**shared)
    (row,) = generative_verifier(config).rows
    assert (row.method, row.agreement.failure_rate) == ("Generative verifier", 0)
    assert row.agreement.flips.value == 0
    card = json.loads((config.output / "round-1" / "checkpoint" / "jurist.json").read_text())
    assert (card["kind"], card["format"]) == ("verifier", "terse-pointwise-direct")
    # 12 pairs: two verdicts each, and the chosen response.
    assert card["num_rows"] == 36
    assert [row.completion for row in rows_of(config)] == ["ok", "bad"] * 12
    assert_opens_from_the_command_line(jurist, config, world, tmp_path)


def test_without_the_generation_term_a_verifier_is_plain_supervised_training(shared, tmp_path):
    config = GenerativeVerifierConfig(**shared, generation_weight=0.0)
    generative_verifier(config)
    format = make_pointwise("terse-pointwise-direct", seed=0)
    plain = tmp_path / "plain"
    train_supervised(
        str(BASE),
        verdict_rows(format, TRAIN),
        config.training,
        seed=0,
        output=plain,
        card={"method": "generative-verifier", "kind": "verifier", "format": "x"},
    )
    one, other = (
        load_file(folder / "model.safetensors")
        for folder in (config.output / "round-1" / "checkpoint", plain)
    )
    assert all(bool((one[name] == other[name]).all()) for name in one)


def test_a_verifier_with_rationales_learns_those_that_come_to_the_label(
    shared, author, world, tmp_path, jurist
):
    shared["model"] = author
    config = GenerativeVerifierConfig(**shared, star=STAR, voting=VOTING, reasoning=True)
    (row,) = generative_verifier(config).rows
    assert row.agreement.tokens_per_verdict > 10
    rows = rows_of(config)
    format = make_pointwise("terse-pointwise", seed=0)
    refuse_leaks(rows, TRAIN, format, told=True)
    assert {row.completion.rsplit("\n", 1)[1].strip() for row in rows} == {"ok", "bad"}
    assert all(row.completion.endswith("ok" if row.label else "bad") for row in rows)
    assert_opens_from_the_command_line(
        jurist, config, world, tmp_path, "--votes", "2", "--max-tokens", "64"
    )


def test_cloud_reads_its_own_critiques_and_opens_again(shared, world, tmp_path, jurist):
    config = CLoudConfig(**shared, star=STAR, voting=VOTING, lm_weight=0.5)
    (row,) = cloud(config).rows
    assert (row.method, row.agreement.flips.value) == ("CLoud", 0)
    assert row.agreement.tokens_per_verdict > 10
    turn = config.output / "round-1"
    # Nobody's critiques come first, so there is no first stage.
    assert not (turn / "writer").exists()
    card = json.loads((turn / "checkpoint" / "jurist.json").read_text())
    assert (card["kind"], card["format"]) == ("critic", "terse-pointwise")
    inputs = json.loads((turn / "checkpoint" / "manifest.json").read_text())["inputs"]
    assert (inputs["lm_weight"], inputs["lm_share"]) == (0.5, None)
    counts = json.loads((turn / "own" / "rows.json").read_text())
    assert counts["traces"] == 12 * 2 * 4 and 0 < counts["rows"] <= 24
    assert_opens_from_the_command_line(
        jurist, config, world, tmp_path, "--votes", "2", "--max-tokens", "64"
    )


def test_cloud_learns_an_authors_critiques_first_and_then_samples_its_own(shared, author):
    star = replace(STAR, author=AuthorConfig(author=author))
    config = CLoudConfig(**shared, star=star, voting=VOTING, reward_learning_rate=3e-4)
    cloud(config)
    turn = config.output / "round-1"
    of_author, own = (
        json.loads((folder / "traces.json").read_text()) for folder in (turn, turn / "own")
    )
    assert (of_author["author"], own["author"]) == (author, "the latest judge")
    for folder, rate in ((turn / "writer", 1e-3), (turn / "checkpoint", 3e-4)):
        inputs = json.loads((folder / "manifest.json").read_text())["inputs"]
        assert inputs["learning_rate"] == rate


def test_critic_rm_keeps_critiques_that_agree_and_opens_again(
    shared, author, world, tmp_path, jurist
):
    star = replace(STAR, author=AuthorConfig(author=author))
    config = CriticRMConfig(**shared, star=star, voting=VOTING)
    (row,) = critic_rm(config).rows
    assert row.method == "Critic-RM"
    rows = rows_of(config)
    assert len(rows) % 2 == 0
    assert [row.label for row in rows] == [True, False] * (len(rows) // 2)
    assert all(row.completion.endswith("ok" if row.label else "bad") for row in rows)
    inputs = json.loads((config.output / "round-1/checkpoint/manifest.json").read_text())["inputs"]
    assert inputs["lm_share"] == 0.0
    assert_opens_from_the_command_line(
        jurist, config, world, tmp_path, "--votes", "2", "--max-tokens", "64"
    )


def test_a_base_that_gives_no_verdict_on_one_response_leaves_critic_rm_nothing(shared):
    with pytest.raises(ConfigError, match=r"each with the label's verdict.*96 contrary"):
        critic_rm(CriticRMConfig(**shared, star=STAR, voting=VOTING))


@pytest.mark.parametrize("name", ["terse-pointwise", "terse-pointwise-direct"])
def test_any_causal_model_can_be_asked_about_one_response(name, tmp_path):
    judge = JudgeConfig(model=str(BASE), format=name, voting=VOTING)
    with open_judge(judge, seed=0, store=tmp_path / "store") as opened:
        assert (opened.kind, opened.format, opened.num_possible) == ("verifier", name, 2)


@pytest.mark.parametrize("setting", [{"stop_at": 0.1}, {"mean_votes": 4.0}])
def test_votes_on_pairs_are_refused_by_a_judge_of_single_responses(setting, tmp_path):
    voting = VotingConfig(**setting)
    judge = JudgeConfig(model=str(BASE), format="terse-pointwise", voting=voting)
    with (
        pytest.raises(ConfigError, match="are about votes on pairs"),
        open_judge(judge, seed=0, store=tmp_path / "store"),
    ):
        pass


@pytest.mark.parametrize("weight", [-0.1, float("inf")])
def test_a_generation_weight_that_cannot_be_is_refused(shared, weight):
    with pytest.raises(ConfigError, match="--generation-weight"):
        GenerativeVerifierConfig(**shared, generation_weight=weight)
