"""Self-Taught Evaluators, end to end on a few questions; the writer is scripted."""

import dataclasses
import json
from contextlib import contextmanager

import pytest

from jurist.data import read_preferences, write_preferences
from jurist.engines import ScriptedEngine
from jurist.errors import ConfigError
from jurist.rationales import SupervisedRow, read_rows
from jurist.recipes import self_taught as module
from jurist.recipes.judge_config import VotingConfig
from jurist.recipes.self_taught import SelfTaughtConfig, self_taught
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import StarConfig
from jurist.training.config import TrainingConfig
from jurist.worlds import BASE, check, read_question, work


def write(prompt, index):
    """Work a question out; asked for another one, change its last operand."""
    words = prompt[0].content.split(" ")
    if words[0].startswith("#"):
        question = words[2 : words.index(words[0], 1)]
        return " ".join([*question[:-1], str((int(question[-1]) + 3) % 10)])
    return work(read_question(" ".join(words))).text


@pytest.fixture
def config(world, tmp_path, monkeypatch):
    @contextmanager
    def opened(model, **_):
        assert model == "the writer"
        yield ScriptedEngine(write, fingerprint="writer")

    monkeypatch.setattr(module, "open_engine", opened)
    return SelfTaughtConfig(
        model=str(BASE),
        output=tmp_path / "run",
        data=DataConfig(train=str(world / "train.jsonl"), test=(str(world / "test.jsonl"),)),
        star=StarConfig(rounds=2, num_samples=6, per_prompt=1, init_from="base", round_data="all"),
        training=TrainingConfig(learning_rate=1e-4, batch_size=8),
        voting=VotingConfig(votes=2, max_tokens=64),
        writer="the writer",
    )


def manifest(run, number):
    folder = run / f"round-{number}" / "checkpoint"
    return json.loads((folder / "manifest.json").read_text())["inputs"]


def test_each_round_learns_right_traces_about_all_pairs_from_the_base(config):
    results = self_taught(config)
    assert results.rows[0].method == "Self-Taught"
    run = config.output
    counts = json.loads((run / "synthetic.json").read_text())
    assert (counts["writer"], counts["good"]) == ("the writer", "sampled")
    made = read_preferences(str(run / "synthetic.jsonl.gz")).preferences
    # An operand that does not matter, as before `* 0`, leaves both answers alike.
    assert counts["pairs"] == len(made) == 12 - counts["alike"] > 6
    assert all(check(pair, pair.chosen).correct for pair in made)
    assert not any(check(pair, pair.rejected).correct for pair in made)
    for number in (1, 2):
        traces = json.loads((run / f"round-{number}" / "traces.json").read_text())
        assert traces["preferences"] == len(made)
        rows = read_rows(run / f"round-{number}" / "rows.jsonl.gz", SupervisedRow)
        # One of each prompt.
        assert 0 < len(rows) == len({row.prompt for row in rows})
    assert manifest(run, 1)["model"] == manifest(run, 2)["model"]
    assert manifest(run, 1)["rows"] != manifest(run, 2)["rows"]
    card = json.loads((run / "round-2" / "checkpoint" / "jurist.json").read_text())
    assert (card["method"], card["format"]) == ("self-taught", "terse")


def test_labels_turned_round_change_nothing_unless_chosen_responses_are_asked_for(
    config, world, tmp_path
):
    one = dataclasses.replace(config, star=dataclasses.replace(config.star, rounds=1))
    turned = tmp_path / "turned.jsonl"
    write_preferences(
        turned,
        [
            dataclasses.replace(pair, chosen=pair.rejected, rejected=pair.chosen)
            for pair in read_preferences(str(world / "train.jsonl")).preferences
        ],
    )
    data = dataclasses.replace(one.data, train=str(turned))
    runs = {
        "ours": one,
        "turned": dataclasses.replace(one, output=tmp_path / "turned", data=data),
        "chosen": dataclasses.replace(one, output=tmp_path / "chosen", good="chosen"),
    }
    rows = {}
    for name, asked in runs.items():
        self_taught(asked)
        rows[name] = (asked.output / "round-1" / "rows.jsonl.gz").read_bytes()
    assert rows["turned"] == rows["ours"] != rows["chosen"]


def test_a_response_of_no_tokens_is_refused(config):
    with pytest.raises(ConfigError, match="--max-response-tokens must be at least 1"):
        dataclasses.replace(config, max_response_tokens=0)
