"""Self-Rewarding, end to end on a few questions, with a policy and judges that are scripted.

What is trained is the base that ships. It is too small to judge its own responses before it was
taught to, so what it would say is written down here, in the world's exact terms.
"""

import dataclasses
import json
import random
from contextlib import contextmanager

import pytest

from jurist.data import Candidate, Pool, read_preferences, write_preferences
from jurist.engines import ScriptedEngine
from jurist.errors import ConfigError
from jurist.judges import Rating
from jurist.rationales import PairRow, read_rows
from jurist.recipes import open_judge, star
from jurist.recipes import self_reward as module
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.self_reward import SelfRewardConfig, best_against_worst, self_reward
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import AuthorConfig, StarConfig
from jurist.training.config import TrainingConfig
from jurist.types import Failure, user
from jurist.worlds import BASE, check, read_chain, read_question, work
from jurist.worlds.chains import spoil


def respond(question, index) -> str:
    """Right, wrong, wrong, right, and so on."""
    if index % 4 in (0, 3):
        return work(question).text
    rng = random.Random(index)
    while (wrong := spoil(rng, question, "calc")) is None:
        pass
    return wrong.text


def scripted(points):
    """Replies to questions, and gives responses points as told of whether they are right."""

    def reply(prompt, index):
        content = prompt[0].content
        if not content.endswith("Think 5"):
            return respond(read_question(content), index)
        _, asked, response, _ = content.split(content.split(" ")[0])
        question = read_question(asked.removeprefix(" Q ").strip())
        right = read_chain(response.removeprefix(" A ").strip()).final == work(question).final
        return f"so\n{points(right, index)}"

    return reply


CAREFUL = scripted(lambda right, index: (4, 5, 5)[index] if right else (2, 1, 0)[index])
CONTRARY = scripted(lambda right, index: 0 if right else 5)
EVEN = scripted(lambda right, index: 3)


@pytest.fixture
def judges(monkeypatch):
    """What each model says: the careful one, unless its name is here."""
    said = {"contrary": CONTRARY, "even": EVEN}

    @contextmanager
    def opened(model, **_):
        yield ScriptedEngine(said.get(model, CAREFUL), fingerprint=model)

    for one in (module, star, open_judge):
        monkeypatch.setattr(one, "open_engine", opened)
    return said


@pytest.fixture
def config(world, tmp_path, judges):
    return SelfRewardConfig(
        model=str(BASE),
        output=tmp_path / "run",
        data=DataConfig(train=str(world / "train.jsonl"), test=(str(world / "test.jsonl"),)),
        star=StarConfig(rounds=2, num_samples=4, per_prompt=1),
        training=TrainingConfig(learning_rate=1e-4, batch_size=8),
        voting=VotingConfig(votes=3, max_tokens=64),
    )


def rows_of(config, number=1):
    return read_rows(config.output / f"round-{number}" / "rows.jsonl.gz", PairRow)


def test_the_response_with_most_points_is_preferred_to_the_one_with_fewest(config, world):
    results = self_reward(config)
    asked = {one.id: one for one in read_preferences(str(world / "train.jsonl")).preferences}
    seen = []
    for number in (1, 2):
        rows = rows_of(config, number)
        seen += [row.preference_id for row in rows]
        for row in rows:
            assert row.prompt == asked[row.preference_id].prompt
            assert check(asked[row.preference_id], row.chosen).correct
            assert not check(asked[row.preference_id], row.rejected).correct
        folder = config.output / f"round-{number}"
        counts = json.loads((folder / "responses.json").read_text())
        assert (counts["judge"], counts["prompts"], counts["responses"]) == (
            "the latest judge",
            6,
            24,
        )
        assert counts["rated"] == counts["different"] <= 18
        assert 1 < counts["mean_score"] < 4.7
        card = json.loads((folder / "checkpoint" / "jurist.json").read_text())
        assert (card["kind"], card["format"]) == ("points", "terse-additive")
        inputs = json.loads((folder / "checkpoint" / "manifest.json").read_text())["inputs"]
        assert inputs["reference"] == inputs["model"]
        assert inputs["beta"] == 0.1
    # Fresh prompts in each round.
    assert sorted(seen) == sorted(asked)
    # The judge it is: right on every pair, in either order.
    (row,) = results.rows
    assert (row.method, row.agreement.accuracy.value) == ("Self-Rewarding", 1.0)
    assert row.agreement.flips is not None and row.agreement.flips.value == 0.0


def test_a_contrary_judge_in_its_place_turns_every_pair_round(config, world):
    one = dataclasses.replace(config.star, rounds=1)
    author = AuthorConfig(author="contrary")
    led = dataclasses.replace(config, star=dataclasses.replace(one, author=author))
    self_reward(led)
    asked = {one.id: one for one in read_preferences(str(world / "train.jsonl")).preferences}
    assert not any(check(asked[row.preference_id], row.chosen).correct for row in rows_of(led))
    counts = json.loads((led.output / "round-1" / "responses.json").read_text())
    assert counts["judge"] == "contrary"


def test_a_judge_that_gives_all_the_same_stops_the_run(config):
    author = AuthorConfig(author="even")
    led = dataclasses.replace(config, star=dataclasses.replace(config.star, author=author))
    with pytest.raises(ConfigError, match="different points are needed; there are 6 prompts, 6 eq"):
        self_reward(led)


def test_of_the_training_file_only_the_prompts_are_used(config, world, tmp_path):
    one = dataclasses.replace(config, star=dataclasses.replace(config.star, rounds=1))
    self_reward(one)
    turned = tmp_path / "turned.jsonl"
    write_preferences(
        turned,
        [
            dataclasses.replace(pair, chosen=pair.rejected, rejected="0 + 0 = 0", tie=True)
            for pair in read_preferences(str(world / "train.jsonl")).preferences
        ],
    )
    data = dataclasses.replace(one.data, train=str(turned))
    other = dataclasses.replace(one, output=tmp_path / "other", data=data)
    self_reward(other)
    assert rows_of(other) == rows_of(one)


def rated(*scores):
    return [Rating(score=score) for score in scores]


def pool(*texts):
    return Pool(
        id=" ".join(texts),
        prompt=user("q"),
        candidates=tuple(Candidate(text=text) for text in texts),
    )


def test_what_makes_no_pair_is_counted():
    failed = Failure.UNPARSEABLE
    pools = [pool("a", "b", "c"), pool("a", "b"), pool("a", "b"), pool("a"), pool("d", "e", "f")]
    ratings = [
        rated(2.0, 4.5, 3.0),
        rated(3.0, 3.0),
        rated(5.0, failed),
        rated(5.0),
        rated(failed, 1.0, 2.0),
    ]
    found = best_against_worst(pools, ratings)
    assert [(row.chosen, row.rejected) for row in found.rows] == [("b", "a"), ("f", "e")]
    assert found.counts == {"prompts": 5, "equal": 1, "unrated": 1, "one_response": 1, "rows": 2}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"star": StarConfig(per_prompt=2)}, "--per-prompt must be 1"),
        ({"max_response_tokens": 0}, "--max-response-tokens must be at least 1, got 0"),
    ],
)
def test_settings_without_a_meaning_are_refused(config, changes, said):
    with pytest.raises(ConfigError, match=said):
        dataclasses.replace(config, **changes)
