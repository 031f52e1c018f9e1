"""The example on real preferences, end to end with the base that ships and pairs of its world."""

import json
import runpy
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from jurist.data import read_preferences, write_preferences
from jurist.engines.transformers import TransformersEngine
from jurist.errors import DataError
from jurist.rationales import SupervisedRow, read_rows
from jurist.reports import load_results
from jurist.types import Completion
from jurist.worlds import BASE, preferences

SCRIPT = Path(__file__).parents[2] / "examples" / "smollm2_real_preferences.py"
example = SimpleNamespace(**runpy.run_path(str(SCRIPT), run_name="example"))


@pytest.fixture
def folder(tmp_path):
    """Pairs of the world that ships, under the names of the real files."""
    whole = preferences("in_distribution", "train", num=120, seed=0)
    files = {
        "hh_rlhf": whole[:60],
        "evouna": whole[60:],
        "llmbar": preferences("shifted", "test", num=10, seed=0),
        # Two of them are pairs that could be trained on.
        "hhh_alignment": [*preferences("shifted", "test", num=8, seed=1), *whole[:2]],
    }
    for name, rows in files.items():
        write_preferences(tmp_path / "data" / f"{name}.jsonl.gz", rows)
    return tmp_path / "data"


SMALL = (
    "--model=" + str(BASE),
    "--max-chars=500",
    "--num-train=16",
    "--num-warm-up=4",
    "--num-in-distribution=4",
    "--num-shifted=4",
    "--num-chat=0",
    "--num-samples=4",
)


def test_the_whole_job_runs_and_a_second_time_does_nothing(folder, tmp_path, monkeypatch, capsys):
    output = tmp_path / "run"
    argv = ["example", f"--data={folder}", f"--output={output}", *SMALL]
    monkeypatch.setattr(sys, "argv", argv)
    # Drawn seven times and tested elsewhere: most of the time that this would take.
    monkeypatch.setattr("jurist.reports.figures.pictures", lambda results: [])
    asked = Counter()
    generate = TransformersEngine.generate

    def counting(engine, prompts, sampling, rule=None):
        asked[sampling.num_samples, sampling.temperature] += len(prompts)
        return generate(engine, prompts, sampling, rule)

    monkeypatch.setattr(TransformersEngine, "generate", counting)
    example.main()
    assert "report.html" in capsys.readouterr().out

    results = load_results(output / "results.json")
    splits = ("in_distribution", "llmbar", "hhh_alignment")
    assert [(row.method, row.split) for row in results.rows] == [
        (method, split) for method in example.FOLDERS for split in splits
    ]
    assert all(row.agreement.num_pairs == 4 for row in results.rows)
    assert (output / "report.html").exists()

    # The traces were sampled once, and both recipes trained on what came of them.
    counts = {
        method: json.loads((output / method / "round-1" / "traces.json").read_text("utf-8"))
        for method in ("star-sft", "star-dpo")
    }
    assert counts["star-sft"] == counts["star-dpo"]
    assert counts["star-sft"]["traces"] == 16 * 2 * 4
    assert asked[4, 1.0] == 16 * 2

    rows = read_rows(output / "warm-up" / "rows.jsonl.gz", SupervisedRow)
    assert rows
    assert all(row.completion.endswith(("\n[[A]]", "\n[[B]]")) for row in rows)
    trained = {one.id for one in read_preferences(output / "data" / "train.jsonl.gz").preferences}
    assert not trained & {row.preference_id for row in rows}

    before = (output / "results.json").read_bytes()
    example.main()
    assert (output / "results.json").read_bytes() == before


def test_pairs_are_drawn_apart_and_counted(folder, tmp_path):
    config = example.RealPreferencesConfig(
        data=folder,
        output=tmp_path / "run",
        max_chars=500,
        num_train=80,
        num_warm_up=16,
        num_in_distribution=4,
        num_shifted=10,
    )
    pairs = example.select(config)
    ids = Counter(one.id for part in (pairs.train, pairs.warm_up) for one in part)
    assert max(ids.values()) == 1
    assert len(pairs.train) == 80
    assert {len(test) for test in pairs.tests.values()} == {4, 10}
    assert pairs.counts["hh_rlhf"]["read"] == 60
    assert pairs.counts["hh_rlhf"]["with a test prompt"] == 2
    prompts = {one.prompt for test in pairs.tests.values() for one in test}
    assert not prompts & {one.prompt for one in (*pairs.train, *pairs.warm_up)}


def test_too_few_short_pairs_are_refused_with_a_way_out(folder, tmp_path):
    config = example.RealPreferencesConfig(
        data=folder, output=tmp_path, max_chars=500, num_in_distribution=4, num_shifted=11
    )
    with pytest.raises(DataError, match=r"at least 11 pairs, found 10; .*--max-chars"):
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
