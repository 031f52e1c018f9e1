"""What --train and --test name, and that no prompt is in both."""

import json

import pytest

from jurist.data import split_tenth
from jurist.errors import ConfigError, DataError
from jurist.recipes.sets import DataConfig, named_source, read_sets, read_tests


def rows(start: int, stop: int) -> list[dict[str, str]]:
    return [
        {"prompt": f"What is {i} + {i}?", "chosen": str(2 * i), "rejected": str(2 * i + 1)}
        for i in range(start, stop)
    ]


@pytest.mark.parametrize(
    ("source", "name", "path"),
    [
        ("held=some/file.jsonl", "held", "some/file.jsonl"),
        ("held=a=b.jsonl", "held", "a=b.jsonl"),
        ("some/pairs.jsonl.gz", "pairs", "some/pairs.jsonl.gz"),
        ("some/folder/", "folder", "some/folder/"),
        ("org/data-set", "data-set", "org/data-set"),
        ("hub=org/data-set", "hub", "org/data-set"),
        # A name is a file's, so it neither leads elsewhere nor is empty: these are sources.
        ("../up=pairs.jsonl", "up=pairs", "../up=pairs.jsonl"),
        ("=pairs.jsonl", "=pairs", "=pairs.jsonl"),
    ],
)
def test_a_test_set_has_the_name_given_or_that_of_its_file(source, name, path):
    assert named_source(source) == (name, path)


def test_a_file_that_exists_is_no_name_though_it_has_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named_source("lr=1.jsonl") == ("lr", "1.jsonl")
    (tmp_path / "lr=1.jsonl").touch()
    assert named_source("lr=1.jsonl") == ("lr=1", "lr=1.jsonl")


def test_this_folder_has_a_name_too(tmp_path, monkeypatch):
    (tmp_path / "pairs").mkdir()
    monkeypatch.chdir(tmp_path / "pairs")
    assert named_source(".") == ("pairs", ".")


def test_without_a_test_set_every_tenth_group_is_held_out(tmp_path, write_rows):
    path = write_rows(*rows(0, 200))
    sets = read_sets(DataConfig(train=str(path)), output=tmp_path / "run")
    whole = read_sets(
        DataConfig(train=str(path), test=(f"again={path}",), allow_overlap=True),
        output=tmp_path / "run",
    ).train
    expected = split_tenth(whole, validation=0.0, seed=0)
    assert list(sets.tests) == ["held_out"]
    assert 5 <= len(sets.tests["held_out"]) <= 40
    assert sets.train == expected.train and sets.tests["held_out"] == expected.test
    train, test = ({one.id for one in part} for part in (sets.train, sets.tests["held_out"]))
    assert not train & test and len(train | test) == 200


def test_two_test_sets_of_one_name_are_refused(tmp_path, write_rows):
    first = write_rows(*rows(0, 3), name="pairs.jsonl")
    (tmp_path / "other").mkdir()
    second = write_rows(*rows(3, 6), name="other/pairs.jsonl")
    with pytest.raises(ConfigError, match="called 'pairs'"):
        read_tests((str(first), str(second)), DataConfig(train=""), output=tmp_path)
    named = read_tests((str(first), f"more={second}"), DataConfig(train=""), output=tmp_path)
    assert list(named) == ["pairs", "more"]


def test_a_test_set_called_train_is_refused_beside_a_training_set(tmp_path, write_rows):
    test = write_rows(*rows(0, 3), name="train.jsonl")
    train = write_rows(*rows(3, 6), name="other.jsonl")
    with pytest.raises(ConfigError, match="called 'train'"):
        read_sets(DataConfig(train=str(train), test=(str(test),)), output=tmp_path)
    assert list(read_tests((str(test),), DataConfig(train=""), output=tmp_path)) == ["train"]


def test_a_prompt_in_both_sets_is_refused_unless_allowed(tmp_path, write_rows):
    train = write_rows(*rows(0, 5), name="a.jsonl")
    test = write_rows(*rows(4, 8), name="b.jsonl")
    config = DataConfig(train=str(train), test=(str(test),))
    with pytest.raises(DataError, match="--allow-overlap"):
        read_sets(config, output=tmp_path)
    allowed = DataConfig(train=str(train), test=(str(test),), allow_overlap=True)
    sets = read_sets(allowed, output=tmp_path)
    assert (len(sets.train), len(sets.tests["b"])) == (5, 4)


def test_bad_rows_are_set_aside_by_set(tmp_path, write_rows, caplog):
    bad = {"prompt": "?", "chosen": "", "rejected": "x"}
    train = write_rows(*rows(0, 5), bad, name="a.jsonl")
    test = write_rows(bad, *rows(5, 8), bad, name="b.jsonl")
    config = DataConfig(train=str(train), test=(f"exam={test}",), skip_bad=True)
    with caplog.at_level("WARNING"):
        sets = read_sets(config, output=tmp_path / "run")
    assert (len(sets.train), len(sets.tests["exam"])) == (5, 3)
    rejects = {
        path.name: [json.loads(line)["line"] for line in path.read_text().splitlines()]
        for path in (tmp_path / "run" / "rejects").iterdir()
    }
    assert rejects == {"train.jsonl": [6], "exam.jsonl": [1, 5]}
    assert "2 bad rows set aside" in caplog.text


def test_without_skip_bad_a_bad_row_refuses_the_file(tmp_path, write_rows):
    path = write_rows(*rows(0, 5), {"prompt": "?", "chosen": "", "rejected": "x"})
    with pytest.raises(DataError, match=f"{path}:6"):
        read_sets(DataConfig(train=str(path)), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
