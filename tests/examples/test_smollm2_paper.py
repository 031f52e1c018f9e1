"""The example on real preferences, with the base that ships and pairs of its world."""

import runpy
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import AutoModelForCausalLM

from jurist.data import read_preferences, write_preferences
from jurist.errors import ConfigError, DataError
from jurist.rationales import SupervisedRow, read_rows
from jurist.recipes.paper import held_out
from jurist.types import Completion
from jurist.worlds import BASE, preferences

SCRIPT = Path(__file__).parents[2] / "examples" / "smollm2_paper.py"
example = SimpleNamespace(**runpy.run_path(str(SCRIPT), run_name="example"))


@pytest.fixture
def folder(tmp_path):
    """Pairs of the world that ships, under the names of the real files."""
    whole = preferences("in_distribution", "train", num=180, seed=0)
    files = {name: whole[60 * i : 60 * i + 60] for i, name in enumerate(example.TRAINED_ON)}
    for seed, name in enumerate(example.SHIFTED):
        files[name] = preferences("shifted", "test", num=10, seed=seed)
    # Two of them are pairs that could be trained on.
    files["hhh_alignment"] = [*files["hhh_alignment"][:8], *whole[:2]]
    for name, rows in files.items():
        write_preferences(tmp_path / "data" / f"{name}.jsonl.gz", rows)
    return tmp_path / "data"


SMALL = (
    "--model=" + str(BASE),
    "--max-chars=500",
    "--num-train=15",
    "--num-warm-up=6",
    "--num-in-distribution=6",
    "--num-shifted=4",
)


@pytest.fixture
def asked(folder, tmp_path, monkeypatch):
    """What the example asks of `jurist paper`, by the arguments it is given."""

    def ask(*more):
        argv = ["example", f"--data={folder}", f"--output={tmp_path / 'run'}", *SMALL, *more]
        monkeypatch.setattr(sys, "argv", argv)
        found = []
        monkeypatch.setitem(example.main.__globals__, "run_paper", found.append)
        monkeypatch.setitem(example.real_paper.__globals__, "run_paper", found.append)
        example.main()
        return found[0]

    return ask


def test_pairs_and_base_are_made_and_handed_to_the_paper(asked, tmp_path):
    config = asked()
    assert config.scale == "small"
    assert [one.partition("=")[0] for one in config.test] == list(example.SHIFTED)
    assert all(Path(one.partition("=")[2]).exists() for one in config.test)

    # What the paper holds out is what was drawn to be held out.
    data = held_out(config)
    train = read_preferences(data.train).preferences
    assert len(train) == 15
    assert len(read_preferences(data.test[0].partition("=")[2]).preferences) == 6

    rows = read_rows(tmp_path / "run" / "warm-up" / "rows.jsonl.gz", SupervisedRow)
    assert rows
    assert not {one.id for one in train} & {row.preference_id for row in rows}
    endings = Counter(row.completion[-6:] for row in rows)
    assert set(endings) <= {"\n[[A]]", "\n[[B]]"}
    assert abs(endings["\n[[A]]"] - endings["\n[[B]]"]) <= 1

    before = Path(config.model, "model.safetensors").stat().st_mtime_ns
    assert asked() == config
    assert Path(config.model, "model.safetensors").stat().st_mtime_ns == before


def test_a_smaller_base_keeps_the_first_layers_and_the_last_two(asked, tmp_path):
    whole = AutoModelForCausalLM.from_pretrained(str(BASE))
    num = whole.config.num_hidden_layers
    config = asked("--layers", str(num - 1))
    found = AutoModelForCausalLM.from_pretrained(config.model)
    assert found.config.num_hidden_layers == num - 1
    start = AutoModelForCausalLM.from_pretrained(str(tmp_path / "run" / "warm-up" / "fewer-layers"))
    kept = [*range(num - 3), num - 2, num - 1]
    for place, layer in zip(kept, start.model.layers, strict=True):
        for theirs, ours in zip(
            whole.model.layers[place].parameters(), layer.parameters(), strict=True
        ):
            assert theirs.equal(ours)


def test_a_model_that_has_no_more_layers_is_refused(asked):
    with pytest.raises(ConfigError, match="--layers must be between 3 and"):
        asked("--layers", "99")


def test_pairs_are_drawn_apart_and_counted(folder, tmp_path):
    config = example.RealPaperConfig(
        data=folder,
        output=tmp_path / "run",
        max_chars=500,
        num_train=81,
        num_warm_up=18,
        num_in_distribution=6,
        num_shifted=10,
    )
    pairs = example.select(config)
    ids = Counter(one.id for part in (pairs.train, pairs.warm_up) for one in part)
    assert max(ids.values()) == 1
    assert len(pairs.train) == 81
    assert len(pairs.held_out) == 6
    assert {len(test) for test in pairs.shifted.values()} == {10}
    assert pairs.counts["hh_rlhf"]["read"] == 60
    assert pairs.counts["hh_rlhf"]["with a test prompt"] == 2
    tests = [*pairs.held_out, *(one for test in pairs.shifted.values() for one in test)]
    prompts = {one.prompt for one in tests}
    assert not prompts & {one.prompt for one in (*pairs.train, *pairs.warm_up)}


def test_too_few_short_pairs_are_refused_with_a_way_out(folder, tmp_path):
    config = example.RealPaperConfig(
        data=folder, output=tmp_path, max_chars=500, num_in_distribution=99
    )
    with pytest.raises(DataError, match=r"at least 33 pairs, found \d+; .*--max-chars"):
        example.select(config)


@pytest.mark.parametrize(
    ("text", "finish_reason", "kept"),
    [
        ("One. Two! And then", "length", "One. Two!"),
        ("It is 3.5 metres", "length", ""),
        ("A heading\nand more", "length", "A heading"),
        ("No full stop", "stop", "No full stop"),
        ("I say [[A]].", "stop", ""),
        ("", "stop", ""),
    ],
)
def test_a_reply_is_cut_at_its_last_whole_sentence(text, finish_reason, kept):
    assert example.whole_sentences(Completion(text=text, finish_reason=finish_reason)) == kept
