"""What the first release wrote is read, and goes on; what a later one wrote is refused by name."""

import json
import shutil
from pathlib import Path

import pytest

import jurist
from jurist.recipes.run import refuse_later
from jurist.worlds import BASE

pytestmark = pytest.mark.timeout(900)
"""Many processes each, one after the other, on a machine that may be busy."""

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"
LABEL = [
    *("label", "--model", "base", "--pairs", "pairs.jsonl", "--output", "labelled"),
    *("--votes", "2", "--max-tokens", "32", "--min-confidence", "0.5", "--seed", "3"),
    *("--layouts", "jurist", "trl"),
]


@pytest.fixture
def work(make_work):
    """The folder that the golden files were made in."""
    work = make_work("golden")
    shutil.copytree(GOLDEN, work.folder, dirs_exist_ok=True)
    shutil.copytree(BASE, work.folder / "base")
    for run in ("labelled", "trained"):
        (work.folder / run / "run.lock").touch()  # left out: it names the machine
    return work


@pytest.mark.fault(25, "run", "labels", "store")
@pytest.mark.skipif(jurist.__version__ != "0.1.0", reason="what a judge is, names its version")
def test_a_labelled_run_of_the_first_release_goes_on(work, bytes_of, rows_of):
    """Its labels are gone, and come again from what is in its store."""
    run = work.folder / "labelled"
    before, rows = bytes_of(run), [row[:6] for row in rows_of(run)]
    for name in ("labelled.jsonl", "labels.json", "judgements/pairs.jsonl.gz"):
        (run / name).unlink()
    done = work.ended(*LABEL)
    assert done.returncode == 0, done.stderr
    assert bytes_of(run) == before
    found = rows_of(run)
    assert [row[:6] for row in found] == rows
    assert all(len(row[6]) == 8 for row in found)


@pytest.mark.fault(25, "labels", "run")
def test_labels_and_a_model_of_the_first_release_are_used(work, assert_whole):
    """The labels as pairs to judge, the trained model as the judge."""
    done = work.ended(
        *("judge", "--model", "trained", "--pairs", "labelled/labelled.jsonl"),
        *("--output", "judged"),
    )
    assert done.returncode == 0, done.stderr
    lines = (work.folder / "judged" / "verdicts.jsonl").read_text().splitlines()
    labels = (GOLDEN / "labelled" / "labelled.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [json.loads(row)["id"] for row in labels]
    assert_whole(work.folder / "judged")


@pytest.mark.fault(25, "run")
def test_a_run_of_a_later_release_is_refused_by_its_version(work, assert_told, bytes_of):
    run = work.folder / "labelled"
    path = run / "environment.json"
    path.write_text(path.read_text().replace('"jurist": "0.1.0"', '"jurist": "0.12.0rc1"'))
    before = bytes_of(run)
    assert_told(work.ended(*LABEL), 2, "a run of jurist 0.12.0rc1, a later version", "upgrade")
    assert bytes_of(run) == before


@pytest.mark.fault(25, "labels")
@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("labelled/config.json", {'"seed"': '"sown"'}, "holds a run with"),
        ("labelled/config.json", {'"recipe": "label"': '"recipe": "tag"'}, "holds a run of tag"),
    ],
)
def test_settings_of_a_later_release_are_named(work, assert_told, name, changes, words):
    path = work.folder / name
    content = path.read_text()
    for was, now in changes.items():
        assert was in content
        content = content.replace(was, now)
    path.write_text(content)
    assert_told(work.ended(*LABEL), 2, words)


@pytest.mark.parametrize(
    ("version", "later"),
    [
        ("0.1.0", False),
        ("0.0.9", False),
        ("0.1.0rc2", False),
        ("0.1.1", True),
        ("0.10.0", True),
        ("1.0", True),
    ],
)
def test_versions_are_compared_as_numbers(tmp_path, monkeypatch, version, later):
    monkeypatch.setattr(jurist, "__version__", "0.1.0")
    (tmp_path / "environment.json").write_text(json.dumps({"jurist": version}))
    if later:
        with pytest.raises(ValueError, match="later version"):
            refuse_later(tmp_path)
    else:
        refuse_later(tmp_path)
