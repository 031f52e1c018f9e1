"""Files beside the data, damaged: each reader says so with the file's name, and accepts none."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from jurist.data import read_candidates, read_pools, read_questions
from jurist.data.prompts import iterate_prompts
from jurist.errors import ConfigError, JuristError
from jurist.rationales.rows import SupervisedRow, read_rows
from jurist.recipes.checkpoints import read_card
from jurist.recipes.evaluate import EvaluateConfig
from jurist.recipes.faithfulness import read_rereadings
from jurist.recipes.guidelines import (
    read_aspects,
    read_principles,
    read_prometheus,
    read_references,
)
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.judge_identity import judge_note
from jurist.recipes.judged_parts import spent_on
from jurist.recipes.jury import read_reliability
from jurist.recipes.readings import read_readings, readings_pairs
from jurist.recipes.responses import responses_counted
from jurist.recipes.run import from_json, read_run_config, seconds_spent, to_json
from jurist.reports import load_results
from jurist.types import Preference, user

BAD: dict[str, bytes] = {
    "null": b"null",
    "a list of nothing": b"[[]]",
    "a list": b"[1, 2]",
    "a number": b"1",
    "a text": b'"text"',
    "cut": b'{"prompt": "p", "text": "x',
    "not JSON": b"prompt = p",
    "NaN": b'{"prompt": NaN}',
    "infinite": b'{"seed": -Infinity}',
    "a key twice": b'{"prompt": "p", "prompt": "q"}',
    "a key twice inside": b'{"config": {"seed": 1, "seed": 2}, "recipe": "star"}',
    "half a pair": b'{"prompt": "\\ud800"}',
    "lists without end": b"[" * 100_000,
    "objects without end": b'{"a":' * 100_000,
    "deep": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "5,000 digits": b'{"seed": ' + b"1" * 5_000 + b"}",
    "Latin-1": b'{"prompt": "caf\xe9"}',
    "UTF-16": '{"prompt": "p"}'.encode("utf-16"),
    "NUL": b"\0" * 100,
    "two values": b"{} {}",
    "gzip": gzip.compress(b"{"),
    "half of gzip": gzip.compress(b"{}" * 100)[:20],
    "Parquet": b"PAR1" + bytes(20) + b"PAR1",
}

PREFERENCE = Preference(id="x", prompt=user("p"), chosen="c", rejected="r", source="s", group="g")
LEVELS = ("no", "hardly", "fairly", "rather", "very")


class Reader(NamedTuple):
    name: str
    """What its file is called."""

    read: Callable[[Path], object]
    zipped: bool = False
    """Whether the file is a gzip file whatever it is called."""


READERS: dict[str, Reader] = {
    "pools": Reader("a.jsonl", read_pools),
    "prompts": Reader("a.jsonl", lambda path: list(iterate_prompts(path))),
    "candidates": Reader("a.jsonl", lambda path: read_candidates([path])),
    "questions": Reader("a.jsonl", lambda path: read_questions([path])),
    "principles": Reader("a.jsonl", lambda path: read_principles(str(path))),
    "aspects": Reader("a.jsonl", lambda path: read_aspects(str(path))),
    "references": Reader("a.jsonl", lambda path: read_references(str(path))),
    "rubric": Reader("a.json", lambda path: read_prometheus(str(path), "", seed=0)),
    "config of a run": Reader("config.json", read_run_config),
    "card of a checkpoint": Reader("jurist.json", lambda path: read_card(str(path.parent))),
    "note of a judge": Reader("judge.json", lambda path: judge_note(path.parent)),
    "counts of responses": Reader("responses.json", lambda path: responses_counted(path.parent)),
    "timings": Reader("timings.json", lambda path: seconds_spent(path.parent, "judge")),
    "results": Reader("results.json", load_results),
    "reliabilities": Reader("jury.json", lambda path: read_reliability(path, ["a", "b"])),
    "cost of a set": Reader(
        "judgements/pairs.json", lambda path: spent_on(path.parent.parent, "pairs", total=1)
    ),
    "re-readings": Reader(
        "rereadings/test.jsonl", lambda path: read_rereadings(path.parent.parent, "test")
    ),
    "rows": Reader("rows.jsonl.gz", lambda path: read_rows(path, SupervisedRow), zipped=True),
    "readings": Reader("a.jsonl.gz", lambda path: read_readings(path, [PREFERENCE]), zipped=True),
    "ids of readings": Reader("a.jsonl.gz", readings_pairs, zipped=True),
}


@pytest.mark.fault(8, "corpus")
@pytest.mark.parametrize("kind", READERS)
def test_no_damaged_file_is_taken_for_a_whole_one(kind: str, tmp_path: Path, figure: Callable):
    reader = READERS[kind]
    path = tmp_path / reader.name
    path.parent.mkdir(exist_ok=True)
    for name, content in BAD.items():
        for whole in (content, gzip.compress(content)) if reader.zipped else (content,):
            path.write_bytes(whole)
            try:
                found = reader.read(path)
            except JuristError as error:
                assert str(path) in str(error) and error.exit_code in (2, 3, 5), (name, error)
            else:
                raise AssertionError(f"{kind}: {name} was read as {found!r:.80}")
            figure("malformed_inputs", 1)


@pytest.mark.fault(8, "corpus")
@pytest.mark.parametrize("kind", [kind for kind, reader in READERS.items() if not reader.zipped])
def test_what_is_no_file_is_not_read(kind: str, tmp_path: Path):
    reader = READERS[kind]
    path = tmp_path / reader.name
    path.parent.mkdir(exist_ok=True)
    for make in (os.mkfifo, Path.mkdir, lambda one: one.symlink_to("/dev/zero")):
        make(path)
        with pytest.raises(JuristError) as caught:
            reader.read(path)
        assert str(path) in str(caught.value)
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allow_overlap", 1),
        ("explorer_megabytes", "7"),
        ("explorer_megabytes", 7.0),
        ("explorer_megabytes", True),
        ("max_failure_rate", "0.1"),
        ("layout", 3),
        ("layout", None),
        ("output", ["x"]),
        ("test", "pairs.jsonl"),
        ("track", ["nonsense"]),
        ("judge", "model"),
    ],
)
def test_a_setting_of_another_type_is_not_taken_for_one_of_its_own(field: str, value: object):
    settings = to_json(EvaluateConfig(judge=JudgeConfig(model="m"), test=("t",), output=Path("o")))
    assert to_json(from_json(EvaluateConfig, settings)) == settings
    with pytest.raises(ConfigError, match=r"cannot rebuild EvaluateConfig: .*expected"):
        from_json(EvaluateConfig, settings | {field: value})
